"""What trainings take of a GPU's memory, against what is estimated before they start, and whether presets fit.

    python benchmarks/memory.py --out benchmarks/results/memory.json --write

Networks of the full size of Stable Diffusion 1.5 and SDXL with random weights, noise for photos, five steps each (two
launched one by one, the third recorded as a CUDA graph). First the numbers of the estimate's table are measured. Then
each preset runs with a recipe that asks for more than it allows, under a cap of its gigabytes (less what the driver
takes): the peak is compared with the estimate, and the least that one of them lost in gaps is the table's `spare`. With
`--write` the numbers are put into `src/portraitist/library/memory`. Last, a training that is promised more memory than
there is must run out, be tried again with a smaller preset, and end well.
"""

import argparse
import gc
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import Row, bar, describe_machine, finish, note, options
from benchmarks.full_size import make_model
from portraitist.errors import OutOfMemory
from portraitist.families.memory import enough_memory
from portraitist.recipes import LIBRARY, Recipe
from portraitist.training import memory
from portraitist.training.dataset import prepare
from portraitist.training.job import TrainingJob, TrainingPicture
from portraitist.training.memory import GIB, Preset, Table, estimate, load_table, on_device
from portraitist.training.optimizers import make_optimizer, text_rate
from portraitist.training.step import Stepper
from portraitist.training.tape import record
from portraitist.types import Size

SEED = 42
STEPS = 5
LIMIT = 15.0  # per cent
FAMILIES = ("sd15", "sdxl")


def main() -> None:
    parser = options(__doc__, count=None, of="presets of each family", seed=SEED)
    parser.add_argument("--write", action="store_true", help="put what is measured into the library's tables")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("This benchmark needs a CUDA device.")
    rows: list[Row] = []
    for family in given.families:
        rows += measure(family, given)
    finish("memory", given, rows, describe_machine("cuda"))


def measure(family: str, given: argparse.Namespace) -> Iterator[Row]:
    """Rows of one family: its table, its presets, and (for SD 1.5) what happens when memory runs out."""
    table = load_table(family)
    assert table is not None
    before = taken_by_driver()
    model = make_model(family == "sdxl")
    gc.collect()
    context = max(before, taken_by_driver())
    found = calibrate(table, model, context)
    peaks = {preset: under_cap(preset, model, context) for preset in table.presets[: given.count]}
    shares = [peak.reserved / peak.allocated - 1 for peak in peaks.values() if peak is not None]
    found["spare"] = min(shares, default=table.spare)
    for name, value in found.items():
        unit, digits = ("share", 3) if name == "spare" else ("bytes", 0)
        yield note(f"{family}: {name} (table before: {getattr(table, name):g})", value, unit, digits=digits)
    if given.write:
        write_table(family, found)
    table = replace(table, **found)
    for preset, peak in peaks.items():
        yield from compare(family, table, preset, peak)
    if family == "sd15":
        yield try_again(table, model)
    del model
    clean()


@dataclass(frozen=True)
class Peak:
    """The most bytes of a training that torch had allocated, and reserved; how its steps ran."""

    allocated: int
    reserved: int
    how: str


def train_a_little(model: Any, recipe: Recipe, preset: Preset) -> Peak:
    """All that a training does on the device, but for a few steps. Raises OutOfMemory."""
    clean()
    torch.cuda.reset_peak_memory_stats()
    recipe = preset.lowered(recipe)
    recipe = replace(recipe, max_visits=STEPS * recipe.batch)
    job = make_job(model, recipe, Path())
    model.save_memory(preset.saving(recipe))
    stepper = trainable = optimizer = tape = examples = None
    try:
        with enough_memory("a training"):
            text = text_rate(recipe) > 0
            examples = prepare(job, model, lambda done: None)
            tape = record(examples, job, model, STEPS, text=text)
            trainable = model.attach(rank=recipe.rank, alpha=recipe.alpha, text=text, seed=SEED, layers=recipe.layers)
            optimizer = make_optimizer(trainable, recipe)
            trainable.publish()
            stepper = Stepper(model, trainable, optimizer, recipe, tape)
            for step in range(STEPS):
                loss = float(stepper(step))
            assert np.isfinite(loss)
            torch.cuda.synchronize()
            return Peak(torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved(), stepper.how)
    finally:
        del stepper, trainable, optimizer, tape, examples
        model.detach()  # how memory is saved stays: to bring parked networks back, there may be no room under a cap
        clean()


def make_job(model: Any, recipe: Recipe, folder: Path) -> TrainingJob:
    width, height = model.base.size
    chance = np.random.default_rng(SEED)
    pictures = tuple(
        TrainingPicture(f"{i}.png", chance.integers(0, 256, (height, width, 3), dtype=np.uint8), f"ohwx woman, {i}")
        for i in range(2)
    )
    return TrainingJob("nobody", pictures, recipe, "ohwx", "woman", folder, SEED)


def make_recipe(batch: int, *, text: bool) -> Recipe:
    """Without masks, so that nothing depends on photos."""
    return Recipe(
        name="memory", rank=32, batch=batch, train_text=text, visits_per_photo=1000, crops_per_photo=4, flip=True,
        background_weight=1.0, checkpoints=1,
    )  # fmt: skip


def calibrate(table: Table, model: Any, context: int) -> dict[str, float]:
    """The numbers of the table, from pairs of trainings that differ in one thing."""
    few, many = (1, 2) if table.family == "sdxl" else (1, 4)
    pixels = table.size[0] * table.size[1]
    # in slices and, so that encoding stays below the step, in tiles
    plain = Preset(gigabytes=1000, batch=1000, text=True, slices=True, tiles=True)
    peaks: dict[tuple[str, int], Peak] = {}
    attention: dict[int, int] = {}
    for batch in (few, many):
        for name, checkpointing, text in (
            ("whole", False, False),
            ("checkpointed", True, False),
            ("text", False, True),
        ):
            preset = replace(plain, checkpointing=checkpointing)
            peaks[name, batch] = train_a_little(model, make_recipe(batch, text=text), preset)
        lean = replace(make_recipe(batch, text=False), layers="attention")
        attention[batch] = train_a_little(model, lean, plain).allocated

    def slope(name: str) -> float:
        return (peaks[name, many].allocated - peaks[name, few].allocated) / (many - few)

    whole, checkpointed, pixel = slope("whole") / pixels, slope("checkpointed") / pixels, encoding(model)
    found = replace(table, whole=whole, checkpointed=checkpointed, pixel=pixel, prompt=slope("text") - slope("whole"))
    rests = []
    for (name, batch), peak in peaks.items():
        preset = replace(plain, checkpointing=name == "checkpointed")
        guess = estimate(replace(found, work=0.0), make_recipe(batch, text=name == "text"), preset, Size(*table.size))
        rests.append(peak.allocated - guess)
    return {
        "whole": whole,
        "spared": max(0.0, whole - (attention[many] - attention[few]) / (many - few) / pixels),
        "checkpointed": checkpointed,
        "prompt": max(0.0, found.prompt),
        "pixel": pixel,
        "work": float(max(0.0, np.mean(rests))),
        "context": float(context),
    }


def encoding(model: Any) -> float:
    """Bytes for each pixel that the autoencoder works on."""
    width, height = model.base.size
    clean()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    model.encode([np.zeros((height, width, 3), dtype=np.uint8)] * 2)
    return (torch.cuda.max_memory_allocated() - before) / (2 * width * height)


def under_cap(preset: Preset, model: Any, context: int) -> Peak | None:
    """A training under a cap of the preset's gigabytes, or None where memory ran out."""
    try:
        with capped(preset.gigabytes * GIB - context):
            return train_a_little(model, make_recipe(64, text=True), preset)
    except OutOfMemory:
        return None


def compare(family: str, table: Table, preset: Preset, peak: Peak | None) -> Iterator[Row]:
    """Did it run under its cap, and how far off is the estimate?"""
    guess = estimate(table, make_recipe(64, text=True), preset, Size(*table.size))
    name = f"{family}, {preset.gigabytes} GB, batch {preset.batch}"
    name += ", checkpointing" * preset.checkpointing + ", text encoder" * preset.text
    yield bar(f"{name}: fits under its cap", int(peak is not None), 1)
    if peak is None:
        return
    yield note(f"{name}: measured peak", peak.allocated / GIB, "GiB", digits=2)
    yield note(f"{name}: estimated peak", guess / GIB, "GiB", digits=2)
    error = 100 * abs(guess - peak.allocated) / peak.allocated
    yield bar(f"{name}: estimate is off by", error, LIMIT, "%", digits=1, at_most=True)
    whole = on_device(table, guess)
    yield bar(f"{name}: estimate for the device", whole / GIB, preset.gigabytes, "GiB", digits=2, at_most=True)
    yield note(f"{name}: reserved, {peak.how}", peak.reserved / GIB, "GiB", digits=2)


def try_again(table: Table, model: Any) -> Row:
    """A real training that is promised more memory than there is: it must be tried again and end well."""
    recipe = replace(make_recipe(16, text=True), max_visits=32)
    most, next_ = (estimate(table, recipe, table.presets[i], Size(*table.size)) for i in (-1, -2))
    promised, memory.available = memory.available, lambda device: 10**12
    try:
        with tempfile.TemporaryDirectory() as place, capped(round((next_ + most) / 2)):
            result = memory.train_to_fit(make_job(model, recipe, Path(place)), model)
            codes = [warning.code for warning in result.warnings]
    except OutOfMemory as error:
        codes = [error.code]
    finally:
        memory.available = promised
    again = "out_of_memory" in codes and "memory_preset" in codes
    return bar(f"a training without enough memory ends with a smaller preset ({', '.join(codes)})", int(again), 1)


@contextmanager
def capped(limit: int) -> Iterator[None]:
    """Within, torch may reserve `limit` bytes of the device."""
    clean()
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def taken_by_driver() -> int:
    """Bytes of the device that are neither free nor torch's; other processes count too, so there should be none."""
    torch.zeros(1, device="cuda")
    free, total = torch.cuda.mem_get_info()
    return int(total - free - torch.cuda.memory_reserved())


def clean() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def write_table(family: str, found: dict[str, float]) -> None:
    """Put the numbers into the family's table; all else stays as it is."""
    path = LIBRARY / "memory" / f"{family}.toml"
    text = path.read_text(encoding="utf-8")
    for name, value in found.items():
        text = re.sub(
            rf"(?m)^{name} = [-0-9.e+]+", f"{name} = {value:.4g}" if value < 1 else f"{name} = {value:.0f}.0", text
        )
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
