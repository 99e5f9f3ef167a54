"""FaceMesh: 468 points on a face that was found, and from them the pose of the head.

Network: Kartynnik et al. 2019, "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", as published
in MediaPipe (Apache-2.0); the numbering of the points is that of its canonical face model.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portraitist.faces.face import Pose
from portraitist.faces.tflite import Network
from portraitist.images import transform
from portraitist.types import Box, Landmarks, Picture, Size

_SIDE = 192
_ROOM = 1.5
_LEFT_EYE, _RIGHT_EYE = (33, 133, 159, 145), (362, 263, 386, 374)  # left and right as seen in the picture
_EARS, _MIDLINE = (234, 454), (10, 152)
_PITCH_OF_A_LEVEL_FACE = -8.0
"""Degrees by which foreheads lean back; the same on rendered heads of known pitch and on frontal photos."""


class Mesh:
    """The loaded network."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.network = Network(path, threads)

    def points(
        self, picture: Picture, box: Box, left_eye: NDArray[np.float64], right_eye: NDArray[np.float64]
    ) -> tuple[Landmarks, float]:
        """float64 (468, 3) in pixels of the picture, for a box with these eyes (2,), and how sure it is a face (logit).

        Faces reach 15 to 30, what is none lies near or below 0.
        """
        matrix = upright_matrix(box.centre, right_eye - left_eye, _ROOM * max(box.width, box.height), _SIDE)
        view = transform(picture, matrix, Size(_SIDE, _SIDE))
        outputs = self.network(view.astype(np.float32)[None] / 255.0)
        raw = max(outputs, key=lambda value: value.size).reshape(468, 3).astype(np.float64)
        presence = float(min(outputs, key=lambda value: value.size).reshape(-1)[0])
        flat = np.concatenate([raw[:, :2], np.ones((468, 1))], axis=1) @ matrix.T
        scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        return np.concatenate([flat, raw[:, 2:] * scale], axis=1), presence


def upright_matrix(
    centre: tuple[float, float], along: NDArray[np.float64], extent: float, side: int
) -> NDArray[np.float64]:
    """(2, 3): takes pixels of an upright square view of `side` to pixels of the picture.

    The view's middle is `centre`, its x axis the direction `along` (from eye to eye), its width `extent` pixels.
    """
    length = float(np.hypot(along[0], along[1]))
    cosine, sine = (along[0] / length, along[1] / length) if length > 0 else (1.0, 0.0)
    turn = np.array([[cosine, -sine], [sine, cosine]]) * (extent / side)
    shift = np.array(centre) - turn @ np.array([side / 2, side / 2])
    return np.concatenate([turn, shift[:, None]], axis=1)


def eyes(points: Landmarks) -> NDArray[np.float64]:
    """(2, 2): the middle of the eye on the picture's left, then on its right, of an upright face."""
    return np.stack([points[list(ring), :2].mean(axis=0) for ring in (_LEFT_EYE, _RIGHT_EYE)])


def pose(points: Landmarks) -> Pose:
    """The pose of a head by its mesh (468, 3)."""
    left, right = points[list(_EARS)]
    top, chin = points[list(_MIDLINE)]
    across, up = right - left, top - chin
    line = eyes(points)
    eye_line = line[1] - line[0]
    return Pose(
        yaw=float(np.degrees(np.arctan2(across[2], np.hypot(across[0], across[1])))),
        pitch=float(np.degrees(np.arctan2(up[2], np.hypot(up[0], up[1])))) - _PITCH_OF_A_LEVEL_FACE,
        roll=float(np.degrees(np.arctan2(eye_line[1], eye_line[0]))),
    )


def five_points(points: Landmarks) -> NDArray[np.float64]:
    """(5, 2): both eyes, the nose tip and both corners of the mouth, left first: what recognisers are aligned by."""
    return np.concatenate([eyes(points), points[[1, 61, 291], :2]])
