"""A person before another background: the edge of a mask made fine by the picture, the colours behind hair taken out.

Takes the mask of a person as `faces.masks` finds it; finds no person, and chooses no background.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from portraitist.types import Mask, Picture

Floats = NDArray[np.floating[Any]]

_RADIUS = 0.012
"""Of the longer side: how far the edge of the mask may be off, and how far behind hair colours are gathered."""

_EPSILON = 1e-4
"""Of the guided filter, for colours of 0 … 1: differences below a hundredth are no edges."""

_SURE_IN, _SURE_OUT = 0.9, 0.2
"""Shares outside of which a pixel is wholly the person's or the background's: else walls leave smoke around hair."""


def fine_mask(picture: Picture, mask: Mask) -> Mask:
    """The mask with its edge along the picture's own: strands of hair in, the wall between them out.

    He, Sun and Tang 2013, "Guided Image Filtering", with the colours as the guide.
    """
    radius = _radius(picture)
    guide, share = picture / 255.0, mask / 255.0
    mean, mean_share = _box(guide, radius), _box(share, radius)
    covariance = _box(guide * share[..., None], radius) - mean * mean_share[..., None]
    spread = _box(guide[..., :, None] * guide[..., None, :], radius) - mean[..., :, None] * mean[..., None, :]
    slope = np.linalg.solve(spread + _EPSILON * np.eye(3), covariance[..., None])[..., 0]
    offset = mean_share - (slope * mean).sum(axis=-1)
    fine = (_box(slope, radius) * guide).sum(axis=-1) + _box(offset, radius)
    fine = np.clip((fine - _SURE_OUT) / (_SURE_IN - _SURE_OUT), 0.0, 1.0)
    return np.asarray((fine * 255.0).round(), dtype=np.uint8)


def on_colour(picture: Picture, mask: Mask, colour: tuple[int, int, int]) -> Picture:
    """What the mask shows of the picture before an even colour (red, green, blue).

    Where both show, the person's own colour is estimated first, or the old wall would shine through the hair: Forte
    2021, "Approximate Fast Foreground Colour Estimation" (blur fusion).
    """
    share = (mask / 255.0)[..., None]
    ground = np.array(colour, dtype=np.float64)
    own = _own_colours(picture.astype(np.float64), share, _radius(picture))
    return np.asarray((own * share + ground * (1.0 - share)).round().clip(0, 255), dtype=np.uint8)


def _own_colours(picture: Floats, share: Floats, radius: int) -> Floats:
    own, wall = picture, picture
    for reach in (4 * radius, radius):  # first from far away, then near
        front = _box(own * share, reach) / np.maximum(_box(share, reach), 1e-3)
        wall = _box(wall * (1.0 - share), reach) / np.maximum(_box(1.0 - share, reach), 1e-3)
        own = (front + share * (picture - share * front - (1.0 - share) * wall)).clip(0.0, 255.0)
    return np.where(share < 1.0, own, picture)


def _radius(picture: Picture) -> int:
    return max(2, int(_RADIUS * max(picture.shape[:2]) + 0.5))


def _box(values: Floats, radius: int) -> Floats:
    """The mean over a square around each pixel, over the first two axes; edges repeat."""
    from scipy.ndimage import uniform_filter1d

    size = 2 * radius + 1
    return np.asarray(
        uniform_filter1d(uniform_filter1d(values, size, axis=0, mode="nearest"), size, axis=1, mode="nearest"),
        dtype=np.float64,
    )
