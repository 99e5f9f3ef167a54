"""One face's detail in another face's light: frequencies split in CIELAB. Knows views and weights, no faces.

The idea of keeping light and colour in a blurred layer and detail in the rest is Burt and Adelson's (1983, "A
Multiresolution Spline With Application to Image Mosaics"); blurs stay within the face (normalised convolution, Knutsson
and Westin 1993), so that hair and wall do not shine into the skin.
"""

import numpy as np
from numpy.typing import NDArray

from portraitist.finishing.zones import Lab, Weights
from portraitist.images import fit
from portraitist.types import Picture

_BRIGHTER, _DARKER, _SOFTEST = 1.3, 0.6, 0.5
"""Detail grows and fades with the light that falls on it and with the contrasts of the picture, but within these."""

_TINTED, _COLOURED = 0.35, 0.6
"""Up to which share of a photo's spread of colours a portrait counts as of one colour (black-and-white, sepia), and
from which on as in full colour."""

_BLUR = 8.0
"""Pixels: a wider blur is done on a view that is shrunk until it is about so wide."""


def to_lab(picture: Picture) -> Lab:
    """CIELAB (D65) of a picture."""
    import skimage.color

    return np.asarray(skimage.color.rgb2lab(picture), dtype=np.float64)


def from_lab(lab: Lab) -> Picture:
    """The picture of CIELAB values; what sRGB cannot show is cut."""
    import warnings

    import skimage.color

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some colours lie outside sRGB is known
        rgb = skimage.color.lab2rgb(lab)
    return np.asarray((rgb * 255.0).round().clip(0, 255), dtype=np.uint8)


def low(lab: Lab, within: Weights, sigma: float) -> Lab:
    """Light and colour of a view: blurred with `sigma` pixels, by what lies `within` alone.

    Wide blurs are done on a shrunk view: nothing fine is left in them anyway.
    """
    import scipy.ndimage

    factor = max(1, int(sigma / _BLUR))
    layers = [within, *(lab[..., channel] * within for channel in range(3))]
    share, *blurred = (scipy.ndimage.gaussian_filter(_shrunk(layer, factor), sigma / factor) for layer in layers)
    small = [layer / np.maximum(share, 1e-6) for layer in blurred]
    return np.stack([_enlarged(layer, factor, within.shape) for layer in small], axis=-1)


def _shrunk(layer: Weights, factor: int) -> Weights:
    """Means of squares of `factor` pixels; the edge repeats."""
    if factor == 1:
        return layer
    tall, wide = layer.shape
    padded = np.pad(layer, ((0, -tall % factor), (0, -wide % factor)), mode="edge")
    squares = padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    return np.asarray(squares.mean(axis=(1, 3)), dtype=np.float64)


def _enlarged(layer: Weights, factor: int, shape: tuple[int, ...]) -> Weights:
    """The way back of `_shrunk`, smoothly."""
    import scipy.ndimage

    if factor == 1:
        return layer
    rows, columns = ((np.arange(length) + 0.5) / factor - 0.5 for length in shape)
    places = np.meshgrid(rows, columns, indexing="ij")
    return np.asarray(scipy.ndimage.map_coordinates(layer, places, order=1, mode="nearest"), dtype=np.float64)


def tone(portrait: Picture, photo: Picture) -> float:
    """How much softer the contrasts of a portrait are than those of a photo, as of an old print: 0.5 … 1."""
    ranges = [float(np.ptp(np.percentile(to_lab(fit(one, 128)[0])[..., 0], (1, 99)))) for one in (portrait, photo)]
    return float(np.clip(ranges[0] / max(ranges[1], 1.0), _SOFTEST, 1.0))


def relight(portrait: Lab, photo: Lab, light: Lab, photo_light: Lab, within: Weights, tone: float = 1.0) -> Lab:
    """The photo's detail on the portrait's light and colour.

    Detail in lightness goes with the light of the place and the `tone` of the portrait; detail in colour is as strong
    as the portrait's own colours are beside the photo's, so that a black-and-white portrait stays black and white.
    """
    ratio = tone * np.clip(light[..., 0] / np.maximum(photo_light[..., 0], 1.0), _DARKER, _BRIGHTER)
    detail = photo - photo_light
    detail[..., 0] *= ratio
    detail[..., 1:] *= _colourfulness(portrait, photo, within)
    return np.asarray(light + detail, dtype=np.float64)


def _colourfulness(portrait: Lab, photo: Lab, within: Weights) -> float:
    inside: NDArray[np.bool_] = within > 0.5
    if not inside.any():
        return 0.0
    own, other = (float(np.hypot(*view[inside, 1:].std(axis=0))) for view in (portrait, photo))
    return float(np.clip((own / max(other, 1e-6) - _TINTED) / (_COLOURED - _TINTED), 0.0, 1.0))


def mix(portrait: Picture, made: Lab, lab: Lab, weights: Weights) -> Picture:
    """Portrait and what was made of it, by weights; where these are 0, the portrait's own pixels to the last bit."""
    mixed = from_lab(lab + (made - lab) * weights[..., None])
    return np.where((weights > 1e-3)[..., None], mixed, portrait)
