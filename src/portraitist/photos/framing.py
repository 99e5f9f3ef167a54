"""How a photo is framed for training: which shape, how wide, where the face stands. Geometry only: no pixel, no model.

All boxes are in pixels of one upright picture. `head` follows FaceChain's random crop (`crop_and_resize`: the face
takes 0.35 to 0.45 of the side, its middle stands 0.35 to 0.50 from the top); the wider framings are ours, by the
proportions of a standing figure (7.5 heads; a face's box is about two thirds of a head).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from portraitist.types import Box, Seed, Size, derive_seed

_STEP = 64
"""Sides of computed buckets are multiples of this, as in kohya's trainers."""

_NATIVE = 512
"""Bases below this native side know only the shapes that their TOML lists."""

_SLIMMEST = 0.5
"""The smallest width for a height (and the other way round) of computed buckets."""


@dataclass(frozen=True)
class Framing:
    """Ranges of a crop. `side`: of the square of the crop's area, in sizes of the face's box (its larger side);
    `height`: the middle of the face from the top, as a share of the crop's height; `shape`: width for height of what
    the framing wants to show."""

    name: str
    side: tuple[float, float]
    height: tuple[float, float]
    shape: float

    @property
    def calm(self) -> tuple[float, float]:
        """The side and height in the middle of the ranges."""
        return sum(self.side) / 2, sum(self.height) / 2


FRAMINGS = {
    framing.name: framing
    for framing in (
        Framing("head", (1 / 0.45, 1 / 0.35), (0.35, 0.50), 1.0),
        Framing("half", (4.0, 5.0), (0.20, 0.30), 0.75),
        Framing("full", (9.0, 11.0), (0.10, 0.18), 0.55),
    )
}

_SHOWN_AS = (("close-up", 2.2), ("portrait", 3.8), ("upper_body", 7.0), ("cowboy_shot", 9.0))
"""Up to how many sizes of the face's box a crop is called so; a grown figure is about ten of them tall."""


@dataclass(frozen=True)
class Frame:
    """What a training has to know to cut crops out of a wide picture: its `face` box, the framing, the crops' size."""

    face: Box
    framing: Framing
    size: Size


def buckets(native: Size, listed: Sequence[tuple[int, int]] = ()) -> tuple[Size, ...]:
    """The shapes that a base may be trained in, its native one first.

    `listed` are the further sizes of a base's TOML; without them those of at most the native area whose sides are
    multiples of 64, one width for each height. A base below 512 pixels without a list has its native size alone.
    """
    if listed or min(native.width, native.height) < _NATIVE:
        return tuple(dict.fromkeys((native, *(Size(*size) for size in listed))))
    found = [native]
    for height in range(_STEP, native.area // _STEP + 1, _STEP):
        width = native.area // height // _STEP * _STEP
        if width and _SLIMMEST <= width / height <= 1 / _SLIMMEST and width * height > 0.75 * native.area:
            found.append(Size(width, height))
    return tuple(dict.fromkeys(found))


def choose_bucket(face: Box, whole: Size, framing: Framing, shapes: Sequence[Size]) -> Size:
    """The shape nearest to what the picture (`whole`) shows of what the framing wants to show; the first of equals."""
    seen = _cut_off(_wanted(face, framing, framing.shape), whole)
    wanted = seen.width / seen.height
    return min(shapes, key=lambda size: round(abs(math.log(size.width / size.height / wanted)), 6))


def wide_box(face: Box, whole: Size, framing: Framing, bucket: Size) -> Box:
    """The part of the picture that holds every crop of the framing; inside the picture."""
    shape = bucket.width / bucket.height
    height = framing.side[1] / math.sqrt(shape) * _size(face)
    width = height * shape
    reach = (1 + framing.height[1] - framing.height[0]) * height
    x, y = face.centre
    wanted = Box(x - width / 2, y - framing.height[1] * height, width, reach)
    # what is pushed back from one edge, as the crops will be, may take more on the other side
    return _cut_off(_moved_in(wanted, whole), whole)


def crop_box(frame: Frame, whole: Size, side: float, height: float) -> Box:
    """The crop with this `side` and `height` (see `Framing`): made smaller where the picture is, moved inside it."""
    shape = frame.size.width / frame.size.height
    tall = min(side * _size(frame.face) / math.sqrt(shape), whole.height, whole.width / shape)
    x, y = frame.face.centre
    return _moved_in(Box(x - tall * shape / 2, y - height * tall, tall * shape, tall), whole)


def crop_boxes(frame: Frame, whole: Size, *, count: int, seed: Seed) -> tuple[Box, ...]:
    """`count` crops: the calm one, then random ones within the framing's ranges. Same seed, same crops."""
    boxes = [crop_box(frame, whole, *frame.framing.calm)]
    for number in range(1, count):
        chance = np.random.default_rng(derive_seed(seed, "crop", number))
        share = chance.uniform(1 / frame.framing.side[1], 1 / frame.framing.side[0])
        boxes.append(crop_box(frame, whole, 1 / float(share), float(chance.uniform(*frame.framing.height))))
    return tuple(boxes)


def enlarged(frame: Frame, whole: Size) -> float:
    """How many times the pixels of the picture are enlarged in the calm crop; below 1 they are reduced."""
    return frame.size.width / crop_box(frame, whole, *frame.framing.calm).width


def shown(frame: Frame, whole: Size) -> float:
    """How much of the framing's smallest crop the picture has room for, as a share of its side: 1 = all of it."""
    tall = frame.framing.side[0] * _size(frame.face) / math.sqrt(frame.size.width / frame.size.height)
    return min(1.0, crop_box(frame, whole, frame.framing.side[0], frame.framing.calm[1]).height / tall)


def shown_as(frame: Frame, whole: Size) -> str:
    """Danbooru's word for what the calm crop shows, by its height in sizes of the face: `close-up` … `full_body`."""
    height = crop_box(frame, whole, *frame.framing.calm).height / _size(frame.face)
    return next((tag for tag, end in _SHOWN_AS if height < end), "full_body")


def _wanted(face: Box, framing: Framing, shape: float) -> Box:
    side, share = framing.calm
    height = side / math.sqrt(shape) * _size(face)
    x, y = face.centre
    return Box(x - height * shape / 2, y - share * height, height * shape, height)


def _size(face: Box) -> float:
    return max(face.width, face.height)


def _moved_in(box: Box, whole: Size) -> Box:
    x = min(max(box.x, 0.0), max(0.0, whole.width - box.width))
    y = min(max(box.y, 0.0), max(0.0, whole.height - box.height))
    return Box(x, y, box.width, box.height)


def _cut_off(box: Box, whole: Size) -> Box:
    left, top = min(max(box.x, 0.0), whole.width - 1.0), min(max(box.y, 0.0), whole.height - 1.0)
    right, bottom = min(box.x + box.width, whole.width), min(box.y + box.height, whole.height)
    return Box(left, top, max(1.0, right - left), max(1.0, bottom - top))
