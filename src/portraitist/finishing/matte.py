"""A person before another background: the edge of a mask made fine by the picture, the colours behind hair taken out.

Takes the mask of a person as `faces.masks` finds it; finds no person, and chooses no background.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from portraitist.images import fit, resize, size_of
from portraitist.types import Mask, Picture, Size

Floats = NDArray[np.floating[Any]]

_RADIUS = 0.012
"""Of the longer side: how far the edge of the mask may be off, and how far behind hair colours are gathered."""

_EPSILON = 1e-4
"""Of the guided filter, for colours of 0 … 1: differences below a hundredth are no edges."""

_LARGE = 1536
"""Pixels of the longer side: of larger pictures the soft layers are found on a shrunk copy."""

_SURE_IN, _SURE_OUT = 0.9, 0.2
"""Shares outside of which a pixel is wholly the person's or the background's: else walls leave smoke around hair."""


def fine_mask(picture: Picture, mask: Mask) -> Mask:
    """The mask with its edge along the picture's own: strands of hair in, the wall between them out.

    He, Sun and Tang 2013, "Guided Image Filtering", with the colours as the guide.
    """
    small, factor = fit(picture, _LARGE)
    slope, offset = _line(small / 255.0, like(mask, size_of(small)) / 255.0, _radius(small))
    if factor < 1.0:  # the line bends slowly: it is found small and drawn large (He and Sun 2015, "Fast Guided Filter")
        slope, offset = (_enlarged(layer, picture) for layer in (slope, offset[..., None]))
        offset = offset[..., 0]
    fine = np.einsum("ijk,ijk->ij", slope, picture / np.float32(255.0)) + offset
    fine = np.clip((fine - _SURE_OUT) / (_SURE_IN - _SURE_OUT), 0.0, 1.0)
    return np.asarray((fine * 255.0).round(), dtype=np.uint8)


def _line(guide: Floats, share: Floats, radius: int) -> tuple[Floats, Floats]:
    """Slope (height, width, 3) and offset (height, width) that make the share out of the guide's colours."""
    mean, mean_share = _box(guide, radius), _box(share, radius)
    covariance = _box(guide * share[..., None], radius) - mean * mean_share[..., None]
    spread = _box(guide[..., :, None] * guide[..., None, :], radius) - mean[..., :, None] * mean[..., None, :]
    slope = np.linalg.solve(spread + _EPSILON * np.eye(3), covariance[..., None])[..., 0]
    offset = mean_share - (slope * mean).sum(axis=-1)
    return _box(slope, radius), _box(offset, radius)


def like(mask: Mask, size: Size) -> Mask:
    """A mask at another size."""
    if size == Size(mask.shape[1], mask.shape[0]):
        return mask
    return resize(np.repeat(mask[..., None], 3, axis=-1), size)[..., 0]


def _enlarged(layers: Floats, picture: Picture) -> Floats:
    """Layers (height, width, n) at the size of a picture."""
    size = (picture.shape[1], picture.shape[0])
    parts = [Image.fromarray(layers[..., one].astype(np.float32)) for one in range(layers.shape[2])]
    return np.stack([np.asarray(part.resize(size, Image.Resampling.BILINEAR)) for part in parts], axis=-1)


def on_colour(picture: Picture, mask: Mask, colour: tuple[int, int, int]) -> Picture:
    """What the mask shows of the picture before an even colour (red, green, blue).

    Where both show, the person's own colour is estimated first, or the old wall would shine through the hair: Forte
    2021, "Approximate Fast Foreground Colour Estimation" (blur fusion).
    """
    share = (mask / np.float32(255.0))[..., None]
    ground = np.array(colour, dtype=np.float32)
    own = _own_colours(picture, mask)
    return np.asarray((own * share + ground * (1.0 - share)).round().clip(0, 255), dtype=np.uint8)


def _own_colours(picture: Picture, mask: Mask) -> Floats:
    small, factor = fit(picture, _LARGE)
    front, wall = _layers(small.astype(np.float64), (like(mask, size_of(small)) / 255.0)[..., None], _radius(small))
    if factor < 1.0:
        front, wall = _enlarged(front, picture), _enlarged(wall, picture)
    share = (mask / 255.0)[..., None]
    own = _person(picture.astype(np.float32), share.astype(np.float32), front, wall)
    return np.where(share < 1.0, own, picture)


def _layers(picture: Floats, share: Floats, radius: int) -> tuple[Floats, Floats]:
    """The person's colours and the wall's around each pixel."""
    own, wall = picture, picture
    for reach in (4 * radius, radius):  # first from far away, then near
        front = _box(own * share, reach) / np.maximum(_box(share, reach), 1e-3)
        wall = _box(wall * (1.0 - share), reach) / np.maximum(_box(1.0 - share, reach), 1e-3)
        own = _person(picture, share, front, wall)
    return front, wall


def _person(picture: Floats, share: Floats, front: Floats, wall: Floats) -> Floats:
    return np.asarray((front + share * (picture - share * front - (1.0 - share) * wall)).clip(0.0, 255.0))


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
