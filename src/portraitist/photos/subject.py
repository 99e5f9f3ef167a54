"""Where the subject of a photo is that is no face: a pet, a thing. By what stands out from the photo's border.

Method: Zhu et al. 2014, "Saliency Optimization from Robust Background Detection": superpixels that are like much of the
border are background; what differs from them nearby is subject; a linear system makes neighbours agree. No learned
model: a subject of the colours of its surroundings is not found well, which is what a crop by hand is for.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portraitist.images import fit
from portraitist.types import Box, Picture

_LONGEST = 240
_PIECES = 300
_COLOUR, _NEAR = 10.0, 0.25
"""How far colours (Lab) and places (of the longer side) count as near; the paper's numbers."""

_FLAT = 1e-3
_LEAST = 0.004
_CLEAR = 0.35

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """The box of what stands out, in pixels, and how `clear` (0 … 1) it stands out from what is around it."""

    box: Box
    clear: float


def find_subject(picture: Picture, point: tuple[float, float] | None = None) -> Subject | None:
    """The subject of a photo, or None where nothing stands out; `point` (x, y in pixels) lies in the one to take."""
    small, scale = fit(picture, _LONGEST)
    map_ = saliency(small)
    inside = _inside(map_, None if point is None else (point[0] * scale, point[1] * scale))
    if inside is None:
        return None
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    box = Box(float(columns[0]), float(rows[0]), float(columns[-1] - columns[0] + 1), float(rows[-1] - rows[0] + 1))
    clear = float(map_[inside].mean() - map_[~inside].mean()) if not inside.all() else 0.0
    return Subject(box.scaled(1 / scale), clear) if clear >= _CLEAR else None


def saliency(picture: Picture) -> Array:
    """(height, width) 0 … 1: how much each pixel stands out."""
    from skimage.color import rgb2lab
    from skimage.segmentation import slic

    lab = rgb2lab(picture)
    pieces = slic(picture, n_segments=_PIECES, compactness=10.0, sigma=0.6, start_label=0, channel_axis=-1)
    count = int(pieces.max()) + 1
    size = np.bincount(pieces.ravel(), minlength=count).astype(np.float64)
    colour = _means(pieces, lab.astype(np.float64), size)
    height, width = pieces.shape
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    place = _means(pieces, np.stack([rows, columns], axis=-1), size)
    values = _solve(pieces, colour, place, size)
    span = values.max() - values.min()
    if span < _FLAT:
        return np.zeros(pieces.shape)
    return np.asarray(((values - values.min()) / span)[pieces], dtype=np.float64)


def _means(pieces: NDArray[Any], values: Array, size: Array) -> Array:
    """(pieces, channels): the mean of each piece."""
    columns = [
        np.bincount(pieces.ravel(), values[..., i].ravel(), len(size)) / np.maximum(size, 1)
        for i in range(values.shape[-1])
    ]
    return np.stack(columns, axis=1)


def _solve(pieces: NDArray[Any], colour: Array, place: Array, size: Array) -> Array:
    """The saliency of each piece: equations 4 to 9 of the paper."""
    from scipy.sparse.csgraph import shortest_path

    count = len(size)
    apart = np.linalg.norm(colour[:, None] - colour[None], axis=-1)
    near, border = _neighbours(pieces, count), _border(pieces, count)
    linked = near | np.outer(border, border)
    np.fill_diagonal(linked, False)
    reach = shortest_path(np.where(linked, np.maximum(apart - _slack(apart, near), 1e-6), 0.0), directed=False)
    alike = np.exp(-(reach**2) / (2 * _COLOUR**2))
    ties = (alike * border[None]).sum(axis=1) / np.sqrt(alike.sum(axis=1))
    ground = 1 - np.exp(-(ties**2) / 2)
    spaced = np.linalg.norm(place[:, None] - place[None], axis=-1)
    close = np.exp(-(spaced**2) / (2 * _NEAR**2))
    front = (apart * close * ground[None] * size[None]).sum(axis=1)
    front = np.clip(front / max(float(front.max()), 1e-9), 0, 1)
    front = np.where(front < front.mean(), 0.0, front)
    second = (near @ near) & ~np.eye(count, dtype=bool)
    bonds = np.where(near | second | np.outer(border, border), np.exp(-(apart**2) / (2 * _COLOUR**2)) + 0.1, 0.0)
    np.fill_diagonal(bonds, 0.0)
    system = np.diag(5 * ground + front + bonds.sum(axis=1)) - bonds
    return np.asarray(np.linalg.solve(system, front), dtype=np.float64)


def _neighbours(pieces: NDArray[Any], count: int) -> NDArray[np.bool_]:
    near = np.zeros((count, count), dtype=bool)
    for one, two in ((pieces[:-1], pieces[1:]), (pieces[:, :-1], pieces[:, 1:])):
        near[one.ravel(), two.ravel()] = near[two.ravel(), one.ravel()] = True
    np.fill_diagonal(near, False)
    return near


def _border(pieces: NDArray[Any], count: int) -> NDArray[np.bool_]:
    border = np.zeros(count, dtype=bool)
    for edge in (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]):
        border[edge] = True
    return border


def _slack(apart: Array, near: NDArray[np.bool_]) -> float:
    """What neighbours of one surface differ by anyway: the mean of each piece's smallest step."""
    steps = np.where(near, apart, np.inf).min(axis=1)
    return float(steps[np.isfinite(steps)].mean())


def _inside(map_: Array, point: tuple[float, float] | None) -> NDArray[np.bool_] | None:
    """The pixels of the subject: above Otsu's threshold, in the part with most of the map, or that of the point."""
    from skimage.filters import threshold_otsu
    from skimage.measure import label

    if map_.max() <= 0:
        return None
    parts = np.asarray(label(map_ > threshold_otsu(map_)))
    weights = np.bincount(parts.ravel(), map_.ravel())
    weights[0] = 0.0
    best = int(weights.argmax())
    if point is not None:
        y, x = (int(np.clip(value, 0, end - 1)) for value, end in zip(point[::-1], map_.shape, strict=True))
        best = int(parts[y, x])
    inside: NDArray[np.bool_] = parts == best
    return inside if best and inside.mean() >= _LEAST else None
