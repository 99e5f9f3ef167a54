"""Which way up a photo is, by its faces. For photos whose EXIF is missing or wrong; knows nothing of files."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from portraitist.faces.face import Face
from portraitist.images import fit
from portraitist.types import Picture

_LONGEST = 640
"""The four turns are compared at this size at most."""

_SURE_SCORE, _SURE_PRESENCE = 0.85, 10.0
"""A face this clear and with its eyes above its mouth needs no vote: upside down, none of 61 faces comes near."""

_LEAST = 0.75
"""A turn that nobody votes for more than this is not made; what is no face has less."""

_MARGIN = 0.05
"""How much more votes than the photo as it is a turn needs."""


class Finder(Protocol):
    """Finds the faces of a picture."""

    def detect(self, picture: Picture) -> list[Face]: ...


def quarter_turns(picture: Picture, faces: Sequence[Face], finder: Finder) -> int:
    """How many quarter turns anticlockwise (0 … 3, as in `numpy.rot90`) bring the picture's faces upright.

    `faces` are those that were found in the picture as it is. All four turns are searched for faces and vote with the
    detector's score, FaceMesh's presence and how upright the eyes are; networks alone see faces in pictures upside
    down too, but are less sure of them.
    """
    if any(face.score >= _SURE_SCORE and face.presence >= _SURE_PRESENCE and abs(face.roll) < 40 for face in faces):
        return 0
    view, _ = fit(picture, _LONGEST)
    votes = np.array([_vote(finder.detect(turned(view, turns))) for turns in range(4)])
    best = int(votes.argmax())
    return best if votes[best] >= max(_LEAST, votes[0] + _MARGIN) else 0


def turned(picture: Picture, turns: int) -> Picture:
    """The picture after quarter turns anticlockwise."""
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns % 4 else picture


def _vote(faces: Sequence[Face]) -> float:
    """The best face's vote, 0 … 1.6."""
    votes = [
        (face.score + 0.02 * float(np.clip(face.presence, 0.0, 30.0))) * max(0.0, float(np.cos(np.radians(face.roll))))
        for face in faces
    ]
    return max(votes, default=0.0)
