"""One photo alone: which way up, which faces, and the numbers of each. Pixels in, a small frozen value out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from portraitist.faces import Face
from portraitist.faces.orientation import quarter_turns, turned
from portraitist.images import size_of
from portraitist.photos import quality
from portraitist.photos.covered import covered_of
from portraitist.photos.duplicates import Hashes, face_hashes, picture_hashes
from portraitist.photos.patch import Whole, cut_patch, moved, whole_of
from portraitist.photos.quality import Limits
from portraitist.photos.variety import Circumstance, circumstance_of
from portraitist.requests import Reason
from portraitist.types import Embedding, Picture, Size

_MOST = 6
"""So many faces of a photo, the largest, are looked at more closely."""

_SMALL = 1 / 16
"""Faces below this share of the largest one's area are not."""


_NO_SIZE = Size(0, 0)


class FaceFinder(Protocol):
    """What the check needs of the face stack."""

    def detect(self, picture: Picture) -> list[Face]: ...

    def embed(self, picture: Picture, face: Face) -> Embedding: ...

    def opening(self, picture: Picture, face: Face) -> float: ...


@dataclass(frozen=True)
class SeenFace:
    """A face of a photo and what was measured of it: the reasons against it, and doubts that reject nothing.

    `opening` is the height of the eyes in widths of the eye.
    """

    face: Face
    embedding: Embedding
    hashes: Hashes
    opening: float
    circumstance: Circumstance
    reasons: tuple[Reason, ...]
    doubts: tuple[Reason, ...]


@dataclass(frozen=True)
class Look:
    """A photo that was looked at. `faces` are its largest, `count` is how many there are; `turns` says by how many
    quarter turns anticlockwise it was brought upright; `size` is that of the upright photo.

    A file that could not be read has `unread`, and nothing else.
    """

    path: Path
    faces: tuple[SeenFace, ...] = ()
    count: int = 0
    turns: int = 0
    size: Size = _NO_SIZE
    hashes: Hashes | None = None
    unread: Reason | None = None


def look(path: Path, picture: Picture, faces: FaceFinder, limits: Limits) -> Look:
    """Look at the photo of a file."""
    whole = whole_of(picture)
    found = faces.detect(whole.small)
    turns = quarter_turns(whole.small, found, faces)
    if turns:
        whole = Whole(turned(picture, turns), turned(whole.small, turns), whole.factor)
        found = faces.detect(whole.small)
    found = [moved(face, 0.0, 0.0, 1.0 / whole.factor) for face in found]
    seen = tuple(_measured(path.name, whole, face, faces, limits) for face in _worth_it(found))
    return Look(path, seen, len(found), turns, size_of(whole.picture), picture_hashes(whole.small))


def _worth_it(found: Sequence[Face]) -> Sequence[Face]:
    return [face for face in found[:_MOST] if face.box.area >= _SMALL * found[0].box.area]


def _measured(name: str, whole: Whole, face: Face, faces: FaceFinder, limits: Limits) -> SeenFace:
    patch, size = cut_patch(whole, face), size_of(whole.picture)
    covered = covered_of(patch.picture, patch.face)
    return SeenFace(
        face,
        faces.embed(patch.picture, patch.face),
        face_hashes(patch.picture, patch.face),
        faces.opening(patch.picture, patch.face),
        circumstance_of(size, face, patch),
        tuple(quality.face_reasons(name, size, face, patch, covered, limits)),
        tuple(quality.face_doubts(name, covered, limits)),
    )
