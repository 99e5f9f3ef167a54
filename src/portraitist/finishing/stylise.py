"""Pictures as pencil, oil, film or cartoon, by classical image processing: no network, and the same for a seed.

Knows no faces. Sizes go with the picture, so that a large picture looks like a small one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portraitist.types import Picture, Seed

Floats = NDArray[np.floating[Any]]
_GREY = np.array([0.299, 0.587, 0.114])


def pencil(picture: Picture, seed: Seed) -> Picture:
    """A pencil drawing: the picture divided by its blurred self (the dodge of drawing programs), on grained paper."""
    grey = picture @ _GREY / 255.0
    light = np.minimum(1.0, grey / np.maximum(_blur(grey, 0.008 * _side(picture)), 0.02))
    drawn = light**1.6 * (0.75 + 0.25 * np.sqrt(grey))
    paper = 0.98 + 0.02 * _grain(grey.shape, seed, 0.8)
    return _bytes(np.repeat((drawn * paper)[..., None], 3, axis=-1))


def oil(picture: Picture, seed: Seed) -> Picture:
    """Brushes: every place takes the mean of the calmest of four squares around it (Kuwahara et al. 1976), twice."""
    made: Floats = picture / 255.0
    for share in (0.0045, 0.003):
        made = _kuwahara(made, max(2, round(share * _side(picture))))
    light = made @ _GREY
    relief = light - _blur(light, max(1.0, 0.002 * _side(picture)))
    grey = light[..., None]
    return _bytes(grey + (made - grey) * 1.2 + 0.6 * relief[..., None])


def film(picture: Picture, seed: Seed) -> Picture:
    """Film: a soft curve, warm lights and cool shadows, darker corners, and grain that is strongest in the midtones."""
    made = picture / 255.0
    made = made + 0.10 * np.sin(2 * np.pi * (made - 0.5)) / 2
    light = (made @ _GREY)[..., None]
    made = made + (light - 0.4) * np.array([0.06, 0.015, -0.06]) + 0.015
    rows, columns = (np.linspace(-1, 1, length) for length in picture.shape[:2])
    corner = 1.0 - 0.14 * ((rows[:, None] ** 2 + columns[None] ** 2) / 2) ** 1.5
    grain = _grain(light.shape[:2], seed, max(0.6, 0.0008 * _side(picture)))[..., None]
    return _bytes(made * corner[..., None] + 0.018 * grain * 4 * light * (1 - light))


def cartoon(picture: Picture, seed: Seed) -> Picture:
    """A cartoon: few even tones within dark lines (extended difference of Gaussians: Winnemöller et al. 2012)."""
    made: Floats = picture / 255.0
    for _ in range(2):
        made = _kuwahara(made, max(2, round(0.006 * _side(picture))))
    light = (made @ _GREY)[..., None]
    steps = 7.0
    near = np.round(light * steps) / steps
    toned = near + np.tanh(6.0 * (light - near) * steps) / (2 * steps * np.tanh(3.0))
    made = np.clip(toned + (made - light) * 1.35, 0.0, 1.0)
    grey = picture @ _GREY / 255.0
    sigma = max(0.7, 0.0022 * _side(picture))
    edge = _blur(grey, sigma) - 0.975 * _blur(grey, 1.6 * sigma)
    line = np.where(edge > 0.0, 1.0, 1.0 + np.tanh(60.0 * edge))
    return _bytes(made * line[..., None])


STYLES: dict[str, Callable[[Picture, Seed], Picture]] = {"pencil": pencil, "oil": oil, "film": film, "cartoon": cartoon}


def _side(picture: Picture) -> int:
    return int(max(picture.shape[:2]))


def _blur(layer: Floats, sigma: float) -> Floats:
    import scipy.ndimage

    return np.asarray(scipy.ndimage.gaussian_filter(layer, sigma), dtype=np.float64)


def _grain(shape: tuple[int, ...], seed: Seed, sigma: float) -> Floats:
    """Noise of mean 0 and deviation 1, as coarse as `sigma` pixels."""
    noise = _blur(np.random.default_rng(seed).standard_normal(shape), sigma)
    return np.asarray(noise / max(float(noise.std()), 1e-6))


def _kuwahara(picture: Floats, radius: int) -> Floats:
    import scipy.ndimage

    size = radius + 1
    light = picture @ _GREY
    mean, square = (scipy.ndimage.uniform_filter(layer, size, mode="nearest") for layer in (light, light * light))
    spread = square - mean * mean
    means = [scipy.ndimage.uniform_filter(picture[..., one], size, mode="nearest") for one in range(3)]
    best, made = np.full(light.shape, np.inf), np.empty_like(picture)
    for down in (-1, 1):
        for right in (-1, 1):
            moved = (down * (radius // 2 + radius % 2), right * (radius // 2 + radius % 2))
            calm = scipy.ndimage.shift(spread, moved, order=0, mode="nearest")
            better = calm < best
            best = np.where(better, calm, best)
            for one in range(3):
                layer = scipy.ndimage.shift(means[one], moved, order=0, mode="nearest")
                made[..., one] = np.where(better, layer, made[..., one])
    return made


def _bytes(values: Floats) -> Picture:
    return np.asarray((values * 255.0).round().clip(0, 255), dtype=np.uint8)
