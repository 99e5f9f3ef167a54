"""Looks at made pictures: how many faces, how far from the photos, what score. Marks; chooses nothing.

The scale of a sitter is kept as JSON (`FaceRecord`), so that portraits made later are marked on the same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Protocol

import numpy as np

from portraitist import ranking
from portraitist.errors import BadFile, InputError, UnfitModel
from portraitist.faces import Circle, Face, calibrate, leave_one_out
from portraitist.faces.spaces import DLIB, named, same_space, space
from portraitist.families.base import Model
from portraitist.files import write_text
from portraitist.generation.generate import generate
from portraitist.generation.portrait import Portrait
from portraitist.generation.styled import with_style
from portraitist.recipes import Style
from portraitist.requests import PortraitRequest, from_json, to_json
from portraitist.types import Embedding, OnStep, Picture, Seed, Step, derive_seed, no_progress

OWN_CIRCLE = 4
"""From so many photos on their own spread says where a portrait stops to pass for the sitter."""

PORTRAIT_MARGIN = 0.05 / 0.12
"""Share of a recogniser's margin that is granted to portraits."""


class FaceReader(Protocol):
    """What is needed of the face stack."""

    def detect(self, picture: Picture) -> list[Face]: ...

    def embed(self, picture: Picture, face: Face) -> Embedding: ...

    def steady(self, picture: Picture, face: Face) -> Embedding: ...


@dataclass(frozen=True)
class Look:
    """What was found in a made picture. `face`, `found` and `steady` (see `Recogniser.steady`) are None unless there is
    exactly one."""

    faces: int
    face: Embedding | None
    found: Face | None = None
    steady: Embedding | None = None


@dataclass(frozen=True)
class FaceRecord:
    """What later portraits of a sitter are compared with: embeddings of the photos, and the ends of the scale.

    `reason` says why there is no scale. `words` is the subject that stood for what words can say.
    """

    recogniser: str
    training: tuple[tuple[float, ...], ...]
    held_out: tuple[tuple[float, ...], ...] = ()
    d_same: float | None = None
    d_words: float | None = None
    words: str | None = None
    reason: str | None = None

    @property
    def scale(self) -> ranking.Scale | None:
        """The scale of the likeness score, or None."""
        if self.d_same is None or self.d_words is None:
            return None
        return ranking.Scale(np.array(self.held_out, dtype=np.float64), self.d_same, self.d_words)

    @property
    def circle(self) -> Circle | None:
        """The sitter's own threshold for portraits, from the training photos; None for fewer than two.

        With four photos or more the farthest leave-one-out distance and a small part of the recogniser's margin (0.05
        of dlib's 0.12), narrower than for photos; with fewer what `faces.radius` says.
        """
        photos = [named(np.array(photo), self.recogniser) for photo in self.training]
        if len(photos) < 2:
            return None
        whole = calibrate(photos)
        if len(photos) < OWN_CIRCLE:
            return whole
        margin = space(self.recogniser or DLIB.name).margin * PORTRAIT_MARGIN
        return replace(whole, radius=float(leave_one_out(photos).max()) + margin)

    def distance(self, face: Embedding) -> float:
        """Mean distance of a face to the training photos. Raises UnfitModel for a face of another recogniser."""
        same_space((face,), self.recogniser)
        return ranking.distance_to(face, [np.array(photo) for photo in self.training])


def look(picture: Picture, faces: FaceReader, *, steady: bool = False) -> Look:
    """Count the faces of a picture and embed the one, if it is one; with `steady` a second time with less of chance, as
    ranking needs it."""
    found = faces.detect(picture)
    if len(found) != 1:
        return Look(len(found), None)
    (one,) = found
    return Look(1, faces.embed(picture, one), one, faces.steady(picture, one) if steady else None)


def candidate_of(
    picture: Picture, name: str, style: str | None, seen: Look, record: FaceRecord, *, photo: bool = True
) -> ranking.Candidate:
    """What a portrait is ranked by (where there is one, the steady look), and what speaks against it.

    A sitter without faces (a pet, a thing) is ranked by the whole picture, and nothing speaks against it. In a painted
    style (not `photo`) only the number of faces does: strokes look like blur and noise.
    """
    small = ranking.miniature(picture)
    if not record.training:
        whole = ranking.technical_quality(picture)
        return ranking.Candidate(name, style, seen.faces, None, whole, small=small)
    circle, face = record.circle, seen.face
    distance = None if face is None else record.distance(face)
    reach = None if circle is None or face is None else circle.distance(face) / circle.radius
    found = None if seen.found is None else ranking.measure_face(picture, seen.found)
    ranked = reach if circle is None or seen.steady is None else circle.distance(seen.steady) / circle.radius
    quality = 0.0 if found is None else ranking.quality_of(found) if photo else 1.0
    flaws = ranking.likeness_flaws(seen.faces, reach, photo)
    if found is not None and photo:
        flaws += ranking.face_flaws(found)
    return ranking.Candidate(name, style, seen.faces, distance, quality, ranked, flaws, small=small)


def words_pictures(
    subject: str, styles: Sequence[Style], model: Model, seed: Seed, count: int = ranking.WORDS
) -> Iterator[Portrait]:
    """Pictures that the untrained base makes of `subject` (words, no trigger), in turn in `styles`."""
    for number, style in enumerate(islice(cycle(styles), count)):
        asked = PortraitRequest(sitter="", style=style.name, seed=derive_seed(seed, "words", number) % 2**32)
        yield from generate(with_style(asked, style, subject, model.base), model)


def words_faces(
    subject: str, styles: Sequence[Style], model: Model, faces: FaceReader, seed: Seed, on_step: OnStep = no_progress
) -> list[Embedding | None]:
    """The faces of 32 `words_pictures`."""
    found: list[Embedding | None] = []
    on_step(Step("score", 0, ranking.WORDS, "what words can say"))
    for portrait in words_pictures(subject, styles, model, seed):
        found.append(look(portrait.pixels, faces).face)
        on_step(Step("score", len(found), ranking.WORDS, "what words can say"))
    return found


def make_record(
    recogniser: str,
    training: Sequence[Embedding],
    held_out: Sequence[Embedding],
    words: Sequence[Embedding | None] = (),
    subject: str | None = None,
) -> FaceRecord:
    """The record of a sitter, with the scale where it is defined and the reason where it is not."""
    record = FaceRecord(recogniser, _plain(training), _plain(held_out), words=subject)
    try:
        scale = ranking.make_scale(held_out, training, [face for face in words if face is not None])
    except ranking.NoScale as error:
        return replace(record, reason=error.message)
    return replace(record, d_same=scale.d_same, d_words=scale.d_words)


def _plain(faces: Sequence[Embedding]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in face) for face in faces)


def write_record(path: Path, record: FaceRecord) -> Path:
    """Write the record; these numbers are biometric and stay in the sitter's own folder."""
    return write_text(path, to_json(record) + "\n")


def check_recogniser(record: FaceRecord, name: str) -> None:
    """Whether faces of the recogniser `name` can be compared with a sitter's record. Raises UnfitModel."""
    if record.recogniser != name:
        raise UnfitModel(
            f"The sitter's faces were measured by {record.recogniser}; here is {name}.",
            hint="Name the same models with --faces, or train the sitter again.",
        )


def read_record(path: Path) -> FaceRecord:
    """Read a record. Raises BadFile when it is missing or damaged."""
    try:
        return from_json(FaceRecord, path.read_bytes())
    except (OSError, InputError) as error:
        raise BadFile(f"{path} is missing or damaged.", hint="Train the sitter again.") from error
