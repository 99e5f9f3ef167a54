"""The limits that belong to a recogniser's space, by its name; and embeddings that know which space they lie in.

Distances of two recognisers mean nothing to each other. `named` marks an embedding, `same_space` refuses a mixture.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from portraitist.errors import UnfitModel
from portraitist.types import Embedding


@dataclass(frozen=True)
class Space:
    """What is near in a space, as Euclidean distances.

    `margin`: how much farther than the farthest of a person's photos (each to the mean of the others) a face may lie;
    `floor`: no radius is smaller, `floor_of_two` where it comes from two photos; `same_shot`: two photos that are
    nearer may be one shot; `measured`: whether these numbers are our own.
    """

    name: str
    margin: float
    floor: float
    floor_of_two: float
    same_shot: float
    measured: bool = False


DLIB = Space("dlib-resnet-v1", margin=0.12, floor=0.5, floor_of_two=0.62, same_shot=0.2, measured=True)

# On the unit sphere, d² = 2 − 2 cos. The publishers call a cosine of 0.5 sure and one of 0.3 to 0.4 doubtful.
_SPHERE = (0.15, 1.0, 1.15, 0.45)
SPACES = {
    space.name: space
    for space in (
        DLIB,
        Space("auraface-v1", *_SPHERE),
        Space("sface-2021dec", *_SPHERE),
        Space("insightface-buffalo_l", *_SPHERE),
        Space("uniface-adaface", *_SPHERE),
    )
}


def space(name: str) -> Space:
    """The limits of a recogniser. Raises UnfitModel for one without: it cannot tell people apart here."""
    if name not in SPACES:
        raise UnfitModel(
            f"There are no limits for the recogniser {name!r}.", hint=f"Known are: {', '.join(sorted(SPACES))}."
        )
    return SPACES[name]


class _Named(np.ndarray[Any, np.dtype[np.float64]]):
    """An embedding with the name of its space; what is computed from it keeps the name."""

    space: str

    def __array_finalize__(self, source: Any) -> None:
        self.space = getattr(source, "space", "")


def same_shot(embedding: Embedding, of_dlib: float) -> float:
    """How near two photos of one shot are in the space of `embedding`; `of_dlib` in dlib's, or where nobody said."""
    name = space_of(embedding)
    return of_dlib if name in ("", DLIB.name) else space(name).same_shot


def named(embedding: Embedding, recogniser: str) -> Embedding:
    """The same numbers (float64), marked with the space that they lie in."""
    marked = np.asarray(embedding, dtype=np.float64).view(_Named)
    marked.space = recogniser
    return marked


def space_of(embedding: Embedding) -> str:
    """The name of an embedding's space; empty where nobody said."""
    return str(getattr(embedding, "space", ""))


def same_space(embeddings: Iterable[Embedding], also: str = "") -> str:
    """The one space of all (and of `also`), empty where nobody said. Raises UnfitModel for two: never compare those."""
    names = sorted({also, *map(space_of, embeddings)} - {""})
    if len(names) > 1:
        raise UnfitModel(
            f"Faces measured by {' and by '.join(names)} cannot be compared.",
            hint="Use the same --faces for all photos and portraits of a sitter.",
        )
    return names[0] if names else ""
