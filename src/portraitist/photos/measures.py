"""Numbers of one face in one photo: sharpness, noise, exposure, what the edge cuts off. Judges nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from portraitist.faces import Face
from portraitist.images import crop, fit, to_pil
from portraitist.photos.patch import upright_view
from portraitist.types import Landmarks, Picture, Size

_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""FaceMesh's points along the edge of a face."""

_CLIPPED = 250
"""From this value on a channel says nothing any more."""


@dataclass(frozen=True)
class Exposure:
    """`bright`: the brightness that nine tenths of the face stay below, 0 … 255; `burnt`: share of the face, 0 … 1,
    whose red and green are at their upper end."""

    bright: float
    burnt: float


def share_outside(size: Size, face: Face) -> float:
    """The share of the face's width or height, by its mesh, that lies outside the picture; 0 … 1."""
    low, high = face.mesh[:, :2].min(axis=0), face.mesh[:, :2].max(axis=0)
    end = np.array([size.width, size.height])
    over = np.maximum(0.0, -low) + np.maximum(0.0, high - end)
    return float(np.clip(over / np.maximum(high - low, 1.0), 0.0, 1.0).max())


def blur_of(picture: Picture, face: Face) -> float:
    """How blurred the face is, 0 sharp … 1, at its own size but at most 256 pixels.

    Measure: Crété-Roffet et al. 2007, "The Blur Effect: Perception and Estimation with a New No-Reference Perceptual
    Blur Metric": how little a picture changes when it is blurred once more.
    """
    side = int(np.clip(face.box.width, 32, 256))
    view, _ = upright_view(picture, face, 1.0, side)
    grey = _grey(view) / 255.0
    return max(_blur_along(grey), _blur_along(grey.T))


def _blur_along(grey: NDArray[np.float64], window: int = 11) -> float:
    half = window // 2
    padded = np.pad(grey, ((half + 1, half), (0, 0)), mode="reflect")
    sums = np.cumsum(padded, axis=0)
    blurred = (sums[window:] - sums[:-window]) / window
    inner = slice(2, -2)
    sharp = np.abs(np.diff(grey, axis=0))[inner, inner]
    smooth = np.abs(np.diff(blurred, axis=0))[inner, inner]
    total = float(sharp.sum())
    lost = float(np.maximum(0.0, sharp - smooth).sum())
    return 1.0 - lost / total if total > 0 else 1.0


def noise_of(picture: Picture, face: Face) -> float:
    """Standard deviation of the noise in the face, in grey levels of 255, with the face at most 256 pixels wide.

    Measure: Donoho and Johnstone 1994: the median of the finest diagonal wavelet coefficients, which edges hardly
    touch. Not turned upright, because resampling smooths noise.
    """
    view, _ = fit(crop(picture, face.box), 256)
    grey = _grey(view)
    height, width = grey.shape[0] // 2 * 2, grey.shape[1] // 2 * 2
    if min(height, width) < 8:
        return 0.0
    even, odd = grey[0:height:2, :width], grey[1:height:2, :width]
    diagonal = (even[:, 0::2] - even[:, 1::2] - odd[:, 0::2] + odd[:, 1::2]) / 2
    return float(np.median(np.abs(diagonal)) / 0.6745)


def exposure_of(picture: Picture, face: Face) -> Exposure:
    """How bright the face is and how much of it is burnt out."""
    view, mesh = upright_view(picture, face, 1.2, 128)
    skin = view[inside(mesh, _OVAL, 128)]
    if not len(skin):
        return Exposure(255.0, 0.0)
    grey = skin @ np.array([0.299, 0.587, 0.114])
    return Exposure(float(np.percentile(grey, 90)), float((skin[:, :2] >= _CLIPPED).all(axis=1).mean()))


def inside(mesh: Landmarks, points: Sequence[int], side: int) -> NDArray[np.bool_]:
    """(side, side): what lies within the polygon of these points of a mesh in pixels."""
    mask = Image.new("1", (side, side))
    ImageDraw.Draw(mask).polygon([(float(mesh[k, 0]), float(mesh[k, 1])) for k in points], fill=1)
    return np.array(mask, dtype=np.bool_)


def _grey(picture: Picture) -> NDArray[np.float64]:
    return np.array(to_pil(picture).convert("L"), dtype=np.float64)
