"""Another background: an even colour, the same one blurred, or a picture. The people's mask comes from `faces.masks`.

The edge is `matte`'s: strands of hair in, the old wall's colour out of them.
"""

from __future__ import annotations

import re

import numpy as np

from portraitist.errors import BadRequest
from portraitist.finishing.matte import fine_mask, like, on_colour
from portraitist.images import crop, fit, resize, size_of
from portraitist.types import Box, Mask, Picture, Size

COLOURS = {"white": (255, 255, 255), "blue": (67, 142, 219), "red": (255, 0, 0), "grey": (200, 200, 200)}
"""Of ID photos: blue and red as they are asked for in China."""

_BLUR = 0.03
"""Of the longer side: the blur of full strength."""

_SHRUNK = 8.0
"""Pixels: a wider blur is done on a copy that is shrunk until it is about so wide."""


def colour_of(text: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 … 255, of a name or #rrggbb. Raises BadRequest."""
    if text.lower() in COLOURS:
        return COLOURS[text.lower()]
    if re.fullmatch("#[0-9a-fA-F]{6}", text):
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
    names = ", ".join(COLOURS)
    raise BadRequest(f"{text!r} is no colour of a background.", hint=f"Known are {names}, and any as #rrggbb.")


def on_ground(picture: Picture, people: Mask, ground: Picture) -> Picture:
    """The people of the picture (`people`, 255 on them) before `ground`, a picture of the same size."""
    mask = fine_mask(picture, people)
    share = (mask / np.float32(255.0))[..., None]
    own = on_colour(picture, mask, (0, 0, 0)).astype(np.float32)
    return np.asarray((own + ground * (1.0 - share)).round().clip(0, 255), dtype=np.uint8)


def even(size: Size, colour: tuple[int, int, int]) -> Picture:
    """A picture of one colour."""
    return np.full((size.height, size.width, 3), colour, dtype=np.uint8)


def blurred(picture: Picture, people: Mask, strength: float) -> Picture:
    """The background of a picture out of focus; the people do not bleed into it."""
    import scipy.ndimage

    longer = max(picture.shape[:2])
    sigma = max(0.5, _BLUR * strength * longer)
    small, factor = fit(picture, max(1, longer // max(1, int(sigma / _SHRUNK))))
    sigma *= factor
    away = 1.0 - fine_mask(small, like(people, size_of(small))) / 255.0
    total = scipy.ndimage.gaussian_filter(away, sigma)
    layers = [scipy.ndimage.gaussian_filter(small[..., one] * away, sigma) for one in range(3)]
    wide = scipy.ndimage.gaussian_filter(small.astype(np.float64), (sigma, sigma, 0))
    share = np.clip(total / 0.02, 0.0, 1.0)[..., None]
    made = np.stack(layers, axis=-1) / np.maximum(total, 1e-3)[..., None]
    soft = (made * share + wide * (1.0 - share)).round().clip(0, 255)
    return resize(soft.astype(np.uint8), size_of(picture))


def covering(ground: Picture, size: Size) -> Picture:
    """The middle of a picture, as large as it takes to cover `size`."""
    whole = size_of(ground)
    factor = min(whole.width / size.width, whole.height / size.height)
    wide, tall = size.width * factor, size.height * factor
    return resize(crop(ground, Box((whole.width - wide) / 2, (whole.height - tall) / 2, wide, tall)), size)
