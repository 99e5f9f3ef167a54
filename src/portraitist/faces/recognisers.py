"""Stronger recognisers by name, as ONNX files: AuraFace and SFace. A face aligned by five points in, a point out.

ArcFace: Deng et al. 2019, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", whose aligned view of 112
pixels both take. Embeddings lie on the unit sphere.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portraitist.faces.face import Face
from portraitist.faces.mesh import five_points
from portraitist.faces.onnx import OnnxNetwork
from portraitist.images import transform
from portraitist.types import Embedding, Picture, Size

_SIDE = 112
_PLACES = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
"""Where ArcFace's authors put the eyes, the nose tip and the corners of the mouth in their view."""


class ArcFaceRecogniser:
    """A network of ArcFace's form. `values` says what it takes: 0 … 255 for SFace, else -1 … 1; RGB."""

    def __init__(self, path: Path, name: str, *, bytes_in: bool = False, threads: int = 1) -> None:
        self.name = name
        self._network = OnnxNetwork(path, threads)
        self._bytes_in = bytes_in

    def embed(self, picture: Picture, face: Face) -> Embedding:
        """float64 (dimensions,) of length 1; same picture, same numbers."""
        return self._describe(aligned(picture, face))

    def steady(self, picture: Picture, face: Face) -> Embedding:
        """The mean of the face's and of its mirror image's, of length 1."""
        return mirrored_mean(self._describe, aligned(picture, face))

    def _describe(self, aligned: Picture) -> Embedding:
        view = aligned.astype(np.float32)
        values = view if self._bytes_in else view / 127.5 - 1.0
        point = self._network(values.transpose(2, 0, 1)[None])[0].reshape(-1).astype(np.float64)
        return point / max(float(np.linalg.norm(point)), 1e-12)


def mirrored_mean(describe: Callable[[Picture], Embedding], view: Picture) -> Embedding:
    """The mean, of length 1, of what is said of an aligned face and of its mirror image."""
    both = describe(view) + describe(np.ascontiguousarray(view[:, ::-1]))
    return both / max(float(np.linalg.norm(both)), 1e-12)


def aligned(picture: Picture, face: Face) -> Picture:
    """uint8 (112, 112, 3): the face with its five points where ArcFace wants them, by turn, scale and shift."""
    return transform(picture, similarity(_PLACES, five_points(face.mesh)), Size(_SIDE, _SIDE))


def similarity(places: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3): the turn, scale and shift that take `places` (n, 2) nearest to `points` (n, 2), by least squares."""
    rows = []
    for x, y in places:
        rows += [[x, -y, 1.0, 0.0], [y, x, 0.0, 1.0]]
    a, b, right, down = np.linalg.lstsq(np.array(rows), points.reshape(-1), rcond=None)[0]
    return np.array([[a, -b, right], [b, a, down]])
