"""A photo's face laid over a portrait's, point by point of the mesh. Knows geometry and resampling, no colours.

The warp is a thin-plate spline (Bookstein 1989, "Principal Warps") through FaceMesh's points, lightly smoothed, because
the points of two pictures tremble by about a hundredth of the distance between the eyes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portraitist.faces import Face
from portraitist.images import crop, size_of, transform
from portraitist.types import Box, Landmarks, Picture, Size

_ROOM = 0.45
"""What is cut out around the mesh on each side, in eye distances: enough for the blurs that follow."""

_GRID = 56
"""Nodes of the field along its longer side; between them it is interpolated, it is that smooth."""

_SMOOTHING = 2e-4
"""Of the spline, with eye distances as the unit of length."""

_STEPS = 3
"""Every third point of the mesh bends the field; the points lie far denser than a face bends."""

_FOLDED, _WHOLE = 0.35, 0.6
"""Where the map shrinks areas to less than these shares of its median, skin that the photo does not show would be
stretched: nothing is taken there, everything from the second one on."""


_AT_THE_EDGE = 0.15
"""Eye distances from the edge of a photo over which nothing becomes all that is taken."""


@dataclass(frozen=True)
class Window:
    """A part of a portrait around its face: `box` in whole pixels of it, `mesh` (468, 2) in pixels of the part."""

    box: Box
    mesh: Landmarks
    eye_distance: float

    @property
    def size(self) -> Size:
        return Size(round(self.box.width), round(self.box.height))


@dataclass(frozen=True)
class Laid:
    """A photo's face as it lies in a window: pixels, and `trust` (height, width), 0 … 1, where the map is sound."""

    picture: Picture
    trust: NDArray[np.float64]


def window_of(picture: Picture, face: Face) -> Window:
    """The window around a face, cut to the picture."""
    room = _ROOM * face.eye_distance
    low = np.floor(np.clip(face.mesh[:, :2].min(axis=0) - room, 0, None))
    high = np.ceil(np.minimum(face.mesh[:, :2].max(axis=0) + room, picture.shape[1::-1]))
    wide, tall = np.maximum(high - low, 1.0)
    return Window(
        Box(float(low[0]), float(low[1]), float(wide), float(tall)), face.mesh[:, :2] - low, face.eye_distance
    )


def view_of(picture: Picture, window: Window) -> Picture:
    """The pixels of the window."""
    return crop(picture, window.box)


def lay(photo: Picture, face: Face, window: Window) -> Laid:
    """Lay the face of a photo over the face of a window.

    The photo is first turned and scaled as a whole, with its low-pass, then bent by the spline.
    """
    import scipy.ndimage

    near, mesh, shown = _neighbourhood(photo, face)
    matrix = similarity(window.mesh, mesh)
    view = transform(near, matrix, window.size)
    turn = np.linalg.inv(matrix[:, :2])
    field = _field(window, (mesh - matrix[:, 2]) @ turn.T)
    bent = np.stack(
        [
            scipy.ndimage.map_coordinates(view[..., channel].astype(np.float64), field[::-1], order=3, mode="nearest")
            for channel in range(3)
        ],
        axis=-1,
    )
    trust = _trust(field, window) * _within(field, matrix, shown, window.eye_distance)
    return Laid(np.asarray(bent.round().clip(0, 255), dtype=np.uint8), trust)


def similarity(start: Landmarks, end: Landmarks) -> NDArray[np.float64]:
    """(2, 3): the turn, scale and shift that takes points (n, 2) nearest to others, by least squares (Umeyama 1991)."""
    middle, other = start.mean(axis=0), end.mean(axis=0)
    first, second = start - middle, end - other
    u, scale, vt = np.linalg.svd(second.T @ first / len(first))
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    turn = (u * sign) @ vt * float((scale * sign).sum() / first.var(axis=0).sum())
    return np.concatenate([turn, (other - turn @ middle)[:, None]], axis=1)


def _neighbourhood(photo: Picture, face: Face) -> tuple[Picture, Landmarks, Size]:
    """The part of a photo around a face, the mesh (468, 2) there, and its size: a photo may be fifty times as large."""
    room = 1.2 * face.eye_distance
    low = np.floor(np.clip(face.mesh[:, :2].min(axis=0) - room, 0, None))
    high = np.ceil(np.minimum(face.mesh[:, :2].max(axis=0) + room, photo.shape[1::-1]))
    wide, tall = np.maximum(high - low, 1.0)
    part = crop(photo, Box(float(low[0]), float(low[1]), float(wide), float(tall)))
    return part, face.mesh[:, :2] - low, size_of(part)


def _field(window: Window, points: Landmarks) -> NDArray[np.float64]:
    """(2, height, width): for every pixel of the window the x and y in the view whose mesh is `points` (468, 2)."""
    import scipy.interpolate
    import scipy.ndimage

    unit = window.eye_distance
    spline = scipy.interpolate.RBFInterpolator(
        window.mesh[::_STEPS] / unit, (points - window.mesh)[::_STEPS] / unit, smoothing=_SMOOTHING
    )
    wide, tall = window.size.width, window.size.height
    step = max(1.0, max(wide, tall) / _GRID)
    columns, rows = np.arange(0, wide - 1 + step, step), np.arange(0, tall - 1 + step, step)
    nodes = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    coarse = (spline(nodes / unit) * unit).reshape(len(rows), len(columns), 2)
    y, x = np.mgrid[0:tall, 0:wide].astype(np.float64)
    moves = [scipy.ndimage.map_coordinates(coarse[..., axis], (y / step, x / step), order=1) for axis in (0, 1)]
    return np.stack([x + moves[0], y + moves[1]])


def _trust(field: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """1 where the map keeps areas, 0 where it folds or stretches what the photo hardly shows."""
    import scipy.ndimage

    (x_down, x_right), (y_down, y_right) = (np.gradient(part) for part in field)
    area = x_right * y_down - x_down * y_right
    x, y = np.clip(window.mesh.astype(int), 0, np.array(area.shape[::-1]) - 1).T
    usual = max(float(np.median(area[y, x])), 1e-6)
    sound = np.clip((area / usual - _FOLDED) / (_WHOLE - _FOLDED), 0.0, 1.0)
    return np.asarray(scipy.ndimage.gaussian_filter(sound, 0.03 * window.eye_distance), dtype=np.float64)


def _within(field: NDArray[np.float64], matrix: NDArray[np.float64], shown: Size, unit: float) -> NDArray[np.float64]:
    """1 where the map (into a view that `matrix` takes to the photo) stays in the photo, falling to 0 at its edge."""
    x, y = np.einsum("ij,jkl->ikl", matrix[:, :2], field) + matrix[:, 2, None, None]
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    depth = np.minimum(np.minimum(x, shown.width - 1 - x), np.minimum(y, shown.height - 1 - y)) / scale
    return np.asarray(np.clip(depth / (_AT_THE_EDGE * unit), 0.0, 1.0), dtype=np.float64)
