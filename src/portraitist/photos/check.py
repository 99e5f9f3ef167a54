"""The check: photo files in, a verdict for each out. First each photo alone, then who the sitter is, then duplicates.

Reads the files one after another and keeps no pixels. Knows nothing of training.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from portraitist.decoder import Decoder, Refusal
from portraitist.faces import Face, distance, mean
from portraitist.faces.orientation import turned
from portraitist.photos import quality
from portraitist.photos.archives import told
from portraitist.photos.duplicates import Shot, find_duplicates, same_shot
from portraitist.photos.intake import find_photos
from portraitist.photos.look import FaceFinder, Look, SeenFace, look
from portraitist.photos.quality import Limits
from portraitist.photos.sitter import KNOWN, Choice, Company, Point, Sitter, choose, find_sitter
from portraitist.photos.variety import warn_of_sameness
from portraitist.requests import HELD_OUT_FROM, MIN_PHOTOS, CheckReport, Corners, FaceReport, PhotoVerdict, Reason, Warn
from portraitist.types import Box, Embedding, OnStep, Picture, Step, no_progress


@dataclass(frozen=True)
class CheckedPhoto:
    """A photo file with what was found: `face` and `embedding` are None where no face was chosen, `subject` is the box
    of a pet or a thing.

    `turns` are the quarter turns anticlockwise that bring what the file holds upright; `face` is in the pixels of the
    upright picture.
    """

    path: Path
    reasons: tuple[Reason, ...] = ()
    face: Face | None = None
    embedding: Embedding | None = None
    distance: float | None = None
    turns: int = 0
    subject: Box | None = None

    @property
    def accepted(self) -> bool:
        return not self.reasons

    @property
    def unread(self) -> bool:
        """Whether the file could not be read at all."""
        return any(reason.code in ("unreadable", "too_large") for reason in self.reasons)

    def upright(self, picture: Picture) -> Picture:
        """The picture of the photo's file as it was judged."""
        return turned(picture, self.turns)

    @property
    def verdict(self) -> PhotoVerdict:
        degrees = 90 * (-self.turns % 4)
        if self.accepted:
            return PhotoVerdict(told(self.path), "accepted", (), self._face(), degrees, self._subject())
        return PhotoVerdict(told(self.path), "rejected", self.reasons, self._face(), degrees, self._subject())

    def _subject(self) -> Corners | None:
        box = self.subject
        return None if box is None else (round(box.x, 1), round(box.y, 1), round(box.width, 1), round(box.height, 1))

    def _face(self) -> FaceReport | None:
        if self.face is None:
            return None
        box = self.face.box
        corners = tuple(round(value, 1) for value in (box.x, box.y, box.width, box.height))
        angles = [round(angle, 1) for angle in (self.face.yaw, self.face.pitch, self.face.roll)]
        far = None if self.distance is None else round(self.distance, 4)
        return FaceReport((corners[0], corners[1], corners[2], corners[3]), angles[0], angles[1], angles[2], far)


@dataclass(frozen=True)
class PhotoCheck:
    """The verdicts on all photos, in the order of the files."""

    photos: tuple[CheckedPhoto, ...]
    warnings: tuple[Warn, ...] = ()

    @property
    def accepted(self) -> tuple[CheckedPhoto, ...]:
        return tuple(photo for photo in self.photos if photo.accepted)

    @property
    def enough(self) -> bool:
        return len(self.accepted) >= MIN_PHOTOS

    @property
    def report(self) -> CheckReport:
        return CheckReport(tuple(photo.verdict for photo in self.photos), self.warnings)


@dataclass(frozen=True)
class _Judged:
    """A photo on its way to its verdict: what was seen, which face was chosen, the reasons so far."""

    look: Look
    choice: Choice
    reasons: tuple[Reason, ...]
    distance: float | None = None

    @property
    def seen(self) -> SeenFace | None:
        return None if self.choice.index is None else self.look.faces[self.choice.index]

    @property
    def accepted(self) -> bool:
        return not self.reasons

    @property
    def shot(self) -> Shot | None:
        return None if self.seen is None else _shot(self.look, self.seen)

    def against(self, *reasons: Reason) -> "_Judged":
        return replace(self, reasons=(*self.reasons, *reasons))


def check_photos(
    paths: Sequence[Path],
    faces: FaceFinder,
    *,
    limits: Limits | None = None,
    known: Sequence[Path] = (),
    point: Point | None = None,
    keep_all: bool = False,
    on_step: OnStep = no_progress,
) -> PhotoCheck:
    """Judge the photos of files and folders. Raises NoPhotos; a bad photo is a verdict, not an error.

    `point` (x, y in pixels, or as shares if neither exceeds 1) says which face is the sitter's; `keep_all` accepts
    every photo in which a face was found and turns its reasons into warnings; `known` are the sitter's photos of an
    earlier time, with which the new ones are compared.
    """
    limits = limits or Limits()
    files = find_photos(paths)
    looks: list[Look] = []
    for path, picture in _read([*files, *known], limits):
        if len(looks) < len(files):
            on_step(Step("check", len(looks), len(files), path.name))
        looks.append(Look(path, unread=picture) if isinstance(picture, Reason) else look(path, picture, faces, limits))
    on_step(Step("check", len(files), len(files)))
    earlier = [photo for photo in _judge(looks[len(files) :], [], None, limits)[0] if photo.accepted]
    photos, sitter = _judge(looks[: len(files)], earlier, point, limits)
    photos = _mark_closed_eyes(_judge_pitch(photos, earlier, limits), earlier, limits)
    twins = find_duplicates(
        [photo.shot if photo.accepted or _company_only(photo) else None for photo in photos],
        [shot for photo in earlier if (shot := photo.shot) is not None],
        limits,
    )
    photos = [photo.against(twins[i]) if i in twins else photo for i, photo in enumerate(photos)]
    photos = [_name_company(photo) for photo in photos]
    photos = _measure(photos, earlier)
    kept, overruled = _keep_all(photos, sitter) if keep_all else (photos, [])
    return PhotoCheck(
        tuple(_checked(photo) for photo in kept), (*overruled, *_warn(kept, limits), *_warn_of_mixture(sitter, limits))
    )


def _read(paths: Sequence[Path], limits: Limits) -> Iterator[tuple[Path, Picture | Reason]]:
    """The picture of each file, or the reason why there is none. The one place where the check reads files."""
    with Decoder() as decoder:
        pictures = decoder.read_ahead(paths, max_bytes=limits.bytes, max_pixels=limits.pixels)
        for path, picture in zip(paths, pictures, strict=True):
            yield path, quality.unreadable(picture) if isinstance(picture, Refusal) else picture


def _judge(
    looks: Sequence[Look], earlier: Sequence[_Judged], point: Point | None, limits: Limits
) -> tuple[list[_Judged], Sitter]:
    """Choose the sitter's face in each photo and collect the reasons against it."""
    photos = _companies(looks, limits)
    sitter = find_sitter(photos, point, _embeddings(earlier), limits)
    judged = []
    for one, photo in zip(looks, photos, strict=True):
        if one.unread is not None:
            judged.append(_Judged(one, Choice(None), (one.unread,)))
            continue
        choice = choose(photo, sitter, point, limits)
        found = _Judged(one, choice, choice.reasons)
        stranger = any(reason.code == "other_person" for reason in choice.reasons)
        judged.append(found if found.seen is None or stranger else found.against(*found.seen.reasons))
    return judged, sitter


def _companies(looks: Sequence[Look], limits: Limits) -> list[Company]:
    """Who is in each photo, with a number for each shot of a face: copies of a photo have one vote."""
    shots: list[Shot] = []
    photos = []
    for one in looks:
        groups = []
        for shot in (_shot(one, seen) for seen in one.faces):
            twin = next((i for i, other in enumerate(shots) if same_shot(shot, other, limits)), None)
            groups.append(len(shots) if twin is None else twin)
            if twin is None:
                shots.append(shot)
        photos.append(
            Company(
                one.path.name,
                one.size,
                tuple(seen.face for seen in one.faces),
                tuple(seen.embedding for seen in one.faces),
                tuple(not seen.reasons for seen in one.faces),
                tuple(groups),
                one.count,
            )
        )
    return photos


def _shot(one: Look, seen: SeenFace) -> Shot:
    return Shot(one.path.name, one.hashes or seen.hashes, seen.hashes, seen.embedding, seen.face.box.width)


def _embeddings(photos: Sequence[_Judged]) -> list[Embedding]:
    return [photo.seen.embedding for photo in photos if photo.seen is not None]


def _company_only(photo: _Judged) -> bool:
    return photo.seen is not None and _codes(photo) == {"several_faces"}


def _judge_pitch(photos: Sequence[_Judged], earlier: Sequence[_Judged], limits: Limits) -> list[_Judged]:
    """Judge the pitch again, less what FaceMesh is off with this sitter."""
    pitches = [photo.seen.face.pitch for photo in (*photos, *earlier) if photo.seen and _codes(photo) <= {"pitched"}]
    if len(pitches) < KNOWN:
        return list(photos)
    usual = quality.usual_pitch(pitches, limits)
    judged = []
    for photo in photos:
        if photo.seen is not None and "other_person" not in _codes(photo):
            others = tuple(reason for reason in photo.reasons if reason.code != "pitched")
            again = quality.pitched(photo.look.path.name, photo.seen.face.pitch, limits, usual)
            photo = replace(photo, reasons=(*others, *again))
        judged.append(photo)
    return judged


def _codes(photo: _Judged) -> set[str]:
    return {reason.code for reason in photo.reasons}


def _mark_closed_eyes(photos: Sequence[_Judged], earlier: Sequence[_Judged], limits: Limits) -> list[_Judged]:
    """Mark those whose eyes are far less open than is usual for this sitter: narrow eyes are no fault."""
    openings = [photo.seen.opening for photo in (*photos, *earlier) if photo.accepted and photo.seen]
    if len(openings) < KNOWN:
        return list(photos)
    least = limits.closed * float(np.median(openings))
    marked = []
    for photo in photos:
        if photo.accepted and photo.seen is not None and photo.seen.opening < least:
            opening, name = photo.seen.opening, photo.look.path.name
            message = (
                f"The eyes in {name} are closed: {opening:.2f} eye widths open, and with this sitter {least:.2f} is "
                "the least."
            )
            photo = photo.against(Reason("closed_eyes", round(opening, 3), round(least, 3), message))
        marked.append(photo)
    return marked


def _name_company(photo: _Judged) -> _Judged:
    """Whoever wants to mend a rejected photo should know that it shows others too."""
    if photo.accepted or not photo.choice.known or any(reason.code == "several_faces" for reason in photo.reasons):
        return photo
    return replace(photo, reasons=(quality.with_company(photo.look.path.name, photo.look.count), *photo.reasons))


def _measure(photos: Sequence[_Judged], earlier: Sequence[_Judged]) -> list[_Judged]:
    """Fill in each face's distance to the mean of the other accepted photos."""
    measured = []
    for photo in photos:
        others = _embeddings([other for other in (*photos, *earlier) if other is not photo and other.accepted])
        far = distance(photo.seen.embedding, mean(others)) if photo.seen is not None and others else None
        measured.append(replace(photo, distance=far))
    return measured


def _keep_all(photos: Sequence[_Judged], sitter: Sitter) -> tuple[list[_Judged], list[Warn]]:
    """Accept what has a face; where none was chosen, the one most like the sitter or else the largest."""
    kept, warnings = [], []
    for photo in photos:
        if not photo.look.faces or photo.accepted:
            kept.append(photo)
            continue
        warnings += [Warn(reason.code, f"Kept all the same: {reason.message}") for reason in photo.reasons]
        index = photo.choice.index
        if index is None:
            apart = [sitter.distance(seen.embedding) if sitter.members else 0.0 for seen in photo.look.faces]
            index = int(np.argmin(apart))
        kept.append(replace(photo, choice=replace(photo.choice, index=index), reasons=()))
    return kept, warnings


def _warn(photos: Sequence[_Judged], limits: Limits) -> list[Warn]:
    warnings = []
    accepted = [photo for photo in photos if photo.accepted]
    if len(accepted) < MIN_PHOTOS:
        text = f"{len(accepted)} of {len(photos)} photos are accepted; a likeness needs {MIN_PHOTOS}."
        warnings.append(Warn("too_few_photos", text))
    elif len(accepted) < HELD_OUT_FROM:
        text = f"{len(accepted)} photos are accepted; from {HELD_OUT_FROM} on, the likeness can be measured."
        warnings.append(Warn("no_measure", text))
    for photo in accepted:
        if photo.seen is not None:
            warnings += [Warn(doubt.code, doubt.message) for doubt in photo.seen.doubts]
            warnings += _company(photo, photo.seen)
    if len(accepted) < KNOWN:
        warnings += [
            Warn("closed_eyes", f"The eyes in {photo.look.path.name} may be closed.")
            for photo in accepted
            if photo.seen is not None and photo.seen.opening < limits.closed_alone
        ]
    return [*warnings, *warn_of_sameness([photo.seen.circumstance for photo in accepted if photo.seen is not None])]


def _warn_of_mixture(sitter: Sitter, limits: Limits) -> list[Warn]:
    if sitter.reach <= limits.mixture:
        return []
    text = (
        f"The photos differ more than one person's usually do (distances reach {sitter.reach:.2f}, "
        f"{limits.mixture:.2f} is much). Are they all of the same person?"
    )
    return [Warn("mixture", text)]


def _company(photo: _Judged, seen: SeenFace) -> list[Warn]:
    if not photo.choice.known:
        return []
    far = "" if photo.distance is None else f" (distance {photo.distance:.2f})"
    text = f"{photo.look.path.name} shows {photo.look.count} faces; the sitter's was told by the other photos{far}."
    return [Warn("company", text)]


def _checked(photo: _Judged) -> CheckedPhoto:
    seen, path, turns = photo.seen, photo.look.path, photo.look.turns
    if seen is None:
        return CheckedPhoto(path, photo.reasons, turns=turns)
    return CheckedPhoto(path, photo.reasons, seen.face, seen.embedding, photo.distance, turns)
