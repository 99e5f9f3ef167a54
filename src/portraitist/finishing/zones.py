"""Where a face takes what from a photo: soft masks of eyes, skin and lips, and what is no skin (hair, frames, hands).

Knows the numbering of FaceMesh's canonical model and colours in CIELAB; takes nothing over itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from portraitist.finishing.warp import Window

Weights = NDArray[np.float64]
"""float64 (height, width), 0 … 1."""

Lab = NDArray[np.float64]
"""float64 (height, width, 3): lightness 0 … 100, a and b about −100 … 100."""

OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The outline of the face, in order."""

_BROW = {
    10: 151, 338: 337, 297: 299, 332: 333, 284: 298, 251: 301, 21: 71, 54: 68, 103: 104, 67: 69, 109: 108,
}  # fmt: skip
"""In place of the outline's highest points the ones below them: up there are hairlines, fringes and hats."""

_EYES = (
    (70, 63, 105, 66, 107, 55, 193, 245, 233, 232, 231, 230, 229, 228, 31, 226, 46, 53),
    (300, 293, 334, 296, 336, 285, 417, 465, 453, 452, 451, 450, 449, 448, 261, 446, 276, 283),
)
"""Around brow and eye on each side of the picture."""

_FOREHEAD = (
    127, 162, 21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251, 389, 356, 300, 293, 334, 296, 336, 9, 107, 66, 105,
    63, 70,
)  # fmt: skip
"""Between the outline and the upper edges of the brows."""

_BEARD = (
    132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 352, 425, 327, 2, 98, 205, 123,
)  # fmt: skip
"""Where beards grow: from the nose and the ears down."""

_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
"""The outer edge of the lips, in order."""

_SKIN = (50, 101, 118, 117, 205, 36, 280, 330, 347, 346, 425, 266, 151, 9, 108, 337, 199, 200, 4, 5)
"""Cheeks, forehead, chin and nose: where hardly anything covers the skin."""

_EDGE, _SOFT, _GLASSES = 0.42, 0.1, 0.35
"""Eye distances over which the face fades out inwards from its outline, and (halves of) over which one zone becomes the
next; around glasses the eyes' reaches farther."""

_ALIKE, _OTHER = 22.0, 38.0
"""Distances in CIELAB from the skin of the face, lightness counting half: up to the first it is skin, from the second
on something else. Noses throw shadows."""

_ALIKE_ABOVE, _OTHER_ABOVE = 9.0, 18.0
"""The same above the brows, lightness counting fully: there hair and hats are what has to be told."""


@dataclass(frozen=True)
class Zones:
    """Soft masks, which together are 1 in the midst of the face and fade out before its outline."""

    eyes: Weights
    skin: Weights
    lips: Weights


def zones_of(window: Window, glasses: bool = False) -> Zones:
    """The zones of the face in a window; around `glasses` that of the eyes is larger."""
    import scipy.ndimage

    unit = window.eye_distance
    inside = _polygon(window, tuple(_BROW.get(point, point) for point in OVAL))
    deep = scipy.ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] / (_EDGE * unit)
    face = _smooth(np.clip(deep, 0.0, 1.0))
    around = _GLASSES if glasses else _SOFT
    eyes = np.clip(sum(_soft(_polygon(window, ring), around * unit) for ring in _EYES), 0.0, 1.0)
    lips = _soft(_polygon(window, _LIPS), _SOFT * unit) * (1.0 - eyes)
    return Zones(face * eyes, face * (1.0 - eyes - lips), face * lips)


def inside(window: Window) -> NDArray[np.bool_]:
    """Within the outline of the face."""
    return _polygon(window, OVAL)


def lit(bare: Weights, window: Window) -> Weights:
    """What says how a face is lit: all of it but what hair and hats cover above the brows (see `own_skin`)."""
    above = _soft(_polygon(window, _FOREHEAD), 0.02 * window.eye_distance)
    return np.asarray(_polygon(window, OVAL) * (1.0 - above * (1.0 - bare)), dtype=np.float64)


def own_skin(lab: Lab, window: Window, beard: bool = False) -> Weights:
    """Where a view with the window's face shows the face's own skin: 1, and 0 on hair, frames and what else covers it.

    Each place is compared with the median colour of cheeks, nose, chin and lower forehead. Eyes, brows and lips count
    as skin, and all where beards grow with `beard`: half a moustache is worse than none.
    """
    import scipy.ndimage

    unit = window.eye_distance
    blurred = scipy.ndimage.gaussian_filter(lab, (0.03 * unit, 0.03 * unit, 0.0))
    x, y = np.clip(np.round(window.mesh[list(_SKIN)]).astype(int), 0, np.array(lab.shape[1::-1]) - 1).T
    away = blurred - np.median(blurred[y, x], axis=0)
    half, full = (np.linalg.norm(away * np.array([share, 1.0, 1.0]), axis=-1) for share in (0.5, 1.0))
    below = 1.0 - _ramp(half, _ALIKE, _OTHER)
    above = 1.0 - _ramp(full, _ALIKE_ABOVE, _OTHER_ABOVE)
    forehead = _soft(_polygon(window, _FOREHEAD), 0.02 * unit)
    whole = (*_EYES, _LIPS, _BEARD) if beard else (*_EYES, _LIPS)
    core = np.clip(sum(_soft(_polygon(window, ring), 0.02 * unit) for ring in whole), 0.0, 1.0)
    skin = np.where(forehead > 0, forehead * above + (1.0 - forehead) * below, below)
    shrunk = scipy.ndimage.gaussian_filter(scipy.ndimage.minimum_filter(skin, max(1, round(0.05 * unit))), 0.03 * unit)
    return np.asarray(core + (1.0 - core) * shrunk, dtype=np.float64)


def _polygon(window: Window, points: tuple[int, ...]) -> NDArray[np.bool_]:
    image = Image.new("1", (window.size.width, window.size.height))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in window.mesh[list(points)]], fill=1)
    return np.array(image, dtype=np.bool_)


def _soft(mask: NDArray[np.bool_], sigma: float) -> Weights:
    """The mask with a soft edge that lies outside of it: what is in the mask stays whole."""
    import scipy.ndimage

    apart = scipy.ndimage.distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.inf)
    return _smooth(np.clip(1.0 - apart / max(2.0 * sigma, 1e-6), 0.0, 1.0))


def _ramp(values: NDArray[np.float64], start: float, end: float) -> Weights:
    """0 up to `start`, 1 from `end` on."""
    return _smooth(np.clip((values - start) / (end - start), 0.0, 1.0))


def _smooth(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 … 1 to 0 … 1 without corners."""
    return np.asarray(share * share * (3.0 - 2.0 * share), dtype=np.float64)
