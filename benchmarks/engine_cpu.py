"""How fast the engine is on this machine's processor: a trained picture, a portrait, and their parts.

    python benchmarks/engine_cpu.py --out benchmarks/results/engine_cpu.json

The speed does not depend on the weights; without mini's the same shapes are filled with random numbers and the row says
so. Every number is the median of several runs after a warm-up, with the threads that torch takes by itself.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import Row, bar, describe_machine, finish, note, options
from portraitist import families
from portraitist.devices import choose_device
from portraitist.families.base import Model
from portraitist.generation.generate import generate
from portraitist.recipes import Base, Recipe, find
from portraitist.requests import PortraitRequest
from portraitist.training.dataset import prepare
from portraitist.training.job import TrainingJob, TrainingPicture
from portraitist.training.optimizers import make_optimizer, text_rate
from portraitist.training.step import Stepper
from portraitist.training.tape import record
from portraitist.weights import resolve

SEED = 42
BARS = {"portrait, 20 steps": 6.0}


def main() -> None:
    given = options(__doc__, count=7, of="runs of each measurement", seed=SEED).parse_args()
    with load(given.device, given.base) as (model, weights):
        machine = f"{describe_machine(str(model.device.device))}; {model.device.reason}"
        rows = [row(what, value, unit) for what, value, unit in measure(model, given.count)]
    finish("engine_cpu", given, rows, machine, weights=weights)


def row(what: str, value: float, unit: str) -> Row:
    """A line of the table, with its bar where there is one."""
    if what in BARS:
        return bar(what, value, BARS[what], unit, digits=3, at_most=True)
    return note(what, value, unit, digits=3)


@contextmanager
def load(device: str, folder: Path | None) -> Iterator[tuple[Model, str]]:
    """mini, or a base of its shapes with random weights in a temporary folder; and whose weights they are."""
    base = find(Base, "mini")
    embedded = resolve("package:library") / "mini"
    with tempfile.TemporaryDirectory() as place:
        if folder is not None or (embedded / "unet").is_dir():
            yield families.load(folder or embedded, base, choose_device(device)), base.version
            return
        from mini import export, networks

        torch.manual_seed(SEED)
        export.pipeline(Path(place), networks.unet(), networks.text_encoder(), networks.autoencoder(), None)
        yield families.load(Path(place), base, choose_device(device)), "random"


def measure(model: Model, runs: int) -> Iterator[tuple[str, float, str]]:
    """(what, value, unit), row by row."""
    width, height = model.base.size
    picture = np.random.default_rng(SEED).integers(0, 256, (height, width, 3), dtype=np.uint8)
    latents = model.encode([picture])
    yield "encode a picture", 1000 * median(lambda: model.encode([picture]), model, runs), "ms"
    yield "decode a picture", 1000 * median(lambda: model.decode(latents), model, runs), "ms"
    recipe = find(Recipe, model.base.recipe)
    for batch in sorted({1, recipe.batch}):
        seconds = time_step(model, replace(recipe, batch=batch), picture, runs)
        yield f"train, batch {batch}", 1000 * seconds / batch, "ms a picture"
    request = PortraitRequest("nobody", prompt="ohwx woman, smile, photo", negative="hat", seed=SEED)
    step_seconds = median(lambda: list(generate(replace(request, steps=5), model)), model, runs)
    whole = median(lambda: list(generate(request, model)), model, max(3, runs // 2))
    yield "portrait, 5 steps", step_seconds, "s"
    yield f"portrait, {model.base.steps} steps", whole, "s"
    yield "one guided step", 1000 * (whole - step_seconds) / (model.base.steps - 5), "ms"
    yield "peak memory of the process", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "GiB"


def time_step(model: Model, recipe: Recipe, picture: np.ndarray, runs: int) -> float:
    """Seconds of one training step, with all that a step does."""
    shot = TrainingPicture("a.png", picture, "ohwx woman, smile, red shirt, outdoors, photo")
    job = TrainingJob("nobody", (shot,), replace(recipe, crops_per_photo=1), "ohwx", "woman", Path(), SEED)
    examples = prepare(job, model, lambda done: None)
    text = text_rate(recipe) > 0
    tape = record(examples, job, model, 1, text=text)
    trainable = model.attach(rank=recipe.rank, alpha=recipe.alpha, text=text, seed=SEED)
    try:
        stepper = Stepper(model, trainable, make_optimizer(trainable, recipe), recipe, tape)
        return median(lambda: stepper(0), model, runs)
    finally:
        model.detach()


def median(act: Callable[[], Any], model: Model, runs: int) -> float:
    """Median seconds of `act`, after one run that is not counted."""
    act()
    seconds = []
    for _ in range(runs):
        wait(model)
        start = time.perf_counter()
        act()
        wait(model)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def wait(model: Model) -> None:
    if model.device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
