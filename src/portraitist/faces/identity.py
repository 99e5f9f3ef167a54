"""Who it is: a face as a point in a recogniser's space, distances, and how far is still the same person.

Recogniser: dlib's ResNet (King 2017, CC0), 128 numbers, Euclidean distance. An absolute threshold is never used: it
depends on the person; `Circle` calibrates it on the sitter's own photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from portraitist.errors import MissingModel, UnfitModel
from portraitist.faces.mesh import upright_matrix
from portraitist.images import transform
from portraitist.types import Box, Embedding, Picture, Size

_VIEW = 360
_ROOM = 2.0


class Recogniser(Protocol):
    """Turns a face into a point of its space; `name` says which space."""

    name: str

    def embed(
        self, picture: Picture, box: Box, left_eye: NDArray[np.float64], right_eye: NDArray[np.float64]
    ) -> Embedding: ...


class DlibRecogniser:
    """dlib's 5-point predictor and ResNet on an upright view of the box; about 60 ms on one core."""

    name = "dlib-resnet-v1"

    def __init__(self, predictor: Path, network: Path) -> None:
        self._dlib = _import_dlib()
        self._predictor = _load(self._dlib.shape_predictor, predictor)
        self._network = _load(self._dlib.face_recognition_model_v1, network)

    def embed(
        self, picture: Picture, box: Box, left_eye: NDArray[np.float64], right_eye: NDArray[np.float64]
    ) -> Embedding:
        """float64 (128,) of the face in `box` with these eyes (2,); same picture, same numbers."""
        matrix = upright_matrix(box.centre, right_eye - left_eye, _ROOM * max(box.width, box.height), _VIEW)
        view = transform(picture, matrix, Size(_VIEW, _VIEW))
        margin = round(_VIEW * (1 - 1 / _ROOM) / 2)
        shape = self._predictor(view, self._dlib.rectangle(margin, margin, _VIEW - margin, _VIEW - margin))
        return np.array(self._network.compute_face_descriptor(view, shape), dtype=np.float64)


def _import_dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise MissingModel("The package dlib-bin is missing.", hint="Run: pip install dlib-bin") from error
    return dlib


def _load(kind: Any, path: Path) -> Any:
    if not path.is_file():
        raise MissingModel(f"The face model {path} is missing.", hint="Run: portraitist setup")
    try:
        return kind(str(path))
    except RuntimeError as error:
        raise UnfitModel(f"The face model {path} is damaged.", hint="Delete it and run: portraitist setup") from error


def distance(first: Embedding, second: Embedding) -> float:
    """Euclidean distance."""
    return float(np.linalg.norm(first - second))


def distances(embeddings: Sequence[Embedding]) -> NDArray[np.float64]:
    """(n, n): the distance of each to each."""
    points = np.stack(embeddings)
    return np.asarray(np.linalg.norm(points[:, None] - points[None], axis=-1), dtype=np.float64)


def mean(embeddings: Sequence[Embedding]) -> Embedding:
    """The middle of several embeddings of one person."""
    return np.asarray(np.mean(np.stack(embeddings), axis=0), dtype=np.float64)


def leave_one_out(embeddings: Sequence[Embedding]) -> NDArray[np.float64]:
    """(n,): the distance of each to the mean of the others; needs at least two."""
    points = np.stack(embeddings)
    others = (points.sum(axis=0) - points) / (len(points) - 1)
    return np.asarray(np.linalg.norm(points - others, axis=-1), dtype=np.float64)


@dataclass(frozen=True)
class Circle:
    """Where a person lies in the space: `centre` and the `radius` within which a face passes for this person."""

    centre: Embedding
    radius: float

    def distance(self, embedding: Embedding) -> float:
        return distance(self.centre, embedding)

    def holds(self, embedding: Embedding) -> bool:
        return self.distance(embedding) <= self.radius


def calibrate(embeddings: Sequence[Embedding], margin: float = 0.05) -> Circle:
    """The circle of a person: the largest leave-one-out distance plus `margin`; needs at least two embeddings."""
    return Circle(mean(embeddings), float(leave_one_out(embeddings).max()) + margin)
