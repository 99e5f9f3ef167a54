"""Sets a portrait upright and frames it: a tilted head is turned back with its picture, and the crop follows it.

Turns the picture as a whole; a head that looks aside is not turned, for that would be another picture.
"""

from __future__ import annotations

import math

import numpy as np

from portraitist.faces import Face
from portraitist.images import crop, size_of, transform
from portraitist.types import Box, Picture, Size

MAX_ROLL = 45.0
_LEAST = 0.5
"""Degrees below which nobody sees a tilt."""

_EYE_LINE = 0.42
"""Where the eyes lie in a framed portrait, in its heights from above."""


def upright(picture: Picture, face: Face, strength: float) -> Picture:
    """Turn by `strength` times the tilt of the eyes, and cut to the largest part without empty corners.

    Same proportions as before, fewer pixels. A tilt above MAX_ROLL or below half a degree is left.
    """
    across = face.eyes[1] - face.eyes[0]
    roll = math.degrees(math.atan2(across[1], across[0]))
    if not _LEAST <= abs(roll) <= MAX_ROLL:
        return picture
    angle = math.radians(roll * strength)
    whole = size_of(picture)
    cos, sin = math.cos(angle), math.sin(angle)
    wide, tall = abs(cos) * whole.width + abs(sin) * whole.height, abs(sin) * whole.width + abs(cos) * whole.height
    factor = min(whole.width / wide, whole.height / tall)
    size = Size(max(1, int(whole.width * factor)), max(1, int(whole.height * factor)))
    middle = np.array([whole.width, whole.height]) / 2
    turn = np.array([[cos, -sin], [sin, cos]])
    start = middle - turn @ (np.array([size.width, size.height]) / 2)
    return transform(picture, np.column_stack([turn, start]), size)


def framed(picture: Picture, face: Face, aspect: float, head: float) -> Picture:
    """Cut to `aspect` (width / height) around the face, which is `head` of the height, the eyes at a portrait's line.

    What would reach over the edge is moved inside or made smaller: nothing is invented.
    """
    whole = size_of(picture)
    tall = min(float(np.ptp(face.mesh[:, 1])) / head, whole.height, whole.width / aspect)
    wide = tall * aspect
    x = float(np.clip(face.eyes[:, 0].mean() - wide / 2, 0, whole.width - wide))
    y = float(np.clip(face.eyes[:, 1].mean() - _EYE_LINE * tall, 0, whole.height - tall))
    return crop(picture, Box(x, y, wide, tall))
