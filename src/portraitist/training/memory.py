"""How much of a GPU's memory a training takes, which preset makes it fit, and what to do when it does not.

Estimates come from a table for each family (`library/memory/<family>.toml`): sizes of its networks, and what a step
keeps for each pixel of its pictures. No weights are read. A preset limits the batch and says how memory is saved; a
recipe is changed only where it asks for more. On processors nothing is estimated. Knows no network.
"""

import gc
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import torch

from portraitist.devices import Device
from portraitist.errors import BadRequest, OutOfMemory
from portraitist.families.base import Model, Saving
from portraitist.families.saving import PIXELS_AT_ONCE, TILE
from portraitist.files import make_folder, write_text
from portraitist.recipes import LIBRARY, Base, OptimizerName, Recipe, read_toml
from portraitist.requests import Warn
from portraitist.training.job import OnCheckpoint, TrainingJob, TrainingResult, never_enough
from portraitist.training.optimizers import text_rate
from portraitist.training.train import train
from portraitist.types import OnStep, Size, Strict, no_progress

GIB = 2**30
_SMALL, _SMALL_SIDE = 0.5, 256  # networks with less than this share of their family's weights fit anywhere
_SIDES = (1024, 896, 768, 640, 512, 384, 256)
_CHOSEN = "memory.json"
_MOMENTS: Mapping[OptimizerName, int] = MappingProxyType(
    {"adamw": 8, "adamw8bit": 2, "prodigy": 16, "adafactor": 1, "lion": 4}
)
"""Bytes that an optimiser keeps for each weight."""


@dataclass(frozen=True)
class Preset(Strict):
    """How a training is made to fit a device of `gigabytes` GiB: at most `batch` pictures a step, whether the text
    encoders may be trained, and how memory is saved (see `families.base.Saving`)."""

    gigabytes: int
    batch: int
    text: bool = True
    checkpointing: bool = False
    slices: bool = False
    tiles: bool = False
    park: bool = False

    def lowered(self, recipe: Recipe) -> Recipe:
        """The recipe, where it asks for more than the preset allows. As many visits as before."""
        batch = min(recipe.batch, max(1, self.batch // _sides(recipe)))
        return replace(recipe, batch=batch, train_text=recipe.train_text and self.text)

    def saving(self, recipe: Recipe) -> Saving:
        """Prompts that change from step to step cannot be encoded beforehand: then nothing is parked."""
        park = self.park and recipe.tag_dropout == 0.0 and not recipe.shuffle_tags
        return Saving(self.checkpointing, slices=self.slices, tiles=self.tiles, park=park)


@dataclass(frozen=True)
class Table(Strict):
    """What a family's networks take. `parameters` by part; `lora` is the number of LoRA weights at rank 1 (`attention`:
    of the U-Net with `layers = "attention"`); `whole` and `checkpointed` are bytes that a step keeps for each pixel of
    each picture, `spared` those fewer of `whole` where attention alone learns, `prompt` for each prompt with a trained
    text encoder, `pixel` bytes for each pixel that the autoencoder works on; `work` what passes and what libraries
    keep, `context` the driver's own, `spare` a share lost in gaps. Bytes of steps are for two-byte numbers."""

    family: str
    size: tuple[int, int]
    parameters: Mapping[str, int]
    lora: Mapping[str, int]
    whole: float
    spared: float
    checkpointed: float
    prompt: float
    pixel: float
    work: float
    context: float
    spare: float
    presets: tuple[Preset, ...] = field(default=())

    def __post_init__(self) -> None:
        if [preset.gigabytes for preset in self.presets] != sorted(preset.gigabytes for preset in self.presets):
            raise ValueError("presets are not in the order of their gigabytes")


def _sides(recipe: Recipe) -> int:
    """How many pictures a step keeps for each of its batch: some recipes look at others beside them."""
    return 1 + (recipe.prior_weight > 0) + (recipe.class_images > 0 and recipe.class_weight > 0)


def with_class_folder(recipe: Recipe, given: bool) -> Recipe:
    """The recipe as far as memory goes: pictures of a user's own folder take what drawn ones do."""
    return replace(recipe, class_images=max(1, recipe.class_images)) if given else recipe


def _counted(job: TrainingJob) -> Recipe:
    return with_class_folder(job.recipe, bool(job.class_pictures))


def _lowered(preset: Preset, job: TrainingJob) -> Recipe:
    """What the job runs with: as many pictures a step as go beside its class pictures."""
    return replace(preset.lowered(_counted(job)), class_images=job.recipe.class_images)


def load_table(family: str) -> Table | None:
    """The family's table, or None. Raises BadFile for a wrong one."""
    path = LIBRARY / "memory" / f"{family}.toml"
    return read_toml(path, Table) if path.is_file() else None


def estimate(table: Table, recipe: Recipe, preset: Preset, size: Size, itemsize: int = 2) -> int:
    """Bytes that torch has allocated at the peak of a training; `itemsize` is that of the networks' numbers."""
    recipe, text = preset.lowered(recipe), text_rate(preset.lowered(recipe)) > 0
    saving = preset.saving(recipe)
    count = dict(table.parameters)
    vae, unet = 4 * count.pop("vae"), itemsize * count.pop("unet")
    encoders = itemsize * sum(count.values())
    pixels = size.width * size.height
    worked_on = min(pixels, TILE * TILE) if saving.tiles else pixels
    at_once = worked_on if saving.slices else max(worked_on, PIXELS_AT_ONCE)
    encoding = unet + vae + encoders * (not saving.park) + at_once * table.pixel
    few = recipe.layers == "attention"
    weights = recipe.rank * (table.lora["attention" if few else "unet"] + (table.lora["text"] if text else 0))
    # weight and gradient in float32, what the optimiser keeps, perhaps an average; the two copies of halved networks
    weight_bytes = 8 + _MOMENTS[recipe.optimizer] + (4 if recipe.ema else 0) + (2 * itemsize if itemsize < 4 else 0)
    whole = table.whole - table.spared * few
    kept = pixels * (table.checkpointed if saving.checkpointing else whole) + (table.prompt if text else 0)
    drawing = worked_on * table.pixel + vae * saving.park if recipe.choose_pictures else 0
    step = (
        unet
        + (vae + encoders) * (not saving.park)
        + weights * weight_bytes
        + recipe.batch * _sides(recipe) * kept * itemsize / 2
    )
    return round(max(encoding, step + drawing) + table.work)


def on_device(table: Table, allocated: int) -> int:
    """Bytes of the device that go with `allocated` ones: gaps and the driver's own too."""
    return round(allocated * (1 + table.spare) + table.context)


def available(device: Device) -> int:
    """Bytes of a CUDA device that a training can have: free ones, and what this process holds already."""
    free, total = torch.cuda.mem_get_info(device.device)
    limit = torch.cuda.get_per_process_memory_fraction(device.device) * total
    return round(min(free + torch.cuda.memory_reserved(device.device), limit))


@dataclass(frozen=True)
class Fit:
    """The preset that a training runs with, and what it is estimated to take of the device."""

    preset: Preset
    needed: int


def choose(
    table: Table, recipe: Recipe, size: Size, free: int, *, memory: str = "auto", itemsize: int = 2, below: int = 2**62
) -> Fit:
    """The largest preset that fits into `free` bytes, or the one that `memory` names (a number of gigabytes).

    Only presets that need less than `below` bytes are looked at. Raises OutOfMemory that says what would fit,
    BadRequest for a preset that is not there.
    """
    presets = _presets(table, memory)
    fits = [Fit(one, on_device(table, estimate(table, recipe, one, size, itemsize))) for one in reversed(presets)]
    found = next((fit for fit in fits if fit.needed <= free and fit.needed < below), None)
    if found is None:
        raise too_small(table, recipe, size, free, fits, itemsize)
    return found


def _presets(table: Table, memory: str) -> tuple[Preset, ...]:
    """The one that is named, or all of them. Raises BadRequest for one that is not there."""
    found = tuple(preset for preset in table.presets if memory in ("auto", str(preset.gigabytes)))
    if not found:
        known = ", ".join(str(preset.gigabytes) for preset in table.presets)
        raise BadRequest(f"There is no memory preset {memory!r} for {table.family}.", hint=f"Use auto or {known}.")
    return found


def too_small(table: Table, recipe: Recipe, size: Size, free: int, fits: list[Fit], itemsize: int = 2) -> OutOfMemory:
    """The refusal, with what is needed, what is free, and the nearest thing that fits."""
    asked = min(fits, key=lambda fit: fit.needed)
    at = f"{size.width}x{size.height}"
    message = (
        f"The training needs about {_words(asked.needed)} at {at} with the preset for {asked.preset.gigabytes} GB; "
        f"{_words(free)} are free."
    )
    for one in reversed(table.presets):
        if on_device(table, estimate(table, recipe, one, size, itemsize)) <= free:
            return OutOfMemory(message, hint=f"With --memory {one.gigabytes} it fits.")
    smallest = table.presets[0]
    for side in _SIDES:
        smaller = Size(side, side)
        if side < max(size.width, size.height):
            needed = on_device(table, estimate(table, recipe, smallest, smaller, itemsize))
            if needed <= free:
                hint = f"With --memory {smallest.gigabytes} --size {side}x{side} it fits: about {_words(needed)}."
                return OutOfMemory(message, hint=hint)
    return OutOfMemory(message, hint="Close other programs that use the device, or take a smaller base, such as mini.")


def _words(count: int) -> str:
    return f"{count / GIB:.1f} GB"


def check_memory(base: Base, recipe: Recipe, device: Device, memory: str = "auto") -> Fit | None:
    """What a training on `base` will run with, before anything is loaded; None where nothing is estimated.

    Raises OutOfMemory or BadRequest, as `choose`.
    """
    table = load_table(base.family)
    if table is not None:
        _presets(table, memory)  # a wrong word is told where nothing is estimated, too
    if table is None or device.type != "cuda" or max(base.size) <= _SMALL_SIDE:
        return None
    return choose(table, recipe, Size(*base.size), available(device), memory=memory, itemsize=device.dtype.itemsize)


def train_to_fit(
    job: TrainingJob,
    model: Model,
    on_step: OnStep = no_progress,
    on_checkpoint: OnCheckpoint = never_enough,
    *,
    memory: str = "auto",
) -> TrainingResult:
    """`training.train.train` with the preset that fits the device; if memory runs out, once more with a smaller one.

    A resumed training keeps the preset that it began with. Raises what `train` does.
    """
    table = load_table(model.base.family)
    if table is None or model.device.type != "cuda" or _is_small(table, model):
        return train(job, model, on_step, on_checkpoint)
    size, itemsize = _largest(job, model), model.device.dtype.itemsize
    if memory == "auto" and job.resume:
        memory = _remembered(job.folder)
    recipe = _counted(job)
    fit = choose(table, recipe, size, available(model.device), memory=memory, itemsize=itemsize)
    try:
        return _train_with(fit, job, model, on_step, on_checkpoint)
    except OutOfMemory as error:
        retry = _smaller(table, recipe, size, itemsize, fit)
        if retry is None:
            raise
        told = f"{error.message} It was tried again with the preset for {retry.preset.gigabytes} GB."
    gc.collect()
    torch.cuda.empty_cache()
    again = replace(job, resume=job.resume and _lowered(retry.preset, job) == _lowered(fit.preset, job))
    result = _train_with(retry, again, model, on_step, on_checkpoint)
    return replace(result, warnings=(Warn("out_of_memory", told), *result.warnings))


def _train_with(
    fit: Fit, job: TrainingJob, model: Model, on_step: OnStep, on_checkpoint: OnCheckpoint
) -> TrainingResult:
    recipe, preset = _lowered(fit.preset, job), fit.preset
    make_folder(job.folder)
    write_text(job.folder / _CHOSEN, json.dumps({"preset": preset.gigabytes}) + "\n")
    model.save_memory(preset.saving(recipe))
    try:
        result = train(replace(job, recipe=recipe), model, on_step, on_checkpoint)
    finally:
        model.save_memory(Saving())
    changes = _changes(job.recipe, recipe, preset)
    if not changes:
        return result
    told = f"To fit the device, the training ran with the preset for {preset.gigabytes} GB: {', '.join(changes)}."
    return replace(result, warnings=(Warn("memory_preset", told), *result.warnings))


def _changes(asked: Recipe, recipe: Recipe, preset: Preset) -> list[str]:
    changes = []
    if recipe.batch != asked.batch:
        changes.append(f"{recipe.batch} pictures a step instead of {asked.batch}")
    if text_rate(asked) > 0 and not text_rate(recipe) > 0:
        changes.append("the text encoder is not trained")
    if preset.checkpointing:
        changes.append("gradient checkpointing, which is slower")
    return changes


def _smaller(table: Table, recipe: Recipe, size: Size, itemsize: int, failed: Fit) -> Fit | None:
    """The largest preset that needs noticeably less than the one that failed."""
    for preset in reversed(table.presets):
        needed = on_device(table, estimate(table, recipe, preset, size, itemsize))
        if needed < 0.97 * failed.needed:
            return Fit(preset, needed)
    return None


def _largest(job: TrainingJob, model: Model) -> Size:
    sizes = [picture.frame.size for picture in job.pictures if picture.frame is not None]
    return max([*sizes, Size(*model.base.size)], key=lambda size: size.width * size.height)


def _is_small(table: Table, model: Model) -> bool:
    return sum(model.weights().values()) < _SMALL * sum(table.parameters.values())


def _remembered(folder: Path) -> str:
    try:
        return str(int(json.loads((folder / _CHOSEN).read_text(encoding="utf-8"))["preset"]))
    except (OSError, ValueError, KeyError, TypeError):
        return "auto"
