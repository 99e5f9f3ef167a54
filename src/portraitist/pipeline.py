"""The way of a photo through the house: check, crops, captions, training, scale, portraits, rank, report.

Knows the order of the stages and the folder of the sitter. Each stage is a function of another room.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from portraitist import measure
from portraitist.captions import tags
from portraitist.captions.dataset import write_set
from portraitist.captions.tagger import Tagger
from portraitist.choosing import Choosing, call_committee, choosing_picture
from portraitist.devices import choose_device
from portraitist.faces import Faces
from portraitist.faces.masks import load_masker
from portraitist.families.base import Model
from portraitist.families.found import find_base, lasting_name, place_of, weights_sum
from portraitist.files import make_folder, remove_folder, replacing, sweep
from portraitist.generation.denied import refuse
from portraitist.generation.styled import with_style
from portraitist.loading import deny_list, library_folders, load_base, load_tagger, styles_of
from portraitist.lora.formats import read_metadata
from portraitist.lora.metadata import sidecar_version, write_sidecar
from portraitist.photos import PhotoCheck, opened
from portraitist.preparing import (
    Prepared,
    check,
    cut_plan,
    load_captioner,
    photo_pictures,
    plan_words,
    prepare,
    training_pictures,
)
from portraitist.recipes import Base, Recipe, Style, check_recipe, find
from portraitist.reporting import best_portrait, captioned_report, copy_results, training_report
from portraitist.requests import (
    PortraitRequest,
    Report,
    TrainRequest,
)
from portraitist.settings import Settings
from portraitist.show.results import Shown, write_results
from portraitist.sitting import make_styled, sit
from portraitist.store.sitters import SitterFolder, SitterRecord, SitterStore
from portraitist.training.class_pictures import check_class_images, with_class_pictures
from portraitist.training.job import TrainingJob, TrainingResult, never_enough
from portraitist.training.memory import check_memory, train_to_fit, with_class_folder
from portraitist.training.optimizers import check_package
from portraitist.types import OnStep, no_progress


@dataclass
class Stopwatch:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 2)

    def done(self) -> dict[str, float]:
        return {**self.seconds, "total": round(time.monotonic() - self.begun, 2)}


def train_sitter(
    request: TrainRequest,
    settings: Settings,
    faces: Faces,
    *,
    resume: bool = False,
    per_style: int = 1,
    only_captions: bool = False,
    out: Path | None = None,
    on_step: OnStep = no_progress,
) -> Report:
    """Learn a sitter from photos and show what was learned: a likeness, portraits in all styles, a report.

    Everything goes into the sitter's folder; with `out` (a folder) the results are copied there too. `per_style` 0
    makes no portraits and measures no score; with `only_captions` nothing is trained: the report has no training, the
    training set is there to be looked at and edited. Raises TooFewPhotos, BadRequest, UnknownName, a ModelError or a
    ResourceError; Cancelled leaves a state that `resume` goes on from.
    """
    with opened([Path(photo) for photo in request.photos], max_bytes=settings.max_photo_bytes) as photos:
        base = lasting_name(request.base, settings)
        unpacked = replace(request, photos=tuple(str(photo) for photo in photos), base=base)
        return _learn(unpacked, settings, faces, resume, per_style, only_captions, out, on_step)


def _learn(
    request: TrainRequest,
    settings: Settings,
    faces: Faces,
    resume: bool,
    per_style: int,
    only_captions: bool,
    out: Path | None,
    on_step: OnStep,
) -> Report:
    """`train_sitter`, once no photo is in an archive."""
    watch = Stopwatch()
    base, recipe = _plan(request, settings, on_step)
    words = plan_words(request, settings, on_step)
    store = SitterStore(settings.home)
    folder = store.folder(request.sitter)
    if out is not None:
        make_folder(out)
    with watch.stage("check"):
        checked = check(request, settings, faces, on_step)
    with watch.stage("load"):
        model = load_base(base, settings)
        tagger = load_tagger(base, settings)
    with watch.stage("captions"):
        masker = load_masker(settings.models_folder / "faces", request.faces)
        prepared = prepare(request, checked, base, recipe, tagger, masker, words, load_captioner(words, settings))
        folder = _keep(request, store, checked, prepared)
    if only_captions:
        return captioned_report(request, checked, prepared, settings, base, watch.done())
    styles = styles_of(settings, base)
    with watch.stage("train"):
        job = _job(request, recipe, prepared, folder, resume)
        job = with_class_pictures(job, model, request.class_images, settings.home / "class", on_step)
        result, choosing = _train(request, job, prepared, model, faces, tagger, styles, on_step)
        _finish_likeness(request, recipe, choosing.choice.chosen.file if choosing else result.likeness, folder)
    with watch.stage("score"):
        record = _record(request, prepared, model, faces, styles, on_step if per_style else None)
        measure.write_record(folder.faces, record)
    with watch.stage("portraits"):
        sitting = sit(folder, store.load(folder.name)[0], model, record)
        made = make_styled(sitting, model, recipe, styles, per_style, request, faces, on_step)
    report = training_report(request, checked, prepared, result, made, record, settings, base, watch.done(), choosing)
    grid = choosing_picture(choosing) if choosing else None
    shown = Shown(photo_pictures(prepared), tuple(one.pixels for one in made), grid)
    write_results(folder.root, report, shown, best=best_portrait(made))
    if out is not None:
        copy_results(folder, report, out)
    remove_folder(folder.training)
    return report


def _plan(request: TrainRequest, settings: Settings, on_step: OnStep) -> tuple[Base, Recipe]:
    base = find_base(request.base, settings)
    recipe = find(Recipe, request.recipe or base.recipe, library_folders(settings))
    if request.size is not None:
        base = replace(base, size=request.size, buckets=())
    # better told now than after the check
    _check_words(request, base, recipe, settings)
    cut_plan(request, base, recipe)
    check_recipe(recipe)
    check_package(recipe)
    check_class_images(request.class_images, recipe)
    counted = with_class_folder(recipe, request.class_images is not None)
    check_memory(base, counted, choose_device(settings.device), request.memory)
    place_of(base, settings, on_step)
    base = replace(base, checksum=weights_sum(base, settings))
    return base, recipe


def _check_words(request: TrainRequest, base: Base, recipe: Recipe, settings: Settings) -> None:
    """Raises Denied where what a training draws is refused: pictures of the class, portraits in its styles."""
    told = tags.subject(request.trigger, request.class_word)
    asked, denied = PortraitRequest(request.sitter), deny_list(settings)
    refuse(replace(asked, prompt=recipe.class_prompt.replace("{class}", request.class_word)), told, denied)
    for style in styles_of(settings, base):
        refuse(with_style(replace(asked, style=style.name), style, told, base), told, denied)


def _keep(request: TrainRequest, store: SitterStore, checked: PhotoCheck, prepared: Prepared) -> SitterFolder:
    """Put the accepted photos, the training set and the record of the sitter into its folder."""
    record = SitterRecord(
        name=request.sitter,
        kind=request.kind,
        trigger=request.trigger,
        class_word=request.class_word,
        base=request.base,
        recipe=request.recipe,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        photos=len(checked.accepted),
        captioner=prepared.captioner,
        tag_rules=request.tag_rules,
        keep_tags=request.keep_tags,
        remove_tags=request.remove_tags,
    )
    sweep(store.folder(record.name).root)
    store.keep_photos(store.folder(record.name), [photo.path for photo in checked.accepted])
    folder = store.create(record)  # after the photos: a crash between must not leave old photos of a new record
    write_set(folder.set, prepared.set)
    return folder


def _job(request: TrainRequest, recipe: Recipe, prepared: Prepared, folder: SitterFolder, resume: bool) -> TrainingJob:
    pictures = training_pictures(prepared.set, white=request.background == "white")
    return TrainingJob(
        folder.name, pictures, recipe, request.trigger, request.class_word, folder.training, request.seed, resume
    )


def _train(
    request: TrainRequest,
    job: TrainingJob,
    prepared: Prepared,
    model: Model,
    faces: Faces,
    tagger: Tagger | None,
    styles: Sequence[Style],
    on_step: OnStep,
) -> tuple[TrainingResult, Choosing | None]:
    """What the training made, and the choice among its checkpoints where the recipe wants one."""
    committee = call_committee(request, job, prepared, model, faces, tagger, styles, on_step)
    chooser = committee.chooser if committee else never_enough
    result = train_to_fit(job, model, on_step, chooser, memory=request.memory)
    return result, committee.decide() if committee else None


def _finish_likeness(request: TrainRequest, recipe: Recipe, likeness: Path, folder: SitterFolder) -> None:
    with replacing(folder.likeness) as part:
        shutil.copyfile(likeness, part)
    phrase = tags.subject(request.trigger, request.class_word)
    title, version = f"Likeness of {folder.name}", sidecar_version(read_metadata(folder.likeness))
    write_sidecar(folder.likeness, title=title, phrase=phrase, strength=recipe.strength, version=version)


def _record(
    request: TrainRequest,
    prepared: Prepared,
    model: Model,
    faces: Faces,
    styles: Sequence[Style],
    on_step: OnStep | None,
) -> measure.FaceRecord:
    """The faces of the photos and, where photos were held out, the scale of the score; without `on_step` no scale."""
    training = [photo.embedding for photo in prepared.training if photo.embedding is not None]
    held_out = [photo.embedding for photo in prepared.held_out if photo.embedding is not None]
    subject = tags.words_prompt(prepared.identity, (), request.class_word, tags.load_rules())
    name = faces.recogniser.name
    bare = measure.make_record(name, training, held_out)
    if request.kind == "pet":
        return replace(bare, reason="How alike a pet is, cannot be measured yet.")
    if not held_out:
        return bare
    if on_step is None:
        return replace(bare, reason="No portraits were asked for, so nothing was measured.")
    photo_like = [style for style in styles if style.photo]
    words = measure.words_faces(subject, photo_like, model, faces, request.seed, on_step)
    return measure.make_record(name, training, held_out, words, subject)


def export_likeness(name: str, settings: Settings, file: Path) -> Path:
    """Copy a sitter's likeness to `file`, with its sidecar and preview beside it under the same name."""
    _, folder = SitterStore(settings.home).load(name)
    for end in (".json", ".png", ".safetensors"):
        source = folder.likeness.with_suffix(end)
        if source.is_file():
            with replacing(file.with_suffix(end)) as part:
                shutil.copyfile(source, part)
    return file
