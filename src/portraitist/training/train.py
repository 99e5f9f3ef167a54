"""The training of a likeness, read from top to bottom: encode the photos, attach LoRA layers, step, save, write.

Ctrl-C (and an `on_step` that raises Cancelled) ends it between two steps, with the state saved: a training that is
resumed ends with the weights of an uninterrupted one, bit for bit, on the same machine and thread count. LoRA is by
Hu et al. (arXiv:2106.09685). Knows no family, no sitter's folder and no choice of the best checkpoint.
"""

import math
import signal
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType, MappingProxyType

import torch

from portraitist import __version__
from portraitist.errors import BadRequest, Cancelled
from portraitist.families.base import Model
from portraitist.families.found import webui_hashes
from portraitist.families.memory import enough_memory
from portraitist.files import make_folder
from portraitist.lora.formats import write
from portraitist.lora.metadata import Origin, describe
from portraitist.recipes import check_recipe, visits
from portraitist.training.checkpoints import Keeper, State, astray, can_go_on, check_numbers
from portraitist.training.dataset import prepare, prepare_class
from portraitist.training.job import (
    Checkpoint,
    OnCheckpoint,
    TrainingJob,
    TrainingResult,
    TrainingStep,
    never_enough,
)
from portraitist.training.optimizers import check_package, make_optimizer, text_rate
from portraitist.training.step import Stepper, move_average
from portraitist.training.tape import Tape, record
from portraitist.types import OnStep, no_progress

_PARTS_OF_LOSS = 20
_LOOK_EVERY = 25
_STEPS_TO_TELL = 5
_PRECISION = MappingProxyType({torch.float16: "fp16", torch.bfloat16: "bf16"})


@dataclass(frozen=True)
class Plan:
    """How long a training is: steps, and after which of them the likeness is written."""

    steps: int
    checkpoints: tuple[int, ...]


def make_plan(job: TrainingJob) -> Plan:
    """How long the job is by its recipe. Raises BadRequest without photos, BadFile for a senseless recipe,
    MissingModel for an optimiser whose package is not installed."""
    recipe = job.recipe
    if not job.pictures:
        raise BadRequest("There is no photo to train on.")
    check_recipe(recipe)
    check_package(recipe)
    steps = -(-visits(recipe, len(job.pictures)) // recipe.batch)
    marks = {max(1, round(steps * (i + 1) / recipe.checkpoints)) for i in range(recipe.checkpoints)}
    return Plan(steps, tuple(sorted(marks)))


def train(
    job: TrainingJob, model: Model, on_step: OnStep = no_progress, on_checkpoint: OnCheckpoint = never_enough
) -> TrainingResult:
    """Train a likeness of the job's sitter on `model`; the model is as before when this returns or raises.

    `on_step` hears a `TrainingStep` after each step. `on_checkpoint` hears of each likeness that was written, while the
    LoRA layers are still attached, and ends the training by answering True; when a training is resumed it first hears
    of those before again. Raises Cancelled (state saved), BadRequest (nothing to train on, a state of another job),
    BadFile (a senseless recipe, a training that went astray), UnfitModel (damaged states), OutOfMemory, DeviceLost,
    Unwritable or DiskFull.
    """
    plan = make_plan(job)
    start = time.time()
    make_folder(job.folder)
    keeper = Keeper(job, model)
    with enough_memory("the training"), _no_interrupt() as interrupted:
        examples = prepare(job, model, _Encoding(on_step, len(job.pictures), interrupted))
        classes = prepare_class(job, model)
        tape = record(examples, job, model, plan.steps, text=text_rate(job.recipe) > 0, classes=classes)
        try:
            state = _begin(job, model, keeper)
            watch = _Watch(on_step, plan.steps, interrupted, job.folder)
            _go(job, model, state, plan, tape, keeper, start, watch, on_checkpoint)
        finally:
            model.detach()
    seconds = time.time() - start
    parts = torch.stack(state.losses).float().cpu().chunk(_PARTS_OF_LOSS)
    loss = tuple(float(part.mean()) for part in parts)
    points = tuple(state.checkpoints)
    looks, warnings = state.step * job.recipe.batch, tuple(state.warnings)
    return TrainingResult(points[-1].file, points, state.step, looks, seconds, loss, plan.steps, warnings)


def _begin(job: TrainingJob, model: Model, keeper: Keeper) -> State:
    """LoRA layers, optimiser and average, fresh or as the state on disk left them."""
    recipe = job.recipe
    text = text_rate(recipe) > 0
    layers = recipe.layers
    trainable = model.attach(rank=recipe.rank, alpha=recipe.alpha, text=text, seed=job.seed, layers=layers)
    average = [weight.detach().clone() for weight in trainable.all] if recipe.ema else []
    state = State(trainable, make_optimizer(trainable, recipe), average)
    keeper.begin(state, resume=job.resume)
    trainable.publish()
    return state


def _go(
    job: TrainingJob,
    model: Model,
    state: State,
    plan: Plan,
    tape: Tape,
    keeper: Keeper,
    start: float,
    watch: "_Watch",
    on_checkpoint: OnCheckpoint,
) -> None:
    """Step until the plan is done or `on_checkpoint` has enough.

    The state is saved at checkpoints, when it is due, and when stopped.
    """
    recipe = job.recipe
    step = Stepper(model, state.trainable, state.optimizer, recipe, tape)
    enough = False
    for point in state.checkpoints:
        enough = on_checkpoint(point) or enough
    while state.step < plan.steps and not enough:
        state.losses.append(step(state.step))
        state.step += 1
        if recipe.ema:
            move_average(state.average, state.trainable.all, recipe.ema, state.step)
        if state.step in plan.checkpoints:
            _write_likeness(job, model, state, keeper.mark, start)
        if state.step in plan.checkpoints or keeper.due(state.step):
            keeper.save(state)
        try:
            watch.tick(state)
        except Cancelled:
            keeper.save(state)
            raise
        enough = state.step in plan.checkpoints and on_checkpoint(state.checkpoints[-1])
    if not state.checkpoints or (state.checkpoints[-1].step != plan.steps and not enough):
        _write_likeness(job, model, state, keeper.mark, start)  # resumed at its end, and the file was moved away


def _write_likeness(job: TrainingJob, model: Model, state: State, mark: str, start: float) -> None:
    """Write the likeness as it is now: the average where one is kept."""
    since = state.checkpoints[-1].step if state.checkpoints else 0
    lora = model.attached(state.average or None)
    metadata = describe(_origin(job, model, state.step, mark, start))
    check_numbers(job.folder, state)
    with can_go_on(job.folder):
        path = write(job.folder / f"step-{state.step:06d}.safetensors", replace(lora, metadata=metadata), model.slots())
    state.checkpoints.append(Checkpoint(path, state.step, state.mean_loss(since)))


def _origin(job: TrainingJob, model: Model, step: int, mark: str, start: float) -> Origin:
    recipe, base, words = job.recipe, model.base, model.words
    return Origin(
        name=job.sitter,
        trigger=job.trigger,
        class_word=job.class_word,
        base=base.version,
        base_sha256=base.checksum or base.sha256.get("unet/diffusion_pytorch_model.safetensors", ""),
        webui_hashes=webui_hashes(base),
        base_model_version=words.base_model_version,
        architecture=words.architecture,
        implementation=words.implementation,
        prediction=model.scheduler_config.get("prediction_type", "epsilon"),
        size=base.size,
        rank=recipe.rank,
        alpha=recipe.alpha,
        learning_rate=recipe.learning_rate,
        text_learning_rate=text_rate(recipe),
        batch=recipe.batch,
        steps=step,
        planned=make_plan(job).steps,
        class_pictures=len(job.class_pictures),
        precision=_PRECISION.get(model.device.dtype, "no"),
        licence=base.licence,
        seed=job.seed,
        clip_skip=recipe.clip_skip or base.clip_skip,
        started=start,
        finished=time.time(),
        captions=tuple(picture.caption for picture in job.pictures),
        version=__version__,
        fingerprint=mark,
        recipe=recipe,
        sizes=tuple((one.frame.size.width, one.frame.size.height) if one.frame else base.size for one in job.pictures),
    )


@contextmanager
def _no_interrupt() -> Iterator[threading.Event]:
    """Within: Ctrl-C sets the event that is yielded, so that no step is cut in two; a second Ctrl-C interrupts."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGINT)

    def hear(number: int, frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    signal.signal(signal.SIGINT, hear)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


class _Encoding:
    """Tells how many photos are encoded."""

    def __init__(self, on_step: OnStep, total: int, interrupted: threading.Event) -> None:
        self._on_step, self._total, self._interrupted = on_step, total, interrupted

    def __call__(self, done: int) -> None:
        if self._interrupted.is_set():
            raise Cancelled("The training was stopped before its first step; nothing was saved.")
        self._on_step(TrainingStep("encode", done, self._total))


class _Watch:
    """Tells how far the training is, with the time that is left at the pace of the last steps."""

    def __init__(self, on_step: OnStep, total: int, interrupted: threading.Event, folder: Path) -> None:
        self._on_step, self._total, self._interrupted, self._folder = on_step, total, interrupted, folder
        self._paces: deque[float] = deque(maxlen=32)
        self._last, self._seen = time.monotonic(), 0
        self._begun: int | None = None

    def tick(self, state: State) -> None:
        """Raises Cancelled after Ctrl-C, or when `on_step` does."""
        if self._begun is None:
            self._begun = self._seen = state.step - 1
        if self._interrupted.is_set():
            raise Cancelled(
                f"The training was stopped after step {state.step} of {self._total}; its state is saved.",
                hint="Go on with --resume.",
            )
        # looking at the loss waits for the device, so on a fast one it is not done at each step
        if state.losses[-1].device.type == "cpu" or state.step % _LOOK_EVERY == 0 or state.step == self._total:
            loss = float(state.losses[-1])
            if not math.isfinite(loss):
                raise astray(self._folder, state.step, f"its loss is {loss}")
            left = self._seconds_left(state.step)
            self._on_step(TrainingStep("train", state.step, self._total, f"loss {loss:.4f}", None, loss, left))

    def _seconds_left(self, step: int) -> float | None:
        """At the pace between the last looks: only there a device that runs behind has caught up."""
        now = time.monotonic()
        self._paces.append((now - self._last) / (step - self._seen))
        self._last, self._seen = now, step
        if step - (self._begun or 0) < _STEPS_TO_TELL or len(self._paces) < 2:
            return None
        return statistics.median(self._paces) * (self._total - step)
