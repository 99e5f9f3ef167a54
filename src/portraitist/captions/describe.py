"""Who describes the photos of a training set: the protocol of captioners, and those that need no model from elsewhere.

A captioner says tags (which the rules prune) or a sentence (which nobody prunes). None sees more than one photo.

* `tagger`: the base's own tagger. Exact on pictures of the kind that the base was made of, silently wrong on others.
* `facts`, `facts-words` (facts.py): only what was measured.
* `none`: nothing; the caption is the trigger and the class word.
* `written`: what somebody wrote down for the photos; no captioner describes anything then.
* models by name (named.py): BLIP, BLIP-2, Florence-2, WD14, DeepDanbooru, and those of a user's own library.

What makes a captioner is `tests/contract/captioner.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from portraitist.captions.tagger import THRESHOLD, chosen
from portraitist.faces import Face
from portraitist.types import Picture

FRAMING = ("close-up", "portrait", "upper_body", "cowboy_shot", "lower_body", "full_body")
"""Said of a crop, not of a photo; a training set has several crops of each photo, so its captions leave it out."""


@dataclass(frozen=True)
class Description:
    """What is said of one photo: `tags`, the surest first, with their `scores` (0 … 1) where there are any, or one
    `sentence`. `doubt` is the share (0–1) of tags that the describer could not decide."""

    tags: tuple[str, ...] = ()
    sentence: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    doubt: float = 0.0


class Captioner(Protocol):
    """Describes one photo: `photo` as it is, `crop` the calm crop of the sitter, `face` theirs, None for a pet."""

    @property
    def name(self) -> str: ...

    def describe(self, photo: Picture, crop: Picture, face: Face | None) -> Description: ...


class TagsOf(Protocol):
    """What is needed of a tagger."""

    def scores(self, pictures: Sequence[Picture], batch: int = 16) -> list[dict[str, float]]: ...


@dataclass(frozen=True)
class TaggerCaptioner:
    """Tags of the crop by a tagger."""

    tagger: TagsOf
    name: str = "tagger"
    threshold: float = THRESHOLD

    def describe(self, photo: Picture, crop: Picture, face: Face | None) -> Description:
        """All tags with a score of at least the threshold, framing left out."""
        scores = self.tagger.scores([crop])[0]
        said = {tag: scores[tag] for tag in chosen(scores, self.threshold) if tag not in FRAMING}
        return Description(tuple(said), scores=said, doubt=doubt(scores))


@dataclass(frozen=True)
class NoCaptioner:
    """Says nothing."""

    name: str = "none"

    def describe(self, photo: Picture, crop: Picture, face: Face | None) -> Description:
        return Description()


def doubt(scores: Mapping[str, float]) -> float:
    """Share (0–1) of tags whose score is between 0.1 and 0.9: neither said nor denied."""
    return float(np.mean([0.1 < score < 0.9 for score in scores.values()])) if scores else 1.0
