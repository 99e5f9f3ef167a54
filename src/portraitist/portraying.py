"""From a request to portraits of a trained sitter, or to one of them again: load, sit, fill in, make.

Knows the order and the sitter's folder. Knows no training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from portraitist import measure
from portraitist.captions.tags import subject
from portraitist.enlarging import with_upscaler
from portraitist.errors import MissingModel
from portraitist.faces import Faces
from portraitist.families.base import Model
from portraitist.families.found import find_base, lasting_name
from portraitist.files import make_folder
from portraitist.finisher import portrait_finisher
from portraitist.finishing.steps import checked
from portraitist.fusing import is_drawn
from portraitist.generation.denied import refuse
from portraitist.generation.generate import complete, picture_seeds
from portraitist.generation.hires import plan
from portraitist.generation.prompts import check_asked, loras_of
from portraitist.generation.remarks import idle, remarks
from portraitist.generation.room import with_room
from portraitist.generation.styled import check_meant, on_base, with_style
from portraitist.images import read_request
from portraitist.loading import check_words, deny_list, find_lora, library_folders, lora_of
from portraitist.lora.formats import Lora
from portraitist.models import Models
from portraitist.ranking.scorers import load_scorers
from portraitist.recipes import Base, Recipe, Style, find, names
from portraitist.requests import (
    ChooseRequest,
    PassReport,
    PlanReport,
    PortraitRequest,
    PortraitsReport,
    Warn,
    from_data,
)
from portraitist.selecting import make_chosen, make_plan
from portraitist.settings import Settings
from portraitist.sitting import Sitting, check_again, make, sit, with_others
from portraitist.store.sitters import SitterFolder, SitterRecord, SitterStore
from portraitist.types import LoraUse, OnStep, no_progress
from portraitist.weights import sha256_of

STYLE_STRENGTH, BESIDE_STYLE = 0.25, 0.95
"""Of a style's LoRA, and of the likeness beside one, where nobody says otherwise."""


def portrait_sitter(
    request: PortraitRequest,
    settings: Settings,
    faces: Faces,
    *,
    out: Path | None = None,
    choosing: ChooseRequest = ChooseRequest(),
    on_step: OnStep = no_progress,
    models: Models | None = None,
) -> PortraitsReport:
    """Make candidates for the request's portraits and keep the good ones: the folder they lie in and what speaks for
    and against each, the best first.

    `models` stay loaded for the caller's next request; None loads for this one alone. A request without style and
    prompt gets the style `studio`. Raises BadRequest for a budget that cannot be, Denied for words of the deny-list,
    UnknownName for a sitter, style or upscaler, MissingModel for a sitter that was not trained, OutOfMemory.
    """
    most = make_plan(request.count, choosing, settings.choosing).most  # what is wrong is better told at once
    models = models or Models()
    with models.turn():
        record, folder = SitterStore(settings.home).load(request.sitter)
        style = style_of(request, settings)
        drawn = is_drawn(style, request.prompt)
        finish, finisher = portrait_finisher(request.finish, settings, faces, folder, drawn=drawn, models=models)
        request = replace(request, finish=finish)
        scorers = load_scorers(choosing.scorers, settings)
        ready = _ready(request, settings, record, folder, style, faces, models, count=most)
        sitting = replace(ready.sitting, finisher=finisher)
        root = make_folder(out if out is not None else folder.portraits)
        report = make_chosen(
            ready.filled, sitting, ready.model, faces, root, choosing, settings.choosing,
            scorers=scorers, photo=style.photo if style else True, on_step=on_step,
        )  # fmt: skip
    return replace(report, warnings=(*ready.told, *report.warnings))


def plan_portraits(
    request: PortraitRequest,
    settings: Settings,
    *,
    choosing: ChooseRequest = ChooseRequest(),
    models: Models | None = None,
) -> PlanReport:
    """What `portrait_sitter` would draw; nothing is drawn or written. Raises what it would raise before it draws."""
    most = make_plan(request.count, choosing, settings.choosing).most
    models = models or Models()
    with models.turn():
        record, folder = SitterStore(settings.home).load(request.sitter)
        style = style_of(request, settings)
        ready = _ready(request, settings, record, folder, style, None, models, count=most)
        full, model = ready.full, ready.model
        passes = [PassReport((one.size.width, one.size.height), one.steps, one.of, one.upscaler)
                  for one in plan(full, model.multiple)]  # fmt: skip
        return PlanReport(full, picture_seeds(full), tuple(passes), ready.told)


@dataclass(frozen=True)
class _Ready:
    """A request that can be drawn: as it was filled in, complete, and who sits before which base."""

    filled: PortraitRequest
    full: PortraitRequest
    sitting: Sitting
    model: Model
    told: tuple[Warn, ...]


def _ready(
    request: PortraitRequest, settings: Settings, record: SitterRecord, folder: SitterFolder, style: Style | None,
    faces: Faces | None, models: Models, *, count: int,
) -> _Ready:  # fmt: skip
    """Load, fill in and check for at most `count` pictures; nothing is drawn or written. Without `faces` any
    recogniser's record will do."""
    check_asked(request.prompt, request.negative)
    base = base_of(request, record, settings)
    if style is not None:
        check_meant(style, base)
    check_words(request, style, subject(record.trigger, record.class_word), base, settings)
    if request.finish is not None:
        checked(request.finish)
    seen = measure.read_record(folder.faces) if faces is None else faces_of(folder, faces)
    model = models.base(base, settings)
    sitting = sit(folder, record, model, seen)
    filled, files = with_loras(filled_in(request, sitting, record, style, base, settings), style, base, settings)
    sitting = with_others(sitting, filled.loras, files, model)
    filled, enlarge = with_upscaler(filled, settings, models)
    asked, full = filled, complete(filled, model)
    room = with_room(full, asked, model, _loras_of(sitting), count=count)
    filled, full = replace(asked, batch=room.batch), replace(full, batch=room.batch, tiles=room.tiles)
    if room.tiles:
        filled = replace(filled, tiles=True)
    told = (*room.told, *idle(full, asked, count), *remarks(full, model))
    return _Ready(filled, full, replace(sitting, enlarge=enlarge), model, told)


def base_of(request: PortraitRequest, record: SitterRecord, settings: Settings) -> Base:
    """The base of the sitter's likeness. Raises MissingModel for a request that names another one."""
    if request.base is not None and lasting_name(request.base, settings) != record.base:
        raise MissingModel(
            f"The sitter {record.name!r} has no likeness on {request.base}; there is one on {record.base}.",
            hint=f"Leave the base out, or train one: portraitist train PHOTOS --sitter NAME --base {request.base}",
        )
    return find_base(record.base, settings)


def _loras_of(sitting: Sitting) -> list[Lora]:
    return [sitting.lora, *(lora for lora, _ in sitting.others)]


def style_of(request: PortraitRequest, settings: Settings) -> Style | None:
    """The style that is asked for; `studio` without style and prompt, None with a prompt alone. Raises UnknownName."""
    name = "studio" if request.style is None and request.prompt is None else request.style
    return find(Style, name, library_folders(settings)) if name is not None else None


def filled_in(
    request: PortraitRequest, sitting: Sitting, record: SitterRecord, style: Style | None, base: Base,
    settings: Settings,
) -> PortraitRequest:  # fmt: skip
    """The request with the style's words and numbers, and the likeness that it will be drawn with."""
    recipe = find(Recipe, record.recipe or base.recipe, library_folders(settings))
    name = style.name if style is not None else None
    asked = replace(request, sitter=sitting.folder.name, style=name, base=record.base)
    own = on_base(style, base) if style is not None else None
    if own is not None and own.lora is not None and request.strength is None and own.strength is None:
        asked = replace(asked, strength=BESIDE_STYLE)
    return replace(with_style(asked, style, sitting.subject, base, recipe), likeness_sha256=sitting.sha256)


def with_loras(
    request: PortraitRequest, style: Style | None, base: Base, settings: Settings
) -> tuple[PortraitRequest, list[Path]]:
    """The request with all LoRAs that it, its prompt and its style name, pinned, and their files.

    A style's own comes with 0.25, and lets the likeness stand back to 0.95, unless somebody says otherwise.
    """
    prompt, told = loras_of(request.prompt or "")
    uses = [*request.loras, *told]
    files = [find_lora(use.name, settings) for use in uses]
    own = on_base(style, base) if style is not None else None
    file = lora_of(own, settings) if own is not None else None
    if own is not None and file is not None and not any(use.name == str(file) for use in uses):
        uses.append(LoraUse(str(file), STYLE_STRENGTH if own.lora_strength is None else own.lora_strength))
        files.append(file)
    pinned = (
        replace(use, strength=1.0 if use.strength is None else use.strength, sha256=use.sha256 or sha256_of(file))
        for use, file in zip(uses, files, strict=True)
    )
    return replace(request, prompt=prompt, loras=tuple(pinned)), files


def portrait_again(
    file: Path,
    settings: Settings,
    faces: Faces,
    *,
    out: Path | None = None,
    on_step: OnStep = no_progress,
    models: Models | None = None,
) -> PortraitsReport:
    """Make a portrait again from the request inside its PNG: the same pixels on the same machine.

    Raises BadFile for a file without a request, Denied, UnfitModel when the likeness, the base or another file that it
    was made with changed since.
    """
    request = from_data(PortraitRequest, read_request(file))
    models = models or Models()
    with models.turn():
        record, folder = SitterStore(settings.home).load(request.sitter)
        refuse(request, subject(record.trigger, record.class_word), deny_list(settings))
        base = find_base(record.base, settings)
        known = request.style in names(Style, library_folders(settings))  # it may have been deleted since
        drawn = is_drawn(style_of(request, settings) if known else None, request.prompt)
        _, finisher = portrait_finisher(request.finish, settings, faces, folder, drawn=drawn, models=models)
        model = models.base(base, settings)
        sitting = replace(sit(folder, record, model, faces_of(folder, faces)), finisher=finisher)
        check_again(request, sitting, model)
        files = [find_lora(use.name, settings) for use in request.loras]
        request, enlarge = with_upscaler(request, settings, models)
        sitting = replace(with_others(sitting, request.loras, files, model), enlarge=enlarge)
        room = with_room(complete(request, model), request, model, _loras_of(sitting))
        request = replace(request, tiles=room.tiles, batch=room.batch)
        root = make_folder(out if out is not None else folder.portraits)
        made = make(request, sitting, model, faces, root, on_step=on_step)
    return PortraitsReport(str(root), tuple(one.report for one in made))


def faces_of(folder: SitterFolder, faces: Faces) -> measure.FaceRecord:
    """The sitter's faces. Raises BadFile, UnfitModel for those of another recogniser."""
    record = measure.read_record(folder.faces)
    measure.check_recogniser(record, faces.recogniser.name)
    return record
