"""The second third of likeness.py: train each sitter and draw all pictures. Needs no faces; a GPU makes it quick.

A variant is a name with settings in place of the library's (likeness_variants.py; `shipped` has none). A likeness's
pictures lie in `made/<variant>/<identity>`; what the untrained base draws from words lies in `words/<key>/<identity>`,
once for all variants that ask the base for the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from benchmarks import common
from benchmarks.likeness_prepare import Job, choose_sitters, read_crops, read_job, read_masks
from benchmarks.likeness_variants import Settings, base_of, changed, given_of, recipe_of, variants_of
from portraitist.errors import PortraitistError
from portraitist.generation.styled import meant_for
from portraitist.images import read_picture, to_pil
from portraitist.recipes import Base, Recipe, Style, find_all
from portraitist.types import derive_seed

if TYPE_CHECKING:
    from portraitist.families.base import Model
    from portraitist.lora.formats import Lora
    from portraitist.requests import PortraitRequest
    from portraitist.training.choose import Trial
    from portraitist.training.job import TrainingPicture
    from portraitist.types import Picture

COUNTS = {"portraits": 24, "painted": 1, "request": 8, "words": 32, "request_words": 8}
QUICK = {"portraits": 4, "painted": 0, "request": 3, "words": 12, "request_words": 3}
WORDS_PARTS = ("words", "request_words")


@dataclass(frozen=True)
class Task:
    """One sitter's likeness by one variant, or (`variant` None) what words say of the sitter."""

    identity: int
    variant: str | None
    settings: Settings
    work: Path
    base: Path | None
    dtype: str | None
    counts: Mapping[str, int]
    until: float

    @property
    def of_base(self) -> dict[str, object]:
        return base_of(self.settings)

    @property
    def recipe(self) -> Recipe:
        return TypeAdapter(Recipe).validate_python(recipe_of(self.settings))

    @property
    def job(self) -> Job:
        """What the training is given."""
        return changed(read_job(self.work, self.identity), given_of(self.settings))

    @property
    def folder(self) -> Path:
        if self.variant is not None:
            return self.work / "made" / self.variant / str(self.identity)
        return self.work / "words" / words_key(self) / str(self.identity)

    def asked(self) -> dict[str, Any]:
        """All that decides the pictures, beside the machine."""
        parts = [name for name in COUNTS if (name in WORDS_PARTS) == (self.variant is None)]
        asked: dict[str, Any] = {
            "base": base_mark(self.base), "settings": self.of_base,
            "counts": {name: self.counts[name] for name in parts},
            "job": digest(asdict(self.job)),
        }  # fmt: skip
        if self.variant is not None:
            asked["recipe"] = asdict(self.recipe)
        return asked


def make(given: argparse.Namespace) -> int:
    """Make what is missing of every variant and sitter, words first, then the variants; how many failed."""
    until = time.time() + given.seconds if given.seconds else float("inf")
    tasks = [task for task in plan(given, until) if not is_made(task)]
    devices = devices_of(given.device)
    print(f"{len(tasks)} to make on {', '.join(devices)}", flush=True)
    jobs = min(given.jobs, len(tasks))
    return in_turn(tasks, devices[0]) if jobs <= 1 else side_by_side(tasks, devices, jobs)


def plan(given: argparse.Namespace, until: float) -> list[Task]:
    """Every task of the call; words that several variants share are there once."""
    sitters, tasks = share_of(choose_sitters(given.sitters, given.count), given.share), {}
    for variant, settings in variants_of(given).items():
        for identity in sitters:
            whole = Task(identity, variant, settings, given.work, given.base, given.dtype, given.counts, until)
            words = replace(whole, variant=None, settings=whole.of_base)
            for order, task in ((0, words), (1, whole)):
                tasks.setdefault((order, task.folder), task)
    return [tasks[key] for key in sorted(tasks, key=lambda key: key[0])]


def share_of(sitters: Sequence[int], share: str | None) -> list[int]:
    """`2/3`: the second of three parts of the sitters; all without a share."""
    if share is None:
        return [*sitters]
    number, _, parts = share.partition("/")
    if not (number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts)):
        sys.exit(f"--share {share}: write for instance 1/2 and 2/2.")
    return [*sitters][int(number) - 1 :: int(parts)]


def devices_of(wanted: str) -> list[str]:
    """One name for each device to work on: `auto` and `cuda` mean all GPUs of the machine."""
    import torch

    device = common.device_name(wanted)
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())] if device == "cuda" else [device]


def in_turn(tasks: Sequence[Task], device: str) -> int:
    for task in tasks:
        print(one_task(task, device), flush=True)
    return 0


def side_by_side(tasks: Sequence[Task], devices: Sequence[str], jobs: int) -> int:
    """Spread the tasks over processes, each of which belongs to one device; the number of tasks that failed."""
    context, failed = multiprocessing.get_context("spawn"), 0
    used = devices[:jobs]
    threads = 1 if used[0].startswith("cuda") else max(1, (os.cpu_count() or 1) // jobs)
    with ExitStack() as stack:
        pools = [
            stack.enter_context(
                ProcessPoolExecutor(
                    len(range(number, jobs, len(used))), context, initializer=begin_process, initargs=(device, threads)
                )
            )
            for number, device in enumerate(used)
        ]
        turns = zip(tasks, cycle(zip(pools, used, strict=True)), strict=False)
        waiting = {pool.submit(one_task_there, task, device): task for task, (pool, device) in turns}
        for done in as_completed(waiting):
            error = done.exception()
            failed += error is not None
            task = waiting[done]
            print(f"{task.variant or 'words'} {task.identity}: {error!r}" if error else done.result(), flush=True)
            if error and error.__cause__:
                print(error.__cause__, file=sys.stderr, flush=True)  # where in the other process
    return failed


def begin_process(device: str, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    if device.startswith("cuda"):  # else each process also opens the first GPU
        torch.cuda.set_device(device)


def one_task_there(task: Task, device: str) -> str:
    try:
        return one_task(task, device)
    except PortraitistError as error:
        raise RuntimeError(error.message) from None  # ours cannot all travel between processes


def one_task(task: Task, device: str) -> str:
    """Make the pictures of a task; a line that says how it went."""
    name = f"{task.variant or 'words'} {task.identity}"
    if time.time() > task.until:
        return f"{name}: not begun, the time is over"
    start = time.monotonic()
    model = load(device, task.base, tuple(sorted(task.of_base.items())), task.dtype)
    job = task.job
    if model.base.size != job.size:
        sys.exit(f"The jobs hold crops of {job.size}; the base wants {model.base.size}: prepare them anew.")
    shutil.rmtree(task.folder, ignore_errors=True)
    if task.variant is None:
        facts: dict[str, Any] = {"pictures": save(said_by_words(model, job, task.counts), task.folder)}
    else:
        facts = {}
        facts["pictures"] = save(learn_and_draw(task, job, model, device, facts), task.folder)
        facts["words"] = words_key(task)
    facts |= {
        "asked": task.asked(), "base": model.base.version, "machine": common.describe_machine(device),
        "dtype": str(model.device.dtype).removeprefix("torch."), "total_s": round(time.monotonic() - start, 1),
    }  # fmt: skip
    (task.folder / "made.json").write_text(json.dumps(facts, indent=1) + "\n")
    return f"{name}: {facts['total_s']:.0f} s" + (f", loss {facts['loss'][-1]:.4f}" if task.variant else "")


@lru_cache(maxsize=1)
def load(device: str, base: Path | None, settings: tuple[tuple[str, object], ...], dtype: str | None) -> Model:
    return common.load_base(device, base, dict(settings), dtype)


def learn_and_draw(
    task: Task, job: Job, model: Model, device: str, facts: dict[str, Any]
) -> Iterator[tuple[str, str, Picture]]:
    """Train as `portraitist train` does and draw all pictures; `facts` is told what is known of the training."""
    from portraitist.lora.formats import read
    from portraitist.training.job import TrainingJob
    from portraitist.training.train import train

    recipe = task.recipe
    mark = digest([task.asked(), device.partition(":")[0], str(model.device.dtype)])
    folder = task.work / "training" / f"{task.identity}-{mark}"
    pictures = training_pictures(task, job)
    result = train(
        TrainingJob(job.sitter, pictures, recipe, job.trigger, job.class_word, folder, job.seed, resume=True), model
    )
    facts |= {
        "loss": result.loss, "steps": result.steps, "visits": result.visits, "train_s": round(result.seconds, 1),
        "planned": result.planned,
    }  # fmt: skip
    yield from portraits(model, job, read(result.likeness, model.slots()), task)
    if recipe.choose_pictures and "choose_pictures" in task.settings:  # asked for, not only in the recipe's file
        for point in result.checkpoints:
            if point.step >= recipe.choose_from * result.planned:
                yield from checkpoint_pictures(task, job, model, read(point.file, model.slots()), point.step)
        yield from trial_pictures(model, trial_of(model.base, job, recipe).bare, None, "trial@0")
    shutil.rmtree(folder, ignore_errors=True)


def training_pictures(task: Task, job: Job) -> tuple[TrainingPicture, ...]:
    """The job's crops and captions, with masks where the recipe wants them and they were prepared."""
    from portraitist.training.job import TrainingPicture

    recipe, of_job, found = task.recipe, given_of(task.settings), []
    for number, (caption, crops) in enumerate(read_crops(task.work, job, recipe.crops_per_photo), 1):
        # masks were cut for crops as they were prepared
        masked = recipe.background_weight < 1 or recipe.background_target == "base"
        masked = masked and not (of_job.askew or of_job.lying)
        masks = read_masks(task.work, job, number - 1, len(crops)) if masked else []
        found.append(
            TrainingPicture(
                f"{number:02d}", crops[0], caption, masks[0] if masks else None, tuple(crops[1:]), tuple(masks[1:])
            )
        )
    return tuple(found)


# Pictures


def styles_of(base: Base) -> tuple[list[Style], list[Style]]:
    """The library's styles that a training on a base shows by itself, photo-like and painted."""
    meant = [style for style in find_all(Style) if style.shown and meant_for(style, base)]
    return [style for style in meant if style.photo], [style for style in meant if not style.photo]


def portraits(model: Model, job: Job, lora: Lora, task: Task) -> Iterator[tuple[str, str, Picture]]:
    """(part, style, picture) of the sitter: photo-like, painted, and several of one request."""
    from portraitist.captions.tags import subject

    photo, painted = styles_of(model.base)
    counts, recipe, name = task.counts, task.recipe, subject(job.trigger, job.class_word)
    yield from photo_like(task, job, model, lora, "portraits")
    for number, style in enumerate(painted if counts["painted"] else ()):
        yield from named("painted", style, ask(model, job, style, 100 + number, counts["painted"], name, lora, recipe))
    if counts["request"]:
        yield from named("request", photo[0], ask(model, job, photo[0], 200, counts["request"], name, lora, recipe))


def photo_like(task: Task, job: Job, model: Model, lora: Lora, part: str) -> Iterator[tuple[str, str, Picture]]:
    """The sitter in the photo-like styles."""
    from portraitist.captions.tags import subject

    name = subject(job.trigger, job.class_word)
    for number, style in enumerate(islice(cycle(styles_of(model.base)[0]), task.counts["portraits"])):
        yield from named(part, style, ask(model, job, style, number, 1, name, lora, task.recipe))


def trial_of(base: Base, job: Job, recipe: Recipe) -> Trial:
    """What a checkpoint is asked for where one is chosen."""
    from portraitist.captions.tags import subject
    from portraitist.training.choose import make_trial

    photo, painted = styles_of(base)
    name = subject(job.trigger, job.class_word)
    return make_trial((*photo, *painted), name, job.words, base, recipe, job.seed, job.sitter)


def checkpoint_pictures(
    task: Task, job: Job, model: Model, lora: Lora, step: int
) -> Iterator[tuple[str, str, Picture]]:
    """By which a checkpoint is chosen (`trial@<step>`), and by which it is marked (`portraits@<step>`)."""
    yield from trial_pictures(model, trial_of(model.base, job, task.recipe).asked, lora, f"trial@{step}")
    yield from photo_like(task, job, model, lora, f"portraits@{step}")


def trial_pictures(
    model: Model, requests: Sequence[PortraitRequest], lora: Lora | None, part: str
) -> Iterator[tuple[str, str, Picture]]:
    from portraitist.generation.generate import generate

    for request in requests:
        for portrait in generate(request, model, lora):
            yield part, request.style or "", portrait.pixels


def said_by_words(model: Model, job: Job, counts: Mapping[str, int]) -> Iterator[tuple[str, str, Picture]]:
    """The same styles by the untrained base with true words in place of the sitter."""
    from portraitist.measure import words_pictures

    photo, _ = styles_of(model.base)
    words = words_pictures(job.words, photo, model, job.seed, counts["words"])
    for style, portrait in zip(cycle(photo), words, strict=False):
        yield "words", style.name, portrait.pixels
    if counts["request_words"]:
        made = ask(model, job, photo[0], 200, counts["request_words"], job.words, None, None)
        yield from named("request_words", photo[0], made)


def ask(
    model: Model, job: Job, style: Style, number: int, count: int, subject: str, lora: Lora | None,
    recipe: Recipe | None,
) -> Iterator[Picture]:  # fmt: skip
    from portraitist.generation.generate import generate
    from portraitist.generation.styled import with_style
    from portraitist.requests import PortraitRequest

    seed = derive_seed(job.seed, "likeness", number) % 2**32
    asked = PortraitRequest(job.sitter, style.name, count=count, seed=seed)
    full = with_style(asked, style, subject, model.base, recipe)
    return (portrait.pixels for portrait in generate(full, model, lora))


def named(part: str, style: Style, pictures: Iterator[Picture]) -> Iterator[tuple[str, str, Picture]]:
    return ((part, style.name, picture) for picture in pictures)


def save(pictures: Iterator[tuple[str, str, Picture]], folder: Path) -> list[dict[str, str]]:
    """Write the pictures; what each is. Those of checkpoints, which are many and only compared with each other, as
    WebP of quality 95, all others without loss."""
    folder.mkdir(parents=True)
    rows: list[dict[str, str]] = []
    for part, style, picture in pictures:
        number = sum(row["part"] == part for row in rows)
        rows.append({"file": f"{part}-{number:02d}.webp", "part": part, "style": style})
        to_pil(picture).save(folder / rows[-1]["file"], "WEBP", quality=95, lossless="@" not in part)
    return rows


def read_made(folder: Path) -> tuple[dict[str, Any], dict[str, list[tuple[str, Picture]]]]:
    """What `made.json` says, and by part the (style, picture) pairs."""
    facts = json.loads((folder / "made.json").read_text(encoding="utf-8"))
    parts: dict[str, list[tuple[str, Picture]]] = {name: [] for name in COUNTS}
    for row in facts["pictures"]:
        parts.setdefault(row["part"], []).append((row["style"], read_picture(folder / row["file"])))
    return facts, parts


# What was asked for


def is_made(task: Task) -> bool:
    """Whether just this was made before."""
    file = task.folder / "made.json"
    wanted = json.loads(json.dumps(task.asked()))
    return file.is_file() and json.loads(file.read_text(encoding="utf-8"))["asked"] == wanted


def words_key(task: Task) -> str:
    """A folder's name for what words say with the task's base and its settings."""
    counts = [task.counts[name] for name in WORDS_PARTS]
    return digest([base_mark(task.base), task.of_base, counts])


@lru_cache
def base_mark(folder: Path | None) -> str:
    """The start of the sha256 of a base's denoiser."""
    from portraitist.weights import sha256_of

    weights = sorted((common.base_folder(folder) / "unet").glob("*.safetensors"))
    return digest([sha256_of(file) for file in weights])


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
