"""How fast likenesses are trained at full size on a GPU, against the usual script, in one run on the same networks.

    python benchmarks/train_speed.py --out benchmarks/results/train_speed.json

The networks have the sizes of Stable Diffusion 1.5 and SDXL and random weights: the speed does not depend on them.
Rank 32, 512 x 512 with the text encoder and 1024 x 1024 without. The usual script (`train_speed_usual.py`) is given
the same layers as ours, which are more than its own, and once its own; its faster format counts. A step of ours is all
that a training does between two numbers of steps. Pictures are noise.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common, train_speed_usual
from benchmarks.common import Row, bar, note
from benchmarks.full_size import free, make_model, make_networks

SEED = 42
RANK = 32
UNET = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
USUAL_UNET, USUAL_TEXT = ("to_k", "to_q", "to_v", "to_out.0"), ("q_proj", "k_proj", "v_proj", "out_proj")
PARTS = ("sd15", "sdxl", "equal", "whole")


def main() -> None:
    parser = common.options(__doc__, count=20, of="steps of each measurement", seed=SEED)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument("--child", type=Path, help="be the cold process that trains once, with photos in this folder")
    given = parser.parse_args()
    if given.child:
        whole_training(given.child)
        return
    rows: list[Row] = [note("host time of a small operation", host_microseconds(), "µs", digits=2)]
    with tempfile.TemporaryDirectory() as place:
        photos = noise_photos(Path(place))
        if "sd15" in given.parts:
            rows += compare("SD 1.5", False, photos, given)
        if "sdxl" in given.parts:
            rows += compare("SDXL", True, photos, given)
        if "equal" in given.parts:
            rows += equality(photos)
        if "whole" in given.parts:
            rows += cold(Path(place))
    common.finish("train_speed", given, rows, common.describe_machine("cuda"))


def host_microseconds() -> float:
    """What the host takes to launch one operation: the floor of a step that is launched one by one."""
    x = torch.zeros(8, device="cuda")
    for count in (100, 5000):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            x.add_(1.0)
        seconds = (time.perf_counter() - start) / count
    return 1e6 * seconds


def noise_photos(folder: Path, count: int = 10) -> list[Path]:
    from portraitist.images import save_png

    files = []
    for number in range(count):
        pixels = np.random.default_rng([SEED, number]).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        whole = np.kron(pixels, np.ones((16, 16, 1), dtype=np.uint8))
        files.append(save_png(folder / f"{number}.png", whole, made=False))
    return files


def compare(name: str, xl: bool, photos: Sequence[Path], given: argparse.Namespace) -> Iterator[Row]:
    """Both sides at equal batch, then ours alone at sixteen."""
    side = 1024 if xl else 512
    bars = {1: 4.0, 4: None} if xl else {1: 7.0, 4: 3.5}
    absolute = {4: 60.0} if xl else {4: 12.0, 16: 9.0}
    steps = given.count if not xl else max(5, given.count // 2)
    usual: dict[int, float] = {}
    for batch in bars:
        found = {}
        for precision in ("no", "bf16"):
            networks = make_networks(xl)
            found[precision] = 1000 * train_speed_usual.step_seconds(
                networks, photos, precision=precision, batch=batch, targets=UNET, text_targets=() if xl else TEXT,
                rank=RANK, side=side, steps=max(5, steps // 2),
            )  # fmt: skip
            free(networks)
            what = "fp32" if precision == "no" else "bf16"
            yield note(f"{name}, batch {batch}: usual script, {what}", found[precision], "ms a step", digits=1)
        usual[batch] = min(found.values())
    if not xl:
        networks = make_networks(xl)
        own = train_speed_usual.step_seconds(
            networks, photos, precision="bf16", batch=1, targets=USUAL_UNET, text_targets=USUAL_TEXT, rank=RANK,
            side=side, steps=max(5, steps // 2),
        )  # fmt: skip
        free(networks)
        yield note(f"{name}, batch 1: usual script with its own fewer layers, bf16", 1000 * own, "ms a step", digits=1)
    model = make_model(xl)
    for batch in (1, 4) if xl else (1, 4, 16):
        eager, graphed, first, how = our_steps(model, photos, batch, steps, text=not xl)
        yield note(f"{name}, batch {batch}: ours, launched one by one", eager, "ms a step", digits=1)
        yield note(f"{name}, batch {batch}: ours ({how})", graphed, "ms a step", digits=1)
        yield note(f"{name}, batch {batch}: the first three steps, recording included", first, "s", digits=2)
        if batch in absolute:
            yield bar(
                f"{name}, batch {batch}", graphed / batch, absolute[batch], "ms a picture", digits=1, at_most=True
            )
        if bars.get(batch) is not None:
            yield bar(f"{name}, batch {batch}: times as fast", usual[batch] / graphed, bars[batch] or 0.0, digits=1)
        elif batch in usual:
            yield note(f"{name}, batch {batch}: times as fast", usual[batch] / graphed, digits=1)
    del model
    free(None)


def our_steps(
    model: Any, photos: Sequence[Path], batch: int, steps: int, *, text: bool
) -> tuple[float, float, float, str]:
    """Milliseconds of a step launched one by one and as it is, seconds of the first three, and how it runs."""
    job = make_job(photos, Path(), batch=batch, text=text)
    tape, trainable, optimizer = begin(model, job, 2 * steps + 6)
    try:
        from portraitist.training.step import Stepper

        eager = Stepper(model, trainable, optimizer, job.recipe, tape, graphs=False)
        slow = step_times(eager, 0, max(5, steps // 3))
        stepper = Stepper(model, trainable, optimizer, job.recipe, tape)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for step in range(3):
            stepper(step)
        torch.cuda.synchronize()
        first = time.perf_counter() - start
        torch.cuda.synchronize()
        start = time.perf_counter()
        for step in range(3, 3 + steps):
            stepper(step)
        torch.cuda.synchronize()
        return slow, 1000 * (time.perf_counter() - start) / steps, first, stepper.how
    finally:
        model.detach()


def step_times(stepper: Any, first: int, steps: int) -> float:
    """Median milliseconds of single steps, after two."""
    seconds = []
    for step in range(first, first + steps + 2):
        torch.cuda.synchronize()
        start = time.perf_counter()
        stepper(step)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds[2:])


def equality(photos: Sequence[Path]) -> Iterator[Row]:
    """200 cosine steps in float32, recorded and launched one by one: the same noise, the same losses."""
    from portraitist.training.step import Stepper

    steps = 200
    model = make_model(False, torch.float32)
    found = []
    for graphs in (False, True):
        job = make_job(photos, Path(), batch=1, text=True)
        tape, trainable, optimizer = begin(model, job, steps)
        stepper = Stepper(model, trainable, optimizer, job.recipe, tape, graphs=graphs)
        start = [weight.detach().clone() for weight in trainable.all]
        losses = torch.stack([stepper(step) for step in range(steps)])
        moved = [weight.detach() - old for weight, old in zip(trainable.all, start, strict=True)]
        found.append((losses.cpu(), torch.cat([tensor.flatten() for tensor in moved]).cpu(), stepper.how))
        del tape, trainable, optimizer, stepper
        model.detach()
        free(None)
    (losses, moved, _), (others, also, how) = found
    yield note("equality: the other side ran as", how)
    yield bar(
        "equality: largest difference of a loss", float((losses - others).abs().max()), 1e-3, digits=7, at_most=True
    )
    apart = float((moved - also).norm() / moved.norm())
    yield bar("equality: difference of the trained weights", apart, 0.01, digits=7, at_most=True)


def cold(folder: Path) -> Iterator[Row]:
    """Ten photos, 2,000 visits, in a process of its own."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(folder)], capture_output=True, text=True, check=False
    )
    whole = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    told = dict(line.split("=") for line in done.stdout.splitlines() if "=" in line)
    building = float(told["building"])
    yield note("cold training: the process", whole, "s", digits=1)
    yield note("cold training: making the networks, in place of loading", building, "s", digits=1)
    yield note("cold training: steps of 4", int(told["steps"]))
    yield note("cold training: encoding, recording and stepping", float(told["training"]), "s", digits=1)
    yield bar("cold training of SD 1.5, 10 photos, 2,000 visits", whole - building, 45.0, "s", digits=1, at_most=True)


def whole_training(folder: Path) -> None:
    """The child's life: imports, networks, training, file."""
    from portraitist.training.train import train

    start = time.perf_counter()
    model = make_model(False)
    torch.cuda.synchronize()
    building = time.perf_counter() - start
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        job = make_job(sorted(folder.glob("*.png")), Path(place), batch=4, text=True)
        result = train(job, model)
    print(f"building={building}\ntraining={time.perf_counter() - start}\nsteps={result.steps}")


def begin(model: Any, job: Any, steps: int) -> tuple[Any, Any, Any]:
    """Tape, layers and optimiser of a job."""
    from portraitist.training.dataset import prepare
    from portraitist.training.optimizers import make_optimizer, text_rate
    from portraitist.training.tape import record

    text = text_rate(job.recipe) > 0
    tape = record(prepare(job, model, lambda done: None), job, model, steps, text=text)
    trainable = model.attach(rank=RANK, alpha=float(RANK), text=text, seed=SEED)
    return tape, trainable, make_optimizer(trainable, job.recipe)


def make_job(photos: Sequence[Path], folder: Path, *, batch: int, text: bool) -> Any:
    from portraitist.images import decode
    from portraitist.recipes import Recipe
    from portraitist.training.job import TrainingJob, TrainingPicture

    recipe = Recipe(
        name="speed", rank=RANK, alpha=RANK, batch=batch, train_text=text, visits_per_photo=200, max_visits=2000,
        min_snr_gamma=5.0, caption_dropout=0.05, background_weight=1.0,
    )  # fmt: skip
    tags = ("smile", "hat, outdoors", "glasses", "red shirt", "night", "looking to the side")
    pictures = tuple(
        TrainingPicture(file.name, decode(file.read_bytes()), f"ohwx woman, {tags[i % len(tags)]}")
        for i, file in enumerate(photos)
    )
    return TrainingJob("nobody", pictures, recipe, "ohwx", "woman", folder, SEED)


if __name__ == "__main__":
    common.run(main)
