"""Mends faces with a learned restorer (GFPGAN, CodeFormer, RestoreFormer): each face aligned, mended, laid back.

Which restorers there are is said in `networks`; without one there is no honest way to mend a face, and none is feigned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from portraitist.faces import Face
from portraitist.finishing.networks import Network
from portraitist.finishing.warp import similarity
from portraitist.images import from_tensor, size_of, to_tensor, transform
from portraitist.types import Picture, Size

SIDE = 512
_FFHQ = np.array([[192.98, 239.95], [318.90, 240.19], [256.63, 314.02], [201.26, 371.41], [313.08, 371.15]])
"""Where eyes, the tip of the nose and the corners of the mouth lie in the 512-pixel crops that restorers learn from
(FFHQ's alignment, as the papers of GFPGAN and CodeFormer use it)."""

_NOSE, _MOUTH = 4, (61, 291)
_FADE = 48.0
"""Pixels of the crop over which a mended face fades out at its border."""


def restore(picture: Picture, faces: Sequence[Face], network: Network) -> Picture:
    """The picture with each face mended; what lies outside of their crops stays to the last bit."""
    for face in faces:
        picture = _mended(picture, face, network)
    return picture


def _mended(picture: Picture, face: Face, network: Network) -> Picture:
    points = np.concatenate([face.eyes, face.mesh[[_NOSE, *_MOUTH], :2]])
    back = similarity(_FFHQ, points)
    view = transform(picture, back, Size(SIDE, SIDE))
    made = from_tensor(network(to_tensor([view]).add(1.0).div(2.0)).mul(2.0).sub(1.0))[0]
    there = similarity(points, _FFHQ)
    laid = transform(made, there, size_of(picture))
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
    x, y = (there[axis, 0] * columns + there[axis, 1] * rows + there[axis, 2] for axis in (0, 1))
    inside = np.minimum(np.minimum(x, SIDE - 1 - x), np.minimum(y, SIDE - 1 - y))
    weight = np.clip(inside / _FADE, 0.0, 1.0)[..., None]
    mixed = (picture + (laid.astype(np.float64) - picture) * weight).round().astype(np.uint8)
    return np.where(weight > 0, mixed, picture)
