"""From a user's photos to a training set: verdicts, photos held out, crops, captions. Trains and stores nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from portraitist.captions import tags
from portraitist.captions.dataset import Cutting, SetPhoto
from portraitist.captions.describe import Captioner, Description
from portraitist.captions.named import CaptionerModel, choose_captioner, fetch_model, find_model, load_model
from portraitist.captions.tagger import Tagger, chosen
from portraitist.captions.written import with_subject, written_captions
from portraitist.decoder import Decoder
from portraitist.devices import choose_device
from portraitist.errors import BadRequest, TooFewPhotos
from portraitist.faces import Faces, Masker
from portraitist.faces.masks import CropMasks
from portraitist.photos import (
    CheckedPhoto,
    CutPhoto,
    CutPlan,
    Limits,
    PhotoCheck,
    check_pets,
    check_photos,
    cut_photo,
    cut_subject,
    face_crop,
)
from portraitist.photos.framing import FRAMINGS, Frame, buckets
from portraitist.recipes import Base, Recipe
from portraitist.requests import (
    CHOOSE_FROM,
    CHOOSE_TWO_FROM,
    HELD_OUT,
    HELD_OUT_FROM,
    MIN_PHOTOS,
    TrainRequest,
    Warn,
)
from portraitist.settings import Settings
from portraitist.training.job import TrainingPicture
from portraitist.types import OnStep, Picture, Size, derive_seed, no_progress

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """A checked and captioned training set. `training`, `choosing` (by which a checkpoint is chosen) and `held_out` (by
    which the score is measured) are disjoint; crops and captions go with `training`, `identity` are the tags that left
    the captions and say who the sitter is, `calm` shows each training photo as it is framed."""

    training: tuple[CheckedPhoto, ...]
    held_out: tuple[CheckedPhoto, ...]
    set: tuple[SetPhoto, ...]
    identity: tuple[str, ...]
    captioner: str
    calm: tuple[Picture, ...]
    warnings: tuple[Warn, ...] = ()
    choosing: tuple[CheckedPhoto, ...] = ()


def check(request: TrainRequest, settings: Settings, faces: Faces, on_step: OnStep = no_progress) -> PhotoCheck:
    """The verdicts on the request's photos. Raises TooFewPhotos below 3 accepted ones, with the reasons in its hint."""
    limits = Limits(bytes=settings.max_photo_bytes, pixels=settings.max_photo_pixels)
    limits = limits.for_small_faces() if request.enlarge else limits
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


def set_apart(
    photos: Sequence[CheckedPhoto], recipe: Recipe, seed: int, person: bool
) -> tuple[tuple[CheckedPhoto, ...], tuple[CheckedPhoto, ...], tuple[CheckedPhoto, ...]]:
    """(training, choosing, held out). Nothing could be measured on a pet's photos, so all of them are trained on.

    Held out are the photos of `hold_out`. Where the recipe chooses among checkpoints, one of these two chooses if there
    are 6 or 7 photos; of 8 and 9 one more photo does, from 10 on two more. With fewer than 6 none is set apart.
    """
    if not person:
        return tuple(photos), (), ()
    training, held_out = hold_out(photos, seed)
    if not held_out or not recipe.choose_pictures:
        return training, (), held_out
    if len(photos) < CHOOSE_FROM:
        return training, held_out[1:], held_out[:1]
    training, choosing = draw_apart(training, 1 if len(photos) < CHOOSE_TWO_FROM else 2, seed)
    return training, choosing, held_out


def draw_apart(photos: Sequence[T], count: int, seed: int) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """(the others, `count` of them drawn by the seed): those that choose."""
    drawn = set(np.random.default_rng(derive_seed(seed, "choosing")).choice(len(photos), count, replace=False).tolist())
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
    masker: Masker,
    words: Words | None = None,
    captioner: Captioner | None = None,
) -> Prepared:
    """Hold photos out, cut and mask the rest, describe and caption it; without `words` by our own rules.

    Raises BadRequest.
    """
    words = words or Words(tags.load_rules())
    person = request.kind == "person"
    training, choosing, held_out = set_apart(checked.accepted, recipe, request.seed, person)
    plan, called = cut_plan(request, base, recipe), file_names(checked.accepted)
    with Decoder() as decoder:
        pictures = [photo.upright(decoder.read(photo.path)) for photo in training]
    cut = [
        _cut(photo, called[photo.path], picture, plan, masker, derive_seed(request.seed, "crops", number))
        for number, (photo, picture) in enumerate(zip(training, pictures, strict=True))
    ]
    calm = [one.calm for one in cut]
    # mini's tagger knows people only
    wanted = request.captioner if person or request.captioner != "auto" else "facts"
    describer = choose_captioner(wanted, tagger, calm, captioner)
    told = [
        _with_tags(describer.describe(picture, one.calm, photo.face), one.tags)
        for photo, picture, one in zip(training, pictures, cut, strict=True)
    ]
    constant = tags.constant_tags([one.tags for one in told], words.rules)
    captions = _captions(request, training, told, constant, words, called)
    # a tagger that is not believed must not say who the sitter is either
    said = tagger.scores(calm) if tagger is not None and describer.name == "tagger" else []
    _, identity = tags.split(tags.common([chosen(scores) for scores in said]), words.rules, constant)
    photos = tuple(
        _set_photo(called[photo.path], text, one.tags, made)
        for photo, text, made, one in zip(training, captions, cut, told, strict=True)
    )
    warnings = tuple(warning for one in cut for warning in one.warnings)
    return Prepared(training, held_out, photos, identity, describer.name, tuple(calm), warnings, choosing)


def _with_tags(told: Description, tags: tuple[str, ...]) -> Description:
    """What was said of a crop, and what the cutting made of it; a sentence stays as it is."""
    return told if told.sentence else replace(told, tags=tuple(dict.fromkeys((*told.tags, *tags))))


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


def cut_plan(request: TrainRequest, base: Base, recipe: Recipe) -> CutPlan:
    """How the photos are cut. Raises BadRequest for what does not go together."""
    native = Size(*base.size)
    if request.kind == "pet":
        if request.framing or request.shape == "buckets" or request.background == "white":
            raise BadRequest(
                "Pets and things are cut around their box, in the base's own shape.",
                hint="Leave --framing, --shape and --background out; --crop says where the subject is.",
            )
        return CutPlan("close", (native,), recipe.crops_per_photo, False)
    framing = request.framing or recipe.framing
    if framing == "close" and request.shape == "buckets":
        raise BadRequest(
            f"The recipe {recipe.name!r} frames faces and shoulders in the base's own shape.",
            hint="Ask for a framing too: --framing head, half or full.",
        )
    in_buckets = request.shape == "buckets" or (request.shape == "auto" and framing in ("half", "full"))
    shapes = buckets(native, base.buckets) if in_buckets else (native,)
    masked = recipe.background_weight < 1.0 or recipe.background_target == "base"
    return CutPlan(framing, shapes, recipe.crops_per_photo, masked, request.background == "white")


def _cut(photo: CheckedPhoto, name: str, picture: Picture, plan: CutPlan, masker: Masker, seed: int) -> CutPhoto:
    if photo.subject is not None:
        return cut_subject(picture, photo.subject, plan, seed)
    if photo.face is None:  # an accepted photo has a face; this tells the type checker
        raise BadRequest(f"{photo.path.name} shows no face.")
    return cut_photo(name, picture, photo.face, plan, masker, seed)


def _set_photo(name: str, caption: str, said: tuple[str, ...], cut: CutPhoto) -> SetPhoto:
    frame = cut.frame
    cutting = Cutting(frame.framing.name, frame.face, frame.size) if frame is not None else None
    return SetPhoto(name, caption, cut.pictures, said, cut.masks, cutting)


def training_pictures(photos: Sequence[SetPhoto], *, white: bool = False) -> tuple[TrainingPicture, ...]:
    """A training set as the training takes it; on white the whole picture counts, for its ground is meant."""
    # by number, not by name: the photos that a sitter's folder keeps have other names and train the same weights
    return tuple(_training_picture(f"{number:02d}", photo, white) for number, photo in enumerate(photos, 1))


def _weighed(masks: CropMasks) -> NDArray[np.float32]:
    """1 the person, 0 the background, -1 what is not the photo."""
    outside = 255.0 - masks.person - masks.background
    return ((masks.person - outside) / 255.0).astype(np.float32)


def _training_picture(name: str, photo: SetPhoto, white: bool) -> TrainingPicture:
    masks = [] if white else [_weighed(one) for one in photo.masks]
    cutting = photo.cutting
    frame = Frame(cutting.face, FRAMINGS[cutting.framing], cutting.size) if cutting is not None else None
    return TrainingPicture(
        name, photo.crops[0], photo.caption, masks[0] if masks else None, photo.crops[1:], tuple(masks[1:]), frame
    )


def photo_pictures(prepared: Prepared) -> tuple[tuple[str, Picture, bool], ...]:
    """(file name, calm crop, unseen by the training) of every accepted photo, the training photos first."""
    shown = [(photo.name, calm, False) for photo, calm in zip(prepared.set, prepared.calm, strict=True)]
    unseen = (*prepared.held_out, *prepared.choosing)
    called = file_names((*prepared.training, *unseen))
    with Decoder() as decoder:
        for photo in unseen:
            if photo.face is not None:
                picture = photo.upright(decoder.read(photo.path))
                shown.append((called[photo.path], face_crop(picture, photo.face, Size(256, 256)).picture, True))
    return tuple(shown)
