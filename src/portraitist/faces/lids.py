"""How far the eyes of a face are open, by the lids that an eye network draws.

Network: Ablavatski et al. 2020, "Real-time Pupil Tracking from Monocular Video for Digital Puppetry", as published in
MediaPipe (Apache-2.0). FaceMesh's own lids hardly move where a lid falls; this network sees one eye at a time, large.
"""

from pathlib import Path

import numpy as np

from portraitist.faces.mesh import upright_matrix
from portraitist.faces.tflite import Network
from portraitist.images import crop, transform
from portraitist.types import Box, Landmarks, Picture, Size

_SIDE = 64
_ROOM = 2.0
"""Width of the view in widths of the eye. MediaPipe takes 2.3; with 2.0 laughing eyes stay farther from closed ones."""

_REACH = 0.75
"""Half the side of what is cut out first, in widths of the view: its corners stay inside however the eye is turned."""

_LEFT, _RIGHT = (33, 133), (362, 263)  # corners, left one of the picture first
_CORNERS = (0, 8)
_LOWER, _UPPER = slice(1, 8), slice(9, 16)
"""The network's first sixteen points: a corner, the lower lid, the other corner, the upper lid from the first one."""


class Lids:
    """The loaded network."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.network = Network(path, threads)

    def opening(self, picture: Picture, mesh: Landmarks) -> float:
        """The mean height of both eyes in widths of the eye, for a face with this FaceMesh (468, 3).

        Photos of open eyes reach 0.25 to 0.40; laughing ones may fall to 0.25, closed ones below 0.2.
        """
        return (self._eye(picture, mesh, _LEFT) + self._eye(picture, mesh, _RIGHT)) / 2

    def _eye(self, picture: Picture, mesh: Landmarks, corners: tuple[int, int]) -> float:
        """One eye; the network knows the one on the picture's left, so the other is shown to it mirrored."""
        left, right = mesh[list(corners), :2]
        extent = max(2.0, _ROOM * float(np.linalg.norm(right - left)))
        start = np.round((left + right) / 2 - _REACH * extent)
        around = crop(picture, Box(float(start[0]), float(start[1]), 2 * _REACH * extent, 2 * _REACH * extent))
        centre = (left + right) / 2 - start
        matrix = upright_matrix((float(centre[0]), float(centre[1])), right - left, extent, _SIDE)
        view = transform(around, matrix, Size(_SIDE, _SIDE))
        if corners == _RIGHT:
            view = view[:, ::-1]
        outputs = self.network(view.astype(np.float32)[None] / 255.0)
        points = max(outputs, key=lambda value: value.size).reshape(-1, 3)[:, :2].astype(np.float64)
        width = max(float(np.linalg.norm(points[_CORNERS[1]] - points[_CORNERS[0]])), 1.0)
        return max(0.0, float((points[_LOWER, 1] - points[_UPPER, 1]).max())) / width
