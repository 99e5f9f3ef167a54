"""The captioner `facts`: what was measured of a photo, as tags or as words. Says little and nothing false.

Pose and mouth come from the face's mesh, light from the face's two halves, the background from the parts of the photo
beside the head. Knows no network of its own and no training set; each limit is on the cautious side, for what is left
unsaid costs less than what is said wrongly.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from portraitist.captions.describe import Description
from portraitist.faces import Face
from portraitist.types import Picture

# Limits, in degrees, ratios and grey levels (0 … 255); the angles are those by which mini's own words are defined.
TURNED, NODDED, TILTED = 17.0, 10.0, 8.0
OPEN_MOUTH, WIDE_MOUTH, SIDE_LIGHT, GREY = 0.28, 1.0, 1.35, 4.0
DIM, EVEN, WHITE, BLACK, PALE = 55.0, 9.0, 222.0, 32.0, 18.0
BESIDE_HEAD = 0.06
"""Share of the photo that must lie beside the head before anything is said of the background."""

CLOSE_UP, HALF = 0.38, 0.16
"""The face's height as a share of the photo's: from the first on a close-up, below the second the body is seen too."""

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "solo": "alone", "facing_left": "head turned to the left", "facing_right": "head turned to the right",
        "looking_up": "looking up", "looking_down": "looking down", "head_tilt": "head tilted", "smile": "smiling",
        "open_mouth": "mouth open", "side_light": "lit from one side", "dim_light": "in dim light",
        "monochrome": "in black and white", "simple_background": "in front of a plain background",
        "close-up": "seen close up", "portrait": "seen as a portrait", "upper_body": "seen to the waist",
    }
)  # fmt: skip

_COLOURS = ((0.06, "red"), (0.11, "orange"), (0.2, "yellow"), (0.45, "green"), (0.7, "blue"), (0.88, "purple"))


@dataclass(frozen=True)
class FactsCaptioner:
    """Measured tags; with `words` a sentence of them. `framing` adds how much of the sitter the photo shows, which is
    not true of its crops and so left out of a training set's captions."""

    name: str = "facts"
    words: bool = False
    framing: bool = False

    def describe(self, photo: Picture, crop: Picture, face: Face | None) -> Description:
        """What is measured of the photo; without a face its colours and background."""
        tags = ["solo", *_pose(face), *_mouth(face), *_light(photo, face)] if face is not None else []
        tags += [*_grey(photo), *_background(photo, face)]
        if self.framing and face is not None:
            tags.append(framing_of(photo, face))
        if not self.words:
            return Description(tuple(tags))
        return Description(sentence=", ".join(in_words(tag) for tag in tags if tag != "solo"))


def in_words(tag: str) -> str:
    """`facing_left` → `head turned to the left`."""
    if tag.endswith("_background") and tag not in WORDS:
        return f"in front of a {tag.removesuffix('_background')} background"
    return WORDS.get(tag, tag.replace("_", " "))


def framing_of(photo: Picture, face: Face) -> str:
    """`close-up`, `portrait` or `upper_body`, by the height of the face in the photo."""
    share = face.box.height / photo.shape[0]
    return "close-up" if share >= CLOSE_UP else "portrait" if share >= HALF else "upper_body"


def _pose(face: Face) -> tuple[str, ...]:
    tags = []
    if abs(face.yaw) > TURNED:
        tags.append("facing_right" if face.yaw > 0 else "facing_left")
    if abs(face.pitch) > NODDED:
        tags.append("looking_up" if face.pitch > 0 else "looking_down")
    if abs(face.roll) > TILTED:
        tags.append("head_tilt")
    return tuple(tags)


def _mouth(face: Face) -> tuple[str, ...]:
    """By the inner lips (13, 14) and the corners (61, 291) of the mesh; a wide mouth on a straight head is a smile."""
    upper, lower, left, right = face.mesh[[13, 14, 61, 291], :2]
    width = float(np.linalg.norm(left - right))
    opened = float(np.linalg.norm(upper - lower)) / max(width, 1.0)
    wide = width / max(face.eye_distance, 1.0)
    tags = ["smile"] if wide > WIDE_MOUTH and abs(face.yaw) < 25 else []
    return (*tags, "open_mouth") if opened > OPEN_MOUTH else tuple(tags)


def _light(photo: Picture, face: Face) -> tuple[str, ...]:
    """By the two halves of the face's box: one much brighter than the other, or both dark."""
    rows = slice(max(0, round(face.box.y)), max(1, round(face.box.y + face.box.height)))
    middle = max(1, round(face.box.centre[0]))
    left = photo[rows, max(0, round(face.box.x)) : middle].astype(np.float64)
    right = photo[rows, middle : max(middle + 1, round(face.box.x + face.box.width))].astype(np.float64)
    if left.size == 0 or right.size == 0:
        return ()
    dark, bright = sorted((left.mean() + 1.0, right.mean() + 1.0))
    tags = ["side_light"] if bright / dark > SIDE_LIGHT else []
    return (*tags, "dim_light") if bright < DIM else tuple(tags)


def _grey(photo: Picture) -> tuple[str, ...]:
    colour = float(np.abs(photo.max(axis=2).astype(np.int64) - photo.min(axis=2)).mean())
    return ("monochrome",) if colour < GREY else ()


def _background(photo: Picture, face: Face | None) -> tuple[str, ...]:
    """`simple_background` and its colour, where all that lies beside the head is even."""
    beside = _beside_head(photo, face)
    if len(beside) < max(64.0, BESIDE_HEAD * photo.shape[0] * photo.shape[1]):
        return ()
    if float(beside.std(axis=0).max()) > EVEN:
        return ()
    red, green, blue = (float(value) for value in beside.mean(axis=0))
    return ("simple_background", f"{_colour(red, green, blue)}_background")


def _beside_head(photo: Picture, face: Face | None) -> NDArray[np.float64]:
    """float64 (pixels, 3): from the top down to the chin, further from the face than hair reaches; a pet's photo has no
    such place, so there the frame along the edges is taken."""
    height, width = photo.shape[:2]
    if face is None:
        edge = max(1, round(0.04 * min(height, width)))
        parts = [photo[:edge], photo[-edge:], photo[:, :edge], photo[:, -edge:]]
    else:
        down = max(0, min(height, round(face.box.y + face.box.height)))
        left = max(0, round(face.box.x - 0.7 * face.box.width))
        right = min(width, round(face.box.x + 1.7 * face.box.width))
        parts = [photo[:down, :left], photo[:down, max(0, right) :]]
    return np.concatenate([part.reshape(-1, 3) for part in parts]).astype(np.float64)


def _colour(red: float, green: float, blue: float) -> str:
    spread, mean = max(red, green, blue) - min(red, green, blue), (red + green + blue) / 3
    if mean > WHITE and spread < PALE:
        return "white"
    if mean < BLACK:
        return "black"
    if spread < PALE:
        return "grey"
    hue = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)[0]
    return next((name for end, name in _COLOURS if hue < end), "red")
