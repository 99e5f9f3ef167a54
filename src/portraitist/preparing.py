"""From a user's photos to a training set: verdicts, photos held out, crops, captions. Trains and stores nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from portraitist.captions import tags
from portraitist.captions.dataset import SetPhoto
from portraitist.captions.describe import choose_captioner
from portraitist.captions.tagger import Tagger, chosen
from portraitist.decoder import Decoder
from portraitist.errors import BadRequest, TooFewPhotos
from portraitist.faces import Faces
from portraitist.photos import CheckedPhoto, Limits, PhotoCheck, check_pets, check_photos, random_crops, subject_crops
from portraitist.recipes import Base, Recipe
from portraitist.requests import HELD_OUT, HELD_OUT_FROM, MIN_PHOTOS, TrainRequest
from portraitist.settings import Settings
from portraitist.types import OnStep, Picture, Size, derive_seed, no_progress


@dataclass(frozen=True)
class Prepared:
    """A checked and captioned training set. `training` and `held_out` are disjoint; crops and captions go with
    `training`, `identity` are the tags that left the captions and say who the sitter is."""

    training: tuple[CheckedPhoto, ...]
    held_out: tuple[CheckedPhoto, ...]
    set: tuple[SetPhoto, ...]
    identity: tuple[str, ...]
    captioner: str


def check(request: TrainRequest, settings: Settings, faces: Faces, on_step: OnStep = no_progress) -> PhotoCheck:
    """The verdicts on the request's photos. Raises TooFewPhotos below 3 accepted ones, with the reasons in its hint."""
    limits = Limits(bytes=settings.max_photo_bytes, pixels=settings.max_photo_pixels)
    paths = [Path(photo) for photo in request.photos]
    if request.kind == "pet":
        checked = check_pets(paths, limits=limits, crops=request.crops, point=request.face, on_step=on_step)
    else:
        checked = check_photos(
            paths, faces, limits=limits, point=request.face, keep_all=request.keep_all, on_step=on_step
        )
    if not checked.enough:
        reasons = [photo.reasons[0].message for photo in checked.photos if photo.reasons]
        raise TooFewPhotos(
            f"{len(checked.accepted)} of {len(checked.photos)} photos are accepted; a likeness needs {MIN_PHOTOS}.",
            hint=" ".join(reasons[:5]) or f"Add {MIN_PHOTOS - len(checked.accepted)} photos of the same person.",
        )
    return checked


def file_names(photos: Sequence[CheckedPhoto]) -> dict[Path, str]:
    """What reports call each photo: its file's name, with the folder's where two files have the same."""
    times = Counter(photo.path.name for photo in photos)
    return {
        path: path.name if times[path.name] == 1 else f"{path.parent.name}/{path.name}"
        for path in (photo.path for photo in photos)
    }


def hold_out(photos: Sequence[CheckedPhoto], seed: int) -> tuple[tuple[CheckedPhoto, ...], tuple[CheckedPhoto, ...]]:
    """(training, held out): with 6 photos or more 2 are drawn by the seed, so that nobody picks the easy ones."""
    if len(photos) < HELD_OUT_FROM:
        return tuple(photos), ()
    drawn = set(
        np.random.default_rng(derive_seed(seed, "held out")).choice(len(photos), HELD_OUT, replace=False).tolist()
    )
    kept = tuple(photo for i, photo in enumerate(photos) if i not in drawn)
    return kept, tuple(photo for i, photo in enumerate(photos) if i in drawn)


def prepare(request: TrainRequest, checked: PhotoCheck, base: Base, recipe: Recipe, tagger: Tagger | None) -> Prepared:
    """Hold photos out, cut crops, describe and caption the rest."""
    # nothing could be measured on a pet's photos, so none is held out
    training, held_out = (
        hold_out(checked.accepted, request.seed) if request.kind == "person" else (checked.accepted, ())
    )
    rules, size = tags.load_rules(), Size(*base.size)
    with Decoder() as decoder:
        pictures = [decoder.read(photo.path) for photo in training]
    cut = [
        _crops(photo, picture, size, recipe.crops_per_photo, derive_seed(request.seed, "crops", number))
        for number, (photo, picture) in enumerate(zip(training, pictures, strict=True))
    ]
    calm = [crops[0] for crops in cut]
    captioner = choose_captioner(request.captioner if request.kind == "person" else "none", tagger, calm)
    told = [
        captioner.describe(p, crop, photo.face).tags if photo.face else ()
        for photo, p, crop in zip(training, pictures, calm, strict=True)
    ]
    constant = tags.constant_tags(told, rules)
    # a tagger that is not believed must not say who the sitter is either
    said = tagger.scores(calm) if tagger is not None and captioner.name == "tagger" else []
    seen = [chosen(scores) for scores in said]
    _, identity = tags.split(tags.common(seen), rules, constant)
    captions = [tags.caption(one, request.trigger, request.class_word, rules, constant) for one in told]
    called = file_names(checked.accepted)
    photos = tuple(
        SetPhoto(called[p.path], text, crops) for p, text, crops in zip(training, captions, cut, strict=True)
    )
    return Prepared(training, held_out, photos, identity, captioner.name)


def _crops(photo: CheckedPhoto, picture: Picture, size: Size, count: int, seed: int) -> tuple[Picture, ...]:
    if photo.subject is not None:
        cut = subject_crops(picture, photo.subject, size, count=max(1, count), seed=seed)
        return tuple(crop.picture for crop in cut)
    if photo.face is None:  # an accepted photo has a face; this tells the type checker
        raise BadRequest(f"{photo.path.name} shows no face.")
    return tuple(crop.picture for crop in random_crops(picture, photo.face, size, count=max(1, count), seed=seed))
