"""Trains the tagger on rendered pictures and sets its thresholds.

Each tag's bias is moved after training so that a score of 0.5 is the threshold with the best F1 on pictures that it has
not seen, half of them after a trip through the autoencoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from mini.degrade import augment
from mini.loop import Clock, Curve, Flat, say
from mini.tags import TAGS

if TYPE_CHECKING:
    from pathlib import Path

    from mini.pool import Pool

RATE = 2e-3


@dataclass(frozen=True)
class Setup:
    """How a training of the tagger runs. `rate` is the peak learning rate."""

    seconds: float
    batch: int = 192
    seed: int = 11
    rate: float = RATE


def train(tagger: Any, pools: list[Pool], setup: Setup, device: torch.device, out: Path) -> None:
    """Trains for `setup.seconds`; batches take equal parts of all pools (renders, autoencoded renders)."""
    tagger.train()
    flat, curve, clock = Flat([tagger], device, decay=0.02), Curve("tagger", out), Clock(setup.seconds)
    positive = pools[0].tags[:50_000].float().mean(dim=0).clamp(1e-4, 1 - 1e-4)
    balance = ((1 - positive) / positive).sqrt().clamp(1.0, 6.0)
    choose, dice = torch.Generator().manual_seed(setup.seed), torch.Generator(device).manual_seed(setup.seed)
    while True:
        parts, truths = [], []
        for pool in pools:
            index = torch.randint(len(pool), (max(2, setup.batch // len(pools)),), generator=choose).to(device)
            parts.append(pool.pictures(index))
            truths.append(pool.tags[index])
        x, truth = augment(torch.cat(parts), dice), torch.cat(truths).float()
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = tagger(x).logits.float()
        loss = functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=balance)
        loss.backward()
        flat.step(clock.rate(setup.rate), average=0.995)
        curve.add(len(x), loss=loss)
        if not clock.tick(device):
            break
    curve.flush()
    # Batch norm's running numbers belong to the last weights, and the rate has ended near 0: no average is taken.
    tagger.requires_grad_(False).eval()
    say("tagger", steps=clock.steps, seconds=round(clock.elapsed()))


@torch.no_grad()
def scores(tagger: Any, pool: Pool, batch: int = 256) -> Tensor:
    """Logits (n, tags) of all pictures of a pool."""
    return torch.cat(
        [tagger(pool.pictures(slice(start, start + batch))).logits.float() for start in range(0, len(pool), batch)]
    )


@torch.no_grad()
def calibrate(tagger: Any, pools: list[Pool]) -> None:
    """Moves the biases so that 0.5 is each tag's best threshold over all `pools` together."""
    logits = torch.cat([scores(tagger, pool) for pool in pools])
    truth = torch.cat([pool.tags for pool in pools])
    bias = tagger.classifier[1].bias
    for k in range(len(TAGS)):
        if truth[:, k].any():
            bias.data[k] -= best_threshold(logits[:, k], truth[:, k])


def best_threshold(logits: Tensor, truth: Tensor) -> Tensor:
    """The logit from which on a yes gives the best F1: the middle of the best stretch between two neighbours."""
    order = logits.argsort(descending=True)
    found = truth[order].float().cumsum(0)
    f1 = 2 * found / (torch.arange(1, len(order) + 1, device=logits.device) + truth.sum())
    best = int(f1.argmax())
    low = logits[order[min(best + 1, len(order) - 1)]]
    return (logits[order[best]] + low) / 2


@torch.no_grad()
def measure(tagger: Any, pool: Pool) -> dict[str, Any]:
    """Macro-F1 at 0.5 over the tags that the pool has, the worst ten, and each tag's F1."""
    said, truth = scores(tagger, pool) > 0, pool.tags
    both = (said & truth).sum(0).float()
    f1 = 2 * both / (said.sum(0) + truth.sum(0)).clamp(min=1)
    known = {TAGS[k]: round(float(f1[k]), 4) for k in range(len(TAGS)) if truth[:, k].sum() > 0}
    worst = sorted(known.items(), key=lambda item: item[1])[:10]
    return {"macro_f1": round(sum(known.values()) / max(len(known), 1), 4), "worst": worst, "f1": known}
