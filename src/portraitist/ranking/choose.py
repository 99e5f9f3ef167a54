"""Which portraits to keep, and in what order: by likeness to the training photos, technical quality and variety.

Variety is greedy, as in maximal marginal relevance (Carbonell and Goldstein 1998): the next portrait is the one with
the best score less what it shares with those that were taken before. Knows numbers only, no faces and no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from portraitist.images import resize
from portraitist.requests import Reason
from portraitist.settings import ChoosingSettings
from portraitist.types import Embedding, Picture, Size

UNLIKE = 80.0
"""Grey levels between the miniatures of two pictures from which on they share nothing; portraits in different styles
differ by about 77 on the mean, in one style by 55."""


@dataclass(frozen=True)
class Candidate:
    """A portrait to be ranked. `distance` is the mean distance to the training photos, None without a usable face.

    `reach` is the distance to the middle of the training photos in units of the sitter's own threshold: up to 1 a face
    passes for the sitter; None where nothing can be compared. `flaws` are the reasons why it is not good, `learned` the
    marks of learned scorers by name (0 … 1), `small` its `miniature`.
    """

    name: str
    style: str | None
    faces: int
    distance: float | None
    quality: float
    reach: float | None = None
    flaws: tuple[Reason, ...] = ()
    learned: Mapping[str, float] = field(default_factory=dict, compare=False)
    small: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    @property
    def good(self) -> bool:
        return not self.flaws

    @property
    def likeness(self) -> float | None:
        """1 = in the middle of the photos, 0.5 = at the sitter's own threshold, 0 = twice as far or farther."""
        return None if self.reach is None else float(np.clip(1.0 - self.reach / 2.0, 0.0, 1.0))


@dataclass(frozen=True)
class Pick:
    """A candidate in its place: `total` is the weighted mean of its scores (0 … 1), `variety` 1 less what it shares
    with those before it, `like` the name of that one among them which it shares most with."""

    candidate: Candidate
    total: float
    variety: float
    like: str | None = None


def likeness_flaws(faces: int, reach: float | None, photo: bool) -> tuple[Reason, ...]:
    """What speaks against a portrait of a person by its faces: not exactly one, or one that is not the sitter's.

    In a painted style (not `photo`) a face may lie beyond the threshold: the recogniser knows photographs.
    """
    if faces == 0:
        return (Reason("no_face", 0, 1, "No face was found in it."),)
    if faces > 1:
        return (Reason("several_faces", faces, 1, f"It shows {faces} faces; a portrait has one."),)
    if photo and reach is not None and reach > 1.0:
        message = f"Its face is {reach:.2f} times as far from the photos as the sitter's own threshold."
        return (Reason("unlike", round(reach, 3), 1.0, message),)
    return ()


def distance_to(face: Embedding, photos: Sequence[Embedding]) -> float:
    """Mean distance of one face to the training photos (at least one)."""
    return float(np.mean([np.linalg.norm(np.asarray(photo) - face) for photo in photos]))


def miniature(picture: Picture) -> NDArray[np.float32]:
    """float32 (3072,): the picture at 32 x 32, by which pictures are compared with each other."""
    return resize(picture, Size(32, 32)).astype(np.float32).ravel()


def apart(first: Candidate, second: Candidate) -> float:
    """Grey levels (root of the mean square) between the miniatures; endless where one has none."""
    if first.small is None or second.small is None:
        return float("inf")
    return float(np.sqrt(np.mean((first.small - second.small) ** 2)))


def same_picture(one: Candidate, others: Sequence[Candidate], settings: ChoosingSettings) -> Candidate | None:
    """That one of `others` which is the same picture again; None without one."""
    return next((other for other in others if apart(one, other) < settings.alike), None)


def total(candidate: Candidate, settings: ChoosingSettings) -> float:
    """The weighted mean of likeness, quality and the learned marks, 0 … 1; what is not known does not count."""
    parts = [(settings.quality, candidate.quality)]
    if candidate.likeness is not None:
        parts.append((settings.likeness, candidate.likeness))
    parts += [(settings.weight_of(name), mark) for name, mark in candidate.learned.items()]
    weight = sum(own for own, _ in parts)
    return sum(own * value for own, value in parts) / weight if weight > 0 else 0.0


def pick(candidates: Sequence[Candidate], settings: ChoosingSettings) -> tuple[Pick, ...]:
    """All candidates in the order in which to keep them: good ones first, then the others, fewest flaws first."""
    left = list(candidates)
    picks: list[Pick] = []
    while left:
        least = min(len(one.flaws) for one in left)
        best = max(
            (_next(one, picks, settings) for one in left if len(one.flaws) == least),
            key=lambda found: found.total - settings.variety * (1.0 - found.variety),
        )
        picks.append(best)
        left.remove(best.candidate)
    return tuple(picks)


def _next(candidate: Candidate, before: Sequence[Pick], settings: ChoosingSettings) -> Pick:
    near, like = min(
        ((apart(candidate, other.candidate), other.candidate.name) for other in before), default=(UNLIKE, None)
    )
    return Pick(candidate, total(candidate, settings), min(1.0, near / UNLIKE), like)


QUALITY_WEIGHT = 0.1
"""A useless picture (quality 0) ranks like one whose face is this much farther away."""


def rank(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Best first: exactly one face before all others, then near to the training photos and technically sound."""
    return tuple(sorted(candidates, key=_rank_key))


def _rank_key(candidate: Candidate) -> tuple[bool, float, str]:
    usable = candidate.faces == 1 and candidate.distance is not None
    far = candidate.distance if candidate.distance is not None else 9.0
    return not usable, far + QUALITY_WEIGHT * (1.0 - candidate.quality), candidate.name


def choose(candidates: Sequence[Candidate], keep: int) -> tuple[Candidate, ...]:
    """The `keep` portraits to show first: the best of each style, then the second best of each, and so on."""
    ranked = rank(candidates)
    turn: dict[str | None, int] = {}
    order: list[tuple[int, int, Candidate]] = []
    for place, candidate in enumerate(ranked):
        turn[candidate.style] = turn.get(candidate.style, 0) + 1
        order.append((turn[candidate.style], place, candidate))
    chosen = sorted(order, key=lambda entry: entry[:2])[:keep]
    return tuple(candidate for _, _, candidate in chosen)
