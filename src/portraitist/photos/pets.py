"""The check of photos of pets and things, and their crops: no rules of faces, only the box of the subject.

The box is that of what stands out (`subject.py`) or the user's own. Who it is, is not asked: nothing here tells two
cats apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from portraitist.decoder import Decoder, Refusal
from portraitist.images import size_of, transform
from portraitist.photos import quality
from portraitist.photos.check import CheckedPhoto, PhotoCheck
from portraitist.photos.crops import Crop
from portraitist.photos.duplicates import Hashes, picture_hashes
from portraitist.photos.intake import find_photos
from portraitist.photos.quality import Limits
from portraitist.photos.subject import find_subject
from portraitist.requests import MIN_PHOTOS, Corners, Reason, Warn
from portraitist.types import Box, OnStep, Picture, Seed, Size, Step, derive_seed, no_progress


@dataclass(frozen=True)
class _Seen:
    """A photo on its way to its verdict: the subject's box, the reasons so far, the hash of the picture."""

    path: Path
    reasons: tuple[Reason, ...] = ()
    subject: Box | None = None
    hash: Hashes | None = None

    @property
    def checked(self) -> CheckedPhoto:
        return CheckedPhoto(self.path, self.reasons, subject=self.subject)


_CALM, _ROOMS = 1.25, (1.1, 1.7)
"""The crop's shorter side in longer sides of the subject's box."""

_SHIFT = 0.1
"""How far the subject's middle may move, as a share of the crop's shorter side."""


def check_pets(
    paths: Sequence[Path],
    *,
    limits: Limits | None = None,
    crops: Mapping[str, Corners] | None = None,
    known: Sequence[Path] = (),
    point: tuple[float, float] | None = None,
    on_step: OnStep = no_progress,
) -> PhotoCheck:
    """Judge the photos of files and folders. Raises NoPhotos; a bad photo is a verdict, not an error.

    `crops` are boxes by hand (x, y, width, height in pixels, or as shares if none exceeds 1) by a photo's file name, or
    for all photos under the empty name; `point` lies in the subject to take; `known` are photos of an earlier time,
    with which the new ones are compared. Codes: unreadable, too_large, no_subject, too_small, duplicate.
    """
    limits, files = limits or Limits(), find_photos(paths)
    looked = []
    with Decoder() as decoder:
        pictures = decoder.read_ahead([*files, *known], max_bytes=limits.bytes, max_pixels=limits.pixels)
        for number, path in enumerate(files):
            on_step(Step("check", number, len(files), path.name))
            looked.append(_look(path, next(pictures), limits, crops or {}, point))
        on_step(Step("check", len(files), len(files)))
        earlier = [_Seen(path, hash=_hash(next(pictures))) for path in known]
    photos = [seen.checked for seen in _mark_duplicates(looked, earlier, limits)]
    count = sum(photo.accepted for photo in photos)
    warnings = [] if count else [Warn("no_subject", "Show the subject with --crop X,Y,W,H, in pixels or shares.")]
    if count < MIN_PHOTOS:
        text = f"{count} of {len(photos)} photos are accepted; a likeness needs {MIN_PHOTOS}."
        warnings.append(Warn("too_few_photos", text))
    return PhotoCheck(tuple(photos), tuple(warnings))


def _hash(picture: Picture | Refusal) -> Hashes | None:
    return None if isinstance(picture, Refusal) else picture_hashes(picture)


def _look(
    path: Path,
    picture: Picture | Refusal,
    limits: Limits,
    crops: Mapping[str, Corners],
    point: tuple[float, float] | None,
) -> _Seen:
    if isinstance(picture, Refusal):
        return _Seen(path, (quality.unreadable(picture),))
    size = size_of(picture)
    corners = crops.get(path.name, crops.get(""))
    if corners is not None:
        box: Box | None = box_of(corners, size)
    else:
        place = None if point is None else _pixels(point, size)
        found = find_subject(picture, place)
        box = None if found is None else found.box
    if box is None:
        text = f"{path.name} shows nothing that stands out."
        return _Seen(path, (Reason("no_subject", None, None, text),))
    return _Seen(path, tuple(_reasons(path.name, box, limits)), box, _hash(picture))


def _pixels(point: tuple[float, float], size: Size) -> tuple[float, float]:
    return (point[0] * size.width, point[1] * size.height) if max(point) <= 1.0 else point


def box_of(corners: Corners, size: Size) -> Box | None:
    """The box of a crop by hand, cut at the picture's edge; None where it lies outside."""
    shares = max(corners) <= 1.0
    x, y, width, height = (
        value * (end if shares else 1)
        for value, end in zip(corners, (size.width, size.height, size.width, size.height), strict=True)
    )
    right, bottom = min(x + width, size.width), min(y + height, size.height)
    return Box(x, y, right - x, bottom - y) if right - x >= 1 and bottom - y >= 1 else None


def _reasons(name: str, box: Box, limits: Limits) -> list[Reason]:
    longer = max(box.width, box.height)
    if longer >= limits.face_pixels:
        return []
    text = f"The subject of {name} is {longer:.0f} pixels long; at least {limits.face_pixels:.0f} are needed."
    return [Reason("too_small", round(longer, 1), limits.face_pixels, text)]


def _mark_duplicates(photos: Sequence[_Seen], earlier: Sequence[_Seen], limits: Limits) -> list[_Seen]:
    """Of photos of one shot the first one stays."""
    kept, marked = list(earlier), []
    for photo in photos:
        twin = next((other for other in kept if _bits(photo, other) <= limits.hash_bits), None)
        if not photo.reasons and twin is not None:
            bits = _bits(photo, twin)
            text = f"{photo.path.name} is the same shot as {twin.path.name} ({bits} of 64 bits differ)."
            photo = replace(photo, reasons=(Reason("duplicate", bits, limits.hash_bits, text),))
        elif not photo.reasons:
            kept.append(photo)
        marked.append(photo)
    return marked


def _bits(first: _Seen, second: _Seen) -> int:
    if first.hash is None or second.hash is None:
        return 64
    return first.hash.apart(second.hash)[0]


def subject_crops(picture: Picture, box: Box, size: Size, *, count: int, seed: Seed) -> tuple[Crop, ...]:
    """`count` crops of `size` around the subject: the first calm, the others vary room and place, by the seed.

    Where the photo is too small for the room, the crop is the largest that fits, and still holds the middle of the box.
    """
    crops = [_cut(picture, box, size, _CALM, np.zeros(2))]
    for number in range(1, count):
        random = np.random.default_rng(derive_seed(seed, "crop", number))
        room = float(np.exp(random.uniform(*np.log(_ROOMS))))
        crops.append(_cut(picture, box, size, room, random.uniform(-_SHIFT, _SHIFT, 2)))
    return tuple(crops[:count])


def _cut(picture: Picture, box: Box, size: Size, room: float, shift: np.ndarray) -> Crop:
    whole, view = np.array(picture.shape[1::-1], np.float64), np.array([size.width, size.height], np.float64)
    scale = min(room * max(box.width, box.height) / view.min(), float((whole / view).min()))
    corner = np.array(box.centre) - view / 2 * scale + shift * view.min() * scale
    corner = np.clip(corner, 0, np.maximum(whole - view * scale, 0))
    matrix = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
    return Crop(transform(picture, matrix, size), matrix)
