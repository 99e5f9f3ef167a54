"""From a user's photos to a training set: verdicts, photos held out, crops, captions. Trains and stores nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from portraitist.captions import tags
from portraitist.captions.dataset import SetPhoto
from portraitist.captions.describe import Captioner, Description
from portraitist.captions.named import CaptionerModel, choose_captioner, fetch_model, find_model, load_model
from portraitist.captions.tagger import Tagger, chosen
from portraitist.captions.written import with_subject, written_captions
from portraitist.decoder import Decoder
from portraitist.devices import choose_device
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


@dataclass(frozen=True)
class Words:
    """Where captions come from: the tag rules, the captioner's model and its folder, the set with written captions."""

    rules: tags.TagRules
    model: CaptionerModel | None = None
    folder: Path | None = None
    trained: Path | None = None


def plan_words(request: TrainRequest, settings: Settings, on_step: OnStep = no_progress) -> Words:
    """Find the rules and fetch the captioner, before any work is done for nothing.

    Raises UnknownName, BadRequest or a ModelError.
    """
    library = (settings.home / "library",)
    rules = tags.load_rules(request.tag_rules, library, keep=request.keep_tags, remove=request.remove_tags)
    model = find_model(request.captioner, library)
    models, trained = settings.models_folder, settings.home / "sitters" / request.sitter / "set"
    folder = fetch_model(model, models, offline=settings.offline, on_step=on_step) if model is not None else None
    return Words(rules, model, folder, trained)


def load_captioner(words: Words, settings: Settings) -> Captioner | None:
    """The captioner's model, loaded; None for one that is embedded. Raises MissingModel or UnfitModel."""
    if words.model is None or words.folder is None:
        return None
    return load_model(words.model, words.folder, choose_device(settings.device))


def prepare(
    request: TrainRequest,
    checked: PhotoCheck,
    base: Base,
    recipe: Recipe,
    tagger: Tagger | None,
    words: Words | None = None,
    captioner: Captioner | None = None,
) -> Prepared:
    """Hold photos out, cut crops, describe and caption the rest; without `words` by our own rules."""
    words = words or Words(tags.load_rules())
    # nothing could be measured on a pet's photos, so none is held out
    person = request.kind == "person"
    training, held_out = hold_out(checked.accepted, request.seed) if person else (checked.accepted, ())
    size = Size(*base.size)
    with Decoder() as decoder:
        pictures = [photo.upright(decoder.read(photo.path)) for photo in training]
    cut = [
        _crops(photo, picture, size, recipe.crops_per_photo, derive_seed(request.seed, "crops", number))
        for number, (photo, picture) in enumerate(zip(training, pictures, strict=True))
    ]
    calm = [crops[0] for crops in cut]
    # mini's tagger knows people only
    wanted = request.captioner if person or request.captioner != "auto" else "facts"
    describer = choose_captioner(wanted, tagger, calm, captioner)
    told = [describer.describe(p, crop, photo.face) for photo, p, crop in zip(training, pictures, calm, strict=True)]
    called = file_names(checked.accepted)
    constant = tags.constant_tags([one.tags for one in told], words.rules)
    captions = _captions(request, training, told, constant, words, called)
    # a tagger that is not believed must not say who the sitter is either
    said = tagger.scores(calm) if tagger is not None and describer.name == "tagger" else []
    _, identity = tags.split(tags.common([chosen(scores) for scores in said]), words.rules, constant)
    photos = tuple(
        SetPhoto(called[photo.path], text, crops, one.tags)
        for photo, text, crops, one in zip(training, captions, cut, told, strict=True)
    )
    return Prepared(training, held_out, photos, identity, describer.name)


def _captions(
    request: TrainRequest,
    training: Sequence[CheckedPhoto],
    told: Sequence[Description],
    constant: Sequence[str],
    words: Words,
    called: Mapping[Path, str],
) -> list[str]:
    """The captions of the photos in training, described or written."""
    if request.captioner == "written":
        found = written_captions({photo.path: called[photo.path] for photo in training}, words.trained)
        return [with_subject(found[photo.path], request.trigger, request.class_word) for photo in training]
    return [tags.caption(one, request.trigger, request.class_word, words.rules, constant) for one in told]


def _crops(photo: CheckedPhoto, picture: Picture, size: Size, count: int, seed: int) -> tuple[Picture, ...]:
    if photo.subject is not None:
        cut = subject_crops(picture, photo.subject, size, count=max(1, count), seed=seed)
        return tuple(crop.picture for crop in cut)
    if photo.face is None:  # an accepted photo has a face; this tells the type checker
        raise BadRequest(f"{photo.path.name} shows no face.")
    return tuple(crop.picture for crop in random_crops(picture, photo.face, size, count=max(1, count), seed=seed))
