"""What drawing and painting share: the flow of a picture, colour and noise smeared along it, strokes of a brush.

Knows no styles and no faces. Pictures here are float32 (height, width, channels) or (height, width), 0 … 1.

- The flow is the smoothed structure tensor's minor eigenvector (Brox and others 2006; Kyprianidis and Kang 2011, "Image
  and Video Abstraction by Coherence-Enhancing Filtering").
- Smearing is line integral convolution (Cabral and Leedom 1993).
- Strokes are the generalised Kuwahara filter (Papari, Petkov and Campisi 2007): of eight soft sectors around a place
  the calmest ones count, so that edges stay and no squares are seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

_SECTORS = 8
_CALM = 8.0
"""How sharply the calmest sectors are preferred (the exponent q of the paper)."""


@dataclass(frozen=True)
class Flow:
    """Unit vectors along the edges, x and y (height, width) each, and how much of an edge there is, 0 … 1."""

    x: Floats
    y: Floats
    edge: Floats


def blur(layer: Floats, sigma: float) -> Floats:
    """A Gaussian blur of a layer or of each channel."""
    import scipy.ndimage

    sigmas = (sigma, sigma, 0.0) if layer.ndim == 3 else sigma
    return np.asarray(scipy.ndimage.gaussian_filter(layer, sigmas, mode="nearest", truncate=3.0))


def flow_of(picture: Floats, sigma: float) -> Flow:
    """The flow of a picture, smoothed over `sigma` pixels."""
    fine = blur(picture, 0.7)
    down, right = np.gradient(fine, axis=0), np.gradient(fine, axis=1)
    xx, yy, xy = (blur((one * two).sum(axis=-1), sigma) for one, two in ((right, right), (down, down), (right, down)))
    root = np.sqrt((xx - yy) ** 2 + 4.0 * xy**2)
    angle = 0.5 * np.arctan2(2.0 * xy, xx - yy) + np.pi / 2  # across the strongest change
    edge = root / np.maximum(xx + yy, 1e-6)
    return Flow(np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32), edge.astype(np.float32))


def straight(shape: tuple[int, int], degrees: float) -> Flow:
    """The flow of a hand that hatches: everywhere at one angle, from the horizontal downwards."""
    angle = np.radians(degrees)
    x, y = (np.full(shape, value, np.float32) for value in (np.cos(angle), np.sin(angle)))
    return Flow(x, y, np.ones(shape, np.float32))


def smear(layer: Floats, flow: Flow, length: float) -> Floats:
    """Each place becomes the mean of what lies within about `length` pixels up and down the flow."""
    height, width = layer.shape[:2]
    steps = max(1, round(length))
    flat = layer.reshape(height * width, -1).astype(np.float32)
    made, total = flat.copy(), 1.0
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32).reshape(2, -1)
    flow_x, flow_y = flow.x.ravel(), flow.y.ravel()
    for way in (1.0, -1.0):
        x, y, place = columns.copy(), rows.copy(), np.arange(height * width)
        before_x, before_y = flow_x * np.float32(-way), flow_y * np.float32(-way)
        for step in range(1, steps + 1):
            to_x, to_y = flow_x[place], flow_y[place]
            turn = np.where(to_x * before_x + to_y * before_y < 0, np.float32(-1), np.float32(1))
            before_x, before_y = to_x * turn, to_y * turn
            x, y = np.clip(x + before_x, 0, width - 1), np.clip(y + before_y, 0, height - 1)
            place = (y + 0.5).astype(np.intp) * width + (x + 0.5).astype(np.intp)
            weight = np.float32(np.exp(-2.0 * (step / steps) ** 2))
            made += weight * flat[place]
            total += float(weight)
    return np.asarray((made / np.float32(total)).reshape(layer.shape))


def strokes(picture: Floats, radius: float) -> Floats:
    """The picture as if laid on with a round brush of `radius` pixels."""
    import scipy.fft

    reach = int(np.ceil(radius * 2.0))
    padded = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode="edge").astype(np.float32)
    shape = tuple(scipy.fft.next_fast_len(length, real=True) for length in padded.shape[:2])
    light = np.concatenate([padded, (padded**2).sum(axis=-1, keepdims=True)], axis=-1)
    waves = scipy.fft.rfft2(light, s=shape, axes=(0, 1))
    height, width = picture.shape[:2]
    made, total = np.zeros(picture.shape, np.float32), np.zeros((height, width, 1), np.float32)
    for kernel in _sectors(radius, reach):
        wave = scipy.fft.rfft2(kernel, s=shape)
        seen = scipy.fft.irfft2(waves * wave[..., None], s=shape, axes=(0, 1))
        seen = seen[2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]
        mean, square = seen[..., :-1], seen[..., -1]
        spread = np.sqrt(np.clip(square - (mean**2).sum(axis=-1), 0.0, None))
        weight = (1.0 / (0.01 + spread) ** _CALM)[..., None]
        made += weight * mean
        total += weight
    return np.asarray(made / total)


def _sectors(radius: float, reach: int) -> list[Floats]:
    """Soft sectors of a disc, each of sum 1: a Gaussian times cosine lobes that overlap by half."""
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    disc = np.exp(-(x**2 + y**2) / (2.0 * (radius / 1.5) ** 2))
    angle = np.arctan2(y, x)
    found = []
    for number in range(_SECTORS):
        away = np.angle(np.exp(1j * (angle - 2.0 * np.pi * number / _SECTORS)))
        lobe = np.clip(np.cos(np.clip(away * _SECTORS / 4.0, -np.pi / 2, np.pi / 2)), 0.0, None) ** 2
        lobe[reach, reach] = 1.0
        kernel = disc * lobe
        found.append((kernel / kernel.sum()).astype(np.float32))
    return found


def bristles(shape: tuple[int, int], flow: Flow, seed: int, coarse: float, length: float) -> Floats:
    """The furrows that bristles leave along the flow: mean 0, deviation 1. `coarse` is how far apart, in pixels."""
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    furrows = smear(blur(noise, coarse), flow, length)
    return np.asarray((furrows - furrows.mean()) / max(float(furrows.std()), 1e-6))
