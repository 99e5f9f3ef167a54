"""Trains the judge: a recogniser of rendered people that takes no part in anything but measuring.

Cosine softmax over all training identities with an additive margin (Wang et al. 2018, "CosFace"), and beside it a
linear reading of the identity's own numbers from the embedding, which teaches it what faces differ in long before
22,000 classes could. The judge sees an upright square round eyes, nose and mouth, the same that `benchmarks/judge` cuts
from detected faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mini import degrade
from mini.loop import Clock, Curve, Flat, say
from mini.networks import JUDGE_SIZE
from mini.pool import IDENTITY, JUDGED

if TYPE_CHECKING:
    from pathlib import Path

    from mini.pool import Pool

SIDE = 2.7  # side of the square, in distances from eye to eye or eyes to mouth
SCALE, MARGIN = 28.0, 0.25
RATE = 2e-3


@dataclass(frozen=True)
class Setup:
    """How a training of the judge runs."""

    seconds: float
    batch: int = 384
    seed: int = 13
    rate: float = RATE
    first: bool = True  # a later visit starts with the full margin and has a name of its own in the curves


def crop(x: Tensor, points: Tensor, size: int = JUDGE_SIZE, jitter: torch.Generator | None = None) -> Tensor:
    """Upright square faces (n, 3, size, size) from pictures (n, 3, h, w) and their five points (n, 5, 2) in pixels.

    The points are eyes (picture's left first), nose tip, mouth corners. `jitter` shifts, turns and scales a little, as
    detectors do.
    """
    n, _, h, w = x.shape
    eyes, mouth = points[:, :2].mean(1), points[:, 3:].mean(1)
    across = points[:, 1] - points[:, 0]
    reach = torch.maximum(across.norm(dim=1), (mouth - eyes).norm(dim=1)).clamp(min=4.0)
    angle = torch.atan2(across[:, 1], across[:, 0])
    centre, half = (eyes + mouth) / 2, SIDE / 2 * reach
    if jitter is not None:
        noise = torch.empty(n, 4, device=x.device).uniform_(-1, 1, generator=jitter)
        centre = centre + noise[:, :2] * 0.12 * reach[:, None]
        half, angle = half * (1 + 0.12 * noise[:, 2]), angle + 0.12 * noise[:, 3]
    cos, sin = angle.cos() * half, angle.sin() * half
    rows = [
        torch.stack([cos * 2 / w, -sin * 2 / w, centre[:, 0] * 2 / w - 1], 1),
        torch.stack([sin * 2 / h, cos * 2 / h, centre[:, 1] * 2 / h - 1], 1),
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), [n, 3, size, size], align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def colours(x: Tensor, dice: torch.Generator) -> Tensor:
    """Random tint, saturation and, for a tenth, no colour at all."""
    n = len(x)
    tint = torch.empty(n, 3, 1, 1, device=x.device).uniform_(0.88, 1.12, generator=dice)
    grey = x.mean(1, keepdim=True)
    strength = degrade.uniform(n, 0.6, 1.3, dice) * (degrade.uniform(n, 0, 1, dice) > 0.1)
    return ((grey + (x - grey) * strength + 1) * tint - 1).clamp(-1, 1)


class Heads(nn.Module):
    """What the training needs beside the judge: a direction for each identity, and the reading of its numbers."""

    def __init__(self, size: int = 128, people: int = JUDGED) -> None:
        super().__init__()
        self.people = nn.Parameter(torch.randn(people, size) * 0.05)
        self.traits = nn.Linear(size, IDENTITY)

    def losses(self, embedded: Tensor, who: Tensor, traits: Tensor, margin: float) -> tuple[Tensor, Tensor]:
        cosine = embedded @ functional.normalize(self.people.float(), dim=1).T
        shifted = cosine - margin * functional.one_hot(who, len(self.people)).to(cosine.dtype)
        return functional.cross_entropy(SCALE * shifted, who), functional.smooth_l1_loss(
            self.traits(embedded * 8), traits
        )


def train(judge: nn.Module, heads: Heads, pools: list[Pool], setup: Setup, device: torch.device, out: Path) -> None:
    """Trains for `setup.seconds`; batches take equal parts of all pools, whose `who` are 0 … JUDGED − 1."""
    judge.train().requires_grad_(True)
    flat, curve, clock = (
        Flat([judge, heads], device, decay=0.02),
        Curve("judge" if setup.first else "judge-again", out),
        Clock(setup.seconds),
    )
    mean, spread = pools[0].traits.float().mean(0), pools[0].traits.float().std(0).clamp(min=1e-3)
    choose, dice = torch.Generator().manual_seed(setup.seed), torch.Generator(device).manual_seed(setup.seed)
    while True:
        parts, who, traits = [], [], []
        for pool in pools:
            index = torch.randint(len(pool), (max(2, setup.batch // len(pools)),), generator=choose).to(device)
            parts.append(crop(pool.pictures(index), pool.points[index], jitter=dice))
            who.append(pool.who[index])
            traits.append((pool.traits[index].float() - mean) / spread)
        x = degrade.augment(colours(torch.cat(parts), dice), dice).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            embedded = judge(x)
            margin = MARGIN if not setup.first else MARGIN * min(1.0, max(0.0, clock.share * 2 - 0.2))
            naming, reading = heads.losses(embedded.float(), torch.cat(who), torch.cat(traits).clamp(-3, 3), margin)
        (naming + 2.0 * reading).backward()
        flat.step(clock.rate(setup.rate), clip=5.0)
        curve.add(len(x), naming=naming, reading=reading)
        if not clock.tick(device):
            break
    curve.flush()
    judge.requires_grad_(False).eval()
    say("judge", steps=clock.steps, seconds=round(clock.elapsed()))


@torch.no_grad()
def embed(judge: nn.Module, pool: Pool, batch: int = 256) -> Tensor:
    """(n, 128) unit vectors of a pool's pictures."""
    found = []
    for start in range(0, len(pool), batch):
        part = slice(start, start + batch)
        found.append(judge(crop(pool.pictures(part), pool.points[part])))
    return torch.cat(found)


def measure(judge: nn.Module, pool: Pool) -> dict[str, Any]:
    """AUC of same against other people of the same gender, age, skin and hair colour; mean distances of both pairs."""
    embedded = embed(judge, pool)
    cosine = embedded @ embedded.T
    same = pool.who[:, None] == pool.who[None, :]
    pairs = torch.triu(pool.kind[:, None] == pool.kind[None, :], diagonal=1)
    inside, outside = cosine[same & pairs], cosine[~same & pairs]
    if not len(inside) or not len(outside):
        return {"auc": None}
    return {
        "auc": round(auc(inside, outside), 5),
        "same": round(1 - float(inside.mean()), 4),
        "other": round(1 - float(outside.mean()), 4),
    }


def auc(high: Tensor, low: Tensor) -> float:
    """Share of (high, low) pairs in the right order."""
    ordered = low.sort().values
    return float(torch.searchsorted(ordered, high).double().mean() / len(ordered))
