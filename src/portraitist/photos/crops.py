"""Crops for training: upright by the eyes, of one size, framed at random around the face. Seeded, no models."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portraitist.faces import Face
from portraitist.faces.mesh import upright_matrix
from portraitist.images import size_of, transform
from portraitist.types import Picture, Seed, Size, derive_seed

_LEVEL = 8.0
"""Degrees of roll that are left as they are: turning costs sharpness and corners."""

_ROOMS = (1.7, 2.6)
"""The crop's shorter side in widths of the face's box: from a close portrait to head and shoulders."""

_SHIFT = 0.12
"""How far the face's place may move, as a share of the crop's shorter side."""

_HEIGHT = 0.47
"""Where the face's middle stands in a crop, as a share of its height from above."""


@dataclass(frozen=True)
class Crop:
    """A crop: the picture of the wanted size, and the (2, 3) matrix from its pixels to the photo's."""

    picture: Picture
    matrix: NDArray[np.float64]


def face_crop(picture: Picture, face: Face, size: Size, *, room: float = 2.3) -> Crop:
    """The one calm crop of a photo: upright, the face in its usual place, `room` box widths across."""
    return _cut(picture, face, size, room, (0.0, 0.0))


def random_crops(picture: Picture, face: Face, size: Size, *, count: int, seed: Seed) -> tuple[Crop, ...]:
    """`count` crops of `size`: the first is `face_crop`'s, the others vary room and place; same seed, same crops."""
    crops = [face_crop(picture, face, size)]
    for number in range(1, count):
        random = np.random.default_rng(derive_seed(seed, "crop", number))
        room = float(np.exp(random.uniform(*np.log(_ROOMS))))
        shift = random.uniform(-_SHIFT, _SHIFT, 2)
        crops.append(_cut(picture, face, size, room, (float(shift[0]), float(shift[1]))))
    return tuple(crops[:count])


def _cut(picture: Picture, face: Face, size: Size, room: float, shift: tuple[float, float]) -> Crop:
    turn = _turn(face)
    short = room * max(face.box.width, face.box.height)
    scale = short / min(size.width, size.height)
    scale = min(scale, _largest_scale(picture, size, turn))
    view = np.array([size.width, size.height], dtype=np.float64)
    anchor = view * np.array([0.5, _HEIGHT]) + np.array(shift) * view.min()
    matrix = np.concatenate([turn * scale, np.zeros((2, 1))], axis=1)
    matrix[:, 2] = np.array(face.box.centre) - matrix[:, :2] @ anchor
    matrix[:, 2] += _into(picture, matrix, size)
    return Crop(transform(picture, matrix, size), matrix)


def _turn(face: Face) -> NDArray[np.float64]:
    along = face.eyes[1] - face.eyes[0] if abs(face.roll) > _LEVEL else np.array([1.0, 0.0])
    return upright_matrix((0.0, 0.0), along, 1.0, 1)[:, :2]


def _largest_scale(picture: Picture, size: Size, turn: NDArray[np.float64]) -> float:
    """Photo pixels per crop pixel at which the turned crop just fits into the photo."""
    reach = np.abs(turn) @ np.array([size.width, size.height])
    whole = size_of(picture)
    return float(min(whole.width / reach[0], whole.height / reach[1]))


def _into(picture: Picture, matrix: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """The shift that brings a crop back inside the photo, where it fits."""
    corners = np.array([[0, 0, 1], [size.width, 0, 1], [0, size.height, 1], [size.width, size.height, 1]]).T
    reach = matrix @ corners
    end = np.array([picture.shape[1], picture.shape[0]], dtype=np.float64)
    shift: NDArray[np.float64] = np.maximum(0.0, -reach.min(axis=1)) - np.maximum(0.0, reach.max(axis=1) - end)
    return shift
