"""Retouching of a face as a careful photographer does it: skin evened, eyes clearer, teeth whiter, light softer.

Skin is taken apart by how coarse its detail is (frequency separation): pores stay, blotches of a middle size are
damped, the light stays the portrait's own but for its hardest differences. Small dark spots such as moles are part of
who somebody is: they stay. Nothing here is learned, and nothing random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from portraitist.faces import Face
from portraitist.finishing import blend, warp, zones
from portraitist.types import Picture

_PORES, _BLOTCHES, _LIGHT = 0.015, 0.13, 0.35
"""Eye distances: what is finer than the first are pores, what lies between the first two is evened, what is coarser
than the third is light."""

_DAMP, _EVEN_LIGHT = 0.85, 0.3
"""What full strength takes away of blotches and of differences of light."""

_EDGE = 0.12
"""Eye distances over which retouching fades out at the outline of the face."""

_MOLE = (7.0, 12.0)
"""Lightness (CIELAB) by which a spot is darker than the skin around it: from the second on it is kept wholly."""

_EYES = ((33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380))
_MOUTH = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
_UPPER, _LOWER, _LEFT, _RIGHT = 13, 14, 78, 308
_OPEN = 0.12
"""Heights of the open mouth in its widths from which on teeth are looked for."""

_TOOTH_LIGHT, _TOOTH_RED = 45.0, 14.0


@dataclass(frozen=True)
class Retouch:
    """How much is done, 0 … 1 each, at full strength of the step."""

    skin: float = 1.0
    eyes: float = 1.0
    teeth: float = 1.0
    light: float = 1.0


def retouch(picture: Picture, face: Face, settings: Retouch, strength: float) -> Picture:
    """The picture with this face retouched; what lies outside of the face stays to the last bit."""
    import scipy.ndimage

    window = warp.window_of(picture, face)
    view = warp.view_of(picture, window)
    lab, unit = blend.to_lab(view), window.eye_distance
    skin = _skin(window) * zones.own_skin(lab, window)
    made = lab + _skin_change(lab, skin, unit, settings, strength)
    eyes = _soft(_polygons(window, *_EYES), 0.02 * unit)
    lightness = made[..., 0]
    sharper = lightness - scipy.ndimage.gaussian_filter(lightness, 0.03 * unit)
    made[..., 0] += strength * settings.eyes * eyes * (0.5 * sharper + 0.06 * lightness)
    teeth = _teeth(lab, window) * strength * settings.teeth
    made[..., 0] += teeth * 0.08 * (100.0 - made[..., 0])
    made[..., 2] -= teeth * 0.45 * np.clip(made[..., 2], 0.0, None)
    changed = np.clip(skin + eyes + teeth, 0.0, 1.0) > 1e-3
    box, out = window.box, picture.copy()
    rows = slice(round(box.y), round(box.y) + view.shape[0])
    columns = slice(round(box.x), round(box.x) + view.shape[1])
    out[rows, columns] = np.where(changed[..., None], blend.from_lab(made), view)
    return out


def _skin(window: warp.Window) -> zones.Weights:
    """The face without eyes, brows and lips, up to close to its outline: retouching blends where fusion would tear."""
    import scipy.ndimage

    part = zones.zones_of(window)
    other = (part.eyes + part.lips) / np.maximum(part.eyes + part.skin + part.lips, 1e-6)
    inside = np.pad(zones.inside(window), 1)
    deep = scipy.ndimage.distance_transform_edt(inside)[1:-1, 1:-1] / (_EDGE * window.eye_distance)
    return np.asarray(np.clip(deep, 0.0, 1.0) * (1.0 - np.clip(other, 0.0, 1.0)), dtype=np.float64)


def _skin_change(lab: zones.Lab, skin: zones.Weights, unit: float, settings: Retouch, strength: float) -> zones.Lab:
    """What is added to the skin: less of the middle band where it is no mole, and a softer light."""
    within = np.maximum(skin, 1e-4)
    fine = blend.low(lab, within, max(0.6, _PORES * unit))
    coarse = blend.low(lab, within, _BLOTCHES * unit)
    middle = fine - coarse
    mole = np.clip((-middle[..., 0] - _MOLE[0]) / (_MOLE[1] - _MOLE[0]), 0.0, 1.0)
    damp = strength * settings.skin * _DAMP * (1.0 - _spread(mole, 0.02 * unit))
    change = -middle * damp[..., None]
    light = blend.low(lab, within, _LIGHT * unit)[..., 0]
    middle_light = float(np.average(light, weights=within))
    change[..., 0] += strength * settings.light * _EVEN_LIGHT * np.clip(middle_light - light, -12.0, 12.0)
    return np.asarray(change * skin[..., None], dtype=np.float64)


def _spread(mask: zones.Weights, sigma: float) -> zones.Weights:
    """The mask a little larger, with soft edges, so that a mole keeps its rim."""
    import scipy.ndimage

    size = 2 * max(1, round(sigma)) + 1
    return np.asarray(scipy.ndimage.gaussian_filter(scipy.ndimage.maximum_filter(mask, size), max(0.5, sigma)))


def _teeth(lab: zones.Lab, window: warp.Window) -> zones.Weights:
    """Where teeth show: what is bright and not red within an open mouth."""
    mesh = window.mesh
    height = float(np.linalg.norm(mesh[_UPPER] - mesh[_LOWER]))
    width = max(1.0, float(np.linalg.norm(mesh[_LEFT] - mesh[_RIGHT])))
    if height / width < _OPEN:
        return np.zeros(lab.shape[:2])
    bright = np.clip((lab[..., 0] - _TOOTH_LIGHT) / 10.0, 0.0, 1.0)
    pale = np.clip((_TOOTH_RED - lab[..., 1]) / 6.0, 0.0, 1.0)
    return _soft(_polygons(window, _MOUTH), 0.01 * window.eye_distance) * bright * pale


def _polygons(window: warp.Window, *rings: tuple[int, ...]) -> zones.Weights:
    image = Image.new("L", (window.size.width, window.size.height))
    for ring in rings:
        ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in window.mesh[list(ring)]], fill=1)
    return np.array(image, dtype=np.float64)


def _soft(mask: zones.Weights, sigma: float) -> zones.Weights:
    import scipy.ndimage

    return np.asarray(scipy.ndimage.gaussian_filter(mask, max(0.5, sigma)), dtype=np.float64)
