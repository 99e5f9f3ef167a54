"""The check: photo files in, a verdict for each out. First each photo alone, then duplicates, then other people.

Reads the files one after another and keeps no pixels. Knows nothing of training.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from portraitist.decoder import Decoder, Refusal
from portraitist.faces import Face, distance, grow, mean, radius
from portraitist.faces.spaces import same_shot
from portraitist.images import size_of
from portraitist.photos import quality
from portraitist.photos.archives import told
from portraitist.photos.intake import find_photos
from portraitist.photos.quality import Limits
from portraitist.requests import (
    HELD_OUT_FROM,
    MIN_PHOTOS,
    CheckReport,
    Corners,
    FaceReport,
    PhotoVerdict,
    Reason,
    Verdict,
    Warn,
)
from portraitist.types import Box, Embedding, OnStep, Picture, Step, no_progress


class FaceFinder(Protocol):
    """What the check needs of the face stack."""

    def detect(self, picture: Picture) -> list[Face]: ...

    def embed(self, picture: Picture, face: Face) -> Embedding: ...


@dataclass(frozen=True)
class CheckedPhoto:
    """A photo file with what was found: `face` and `embedding` are None where no face was chosen, `subject` is the box
    of a pet or a thing."""

    path: Path
    reasons: tuple[Reason, ...] = ()
    face: Face | None = None
    embedding: Embedding | None = None
    picture_hash: quality.Bits | None = None
    face_hash: quality.Bits | None = None
    distance: float | None = None
    subject: Box | None = None

    @property
    def accepted(self) -> bool:
        return not self.reasons

    @property
    def verdict(self) -> PhotoVerdict:
        verdict: Verdict = "accepted" if self.accepted else "rejected"
        return PhotoVerdict(told(self.path), verdict, self.reasons, self._face(), self._subject())

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


def check_photos(
    paths: Sequence[Path],
    faces: FaceFinder,
    *,
    limits: Limits | None = None,
    known: Sequence[Path] = (),
    point: tuple[float, float] | None = None,
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
    photos: list[CheckedPhoto] = []
    with Decoder() as decoder:
        pictures = decoder.read_ahead([*files, *known], max_bytes=limits.bytes, max_pixels=limits.pixels)
        for number, path in enumerate(files):
            on_step(Step("check", number, len(files), path.name))
            photos.append(_look(path, next(pictures), faces, limits, point))
        on_step(Step("check", len(files), len(files)))
        earlier = [photo for path in known if (photo := _look(path, next(pictures), faces, limits, None)).accepted]
    photos = _mark_duplicates(photos, earlier, limits)
    photos = _mark_others(photos, earlier)
    photos = _measure(photos, earlier)
    kept, warnings = _keep_all(photos) if keep_all else (photos, [])
    return PhotoCheck(tuple(kept), (*warnings, *_warn(kept)))


def _look(
    path: Path, picture: Picture | Refusal, faces: FaceFinder, limits: Limits, point: tuple[float, float] | None
) -> CheckedPhoto:
    if isinstance(picture, Refusal):
        return CheckedPhoto(path, (quality.unreadable(picture),))
    face, reason = quality.choose_face(path.name, size_of(picture), faces.detect(picture), limits, point)
    if face is None:
        return CheckedPhoto(path, () if reason is None else (reason,))
    return CheckedPhoto(
        path,
        tuple(quality.face_reasons(path.name, picture, face, limits)),
        face,
        faces.embed(picture, face),
        quality.picture_hash(picture),
        quality.face_hash(picture, face),
    )


def _mark_duplicates(
    photos: Sequence[CheckedPhoto], earlier: Sequence[CheckedPhoto], limits: Limits
) -> list[CheckedPhoto]:
    """Of photos of one shot the earlier one stays, else the one with the largest face, else the first."""
    kept = list(earlier)
    marked = list(photos)
    order = sorted((i for i, photo in enumerate(photos) if photo.accepted), key=lambda i: (-_width(photos[i]), i))
    for index in order:
        photo = photos[index]
        twin = next((other for other in kept if _same_shot(photo, other, limits)), None)
        if twin is None:
            kept.append(photo)
            continue
        bits = _bits(photo, twin)
        message = f"{photo.path.name} is the same shot as {twin.path.name} ({bits} of 64 bits differ)."
        reason = Reason("duplicate", bits, limits.hash_bits, message)
        marked[index] = replace(photo, reasons=(*photo.reasons, reason))
    return marked


def _width(photo: CheckedPhoto) -> float:
    return photo.face.box.width if photo.face else 0.0


def _same_shot(first: CheckedPhoto, second: CheckedPhoto, limits: Limits) -> bool:
    if first.picture_hash is None or second.picture_hash is None or first.embedding is None or second.embedding is None:
        return False
    apart, near = distance(first.embedding, second.embedding), same_shot(first.embedding, limits.face_distance)
    if quality.bits_apart(first.picture_hash, second.picture_hash) <= limits.hash_bits:
        return apart < 1.5 * near
    return apart < near and _face_bits(first, second) <= limits.face_hash_bits


def _bits(first: CheckedPhoto, second: CheckedPhoto) -> int:
    whole = 64
    if first.picture_hash is not None and second.picture_hash is not None:
        whole = quality.bits_apart(first.picture_hash, second.picture_hash)
    return min(whole, _face_bits(first, second))


def _face_bits(first: CheckedPhoto, second: CheckedPhoto) -> int:
    if first.face_hash is None or second.face_hash is None:
        return 64
    return quality.bits_apart(first.face_hash, second.face_hash)


def _mark_others(photos: Sequence[CheckedPhoto], earlier: Sequence[CheckedPhoto]) -> list[CheckedPhoto]:
    """Mark those who are not the person that most photos show. Photos of an earlier time show the sitter for sure."""
    marked = list(photos)
    group = [i for i, photo in enumerate(photos) if photo.accepted and photo.embedding is not None]
    fixed = _points(earlier)
    points = [*_points([photos[i] for i in group]), *fixed]
    if len(points) < 3:
        return marked
    own = grow(points, range(len(group), len(points)) if len(fixed) > 1 else ())
    members = [points[i] for i in own]
    limit = radius(members)
    for place, index in enumerate(group):
        if place not in own:
            value = distance(points[place], mean(members))
            message = (
                f"{photos[index].path.name} seems to show another person: "
                f"{value:.2f} away from the other photos, which allow {limit:.2f}."
            )
            reason = Reason("other_person", round(value, 3), round(limit, 3), message)
            marked[index] = replace(photos[index], reasons=(reason,))
    return marked


def _points(photos: Sequence[CheckedPhoto]) -> list[Embedding]:
    return [photo.embedding for photo in photos if photo.embedding is not None]


def _measure(photos: Sequence[CheckedPhoto], earlier: Sequence[CheckedPhoto]) -> list[CheckedPhoto]:
    """Fill in each face's distance to the mean of the other accepted photos."""
    measured = []
    for photo in photos:
        others = _points([other for other in (*photos, *earlier) if other is not photo and other.accepted])
        if photo.embedding is None or not others:
            measured.append(photo)
        else:
            measured.append(replace(photo, distance=distance(photo.embedding, mean(others))))
    return measured


def _keep_all(photos: Sequence[CheckedPhoto]) -> tuple[list[CheckedPhoto], list[Warn]]:
    warnings = [
        Warn(reason.code, reason.message) for photo in photos if photo.face is not None for reason in photo.reasons
    ]
    return [photo if photo.face is None else replace(photo, reasons=()) for photo in photos], warnings


def _warn(photos: Sequence[CheckedPhoto]) -> list[Warn]:
    count = sum(photo.accepted for photo in photos)
    if count < MIN_PHOTOS:
        return [Warn("too_few_photos", f"{count} of {len(photos)} photos are accepted; a likeness needs {MIN_PHOTOS}.")]
    if count < HELD_OUT_FROM:
        text = f"{count} photos are accepted; from {HELD_OUT_FROM} on, the likeness can be measured."
        return [Warn("no_measure", text)]
    return []
