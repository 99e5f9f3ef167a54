"""Whether a training that is killed ends with the weights of one that was not: kill -9 at random points of its life.

    python benchmarks/kill.py --out benchmarks/results/kill.json

A tiny network, 400 steps, a state every 50. 80 trainings are killed once and started again with the same call: 20 while
Python imports (in processes of their own), 30 at a random moment of the rest of their lives, 15 at a random change on
the disk within a checkpoint, 15 within the final save. One more is killed 20 times. Each must end with weights
bit-equal to those of a training that nobody killed, and leave nothing half-written. All but the imports runs in forked
processes, for else the benchmark would measure imports for half an hour.
"""

import importlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.common import bar, describe_machine, finish, note, options, progress, run
from benchmarks.kill_child import SIZE, Life, live, moment

SEED = 20
PHOTOS = 4
MANY = 20
SHARES = (("imports", 0.25), ("any moment", 0.375), ("checkpoint", 0.1875), ("final save", 0.1875))
IMPORTS = (
    "diffusers.models.unets",
    "transformers.models.clip",
    "peft.tuners.lora",
    "portraitist.families.sd15",
    "portraitist.training.train",
    "portraitist.store.sitters",
)
DISK_CALLS = {"checkpoint": ("checkpoint", 102), "final save": ("final", 20)}


@dataclass(frozen=True)
class Times:
    """Seconds that the imports take, and the rest of an undisturbed life."""

    imports: float
    life: float


@dataclass(frozen=True)
class End:
    """What became of a training: how often it was killed, in which stage last, bit-equal, what was left over."""

    kind: str
    kills: int
    stage: str
    equal: bool
    left: int


def main() -> None:
    parser = options(__doc__, count=80, of="trainings that are killed once", seed=SEED)
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        make_inputs(root, given.seed)
        start = time.monotonic()
        times = reference(root)
        kinds = [kind for kind, share in SHARES for _ in range(round(share * given.count))][: given.count]
        tasks: list[Callable[[], End]] = [lambda: often_killed(root, given.seed)]
        tasks += [lambda i=i, kind=kind: once_killed(root, kind, i, given.seed, times) for i, kind in enumerate(kinds)]
        ends = in_parallel(tasks, given.jobs, root)
        rows = table(ends, times, time.monotonic() - start)
    finish("kill", given, rows, describe_machine())


def make_inputs(root: Path, seed: int) -> None:
    """The tiny base and the photos, from the seed."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from mini import export, networks
    from portraitist.images import save_png

    torch.manual_seed(seed)
    widths = replace(networks.TINY, text_layers=1)
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(16,), layers_per_block=1, cross_attention_dim=widths.text, norm_num_groups=4,
        down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), attention_head_dim=2,
    )  # fmt: skip
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1,
        block_out_channels=widths.vae, norm_num_groups=widths.vae_groups, latent_channels=4,
    )  # fmt: skip
    export.pipeline(root / "base", unet, networks.text_encoder(widths), vae, None)
    chance = np.random.default_rng(seed)
    for i in range(PHOTOS):
        save_png(root / "photos" / f"{i}.png", chance.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8), made=False)


def life_of(root: Path, name: str) -> Life:
    return Life(str(root / name), str(root / "base"), str(root / "photos"), str(root / f"{name}.where"))


def reference(root: Path) -> Times:
    """The training that nobody kills, twice: the second must equal the first."""
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", f"import {', '.join(IMPORTS)}"], check=True)
    imports = time.monotonic() - start
    for name in IMPORTS:
        importlib.import_module(name)  # so that forks need not
    for name in ("reference", "again"):
        start = time.monotonic()
        if not forked(life_of(root, name)):
            sys.exit("The training fails also when nobody kills it.")
    if not equal(root, "again"):
        sys.exit("Two undisturbed trainings differ: there is nothing to compare with.")
    return Times(imports, time.monotonic() - start)


def once_killed(root: Path, kind: str, number: int, seed: int, times: Times) -> End:
    """A training that is killed at a point of `kind` and started again."""
    chance = random.Random(f"{seed} {kind} {number}")
    name = f"{number:03d}"
    life = life_of(root, name)
    again = forked
    if kind == "imports":
        alive = own_process(life, chance.uniform(0.0, times.imports))
        again = own_process
    elif kind in DISK_CALLS:
        stage, calls = DISK_CALLS[kind]
        doomed = replace(life, stage=stage, disk_call=chance.randint(1, calls), delay=moment(chance))
        alive = forked(doomed)
    else:
        alive = forked(life, chance.uniform(0.0, times.life))
    stage = stage_of(life)
    whole = alive or again(life)
    return End(kind, int(not alive), stage, whole and equal(root, name), leftovers(root, name))


def often_killed(root: Path, seed: int) -> End:
    """A training that is killed 20 times, each time 1 to 60 steps after it went on."""
    chance = random.Random(f"{seed} often")
    life, kills = life_of(root, "often"), 0
    for _ in range(MANY):
        kills += not forked(replace(life, steps=chance.randint(1, 60), delay=chance.uniform(0.0, 0.02)))
    stage = stage_of(life)
    whole = forked(life)
    return End("often", kills, stage, whole and equal(root, "often"), leftovers(root, "often"))


def forked(life: Life, seconds: float | None = None) -> bool:
    """Live in a fork of this process, for at most `seconds`; whether it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            live(life)
            code = 0
        finally:
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


def own_process(life: Life, seconds: float | None = None) -> bool:
    """Live in a new interpreter, for at most `seconds`; whether it came to its end."""
    script = Path(__file__).with_name("kill_child.py")
    with subprocess.Popen([sys.executable, str(script), life.argument()], stderr=subprocess.DEVNULL) as process:
        if seconds is not None:
            time.sleep(seconds)
            process.kill()
        return process.wait() == 0


def stage_of(life: Life) -> str:
    where = Path(life.where)
    return where.read_text().strip() if where.is_file() else "start"


def equal(root: Path, name: str) -> bool:
    """Whether the likeness of `name` has the reference's tensors, bit for bit, and its sidecar is whole."""
    import torch
    from safetensors.torch import load_file

    files = [root / one / "sitters" / "anna" / "anna.safetensors" for one in ("reference", name)]
    left, right = (load_file(file) for file in files)
    sidecar = json.loads(files[1].with_suffix(".json").read_text())
    same = left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)
    return same and sidecar["activation text"] == "ohwx woman"


def leftovers(root: Path, name: str) -> int:
    """How many files are there that the reference does not have."""
    folders = [root / one / "sitters" / "anna" for one in ("reference", name)]
    wanted, found = ({path.relative_to(folder) for path in folder.rglob("*")} for folder in folders)
    return len(found - wanted)


def in_parallel(tasks: Sequence[Callable[[], End]], jobs: int, root: Path) -> list[End]:
    """All tasks in `jobs` forks of this process, each taking every `jobs`-th."""
    children = []
    for worker in range(jobs):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                lines = root / f"ends-{worker}.jsonl"
                for done, task in enumerate(mine := tasks[worker::jobs], 1):
                    with lines.open("a") as file:
                        file.write(json.dumps(vars(task())) + "\n")
                    if worker == 0:
                        progress("killed", done, len(mine))
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    codes = [os.waitpid(child, 0)[1] for child in children]
    if any(codes):
        sys.exit("A part of the benchmark failed.")
    texts = [(root / f"ends-{worker}.jsonl").read_text().splitlines() for worker in range(jobs)]
    return [End(**json.loads(line)) for line in itertools.chain.from_iterable(texts)]


def table(ends: Sequence[End], times: Times, whole: float) -> list[dict[str, object]]:
    once = [end for end in ends if end.kind != "often"]
    often = [end for end in ends if end.kind == "often"]
    stages = Counter(end.stage for end in once if end.kills)
    rows = [
        bar("killed once, bit-equal to the undisturbed", sum(end.equal for end in once), len(once), "trainings"),
        bar("of these killed before their end", sum(end.kills for end in once), round(0.9 * len(once)), "trainings"),
        bar("killed often: kills", sum(end.kills for end in often), MANY),
        bar("killed often: bit-equal", sum(end.equal for end in often), len(often), "trainings"),
        bar("files left over", sum(end.left for end in ends), 0, at_most=True),
        *(note(f"killed in: {stage}", stages[stage], "trainings") for stage in stages),
        note("an undisturbed training", times.life, "s", digits=1),
        note("its imports", times.imports, "s", digits=1),
        note("the benchmark", whole, "s", digits=0),
    ]
    return [dict(row) for row in rows]


if __name__ == "__main__":
    run(main)
