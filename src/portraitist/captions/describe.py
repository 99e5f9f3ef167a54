"""Who describes the photos of a training set. Three ways, all behind one protocol; none sees more than one photo.

* `tagger`: the base's own tagger. Exact on pictures of the kind that the base was made of, silently wrong on others.
* `facts`: only what was measured: pose, light, colour, mouth. Says little and nothing false.
* `none`: nothing; the caption is the trigger and the class word.

`choose_captioner` decides for `auto`: the tagger where it is sure of itself, else the facts. mini's tagger knows
rendered people only; photographs leave many of its tags undecided, and that share is what the choice goes by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from portraitist.captions.tagger import Tagger, chosen
from portraitist.errors import BadRequest, UnfitModel
from portraitist.faces import Face
from portraitist.types import Picture

CAPTIONERS = ("auto", "tagger", "facts", "none")

DOUBT_LIMIT = 0.06
"""Share of a tagger's tags that may be undecided, on the mean over the photos, before `auto` turns to the facts.

mini-2's tagger: 0.01 to 0.03 on sets of renders, 0.10 to 0.13 on sets of photographs. It goes with the weights.
"""

# The facts' limits, in degrees and ratios; the angles are those by which mini's own words are defined.
TURNED, NODDED, TILTED = 17.0, 10.0, 8.0
OPEN_MOUTH, WIDE_MOUTH, SIDE_LIGHT, GREY = 0.28, 1.0, 1.35, 4.0

FRAMING = ("close-up", "portrait", "upper_body")
"""Said of a crop, not of a photo; a training set has several crops of each photo, so its captions leave it out."""


@dataclass(frozen=True)
class Description:
    """The tags of one photo, and the share (0–1) of tags that the describer was in doubt about."""

    tags: tuple[str, ...]
    doubt: float = 0.0


class Captioner(Protocol):
    """Describes one photo: `photo` as it is, `crop` the calm crop around `face`."""

    @property
    def name(self) -> str: ...

    def describe(self, photo: Picture, crop: Picture, face: Face) -> Description: ...


class TagsOf(Protocol):
    """What is needed of a tagger."""

    def scores(self, pictures: Sequence[Picture], batch: int = 16) -> list[dict[str, float]]: ...


@dataclass(frozen=True)
class TaggerCaptioner:
    """Tags of the crop by a tagger."""

    tagger: TagsOf
    name: str = "tagger"

    def describe(self, photo: Picture, crop: Picture, face: Face) -> Description:
        """All tags with a score of at least 0.5, framing left out."""
        scores = self.tagger.scores([crop])[0]
        return Description(tuple(tag for tag in chosen(scores) if tag not in FRAMING), doubt(scores))


@dataclass(frozen=True)
class FactsCaptioner:
    """Tags from measurements of the face and the light on it."""

    name: str = "facts"

    def describe(self, photo: Picture, crop: Picture, face: Face) -> Description:
        """Pose, mouth, side light and greyness; `solo` always, for a photo with two people is not accepted."""
        return Description(("solo", *_pose(face), *_mouth(face), *_light(photo, face)))


@dataclass(frozen=True)
class NoCaptioner:
    """Says nothing."""

    name: str = "none"

    def describe(self, photo: Picture, crop: Picture, face: Face) -> Description:
        return Description(())


def choose_captioner(wanted: str, tagger: Tagger | None, crops: Sequence[Picture]) -> Captioner:
    """The captioner for `wanted`; `crops` are the training set's calm crops, by which `auto` decides.

    Raises BadRequest for an unknown name, UnfitModel for `tagger` on a base that has none.
    """
    if wanted not in CAPTIONERS:
        raise BadRequest(f"--captioner {wanted!r} is not known.", hint=f"Use one of {', '.join(CAPTIONERS)}.")
    if wanted == "none":
        return NoCaptioner()
    if wanted == "tagger":
        if tagger is None:
            raise UnfitModel("This base has no tagger.", hint="Use --captioner facts.")
        return TaggerCaptioner(tagger)
    if wanted == "facts" or tagger is None or not crops:
        return FactsCaptioner()
    doubts = [doubt(scores) for scores in tagger.scores(crops)]
    return TaggerCaptioner(tagger) if float(np.mean(doubts)) <= DOUBT_LIMIT else FactsCaptioner()


def doubt(scores: Mapping[str, float]) -> float:
    """Share (0–1) of tags whose score is between 0.1 and 0.9: neither said nor denied."""
    return float(np.mean([0.1 < score < 0.9 for score in scores.values()])) if scores else 1.0


def _pose(face: Face) -> tuple[str, ...]:
    tags = []
    if abs(face.yaw) > TURNED:
        tags.append("facing_right" if face.yaw > 0 else "facing_left")
    if abs(face.pitch) > NODDED:
        tags.append("looking_up" if face.pitch > 0 else "looking_down")
    if abs(face.roll) > TILTED:
        tags.append("head_tilt")
    return tuple(tags)


def _mouth(face: Face) -> tuple[str, ...]:
    """By the inner lips (13, 14) and the corners (61, 291) of the mesh; a wide mouth on a straight head is a smile."""
    upper, lower, left, right = face.mesh[[13, 14, 61, 291], :2]
    width = float(np.linalg.norm(left - right))
    opened = float(np.linalg.norm(upper - lower)) / max(width, 1.0)
    wide = width / max(face.eye_distance, 1.0)
    tags = ["smile"] if wide > WIDE_MOUTH and abs(face.yaw) < 25 else []
    return (*tags, "open_mouth") if opened > OPEN_MOUTH else tuple(tags)


def _light(photo: Picture, face: Face) -> tuple[str, ...]:
    """By the two halves of the face's box."""
    rows = slice(max(0, round(face.box.y)), max(1, round(face.box.y + face.box.height)))
    middle = max(1, round(face.box.centre[0]))
    left = photo[rows, max(0, round(face.box.x)) : middle].astype(np.float64)
    right = photo[rows, middle : max(middle + 1, round(face.box.x + face.box.width))].astype(np.float64)
    if left.size == 0 or right.size == 0:
        return ()
    bright = sorted((left.mean() + 1.0, right.mean() + 1.0))
    tags = ["side_light"] if bright[1] / bright[0] > SIDE_LIGHT else []
    colour = float(np.abs(photo.max(axis=2).astype(np.int64) - photo.min(axis=2)).mean())
    return (*tags, "monochrome") if colour < GREY else tuple(tags)
