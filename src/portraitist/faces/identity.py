"""Who it is: a face as a point in a recogniser's space, distances, and how far is still the same person.

Recogniser: dlib's ResNet (King 2017, CC0), 128 numbers, Euclidean distance. An absolute threshold is never used: it
depends on the person; `Circle` calibrates it on the sitter's own photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portraitist.errors import MissingModel, UnfitModel
from portraitist.faces.face import Face
from portraitist.faces.mesh import upright_matrix
from portraitist.faces.spaces import DLIB, named, same_space, space
from portraitist.images import transform
from portraitist.types import Embedding, Picture, Size

_VIEW = 360
_ROOM = 2.0
_PADDING = 0.25
"""Room about the face in what the network is shown, as a share; dlib's own."""

_STEADY = (0.15, 0.25, 0.4)
"""The same of each view that is averaged, smaller and larger than dlib's own."""


class DlibRecogniser:
    """dlib's 5-point predictor and ResNet on an upright view of the box; about 60 ms on one core."""

    name = DLIB.name

    def __init__(self, predictor: Path, network: Path) -> None:
        self._dlib = _import_dlib()
        self._predictor = _load(self._dlib.shape_predictor, predictor)
        self._network = _load(self._dlib.face_recognition_model_v1, network)

    def embed(self, picture: Picture, face: Face) -> Embedding:
        """float64 (128,) of the face; same picture, same numbers."""
        return self._describe(self._upright(picture, face), _PADDING)

    def steady(self, picture: Picture, face: Face) -> Embedding:
        """The mean over three cuts of the face and of its mirror image; six times the work."""
        view = self._upright(picture, face)
        views = (view, np.ascontiguousarray(view[:, ::-1]))
        return np.asarray(np.mean([self._describe(one, padding) for one in views for padding in _STEADY], axis=0))

    def _upright(self, picture: Picture, face: Face) -> Picture:
        """The face in the middle of a square of twice its size."""
        extent = _ROOM * max(face.box.width, face.box.height)
        matrix = upright_matrix(face.box.centre, face.eyes[1] - face.eyes[0], extent, _VIEW)
        return transform(picture, matrix, Size(_VIEW, _VIEW))

    def _describe(self, view: Picture, padding: float) -> Embedding:
        margin = round(_VIEW * (1 - 1 / _ROOM) / 2)
        shape = self._predictor(view, self._dlib.rectangle(margin, margin, _VIEW - margin, _VIEW - margin))
        return np.array(self._network.compute_face_descriptor(view, shape, 0, padding), dtype=np.float64)


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
    """Euclidean distance. Raises UnfitModel for embeddings of two recognisers, as all functions here do."""
    same_space((first, second))
    return float(np.linalg.norm(first - second))


def distances(embeddings: Sequence[Embedding]) -> NDArray[np.float64]:
    """(n, n): the distance of each to each."""
    same_space(embeddings)
    points = np.stack(embeddings)
    return np.asarray(np.linalg.norm(points[:, None] - points[None], axis=-1), dtype=np.float64)


def mean(embeddings: Sequence[Embedding]) -> Embedding:
    """The middle of several embeddings of one person."""
    return named(np.mean(np.stack(embeddings), axis=0), same_space(embeddings))


def leave_one_out(embeddings: Sequence[Embedding]) -> NDArray[np.float64]:
    """(n,): the distance of each to the mean of the others; needs at least two."""
    same_space(embeddings)
    points = np.stack(embeddings)
    others = (points.sum(axis=0) - points) / (len(points) - 1)
    return np.asarray(np.linalg.norm(points - others, axis=-1), dtype=np.float64)


def radius(embeddings: Sequence[Embedding]) -> float:
    """How far from the mean of these photos of one person (two or more) a face may lie and still pass for the person.

    The largest leave-one-out distance and a margin; with few photos their spread says little, so a floor stands in.
    Both belong to the recogniser (`spaces`); embeddings that nobody named are dlib's.
    """
    limits = space(same_space(embeddings) or DLIB.name)
    floor = limits.floor_of_two if len(embeddings) == 2 else limits.floor
    return max(float(leave_one_out(embeddings).max()) + limits.margin, floor)


def grow(embeddings: Sequence[Embedding], known: Sequence[int] = ()) -> frozenset[int]:
    """Which of the embeddings (three or more) show the person that most of them show.

    Begins with `known`, or else with the half that lies nearest to the photo in the midst of all, and takes in the
    nearest of the others as long as it lies within the radius. Several strangers do not hide each other, for they never
    widen the radius.
    """
    apart = distances(embeddings)
    middle = int(np.median(apart, axis=1).argmin())
    own = list(known) or list(np.argsort(apart[middle], kind="stable")[: (len(embeddings) + 1) // 2])
    left = [i for i in range(len(embeddings)) if i not in own]
    while left:
        members = [embeddings[i] for i in own]
        centre = mean(members)
        nearest = min(left, key=lambda i: distance(embeddings[i], centre))
        if distance(embeddings[nearest], centre) > radius(members):
            break
        own.append(nearest)
        left.remove(nearest)
    return frozenset(int(i) for i in own)


@dataclass(frozen=True)
class Circle:
    """Where a person lies in the space: `centre` and the `radius` within which a face passes for this person.

    `recogniser` names the space; distances to faces of another are refused.
    """

    centre: Embedding
    radius: float
    recogniser: str = ""

    def distance(self, embedding: Embedding) -> float:
        same_space((embedding,), self.recogniser)
        return distance(self.centre, embedding)

    def holds(self, embedding: Embedding) -> bool:
        return self.distance(embedding) <= self.radius


def calibrate(embeddings: Sequence[Embedding]) -> Circle:
    """The circle of a person from two or more embeddings."""
    return Circle(mean(embeddings), radius(embeddings), same_space(embeddings))
