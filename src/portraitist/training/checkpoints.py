"""Saving a training so that it can go on, and writing the likeness as it is at a step. Whole files or none.

The state holds weights, the optimiser's moments, the average and the losses, as safetensors. It names the job by a
fingerprint: a state of another job is refused.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from portraitist.errors import BadRequest, UnfitModel
from portraitist.families.base import Model, Trainable
from portraitist.files import write_bytes
from portraitist.lora.formats import read_tensors
from portraitist.requests import to_json
from portraitist.training.job import Checkpoint, TrainingJob

STATE = "state.safetensors"


@dataclass
class State:
    """All that a training changes as it goes. `step` counts finished steps; `losses` has one scalar for each."""

    trainable: Trainable
    optimizer: torch.optim.Optimizer
    average: list[Tensor]
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)

    def mean_loss(self, since: int) -> float:
        """Mean of the losses from step `since` on; not a number if there are none."""
        return float(torch.stack(self.losses[since:]).mean()) if self.losses[since:] else float("nan")


def fingerprint(job: TrainingJob, model: Model) -> str:
    """sha256 of all that decides the weights, except machine and thread count."""
    digest = hashlib.sha256()
    base, device = model.base, model.device
    values = (base.name, base.version, base.sha256, job.recipe, job.trigger, job.class_word, job.seed)
    digest.update(to_json([*values, device.type, str(device.dtype)]).encode())
    for picture in job.pictures:
        digest.update(to_json([picture.caption, list(picture.pixels.shape), picture.frame]).encode())
        masks = [*picture.other_masks] if picture.mask is None else [picture.mask, *picture.other_masks]
        for pixels in (picture.pixels, *picture.others):
            digest.update(pixels.tobytes())
        for mask in masks:
            digest.update(mask.tobytes())
    return digest.hexdigest()


def save_state(folder: Path, state: State, mark: str) -> None:
    """Write the state into `folder`, in place of the one before. Raises Unwritable or DiskFull."""
    tensors = {f"weight.{i}": weight.detach() for i, weight in enumerate(state.trainable.all)}
    tensors |= {f"average.{i}": tensor for i, tensor in enumerate(state.average)}
    for i, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    if state.losses:
        tensors["losses"] = torch.stack(state.losses)
    story = [{"file": point.file.name, "step": point.step, "loss": point.loss} for point in state.checkpoints]
    metadata = {"fingerprint": mark, "step": str(state.step), "checkpoints": json.dumps(story)}
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(folder / STATE, save(whole, metadata=metadata))


def load_state(folder: Path, state: State, mark: str) -> bool:
    """Bring `state` to where the file in `folder` stopped; False if there is none.

    Raises BadRequest for a state of another job, UnfitModel for a broken file.
    """
    path = folder / STATE
    if not path.is_file():
        return False
    tensors, metadata = read_tensors(path)
    if metadata.get("fingerprint") != mark:
        raise BadRequest(
            f"The training in {folder} cannot be resumed: its photos, captions, recipe, seed, base or device were "
            "others.",
            hint="Ask for the same again, or train anew without --resume.",
        )
    try:
        _restore(folder, state, tensors, metadata)
    except (KeyError, ValueError, RuntimeError) as error:
        raise UnfitModel(f"{path} is no whole training state.", hint="Train anew without --resume.") from error
    return True


def _restore(folder: Path, state: State, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    step = int(metadata["step"])
    with torch.no_grad():
        for i, weight in enumerate(state.trainable.all):
            weight.copy_(tensors[f"weight.{i}"])
        for i, tensor in enumerate(state.average):
            tensor.copy_(tensors[f"average.{i}"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".")
            moments.setdefault(int(number), {})[key] = tensor
    state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})
    state.step = step
    device = state.trainable.all[0].device
    state.losses = list(tensors["losses"].to(device)) if step else []
    state.checkpoints = [
        Checkpoint(folder / point["file"], point["step"], point["loss"])
        for point in json.loads(metadata["checkpoints"])
        if (folder / point["file"]).is_file()
    ]
