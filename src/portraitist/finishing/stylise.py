"""Pictures as pencil, oil, film or cartoon, by classical image processing: no network, and the same for a seed.

Knows no faces. Sizes go with the picture, so that a large picture looks like a small one. Small pictures are drawn
larger and shrunk, for a line needs pixels; large ones are painted smaller and enlarged, for a brush needs none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from portraitist.finishing.strokes import Floats, blur, bristles, flow_of, smear, straight, strokes
from portraitist.images import fit, resize, size_of
from portraitist.types import Picture, Seed, Size

_GREY = np.array([0.299, 0.587, 0.114], np.float32)

_LEAST, _MOST = 800, 1536
"""The longer side in pixels that is drawn and painted at."""

_COARSE, _FINE = 0.0070, 0.0019
"""Radii of the brushes, in longer sides."""


def pencil(picture: Picture, seed: Seed) -> Picture:
    """A pencil drawing: lines along edges, and tones hatched on grained paper.

    As Lu, Xu and Jia 2012 ("Combining Sketch and Tone for Pencil Drawing Production") take it apart; the lines are a
    difference of Gaussians smeared along the flow (Kang, Lee and Chui 2007).
    """
    made, side = _canvas(picture)
    calm = strokes(made, 0.0018 * side) @ _GREY
    lines = _lines(made, side, sharp=22.0, level=0.985)
    light = np.clip((calm - np.quantile(calm, 0.02)) / max(float(np.ptp(np.quantile(calm, (0.02, 0.95)))), 0.1), 0, 1)
    tone = 0.26 + 0.74 * light**0.7
    hatch = _hatching(light, seed, side)
    paper = _grain(light.shape, seed + 1, 0.0007 * side)
    drawn = tone**hatch * (0.35 + 0.65 * lines) * (1.0 + 0.018 * paper)
    return _finished(np.repeat(drawn[..., None], 3, axis=-1) * np.array([0.985, 0.98, 0.965]), picture)


def oil(picture: Picture, seed: Seed) -> Picture:
    """Oil: a broad brush along the flow, a fine one where that lost something (Hertzmann 1998), and furrows of bristles
    in the light (Hertzmann 2002, "Fast Paint Texture")."""
    made, side = _canvas(picture)
    flow = flow_of(made, 0.005 * side)
    coarse = smear(strokes(made, _COARSE * side), flow, 0.008 * side)
    fine = smear(strokes(made, _FINE * side), flow, 0.0022 * side)
    lost = blur(np.abs(coarse - fine).max(axis=-1), 0.003 * side)
    near = _ramp(lost, 0.02, 0.09)[..., None]
    painted = coarse + (fine - coarse) * near
    light = (painted @ _GREY)[..., None]
    furrows = bristles(light.shape[:2], flow_of(painted, 0.012 * side), seed, 0.0009 * side, 0.02 * side)[..., None]
    relief = np.gradient(furrows, axis=0) + np.gradient(furrows, axis=1)
    relief /= max(float(relief.std()), 1e-6)
    rich = light + (painted - light) * 1.18
    thick = (0.35 + light) * (1.0 - 0.75 * near)
    return _finished(rich + (0.018 * relief + 0.012 * furrows) * thick, picture)


def film(picture: Picture, seed: Seed) -> Picture:
    """Film: a soft curve, warm lights and cool shadows, a red glow around what is very bright (halation), darker
    corners, and grain that is strongest in the midtones."""
    made = picture / np.float32(255.0)
    side = _side(picture)
    made += _glow(picture) * (1.0 - made)
    made += np.float32(0.05) * np.sin(np.float32(2 * np.pi) * (made - np.float32(0.5)))
    light = (made @ _GREY)[..., None]
    made = 0.02 + 0.965 * made + (light - 0.4) * np.array([0.055, 0.012, -0.055], np.float32)
    rows, columns = (np.linspace(-1, 1, length, dtype=np.float32) for length in picture.shape[:2])
    corner = 1.0 - 0.14 * ((rows[:, None] ** 2 + columns[None] ** 2) / 2) ** 1.5
    grain = _grain(light.shape[:2], seed, max(0.6, 0.0008 * side))[..., None]
    return _bytes(made * corner[..., None] + 0.015 * grain * 4 * light * (1 - light))


def cartoon(picture: Picture, seed: Seed) -> Picture:
    """A cartoon: few even tones within dark lines that follow the flow (Winnemöller, Olsen and Gooch 2006)."""
    canvas, side = _canvas(picture)
    flow = flow_of(canvas, 0.004 * side)
    even = strokes(smear(strokes(canvas, 0.0045 * side), flow, 0.004 * side), 0.0035 * side)
    light = (even @ _GREY)[..., None]
    steps = 8.0
    near = np.round(light * steps) / steps
    toned = near + np.tanh(4.0 * (light - near) * steps) / (2 * steps * np.tanh(2.0))
    made = np.clip(0.03 + toned + (even - light) * 1.4, 0.0, 1.0)
    lines = _lines((even + canvas) / 2.0, side, sharp=40.0, level=0.98)
    return _finished(made * (0.12 + 0.88 * lines)[..., None], picture)


STYLES: dict[str, Callable[[Picture, Seed], Picture]] = {"pencil": pencil, "oil": oil, "film": film, "cartoon": cartoon}


def _glow(picture: Picture) -> Floats:
    """The red light around what is very bright, found on a small copy: it is soft."""
    small, _ = fit(picture, _LEAST)
    bright = np.clip(small @ _GREY / 255.0 - 0.82, 0.0, None) / 0.18
    soft = np.repeat(blur(bright, 0.012 * _side(small))[..., None], 3, axis=-1)
    large = resize(_bytes(soft), size_of(picture)) / np.float32(255.0)
    return np.asarray(large * np.array([0.10, 0.035, 0.01], np.float32))


def _side(picture: Picture) -> int:
    return int(max(picture.shape[:2]))


def _canvas(picture: Picture) -> tuple[Floats, float]:
    """The picture, 0 … 1, at the size that is drawn at, and its longer side."""
    factor = min(max(_side(picture), _LEAST), _MOST) / _side(picture)
    size = Size(*(max(4, round(length * factor)) for length in picture.shape[1::-1]))
    large = resize(picture, size)
    return large / np.float32(255.0), float(_side(large))


def _finished(made: Floats, picture: Picture) -> Picture:
    return resize(_bytes(made), size_of(picture))


def _lines(made: Floats, side: float, sharp: float, level: float) -> Floats:
    """Paper 1 and lines towards 0 where it is darker than around, drawn out along the flow."""
    light = made @ _GREY
    sigma = 0.0016 * side
    edge = blur(light, sigma) - level * blur(light, 1.6 * sigma)
    drawn = smear(edge, flow_of(made, 0.003 * side), 0.005 * side)
    return np.asarray(np.where(drawn > 0.0, 1.0, 1.0 + np.tanh(sharp * drawn)))


def _hatching(light: Floats, seed: Seed, side: float) -> Floats:
    """How hard the pencil presses, 1 on average: strokes one way, and across them where it is dark."""
    layers = []
    for number, degrees in enumerate((-52.0, -20.0)):
        noise = np.random.default_rng(seed + number).standard_normal(light.shape).astype(np.float32)
        one = smear(blur(noise, 0.0006 * side), straight(light.shape, degrees), 0.02 * side)
        layers.append(one / max(float(one.std()), 1e-6))
    dark = 1.0 - _ramp(light, 0.1, 0.5)
    spread = (0.34 - 0.16 * dark) * (layers[0] + dark * layers[1]) / np.sqrt(1.0 + dark**2)
    return np.asarray(np.clip(1.0 + spread, 0.0, 3.0))


def _grain(shape: tuple[int, ...], seed: Seed, sigma: float) -> Floats:
    """Noise of mean 0 and deviation 1, as coarse as `sigma` pixels."""
    noise = blur(np.random.default_rng(seed).standard_normal(shape, np.float32), sigma)
    return np.asarray(noise / max(float(noise.std()), 1e-6))


def _ramp(values: Floats, start: float, end: float) -> Floats:
    """0 up to `start`, 1 from `end` on, without corners."""
    share = np.clip((values - start) / (end - start), 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share))


def _bytes(values: Floats) -> Picture:
    return np.asarray((values * 255.0).round().clip(0, 255), dtype=np.uint8)
