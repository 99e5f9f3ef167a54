"""The sitter's photos as sources of fusion: read, turned upright, the sitter's face told, the rest cut away.

Knows which photos it is given, not which of them were held out of a training.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from portraitist.faces import Face, distance, mean
from portraitist.faces.orientation import quarter_turns, turned
from portraitist.finishing.matching import Source, state_of
from portraitist.images import crop, fit, read_picture
from portraitist.photos.patch import moved, whole_of
from portraitist.types import Box, Embedding, Picture

_ROOM = 1.3
"""What is kept around the mesh of a face, in eye distances."""

_LARGEST = 400
"""Eye distances above this many pixels are shrunk to it: portraits hardly have larger ones."""


class FaceSeer(Protocol):
    """What is needed of the face stack."""

    def detect(self, picture: Picture) -> list[Face]: ...

    def embed(self, picture: Picture, face: Face) -> Embedding: ...

    def opening(self, picture: Picture, face: Face) -> float: ...


def read_sources(photos: Sequence[Path], faces: FaceSeer, known: Sequence[Embedding] = ()) -> tuple[Source, ...]:
    """The sources in photo files, named by the files; those that show no face are left out.

    In company the sitter's face is the one nearest to the `known` faces of the sitter, else the largest. Raises
    UnreadablePhoto or PhotoTooLarge.
    """
    found = (source_of(path.name, read_picture(path), faces, known) for path in photos)
    return tuple(source for source in found if source is not None)


def source_of(name: str, photo: Picture, faces: FaceSeer, known: Sequence[Embedding] = ()) -> Source | None:
    """One photo as a source, or None without a face; `known` as in `read_sources`."""
    whole = whole_of(photo)
    seen = faces.detect(whole.small)
    turns = quarter_turns(whole.small, seen, faces)
    if turns:
        whole = whole_of(turned(photo, turns))
        seen = faces.detect(whole.small)
    if not seen:
        return None
    embeddings = [faces.embed(whole.small, face) for face in seen]
    place = _sitter(embeddings, known)
    picture, face = _cut(whole.picture, moved(seen[place], 0.0, 0.0, 1.0 / whole.factor))
    return Source(name, picture, face, embeddings[place], state_of(picture, face, faces))


def _sitter(embeddings: Sequence[Embedding], known: Sequence[Embedding]) -> int:
    if not known or len(embeddings) == 1:
        return 0
    centre = mean(known)
    return int(np.argmin([distance(one, centre) for one in embeddings]))


def _cut(photo: Picture, face: Face) -> tuple[Picture, Face]:
    """The part of a photo around a face, not needlessly large, and the face in it."""
    room = _ROOM * face.eye_distance
    points = face.mesh[:, :2]
    low = np.floor(np.clip(points.min(axis=0) - room, 0, None))
    high = np.ceil(np.minimum(points.max(axis=0) + room, photo.shape[1::-1]))
    wide, tall = np.maximum(high - low, 1.0)
    part = crop(photo, Box(float(low[0]), float(low[1]), float(wide), float(tall)))
    longest = max(1, round(max(part.shape[:2]) * min(1.0, _LARGEST / max(face.eye_distance, 1.0))))
    small, factor = fit(part, longest)
    return small, moved(face, float(low[0]), float(low[1]), factor)
