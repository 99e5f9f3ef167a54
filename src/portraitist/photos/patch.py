"""The neighbourhood of one face, cut out of a photo once, so that no measure has to touch twelve megapixels again."""

from dataclasses import dataclass, replace

import numpy as np

from portraitist.faces import Face
from portraitist.faces.mesh import upright_matrix
from portraitist.images import crop, fit, to_pil, transform
from portraitist.types import Box, Landmarks, Picture, Size

_ROOM = 3.0
"""Width of a patch in widths of the face: a face turned by 45 degrees and its surroundings fit in."""

_LARGEST, _ENOUGH = 264.0, 264.0
"""Pixels that a face in a patch is wide at most, and that are enough for every measure: none looks closer."""

_SMALL_COPY = 1280


@dataclass(frozen=True)
class Patch:
    """A square around a face, and the same face in its pixels."""

    picture: Picture
    face: Face


@dataclass(frozen=True)
class Whole:
    """A photo and a copy of it that is `factor` (at most 1) times as large, for all that needs no more."""

    picture: Picture
    small: Picture
    factor: float


def whole_of(picture: Picture) -> Whole:
    """The photo with its small copy: halved, or divided by three …, until its longer side is below 2560 pixels."""
    parts = max(picture.shape[:2]) // _SMALL_COPY
    if parts < 2:
        return Whole(picture, picture, 1.0)
    small = np.array(to_pil(picture).reduce(parts))
    return Whole(picture, small, 1.0 / parts)


def cut_patch(whole: Whole, face: Face) -> Patch:
    """The patch of a face, given in pixels of the photo; faces wider than 264 pixels are shrunk to that.

    It comes from the small copy where the face is large enough there for every measure.
    """
    picture, factor = whole.picture, 1.0
    if face.box.width * whole.factor >= _ENOUGH:
        picture, factor = whole.small, whole.factor
        face = moved(face, 0.0, 0.0, factor)
    side = round(_ROOM * max(face.box.width, face.box.height))
    left, top = round(face.box.centre[0] - side / 2), round(face.box.centre[1] - side / 2)
    part = _square(picture, left, top, max(8, side))
    longest = round(side * min(1.0, _LARGEST / max(1.0, face.box.width)))
    small, factor = fit(part, max(8, longest))
    return Patch(small, moved(face, left, top, factor))


def _square(picture: Picture, left: int, top: int, side: int) -> Picture:
    """A square of the picture; beyond the picture's edge its last pixels repeat."""
    tall, wide = picture.shape[:2]
    rows, columns = slice(max(0, top), max(0, top + side)), slice(max(0, left), max(0, left + side))
    inner = picture[rows, columns]
    if not inner.size:
        return crop(picture, Box(left, top, side, side))
    above, before = max(0, -top), max(0, -left)
    below, behind = max(0, top + side - tall), max(0, left + side - wide)
    return np.pad(inner, ((above, below), (before, behind), (0, 0)), mode="edge")


def moved(face: Face, left: float, top: float, factor: float) -> Face:
    """The face in a picture that begins at (left, top) of the old one and is `factor` times as large."""
    corner = np.array([left, top], dtype=np.float64)
    mesh = np.concatenate([(face.mesh[:, :2] - corner) * factor, face.mesh[:, 2:] * factor], axis=1)
    box = Box(face.box.x - left, face.box.y - top, face.box.width, face.box.height).scaled(factor)
    return replace(face, box=box, points=(face.points - corner) * factor, mesh=mesh, eyes=(face.eyes - corner) * factor)


def upright_view(picture: Picture, face: Face, room: float, side: int) -> tuple[Picture, Landmarks]:
    """The face upright by the eyes in a square of `side`, `room` times its box, and its mesh (468, 2) there."""
    extent = room * max(face.box.width, face.box.height)
    matrix = upright_matrix(face.box.centre, face.eyes[1] - face.eyes[0], extent, side)
    view = transform(picture, matrix, Size(side, side))
    back = np.linalg.inv(matrix[:, :2])
    return view, np.asarray((face.mesh[:, :2] - matrix[:, 2]) @ back.T, dtype=np.float64)
