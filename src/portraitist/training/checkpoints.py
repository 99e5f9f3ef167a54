"""Saving a training so that it can go on, and finding the newest state that is whole. Whole files or none.

A state holds weights, all that the optimiser keeps, the average, the losses and the position, as safetensors. No random
state: all chance comes from (seed, step). The last two states are kept; a damaged one is passed over. A state names its
job by a fingerprint, and the machine that made it: that of another job is refused, that of another machine taken with a
warning. Knows no network and no step.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from portraitist.errors import BadFile, BadRequest, ResourceError, UnfitModel, Unwritable
from portraitist.families.base import Model, Trainable
from portraitist.files import sweep, write_bytes
from portraitist.lora.formats import read_tensors
from portraitist.requests import Warn, to_json
from portraitist.training.job import Checkpoint, TrainingJob

STATES = "state-*.safetensors"
_KEPT = 2
_PARTS = ("base", "recipe", "trigger or class word", "seed", "photos", "captions")
_SHORTEST, _LONGEST, _SHARE = 20.0, 60.0, 0.05


@dataclass
class State:
    """All that a training changes as it goes. `step` counts finished steps; `losses` has one scalar for each.

    `warnings` say what a resumed training has to tell.
    """

    trainable: Trainable
    optimizer: torch.optim.Optimizer
    average: list[Tensor]
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    warnings: list[Warn] = field(default_factory=list)

    def mean_loss(self, since: int) -> float:
        """Mean of the losses from step `since` on; not a number if there are none."""
        return float(torch.stack(self.losses[since:]).mean()) if self.losses[since:] else float("nan")


class Keeper:
    """Keeps the states of one training in its folder.

    A state is due each `job.save_steps` steps (if given), and before more than 20 to 60 s are lost should the machine
    stop: where writing takes long, the pause is longer, so that it costs at most a twentieth of the time.
    """

    def __init__(self, job: TrainingJob, model: Model) -> None:
        self.folder, self.mark, self.machine = job.folder, fingerprint(job, model), machine_of(model)
        self._steps = job.save_steps
        self._pause = _SHORTEST
        self._last = time.monotonic()

    def begin(self, state: State, *, resume: bool) -> None:
        """Remove what killed trainings left half-written; bring `state` to where the last one stopped, or, if there is
        none or without `resume`, remove all that earlier ones saved. Errors as `load_state`."""
        sweep(self.folder)
        if not (resume and load_state(self.folder, state, self.mark, self.machine)):
            # first the states, for they name the others
            for old in (*states(self.folder), *self.folder.glob("step-*.safetensors")):
                old.unlink(missing_ok=True)
        self._last = time.monotonic()

    def due(self, step: int) -> bool:
        by_count = self._steps is not None and step % self._steps == 0
        return by_count or time.monotonic() - self._last > self._pause

    def save(self, state: State) -> None:
        """See `save_state`."""
        start = time.monotonic()
        save_state(self.folder, state, self.mark, self.machine)
        self._last = time.monotonic()
        self._pause = min(_LONGEST, max(_SHORTEST, (self._last - start) / _SHARE))


def fingerprint(job: TrainingJob, model: Model) -> str:
    """What decides the weights, except the machine: 16 hexadecimal digits for each of base, recipe, words, seed, photos
    and captions, so that a state can tell which of them were others."""
    base, photos = model.base, hashlib.sha256()
    for picture in job.pictures:
        photos.update(to_json([list(picture.pixels.shape), picture.frame]).encode())
        masks = [*picture.other_masks] if picture.mask is None else [picture.mask, *picture.other_masks]
        for pixels in (picture.pixels, *picture.others):
            photos.update(pixels.tobytes())
        for mask in masks:
            photos.update(mask.tobytes())
    for pixels in job.class_pictures:
        photos.update(pixels.tobytes())
    words = (job.trigger, job.class_word)
    captions = [picture.caption for picture in job.pictures]
    values = ((base.name, base.version, base.sha256), job.recipe, words, job.seed, photos.hexdigest(), captions)
    return "-".join(hashlib.sha256(to_json([value]).encode()).hexdigest()[:16] for value in values)


def machine_of(model: Model) -> dict[str, str]:
    """What rounds the numbers: device, number format, threads of a processor, torch."""
    device = model.device.device
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else device.type,
        "dtype": str(model.device.dtype).removeprefix("torch."),
        "threads": "" if cuda else str(torch.get_num_threads()),
        "torch": str(torch.__version__),
    }


def save_state(folder: Path, state: State, mark: str, machine: Mapping[str, str]) -> None:
    """Write `state-<step>.safetensors` into `folder` and remove all but the last two states.

    Raises Unwritable or DiskFull that name the last whole state, BadFile if the weights are no numbers any more: then
    nothing is written.
    """
    check_numbers(folder, state)
    tensors, plain = _values(state)
    story = [{"file": point.file.name, "step": point.step, "loss": point.loss} for point in state.checkpoints]
    metadata = {
        "fingerprint": mark,
        "machine": json.dumps(dict(machine)),
        "step": str(state.step),
        "checkpoints": json.dumps(story),
        "plain": json.dumps(plain),
    }
    with can_go_on(folder):
        data = save(tensors, metadata={**metadata, "sha256": _digest(tensors, metadata)})
        write_bytes(folder / f"state-{state.step:06d}.safetensors", data)
    for old in states(folder)[_KEPT:]:
        old.unlink(missing_ok=True)


def _values(state: State) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All values of a state on the processor: tensors by name, and plain numbers of the optimiser."""
    tensors: dict[str, Tensor] = {f"weight.{i}": weight for i, weight in enumerate(state.trainable.all)}
    tensors |= {f"average.{i}": tensor for i, tensor in enumerate(state.average)}
    plain: dict[str, Any] = {}
    kept = state.optimizer.state_dict()
    places = [(f"optimizer.{i}", values) for i, values in kept["state"].items()]
    for i, group in enumerate(kept["param_groups"]):
        places.append((f"group.{i}", {name: value for name, value in group.items() if name != "params"}))
    for place, values in places:
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{place}.{name}"] = value
            else:
                plain[f"{place}.{name}"] = value
    if state.losses:
        tensors["losses"] = torch.stack(state.losses)
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, plain


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """sha256 of all that a state says; safetensors itself only notices when bytes are missing."""
    digest = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def states(folder: Path) -> list[Path]:
    """The states in `folder`, the newest first."""
    return sorted(folder.glob(STATES), reverse=True)


def load_state(folder: Path, state: State, mark: str, machine: Mapping[str, str]) -> bool:
    """Bring `state` to where the newest whole state in `folder` stopped; False if there is none at all.

    Damaged states are passed over and removed, with a warning in `state`. Raises BadRequest for a state of another job,
    UnfitModel if all are damaged.
    """
    damaged: list[Path] = []
    for path in states(folder):
        try:
            tensors, metadata = _read(path)
            _check_job(folder, metadata["fingerprint"], mark)
            _restore(folder, state, tensors, metadata)
        except (KeyError, ValueError, RuntimeError, UnfitModel):
            damaged.append(path)
            continue
        for old in damaged:
            old.unlink(missing_ok=True)
        state.warnings += _warnings(damaged, state.step, json.loads(metadata["machine"]), machine)
        return True
    if damaged:
        raise UnfitModel(f"{damaged[0]} is no whole training state.", hint="Train anew without --resume.")
    return False


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors, metadata = read_tensors(path)
    told = metadata.pop("sha256", None)
    if told != _digest(tensors, metadata):
        raise UnfitModel(f"{path.name} is damaged.")
    return tensors, metadata


def _check_job(folder: Path, told: str, mark: str) -> None:
    if told == mark:
        return
    pairs = zip(_PARTS, told.split("-"), mark.split("-"), strict=True)
    others = [name for name, before, now in pairs if before != now]
    raise BadRequest(
        f"The training in {folder} cannot be resumed: other {' and '.join(others)} than when it began.",
        hint="Ask for the same again, or train anew without --resume.",
    )


def _restore(folder: Path, state: State, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    _check_shapes(state, tensors)
    step = int(metadata["step"])
    kept = state.optimizer.state_dict()
    values: dict[str, Any] = {**json.loads(metadata["plain"]), **tensors}
    moments: dict[int, dict[str, Any]] = {}
    for name, value in values.items():
        place, _, rest = name.partition(".")
        number, _, key = rest.partition(".")
        if place == "optimizer":
            moments.setdefault(int(number), {})[key] = value
        elif place == "group":
            group = kept["param_groups"][int(number)]
            now = group.get(key)
            group[key] = value.to(now.device) if isinstance(now, Tensor) else _plain(value)
    state.optimizer.load_state_dict({**kept, "state": moments})
    with torch.no_grad():
        for i, weight in enumerate(state.trainable.all):
            weight.copy_(tensors[f"weight.{i}"])
        for i, tensor in enumerate(state.average):
            tensor.copy_(tensors[f"average.{i}"])
    device = state.trainable.all[0].device
    state.step = step
    state.losses = list(tensors["losses"].to(device)) if step else []
    state.checkpoints = [
        Checkpoint(folder / point["file"], point["step"], point["loss"])
        for point in json.loads(metadata["checkpoints"])
        if (folder / point["file"]).is_file()
    ]


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # JSON knows no tuples


def _check_shapes(state: State, tensors: Mapping[str, Tensor]) -> None:
    """Before anything is changed: each weight has its own. Raises KeyError or ValueError."""
    for name, now in (("weight", state.trainable.all), ("average", state.average)):
        for i, tensor in enumerate(now):
            if tensors[f"{name}.{i}"].shape != tensor.shape:
                raise ValueError(f"{name} {i} has another shape")


def _warnings(damaged: list[Path], step: int, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Warn]:
    if damaged:
        yield Warn("damaged_state", f"{damaged[0].name} was damaged; the training went on from step {step}.")
    told = [f"{name} {before[name]} before, {now[name]} now" for name in now if before.get(name, "") != now[name]]
    if told:
        yield Warn(
            "resumed_elsewhere",
            f"The training was resumed on another machine ({'; '.join(told)}): the likeness is as good, but not bit "
            "for bit what it would have been.",
        )


@contextmanager
def can_go_on(folder: Path) -> Iterator[None]:
    """Within: an error about the disk also says from where the training can go on."""
    try:
        yield
    except (ResourceError, Unwritable) as error:
        saved = states(folder)
        if saved:
            error.hint = f"{error.hint or ''} Then go on with --resume: {saved[0].name} is whole.".strip()
        raise


def check_numbers(folder: Path, state: State) -> None:
    """Raises BadFile if the weights are no numbers any more: such must not take the place of good ones."""
    weights = [weight.detach() for weight in state.trainable.all]
    largest = torch.stack(torch._foreach_norm(weights, float("inf"))) if weights else torch.zeros(1)
    if not bool(largest.isfinite().all()):
        raise astray(folder, state.step, "its weights are no numbers any more")


def astray(folder: Path, step: int, how: str) -> BadFile:
    """The error of a training whose numbers ran away, naming what is still good."""
    good = sorted(folder.glob("step-*.safetensors"), reverse=True)
    last = f" The likeness before that is {good[0]}." if good else ""
    return BadFile(
        f"The training went astray at step {step}: {how}.{last}",
        hint="Lower learning_rate and text_learning_rate in the recipe, and train anew.",
    )
