"""One photo of a training set: cut as the request asks, with masks, and with a word where pixels or body are missing.

Knows no caption and no training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from portraitist.faces import Face, Masker
from portraitist.faces.masks import CropMasks, crop_masks, on_white
from portraitist.images import size_of
from portraitist.photos.crops import Crop, random_crops, wide_picture
from portraitist.photos.framing import FRAMINGS, Frame, shown_as
from portraitist.photos.pets import subject_crops
from portraitist.recipes import Framing
from portraitist.requests import Warn
from portraitist.types import Box, Picture, Seed, Size

ENLARGED = 1.5
"""From this factor on a photo's enlarging is told."""

SHOWN = 0.8
"""Below this share of what the framing asks for, it is told that the photo shows less."""


@dataclass(frozen=True)
class CutPlan:
    """How all photos of a set are cut. `shapes` has the base's native size first; `count` crops of the native size are
    cut for the framing `close`, the others keep one wide picture; `white` puts head or person on white."""

    framing: Framing
    shapes: tuple[Size, ...]
    count: int
    masked: bool
    white: bool = False


@dataclass(frozen=True)
class CutPhoto:
    """What came out: `pictures` are crops, or the one wide picture that `frame` tells how to cut; `masks` are theirs,
    or empty; `calm` is the crop that shows best what the set shows of the photo; `tags` say what the cutting made of
    it: circumstance, which the trigger word shall not learn."""

    pictures: tuple[Picture, ...]
    calm: Picture
    masks: tuple[CropMasks, ...] = ()
    frame: Frame | None = None
    tags: tuple[str, ...] = ()
    warnings: tuple[Warn, ...] = ()


def cut_photo(name: str, picture: Picture, face: Face, plan: CutPlan, masker: Masker, seed: Seed) -> CutPhoto:
    """Cut a photo with one chosen face; `name` is what the warnings call it. Same seed, same crops."""
    if plan.framing == "close":
        crops = random_crops(picture, face, plan.shapes[0], count=max(1, plan.count), seed=seed)
        scale = float(np.sqrt(abs(np.linalg.det(crops[0].matrix[:, :2]))))
        masks = _masks(crops, picture, face, masker) if plan.masked or plan.white else ()
        pictures = _on_white(crops, masks, head=True) if plan.white else tuple(one.picture for one in crops)
        warnings = _told_enlarged(name, face, 1.0 / scale, "bicubic")
        return CutPhoto(pictures, pictures[0], masks, None, _tags(plan), warnings)
    wide = wide_picture(picture, face, FRAMINGS[plan.framing], plan.shapes)
    masks = _masks([wide], picture, face, masker)
    if plan.white:
        wide = wide.showing(_on_white([wide], masks, head=plan.framing == "head")[0])
    warnings = (*_told_enlarged(name, face, wide.enlarged, "Lanczos"), *_told_missing(name, plan.framing, wide.shown))
    tags = (shown_as(wide.frame, size_of(wide.picture)), *_tags(plan))
    return CutPhoto((wide.picture,), wide.calm, masks, wide.frame, tags, warnings)


def cut_subject(picture: Picture, box: Box, plan: CutPlan, seed: Seed) -> CutPhoto:
    """Cut a photo of a pet or a thing around its box, without masks. Same seed, same crops."""
    crops = subject_crops(picture, box, plan.shapes[0], count=max(1, plan.count), seed=seed)
    return CutPhoto(tuple(one.picture for one in crops), crops[0].picture)


def _masks(crops: Sequence[Crop], picture: Picture, face: Face, masker: Masker) -> tuple[CropMasks, ...]:
    whole = size_of(picture)
    return tuple(crop_masks(one.picture, one.face(face), masker, one.inside(whole)) for one in crops)


def _on_white(crops: Sequence[Crop], masks: Sequence[CropMasks], *, head: bool) -> tuple[Picture, ...]:
    return tuple(on_white(one.picture, its.head if head else its.person) for one, its in zip(crops, masks, strict=True))


def _tags(plan: CutPlan) -> tuple[str, ...]:
    return ("white_background",) if plan.white else ()


def _told_enlarged(name: str, face: Face, factor: float, method: str) -> tuple[Warn, ...]:
    if factor < ENLARGED:
        return ()
    width = face.box.width
    message = f"{name}: the face is {width:.0f} pixels wide, so its crops are enlarged {factor:.1f} times ({method})."
    return (Warn("enlarged", message),)


def _told_missing(name: str, framing: str, share: float) -> tuple[Warn, ...]:
    if share >= SHOWN:
        return ()
    message = f"{name} shows {share:.0%} of the height that the framing {framing} asks for; it is framed closer."
    return (Warn("framed_closer", message),)
