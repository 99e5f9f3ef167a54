"""How much a portrait looks like the sitter: the likeness score, and its companions. Marks; chooses nothing.

The score is measured on photos that training never saw. How far along the way from what words can say of the sitter
(pictures by the untrained base, prompted with the true identity tags) to the sitter's own unseen photo a portrait is:
0 = no nearer than words, 1 = as near as a photo. Nothing is chosen by it.

Distances are euclidean in one recogniser's space. Which recogniser, and how a face is found, is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portraitist.errors import InputError
from portraitist.images import resize
from portraitist.types import Embedding, Picture, Size

WORDS = 32
"""How many pictures of the untrained base say what words can say."""

ENOUGH_WORDS = 8
"""With fewer usable faces among them their mean says nothing."""


class NoScale(InputError):
    """The score is not defined for this sitter; the message says why."""

    code = "no_scale"


@dataclass(frozen=True)
class Scale:
    """The two ends of a sitter's likeness score, as mean distances to the held-out photos `references` (m, d)."""

    references: NDArray[np.float64]
    d_same: float
    d_words: float

    def distance(self, face: Embedding) -> float:
        """Mean distance of one face (d,) to the held-out photos."""
        return float(np.linalg.norm(self.references - face, axis=1).mean())

    def score(self, face: Embedding | None) -> float:
        """1 = like the sitter's own photo, 0 = like what words can say, below 0 = worse than words.

        `face` is None for a picture without exactly one usable face: it scores 0.
        """
        if face is None:
            return 0.0
        return min(1.0, (self.d_words - self.distance(face)) / (self.d_words - self.d_same))


def make_scale(held_out: Sequence[Embedding], training: Sequence[Embedding], words: Sequence[Embedding]) -> Scale:
    """The scale of a sitter from embeddings of held-out photos, training photos and pictures made from words.

    Raises NoScale when something is missing, or when words come as near as the sitter's own photos do: then there is
    no way left to measure along.
    """
    if not held_out or not training:
        raise NoScale("No photo was held out of the training, so there is nothing unseen to compare with.")
    if len(words) < ENOUGH_WORDS:
        raise NoScale(
            f"Only {len(words)} pictures of the untrained base show exactly one face; {ENOUGH_WORDS} are needed."
        )
    references = np.stack([np.asarray(face, dtype=np.float64) for face in held_out])
    scale = Scale(references, d_same=0.0, d_words=0.0)
    d_same = float(np.mean([scale.distance(face) for face in training]))
    d_words = float(np.mean([scale.distance(face) for face in words]))
    if d_words <= d_same:
        raise NoScale(
            f"The untrained base comes as near to the sitter by words ({d_words:.3f}) as the sitter's own photos "
            f"do ({d_same:.3f}); the score has no scale."
        )
    return Scale(references, d_same, d_words)


def mean_score(scale: Scale, faces: Sequence[Embedding | None]) -> float:
    """Mean score of several portraits; a portrait without a usable face counts as 0. `faces` must not be empty."""
    return float(np.mean([scale.score(face) for face in faces]))


def top1(
    faces: Sequence[Embedding | None], references: NDArray[np.float64], others: Sequence[NDArray[np.float64]]
) -> float:
    """Share (0–1) of `faces` that are nearer to the sitter's `references` (m, d) than to each other person's (k, d).

    A face of None counts as a miss. An identity's distance is the mean over its photos.
    """
    return float(np.mean([face is not None and _is_first(face, references, others) for face in faces]))


def _is_first(face: Embedding, references: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> bool:
    own = np.linalg.norm(references - face, axis=1).mean()
    return all(own < np.linalg.norm(photos - face, axis=1).mean() for photos in others)


def diversity(faces: Sequence[Embedding | None]) -> float | None:
    """Mean distance between the faces of a set, or None with fewer than two usable ones."""
    usable = np.stack([face for face in faces if face is not None]) if any(f is not None for f in faces) else None
    if usable is None or len(usable) < 2:
        return None
    distances = np.linalg.norm(usable[:, None] - usable[None, :], axis=2)
    return float(distances.sum() / (len(usable) * (len(usable) - 1)))


def spread(pictures: Sequence[Picture]) -> float | None:
    """How much pictures differ: mean distance of their 32 x 32 miniatures, in grey levels; None with fewer than two.

    In pixels, because in a recogniser's space portraits of one person *should* lie together.
    """
    if len(pictures) < 2:
        return None
    small = np.stack([resize(picture, Size(32, 32)).astype(np.float64).ravel() for picture in pictures])
    distances = np.sqrt(((small[:, None] - small[None]) ** 2).mean(axis=2))
    return float(distances.sum() / (len(small) * (len(small) - 1)))
