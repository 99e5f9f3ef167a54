"""What all of mini's trainings share: a schedule by the clock, flat weights, their averages, and curves on disk.

A stage is given seconds, not steps: the learning rate follows the share of the time that is over, so that every run
ends annealed and in time, whatever machine it is on. Several ranks follow rank 0's clock.
"""

from __future__ import annotations

import json
import math
import os
import time
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CHECK = 8  # steps between looks at the clock


class Clock:
    """Share of a stage's time that is over, 0–1, the same on every rank. `before`: seconds of earlier runs."""

    def __init__(self, seconds: float, *, before: float = 0.0, whole: float | None = None, world: int = 1) -> None:
        self.start, self.seconds, self.before, self.whole = time.monotonic(), seconds, before, whole or before + seconds
        self.world, self.steps = world, 0
        self.share, self.over = min(1.0, before / self.whole), seconds <= 0

    def elapsed(self) -> float:
        """Seconds of training so far, earlier runs counted."""
        return self.before + time.monotonic() - self.start

    def tick(self, device: torch.device) -> bool:
        """Counts a step; every `CHECK` (on a CPU each) waits for the device and reads the clock. False when over."""
        self.steps += 1
        if self.steps % CHECK == 0 or device.type == "cpu":
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            now = torch.tensor([self.elapsed()], dtype=torch.float64)
            if self.world > 1:
                dist.broadcast(now, 0)
            self.share = min(1.0, float(now) / self.whole)
            self.over = float(now) - self.before >= self.seconds
        return not self.over

    def rate(self, peak: float, *, warm: int = 200, floor: float = 0.02) -> float:
        """Learning rate: a linear start over `warm` steps of this run, then half a cosine over the whole time."""
        cosine = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * self.share))
        return peak * min(1.0, (self.steps + 1) / warm) * cosine


class Flat:
    """All weights of some modules in one vector, with gradient, AdamW and average beside it.

    One all-reduce, one optimiser kernel and one file serve a whole network. 4-D weights are kept channels-last.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        device: torch.device,
        *,
        betas: tuple[float, float] = (0.9, 0.99),
        decay: float = 0.01,
    ) -> None:
        self.params = [p for module in modules for p in module.parameters() if p.requires_grad]
        size = sum(p.numel() for p in self.params)
        self.vector = nn.Parameter(torch.empty(size, device=device))
        self.gradient = torch.zeros(size, device=device)
        self.vector.grad = self.gradient
        start = 0
        for p in self.params:
            end = start + p.numel()
            view = _view(self.vector.data[start:end], p)
            view.copy_(p.data)
            p.data = view
            p.grad = _view(self.gradient[start:end], p)
            start = end
        self.average = self.vector.detach().clone()
        self.optimiser = torch.optim.AdamW(
            [self.vector], lr=0.0, betas=betas, weight_decay=decay, fused=device.type == "cuda"
        )
        self.steps = 0

    def step(self, rate: float, *, world: int = 1, clip: float = 1.0, average: float = 0.999) -> Tensor:
        """Averages gradients over ranks, clips, steps, averages weights, zeroes. The gradient's norm, on the device."""
        if world > 1:
            dist.all_reduce(self.gradient)
            self.gradient.div_(world)
        norm = self.gradient.norm()
        # A gradient that is not finite is dropped whole instead of poisoning the average.
        self.gradient.mul_(torch.where(norm.isfinite(), (clip / (norm + 1e-6)).clamp(max=1.0), torch.zeros_like(norm)))
        self.gradient.nan_to_num_(0.0, 0.0, 0.0)
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.step()
        self.steps += 1
        self.average.lerp_(self.vector.detach(), 1 - min(average, (1 + self.steps) / (10 + self.steps)))
        self.gradient.zero_()
        return norm

    def use_average(self) -> None:
        """Puts the averaged weights in place of the trained ones."""
        self.vector.data.copy_(self.average)

    def save(self, path: Path, **numbers: float) -> None:
        """Writes weights, average and the optimiser's state, whole or not at all."""
        state = self.optimiser.state.get(self.vector, {})
        tensors = {
            "vector": self.vector.detach(),
            "average": self.average,
            "steps": torch.tensor([self.steps], dtype=torch.float64),
        }
        tensors |= {name: state[name] for name in ("exp_avg", "exp_avg_sq") if name in state}
        tensors |= {name: torch.tensor([number], dtype=torch.float64) for name, number in numbers.items()}
        save_tensors({name: tensor.cpu() for name, tensor in tensors.items()}, path)

    def load(self, path: Path) -> dict[str, float]:
        """Reads what `save` wrote; returns its numbers."""
        tensors = load_file(path)
        self.vector.data.copy_(tensors.pop("vector"))
        self.average.copy_(tensors.pop("average"))
        self.steps = int(tensors.pop("steps").item())
        moments = {
            name: tensors.pop(name).to(self.vector.device) for name in ("exp_avg", "exp_avg_sq") if name in tensors
        }
        if moments:
            count = torch.tensor(float(self.steps), device=self.vector.device if self.vector.is_cuda else None)
            self.optimiser.state[self.vector] = {"step": count, **moments}
        return {name: float(tensor.item()) for name, tensor in tensors.items()}


def _view(part: Tensor, like: Tensor) -> Tensor:
    if like.dim() != 4:
        return part.view(like.shape)
    o, i, h, w = like.shape
    return part.view(o, h, w, i).permute(0, 3, 1, 2)


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Writes safetensors by write and rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, part, metadata=metadata)
    part.replace(path)


class Curve:
    """Losses over time, printed now and then and kept in `<folder>/<name>.json`; till then they stay on the device."""

    def __init__(self, name: str, folder: Path, *, every: float = 15.0, quiet: bool = False) -> None:
        self.name, self.path, self.every, self.quiet = name, folder / f"{name}.json", every, quiet
        self.rows: list[dict[str, float]] = (
            json.loads(self.path.read_text()) if self.path.exists() and not quiet else []
        )
        self.sums: dict[str, Tensor] = {}
        self.count, self.pictures, self.last, self.start = 0, 0, time.monotonic(), time.monotonic()

    def add(self, pictures: int, **losses: Tensor) -> None:
        for name, loss in losses.items():
            value = loss.detach().float()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1
        self.pictures += pictures
        if time.monotonic() - self.last >= self.every:
            self.flush()

    def flush(self) -> None:
        """Ends a row: the mean of each loss since the last one and the speed."""
        if not self.count:
            return
        means = {name: round(float(total) / self.count, 6) for name, total in self.sums.items()}
        now = time.monotonic()
        row = {
            "second": round(now - self.start, 1),
            "steps": self.count,
            "pictures_per_second": round(self.pictures / max(now - self.last, 1e-6)),
            **means,
        }
        self.rows.append(row)
        self.sums, self.count, self.pictures, self.last = {}, 0, 0, now
        if not self.quiet:
            say(self.name, **row)
            write_json(self.path, self.rows)


def say_compiled(name: str) -> None:
    """What the compiler found in its cache so far: a miss costs a minute that another process may have spent already."""
    found = torch._dynamo.utils.counters
    say(name, **{key: n for key, n in {**found["inductor"], **found["aot_autograd"]}.items() if "cache" in key})


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def say(stage: str, **numbers: object) -> None:
    """One line of progress with the time of day."""
    rank = os.environ.get("RANK", "0")
    print(
        time.strftime("%H:%M:%S"),
        f"[{rank}] {stage}:",
        *(f"{name} {value}" for name, value in numbers.items()),
        flush=True,
    )
