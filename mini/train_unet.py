"""Trains the U-Net and the text encoder together: noise prediction on SD 1.5's schedule, min-SNR weights (Hang et al.
2023).

The stage can be cut anywhere: its state holds weights, averages, moments and the seconds spent, and the learning rate
follows the share of the whole time that is over. Every rank trains on latents of its own; gradients are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from mini import tokenizer
from mini.loop import Clock, Curve, Flat, say, say_compiled
from mini.networks import SCHEDULE

if TYPE_CHECKING:
    from pathlib import Path

    from mini.latents import Store

DROPPED = 0.10  # share of captions left out, for guidance
SKIPPED = 0.10  # share of steps that read the text encoder's last layer but one, for clip skip
GAMMA = 5.0
RATE = 7e-4


@dataclass(frozen=True)
class Setup:
    """How a training of the U-Net runs: `seconds` of this run of `whole` seconds in all; `batch` is of one rank."""

    seconds: float
    whole: float
    batch: int = 256
    rate: float = RATE
    seed: int = 17
    compiled: bool = False
    world: int = 1
    rank: int = 0
    save_every: float = 150.0


def signal(device: torch.device) -> tuple[Tensor, Tensor]:
    """Share of picture and of noise in each of the 1000 steps."""
    betas = torch.linspace(SCHEDULE["beta_start"] ** 0.5, SCHEDULE["beta_end"] ** 0.5, 1000, dtype=torch.float64) ** 2
    kept = torch.cumprod(1 - betas, 0)
    return kept.sqrt().float().to(device), (1 - kept).sqrt().float().to(device)


def text_states(encoder: Any, tokens: Tensor, *, skip: bool = False) -> Tensor:
    """States (b, 77, width) that the U-Net reads; `skip` takes them one layer earlier, through the same last norm."""
    if not skip:
        return cast("Tensor", encoder(input_ids=tokens).last_hidden_state)
    body = getattr(encoder, "text_model", encoder)
    return cast("Tensor", body.final_layer_norm(encoder(input_ids=tokens, output_hidden_states=True).hidden_states[-2]))


class Trainer:
    """One step of both networks on latents and tokens that lie on the device."""

    def __init__(self, unet: Any, text: Any, setup: Setup, device: torch.device, scaling: float) -> None:
        self.unet, self.text, self.setup, self.device, self.scaling = unet, text, setup, device, scaling
        unet.train().requires_grad_(True)
        text.train().requires_grad_(True)
        self.flat = Flat([unet, text], device, betas=(0.9, 0.99), decay=0.01)
        self.forward = torch.compile(unet) if setup.compiled else unet
        self.alpha, self.sigma = signal(device)
        self.dice = torch.Generator(device).manual_seed(setup.seed * 1009 + setup.rank)
        self.choose = torch.Generator().manual_seed(setup.seed)
        ids, _ = tokenizer.tables()
        self.empty = torch.tensor([ids[tokenizer.START]] + [ids[tokenizer.END]] * (tokenizer.LENGTH - 1), device=device)

    def gradients(self, store: Store, batch: int, *, square: bool) -> Tensor:
        """Leaves gradients of one random batch; returns the loss."""
        at = torch.randint(len(store), (batch,), device=self.device, generator=self.dice)
        which = torch.randint(store.tokens.shape[1], (batch,), device=self.device, generator=self.dice)
        clean = store.latents[at].float() * self.scaling
        tokens = store.tokens[at, which].long()
        drop = torch.rand(batch, device=self.device, generator=self.dice) < DROPPED
        tokens = torch.where(drop[:, None], self.empty, tokens)
        t = torch.randint(1000, (batch,), device=self.device, generator=self.dice)
        noise = torch.randn(clean.shape, device=self.device, generator=self.dice)
        alpha, sigma = self.alpha[t][:, None, None, None], self.sigma[t][:, None, None, None]
        noisy = (alpha * clean + sigma * noise).contiguous(memory_format=torch.channels_last)
        skip = bool(torch.rand((), generator=self.choose) < SKIPPED)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            states = text_states(self.text, tokens, skip=skip)
            network = self.forward if square else self.unet
            said = network(noisy, t, states, return_dict=False)[0]
        snr = (alpha / sigma).flatten() ** 2
        weight = snr.clamp(max=GAMMA) / snr
        loss = (weight * (said.float() - noise).square().mean(dim=(1, 2, 3))).mean()
        loss.backward()
        return loss.detach()


def train(
    unet: Any,
    text: Any,
    stores: list[Store],
    setup: Setup,
    device: torch.device,
    scaling: float,
    state: Path,
    out: Path,
) -> None:
    """Trains for `setup.seconds`, going on from `state` if it is there; leaves averaged weights in both networks."""
    trainer = Trainer(unet, text, setup, device, scaling)
    before = trainer.flat.load(state)["elapsed"] if state.exists() else 0.0
    if before:
        # The same dice would show the same batches again.
        trainer.dice.manual_seed(setup.seed * 1009 + setup.rank + int(before) * 31)
    curve = Curve("unet", out, quiet=setup.rank > 0)
    clock = Clock(setup.seconds, before=before, whole=max(setup.whole, before + setup.seconds), world=setup.world)
    saved = clock.elapsed()
    while not clock.over:
        turn = trainer.flat.steps % 16
        bucket = {7: 1, 15: 2}.get(turn, 0)
        batch = setup.batch if bucket == 0 else max(1, setup.batch * 2 // 3)
        loss = trainer.gradients(stores[bucket], batch, square=bucket == 0)
        norm = trainer.flat.step(
            clock.rate(setup.rate, warm=400), world=setup.world, average=0.9995 if clock.share > 0.3 else 0.998
        )
        curve.add(batch * setup.world, loss=loss, norm=norm)
        if setup.compiled and clock.steps == 0:
            say_compiled("unet")
        if not clock.tick(device):
            break
        if setup.rank == 0 and clock.elapsed() - saved > setup.save_every:
            trainer.flat.save(state, elapsed=clock.elapsed())
            saved = clock.elapsed()
    curve.flush()
    if setup.rank == 0:
        trainer.flat.save(state, elapsed=clock.elapsed())
    trainer.flat.use_average()
    unet.requires_grad_(False).eval()
    text.requires_grad_(False).eval()
    say("unet", steps=trainer.flat.steps, seconds=round(clock.elapsed()), share=round(clock.share, 3))


def warm(unet: Any, text: Any, setup: Setup, device: torch.device, latents: tuple[int, int]) -> None:
    """Two steps on noise: fills the compiler's cache while other stages run."""
    from mini.latents import Store

    trainer = Trainer(unet, text, setup, device, 1.0)
    store = Store(
        torch.randn(8, 4, *latents, device=device).half(),
        torch.zeros(8, 1, tokenizer.LENGTH, dtype=torch.int16, device=device),
    )
    for _ in range(2):
        trainer.gradients(store, setup.batch, square=True)
        trainer.flat.step(0.0)
    say_compiled("unet")
