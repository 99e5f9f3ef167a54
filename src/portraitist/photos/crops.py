"""Crops for training: upright by the eyes, framed around the face, and the wide picture that holds them. No models."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from portraitist.faces import Face
from portraitist.faces.mesh import upright_matrix
from portraitist.images import crop, resize, size_of, transform
from portraitist.photos.framing import Frame, Framing, choose_bucket, crop_box, enlarged, shown, wide_box
from portraitist.types import Box, Landmarks, Mask, Picture, Seed, Size, derive_seed

_LEVEL = 8.0
"""Degrees of roll that are left as they are: turning costs sharpness and corners."""

_LEAST, _GROWTH = (1.2, 1.1, 1.2, 1.2), 0.05
"""How far the upright part of a turned photo reaches at least from the face's middle to the left, up, right and down,
and by how much it grows, in sizes of the face."""

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

    def face(self, face: Face) -> Face:
        """A face of the photo as it lies in the crop; its angles are still the photo's."""
        scale = 1.0 / float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))
        x, y = self._points(np.array([face.box.centre]))[0]
        width, height = face.box.width * scale, face.box.height * scale
        return replace(
            face,
            box=Box(float(x) - width / 2, float(y) - height / 2, width, height),
            points=self._points(face.points),
            mesh=np.concatenate([self._points(face.mesh), face.mesh[:, 2:] * scale], axis=1),
            eyes=self._points(face.eyes),
        )

    def _points(self, points: Landmarks) -> NDArray[np.float64]:
        back: NDArray[np.float64] = np.linalg.inv(self.matrix[:, :2]) @ (points[:, :2].T - self.matrix[:, 2:])
        return back.T

    def inside(self, photo: Size) -> Mask:
        """uint8 (height, width): 255 where the crop shows the photo, 0 where it reaches over its edge."""
        rows, columns = np.mgrid[0 : self.picture.shape[0], 0 : self.picture.shape[1]] + 0.5
        x, y = (part[0] * columns + part[1] * rows + part[2] for part in self.matrix)
        within = (x > -0.5) & (y > -0.5) & (x < photo.width + 0.5) & (y < photo.height + 0.5)
        return np.where(within, 255, 0).astype(np.uint8)


@dataclass(frozen=True)
class WidePicture(Crop):
    """The part of a photo that holds all crops of a framing, upright: a training cuts them as `frame` says.

    `enlarged` says how many times the photo's pixels are enlarged in the calm crop (Lanczos; below 1: reduced), `shown`
    how much of what the framing asks for the photo has, 0 … 1.
    """

    frame: Frame
    enlarged: float
    shown: float

    @property
    def calm(self) -> Picture:
        """The crop in the middle of the framing's ranges."""
        box = crop_box(self.frame, size_of(self.picture), *self.frame.framing.calm)
        return resize(crop(self.picture, box), self.frame.size)

    def showing(self, picture: Picture) -> "WidePicture":
        """The same with other pixels."""
        return replace(self, picture=picture)


def wide_picture(picture: Picture, face: Face, framing: Framing, shapes: Sequence[Size]) -> WidePicture:
    """Cut a photo for a framing, in the best of the `shapes`; where a turned photo ends, its edge repeats.

    It has as many pixels as its tightest crop needs, and never more than the photo.
    """
    turn = _turn(face)
    upright, start = _turned_part(picture, face, turn, framing)
    box = _turned_box(face.box, turn, start)
    size = choose_bucket(box, upright, framing, shapes)
    part = _whole_pixels(wide_box(box, upright, framing, size))
    frame = Frame(box, framing, size)
    scale = max(1.0, crop_box(frame, upright, framing.side[0], framing.calm[1]).width / size.width)
    whole = Size(max(1, round(part.width / scale)), max(1, round(part.height / scale)))
    across, down = part.width / whole.width, part.height / whole.height
    corner = turn @ (start + np.array([part.x, part.y]))
    matrix = np.concatenate([turn @ np.diag([across, down]), corner[:, None]], axis=1)
    inner = Box((box.x - part.x) / across, (box.y - part.y) / down, box.width / across, box.height / down)
    pixels = transform(picture, matrix, whole) if _is_turned(face) else _plain(picture, part, whole)
    told = enlarged(frame, upright), shown(frame, upright)
    return WidePicture(pixels, matrix, Frame(inner, framing, size), *told)


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


def _whole_pixels(box: Box) -> Box:
    x, y = round(box.x), round(box.y)
    return Box(x, y, max(1, round(box.x + box.width) - x), max(1, round(box.y + box.height) - y))


def _plain(picture: Picture, part: Box, size: Size) -> Picture:
    return resize(crop(picture, part), size)


def _turned_part(
    picture: Picture, face: Face, turn: NDArray[np.float64], framing: Framing
) -> tuple[Size, NDArray[np.float64]]:
    """The upright part of a photo that crops come from: its size, and its upper left corner in turned pixels.

    All of a photo that is not turned. Of a turned one a rectangle around the face, grown side by side as far as the
    framing reaches and the photo goes; where the face stands near a corner it reaches over the edge.
    """
    whole = size_of(picture)
    if not _is_turned(face):
        return whole, np.zeros(2)
    unit = max(face.box.width, face.box.height)
    middle = turn.T @ np.array(face.box.centre)
    reach = np.array(_LEAST)
    wanted = framing.side[1] * np.array([0.75, 1.2 * framing.height[1], 0.75, 1.2])
    growing = [0, 1, 2, 3]
    while growing:
        for side in tuple(growing):
            grown = reach + _GROWTH * (np.arange(4) == side)
            if grown[side] > wanted[side] or not _holds(whole, turn, middle, grown * unit):
                growing.remove(side)
            else:
                reach = grown
    size = Size(round((reach[0] + reach[2]) * unit), round((reach[1] + reach[3]) * unit))
    return size, middle - reach[:2] * unit


def _holds(whole: Size, turn: NDArray[np.float64], middle: NDArray[np.float64], reach: NDArray[np.float64]) -> bool:
    """Whether a rectangle that reaches so far from `middle` lies in the photo when it is turned back."""
    left, up, right, down = reach
    corners = turn @ (middle[:, None] + np.array([[-left, -left, right, right], [-up, down, -up, down]]))
    end = np.array([[whole.width], [whole.height]])
    return bool(np.all((corners >= 0) & (corners <= end)))


def _turned_box(box: Box, turn: NDArray[np.float64], start: NDArray[np.float64]) -> Box:
    x, y = turn.T @ np.array(box.centre) - start
    return Box(float(x) - box.width / 2, float(y) - box.height / 2, box.width, box.height)


def _is_turned(face: Face) -> bool:
    return abs(face.roll) > _LEVEL


def _turn(face: Face) -> NDArray[np.float64]:
    along = face.eyes[1] - face.eyes[0] if _is_turned(face) else np.array([1.0, 0.0])
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
