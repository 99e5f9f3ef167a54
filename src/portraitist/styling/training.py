"""A style out of pictures: read, cut, captioned without what the style is, trained as a LoRA, kept on the shelf.

Knows the order of the work and the style's folder. A style has no face: all of each picture is trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from portraitist.captions import tags
from portraitist.captions.named import CaptionerModel, choose_captioner, fetch_model, find_model, load_model
from portraitist.decoder import Decoder
from portraitist.devices import choose_device
from portraitist.errors import BadRequest, PhotoTooLarge, TooFewPhotos, UnknownName, UnreadablePhoto
from portraitist.families.base import Model
from portraitist.families.found import find_base, lasting_name, place_of
from portraitist.files import make_folder, remove_folder, replacing
from portraitist.images import crop, resize, size_of
from portraitist.loading import check_words, library_folders, load_base, load_tagger
from portraitist.lora.formats import read, read_metadata
from portraitist.lora.metadata import sidecar_version, write_sidecar
from portraitist.photos import find_photos, opened
from portraitist.recipes import Base, Recipe, Style, check_recipe, find
from portraitist.requests import PortraitRequest, Warn
from portraitist.settings import Settings
from portraitist.styling.preview import SOMEBODY, preview_by
from portraitist.styling.shelf import keep, place_for
from portraitist.training.job import TrainingJob, TrainingPicture, TrainingResult
from portraitist.training.memory import check_memory, train_to_fit
from portraitist.training.optimizers import check_package
from portraitist.types import Box, OnStep, Picture, Seed, Size, Step, Strict, no_progress

FEWEST = 3
"""Fewer pictures are one picture's accident and no style; 10 to 20 are better."""

TRIGGER = "sks"
"""Not the sitters' own, so that both can stand in one prompt."""

CLASS_WORD = "style"
RULES = "style"
RECIPE = "style"
SQUARE = 1.15
"""Up to this ratio to the base's shape a picture is left whole and cut by chance; longer ones are cut end to end."""

SMALLEST = 0.5
"""Pictures whose shorter side is below this share of the base's are refused: enlarged they would teach blur."""


@dataclass(frozen=True)
class StyleTraining(Strict):
    """Everything that fixes a style's LoRA, but for the pictures' own bytes. `recipe` None: `style-<base>` where there
    is one, else `style`."""

    name: str
    pictures: tuple[str, ...]
    base: str = "mini"
    recipe: str | None = None
    trigger: str = TRIGGER
    captioner: str = "auto"
    title: str = ""
    title_zh: str = ""
    photo: bool = False
    seed: Seed = 42
    memory: str = "auto"


@dataclass(frozen=True)
class StyleReport(Strict):
    """What a training of a style did. `captions` by file name; `warnings` name the pictures that were left out."""

    style: str
    folder: str
    lora: str
    base: str
    recipe: str
    captions: dict[str, str]
    steps: int
    visits: int
    seconds: float
    loss: tuple[float, ...]
    preview: str | None
    warnings: tuple[Warn, ...] = ()


@dataclass(frozen=True)
class _Taken:
    """A picture that is trained on."""

    name: str
    pixels: Picture


def train_style(
    request: StyleTraining,
    settings: Settings,
    *,
    replace: bool = False,
    resume: bool = False,
    on_step: OnStep = no_progress,
) -> StyleReport:
    """Learn a style from pictures: `<name>.safetensors`, `style.toml` and a preview in the user's library.

    Raises BadRequest for a name that is taken, TooFewPhotos, UnknownName, a ModelError or a ResourceError. Cancelled
    leaves a state that `resume` goes on from; nothing is on the shelf before all is done.
    """
    place_for(request.name, settings, replace=replace)
    base = find_base(lasting_name(request.base, settings), settings)
    recipe = choose_recipe(request.recipe, base, settings)
    check_recipe(recipe)
    check_package(recipe)
    named = _captioner(request, settings)
    style = style_of(request, base, recipe)
    check_words(PortraitRequest("", style=style.name), style, SOMEBODY, base, settings)
    check_memory(base, recipe, choose_device(settings.device), request.memory)
    place_of(base, settings, on_step)
    with opened([Path(one) for one in request.pictures], max_bytes=settings.max_photo_bytes) as paths:
        taken, warnings = read_pictures(find_photos(paths), base, settings, on_step)
    model = load_base(base, settings)
    captions = _captions(request, taken, base, named, settings, on_step)
    pictures = tuple(
        style_picture(f"{number:02d}", one.pixels, caption, Size(*base.size), recipe.crops_per_photo)
        for number, (one, caption) in enumerate(zip(taken, captions, strict=True), 1)
    )
    work = make_folder(settings.home / "training" / f"style-{request.name}")
    job = TrainingJob(request.name, pictures, recipe, request.trigger, CLASS_WORD, work, request.seed, resume)
    result = train_to_fit(job, model, on_step, memory=request.memory)
    folder, preview = _keep(request, base, recipe, model, result, settings, replace, on_step)
    remove_folder(work)
    return StyleReport(
        request.name, str(folder), str(folder / f"{request.name}.safetensors"), base.name, recipe.name,
        {one.name: caption for one, caption in zip(taken, captions, strict=True)}, result.steps, result.visits,
        round(result.seconds, 2), result.loss, str(preview), (*warnings, *result.warnings),
    )  # fmt: skip


def choose_recipe(name: str | None, base: Base, settings: Settings) -> Recipe:
    """The recipe `name`; without one that of the base for styles, `style-<base>`, or the general one. Raises
    UnknownName."""
    extra = library_folders(settings)
    if name is None:
        with suppress(UnknownName):
            return find(Recipe, f"{RECIPE}-{base.name}", extra)
    return find(Recipe, name or RECIPE, extra)


def read_pictures(
    files: Sequence[Path], base: Base, settings: Settings, on_step: OnStep = no_progress
) -> tuple[tuple[_Taken, ...], tuple[Warn, ...]]:
    """The pictures that can be trained on, and a warning for each other. Raises TooFewPhotos below 3."""
    taken: list[_Taken] = []
    warnings: list[Warn] = []
    least = SMALLEST * min(base.size)
    with Decoder() as decoder:
        found = decoder.read_ahead(files, max_bytes=settings.max_photo_bytes, max_pixels=settings.max_photo_pixels)
        for number, (path, pixels) in enumerate(zip(files, found, strict=True)):
            on_step(Step("pictures", number, len(files), path.name))
            if isinstance(pixels, UnreadablePhoto | PhotoTooLarge):
                warnings.append(Warn(pixels.code, pixels.message))
            elif min(pixels.shape[:2]) < least:
                text = f"{path.name} is smaller than {least:.0f} pixels and would teach blur."
                warnings.append(Warn("too_small", text))
            elif any(np.array_equal(pixels, other.pixels) for other in taken):
                warnings.append(Warn("duplicate", f"{path.name} is there twice."))
            else:
                taken.append(_Taken(path.name, pixels))
    if len(taken) < FEWEST:
        raise TooFewPhotos(
            f"{len(taken)} of {len(files)} pictures can be used; a style needs {FEWEST}.",
            hint=" ".join(warning.message for warning in warnings[:5]) or "Add pictures in the same style; 10 to 20.",
        )
    return tuple(taken), tuple(warnings)


def style_picture(name: str, pixels: Picture, caption: str, size: Size, crops: int) -> TrainingPicture:
    """A picture as the training takes it: cuts in the base's shape that together show all of it.

    One that has about that shape is left whole, and the training cuts it by chance.
    """
    boxes = cuts(size_of(pixels), size, crops)
    if len(boxes) == 1:
        return TrainingPicture(name, pixels, caption)
    middle, *others = (resize(crop(pixels, box), size) for box in boxes)
    return TrainingPicture(name, middle, caption, others=tuple(others))


def cuts(whole: Size, size: Size, least: int) -> tuple[Box, ...]:
    """Boxes of the size's shape, evenly along the longer side, from its one end to its other; the first is the most
    central one. At least `least` of them, and as many as show all; one where the shapes are about the same."""
    width = min(whole.width, whole.height * size.width / size.height)
    height = width * size.height / size.width
    ratio = max(whole.width / width, whole.height / height)
    if ratio <= SQUARE:
        return (Box((whole.width - width) / 2, (whole.height - height) / 2, width, height),)
    shares = np.linspace(0.0, 1.0, max(3, least, math.ceil(ratio)))
    order = sorted(shares.tolist(), key=lambda share: (abs(share - 0.5), share))
    return tuple(Box((whole.width - width) * at, (whole.height - height) * at, width, height) for at in order)


def _captioner(request: StyleTraining, settings: Settings) -> CaptionerModel | None:
    """The model that is asked to caption, None for an embedded one. Raises BadRequest, BadFile."""
    if request.captioner == "written":
        raise BadRequest("--captioner written is for sitters.", hint="Use auto, tagger, facts, none or a model's name.")
    return find_model(request.captioner, library_folders(settings))


def _captions(
    request: StyleTraining, taken: Sequence[_Taken], base: Base, named: CaptionerModel | None, settings: Settings,
    on_step: OnStep,
) -> list[str]:  # fmt: skip
    """The style's word, then what each picture shows; how it is made is left out."""
    rules, loaded = tags.load_rules(RULES, library_folders(settings)), None
    if named is not None:
        place = fetch_model(named, settings.models_folder, offline=settings.offline, on_step=on_step)
        loaded = load_model(named, place, choose_device(settings.device))
    size = Size(*base.size)
    shown = [resize(crop(one.pixels, cuts(size_of(one.pixels), size, 1)[0]), size) for one in taken]
    describer = choose_captioner(request.captioner, load_tagger(base, settings), shown, loaded)
    told = [describer.describe(one.pixels, view, None) for one, view in zip(taken, shown, strict=True)]
    return [tags.caption(one, request.trigger, CLASS_WORD, rules) for one in told]


def _keep(
    request: StyleTraining,
    base: Base,
    recipe: Recipe,
    model: Model,
    result: TrainingResult,
    settings: Settings,
    replace: bool,
    on_step: OnStep,
) -> tuple[Path, Path]:
    """Put LoRA, sidecar, preview and style.toml on the shelf together; (folder, preview)."""
    style = style_of(request, base, recipe)
    lora = result.likeness.with_name(f"{request.name}.safetensors")
    with replacing(lora) as part:
        part.write_bytes(result.likeness.read_bytes())
    phrase, version = f"{request.trigger} {CLASS_WORD}", sidecar_version(read_metadata(lora))
    sidecar = write_sidecar(
        lora, title=f"Style {request.name}", phrase=phrase, strength=recipe.strength, version=version
    )
    shown = preview_by(
        model, style, SOMEBODY, lora.with_name("preview.jpg"), lora=read(lora, model.slots()),
        strength=recipe.strength, seed=request.seed, on_step=on_step,
    )  # fmt: skip
    folder = keep(style, settings, beside=(lora, sidecar, shown.file), replace=replace)
    return folder, folder / shown.file.name


def style_of(request: StyleTraining, base: Base, recipe: Recipe) -> Style:
    """The style that a training makes: its word behind the sitter, its LoRA at the recipe's strength."""
    return Style(
        name=request.name,
        prompt=f"{{sitter}}, {request.trigger} {CLASS_WORD}",
        title=request.title or request.name.replace("-", " ").replace("_", " ").capitalize(),
        title_zh=request.title_zh,
        photo=request.photo,
        bases=(base.name,),
        about="trained",
        lora=f"{request.name}.safetensors",
        lora_strength=recipe.strength,
    )
