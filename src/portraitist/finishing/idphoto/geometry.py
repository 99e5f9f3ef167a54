"""Where the cut of an ID photo lies: a few points of a head and a format in, an affine map and millimetres out.

Pure numbers; knows no pixels and finds no face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portraitist.finishing.idphoto.formats import IdFormat, Range
from portraitist.types import Landmarks, Mask

_CHIN, _SIDES = 152, (234, 454)
_SKULL = 2.0
"""The eyes of adults lie halfway up the head, as drawing schools teach. Small children's lie lower."""

_HAIR_MASK = 128
_BREATH = 1.0
"""Millimetres that even hair which no rule speaks of keeps from the upper edge, where that costs no rule."""

_UNDER_CHIN = 0.12
"""Of the photo's height: what has to be seen of neck and shoulders, whether the photo shows them or not."""

_STEPS, _FINE = 41, 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """A head in pixels of its picture: (2,) points, x to the right and y down.

    `hair` is the top of the hair, `skull` that of the head beneath; both lie straight above the chin by the line of the
    eyes. `width` is that of the face without hair, `below` how far the picture shows the person under the chin.
    """

    chin: NDArray[np.float64]
    left_eye: NDArray[np.float64]
    right_eye: NDArray[np.float64]
    hair: NDArray[np.float64]
    skull: NDArray[np.float64]
    width: float
    below: float = float("inf")


@dataclass(frozen=True)
class Measured:
    """Millimetres on paper of a head within its photo; `head` by the format's `top`, `hair` to the top of the hair."""

    head: float
    hair: float
    eyes: float
    above: float
    face_width: float


@dataclass(frozen=True)
class Cut:
    """`matrix` (2, 3) takes pixels of the ID photo to those of the picture.

    `scale` is how many of the picture's pixels one of the photo's takes (below 1 it is enlarged), `roll` by how many
    degrees the head was tilted clockwise, `measured` what will be on paper.
    """

    matrix: NDArray[np.float64]
    scale: float
    roll: float
    measured: Measured


def head_of(mesh: Landmarks, eyes: NDArray[np.float64], hair: Mask | None, below: float = float("inf")) -> Head:
    """The head with this FaceMesh (468, 2 or 3) and eyes (2, 2); `hair` is the mask of head and hair in the picture.

    The skull's top is put as far above the eyes as the chin is below, but not above the hair. Without a mask the hair
    is taken to end there.
    """
    chin, middle = mesh[_CHIN, :2], eyes.mean(axis=0)
    up = _up(eyes)
    skull = _SKULL * float((middle - chin) @ up)
    top = skull
    if hair is not None and bool((hair >= _HAIR_MASK).any()):
        rows, columns = np.nonzero(hair >= _HAIR_MASK)
        heights = (columns - chin[0]) * up[0] + (rows - chin[1]) * up[1]
        top = float(heights.max()) + 0.5
    width = float(np.linalg.norm(mesh[_SIDES[1], :2] - mesh[_SIDES[0], :2]))
    return Head(chin, eyes[0], eyes[1], chin + up * top, chin + up * min(skull, top), width, below)


def place(head: Head, wanted: IdFormat) -> Cut:
    """The cut that meets the format's rules, or comes nearest; the head's size lies mid-range where it can.

    All scales and places are weighed: a millimetre outside of a rule counts about a hundred times one away from the
    middle of it, and one that the photo does not show under the shoulders half of that.
    """
    up = _up(np.stack([head.left_eye, head.right_eye]))
    lengths = _lengths(head, wanted, up)
    sizes = wanted.head_mm or wanted.face_width_mm
    assert sizes is not None  # the format's own check
    of_size = lengths.head if wanted.head_mm else lengths.face_width
    height = wanted.size_mm[1]
    scales = np.linspace(sizes[0], sizes[1], _STEPS)[:, None] / of_size  # millimetres a pixel
    aboves = np.arange(0.0, max(height - lengths.hair * float(scales.min()), _FINE), _FINE)[None, :]
    costs = _costs(lengths, scales, aboves, wanted, head.below)
    row, column = np.unravel_index(int(costs.argmin()), costs.shape)
    scale = float(scales[row, 0])
    return _cut(head, wanted, up, scale, _measured(lengths, scale, float(aboves[0, column]), height))


def measure(head: Head, wanted: IdFormat) -> Measured:
    """What is on paper when the picture of this head is printed whole as `wanted`; the head is upright in it."""
    mm = 1.0 / wanted.pixels_per_mm
    top = head.hair if wanted.top == "hair" else head.skull
    eyes = (head.left_eye + head.right_eye) / 2
    return Measured(
        head=float(head.chin[1] - top[1]) * mm,
        hair=float(head.chin[1] - head.hair[1]) * mm,
        eyes=float(wanted.size.height - eyes[1]) * mm,
        above=float(head.hair[1]) * mm,
        face_width=head.width * mm,
    )


def rules(wanted: IdFormat) -> Sequence[tuple[str, Range]]:
    """The format's rules as names of `Measured` with their ranges."""
    named = (
        ("head", wanted.head_mm), ("eyes", wanted.eyes_mm), ("above", wanted.above_mm),
        ("face_width", wanted.face_width_mm),
    )  # fmt: skip
    return [(name, limits) for name, limits in named if limits is not None]


def outside(value: float, limits: Range) -> float:
    """How far a value lies outside of a range; 0 within it."""
    return max(0.0, limits[0] - value, value - limits[1])


def _up(eyes: NDArray[np.float64]) -> NDArray[np.float64]:
    along = eyes[1] - eyes[0]
    along = along / max(float(np.hypot(*along)), 1e-9)
    return np.array([along[1], -along[0]])


def _lengths(head: Head, wanted: IdFormat, up: NDArray[np.float64]) -> Measured:
    """The head in pixels: `eyes` are those above the chin, `above` means nothing yet."""
    top = head.hair if wanted.top == "hair" else head.skull
    eyes = (head.left_eye + head.right_eye) / 2
    tall = float((top - head.chin) @ up)
    return Measured(tall, float((head.hair - head.chin) @ up), float((eyes - head.chin) @ up), 0.0, head.width)


def _measured(lengths: Measured, scale: float, above: float, height: float) -> Measured:
    chin = height - above - lengths.hair * scale
    return Measured(
        lengths.head * scale, lengths.hair * scale, chin + lengths.eyes * scale, above, lengths.face_width * scale
    )


def _costs(lengths: Measured, scales: Floats, aboves: Floats, wanted: IdFormat, below: float) -> Floats:
    """(scales, places): how far each cut is from what is wanted; see `place`."""
    height = wanted.size_mm[1]
    tall = lengths.hair * scales
    values = {
        "head": lengths.head * scales + 0 * aboves,
        "face_width": lengths.face_width * scales + 0 * aboves,
        "above": aboves + 0 * scales,
        "eyes": height - aboves - tall + lengths.eyes * scales,
    }
    costs = 50.0 * np.maximum(0.0, height - aboves - tall - below * scales)
    for name, (low, high) in rules(wanted):
        value = values[name]
        costs += 100.0 * np.maximum(0.0, np.maximum(low - value, value - high))
        costs += np.abs(value - (low + high) / 2) / max(high - low, 1.0)
    costs += 100.0 * np.maximum(0.0, _UNDER_CHIN * height - (height - aboves - tall))
    if wanted.above_mm is None and wanted.eyes_mm is None:
        # no rule of place: the middle of the head a little above that of the photo, as on the ICAO's model
        costs += np.abs(aboves - 0.42 * (height - tall)) / height
    if wanted.above_mm is None:
        costs += 10.0 * np.maximum(0.0, _BREATH - aboves)
    return np.asarray(costs, dtype=np.float64)


def _cut(head: Head, wanted: IdFormat, up: NDArray[np.float64], mm: float, measured: Measured) -> Cut:
    """The affine map: the chin's and the eyes' middle in the middle of the width, the chin where `measured` has it."""
    size, per_mm = wanted.size, wanted.pixels_per_mm
    scale = 1.0 / (mm * per_mm)
    along = np.array([-up[1], up[0]])
    eyes = (head.left_eye + head.right_eye) / 2
    sideways = float((eyes - head.chin) @ along) / 2  # between the chin and the eyes, where a face's middle lies
    origin = head.chin + along * sideways
    chin_row = (measured.above + measured.hair) * per_mm
    turn = np.stack([along, -up], axis=1) * scale
    shift = origin - turn @ np.array([size.width / 2, chin_row])
    matrix = np.concatenate([turn, shift[:, None]], axis=1)
    return Cut(matrix, scale, float(np.degrees(np.arctan2(along[1], along[0]))), measured)
