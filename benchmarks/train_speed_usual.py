"""The usual way to train a LoRA, to measure ours against: the loop of diffusers' `train_dreambooth_lora.py` (and of
`train_dreambooth_lora_sdxl.py`) rebuilt step by step from its description, with peft's own layers and accelerate.

Every step it loads its pictures, tokenizes their captions, encodes them with the autoencoder, encodes the captions
where the text encoder is trained, and waits for its loss to show it. Knows nothing of ours.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor


class Photos(torch.utils.data.Dataset[dict[str, Any]]):
    """Picture files, made tensors anew at each look: opened, turned, resized, cut, normalised."""

    def __init__(self, files: Sequence[Path], side: int, tokenizer: Any) -> None:
        self.files, self.side, self.tokenizer = list(files), side, tokenizer

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> dict[str, Any]:
        picture = ImageOps.exif_transpose(Image.open(self.files[place])).convert("RGB")
        picture = ImageOps.fit(picture, (self.side, self.side), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 127.5 - 1.0
        room = self.tokenizer.model_max_length
        tokens = self.tokenizer("ohwx woman, smile", padding="max_length", max_length=room, truncation=True)
        return {"pixels": pixels, "tokens": torch.tensor(tokens.input_ids)}


def step_seconds(
    networks: Any,
    files: Sequence[Path],
    *,
    precision: str,
    batch: int,
    targets: Sequence[str],
    text_targets: Sequence[str],
    rank: int,
    side: int,
    steps: int,
) -> float:
    """Median seconds of a step. `networks` are `train_speed.Networks`; `precision` is `no` or `bf16`; without
    `text_targets` the text encoder rests, and what it says is computed once."""
    from diffusers import DDPMScheduler
    from diffusers.optimization import get_scheduler

    accelerator, half = _accelerate(precision)
    # the SDXL script keeps its autoencoder in float32
    networks.vae.to(dtype=torch.float32 if networks.added else half)
    weights = _add_layers(networks, half, rank, targets, text_targets)
    optimizer = torch.optim.AdamW(weights, lr=1e-4, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
    photos = Photos(list(files) * batch, side, networks.tokenizer)  # so that no batch is smaller
    data = torch.utils.data.DataLoader(photos, batch_size=batch, shuffle=True)
    schedule = get_scheduler("cosine", optimizer, num_warmup_steps=0, num_training_steps=1000)
    unet, text, optimizer, data, schedule = accelerator.prepare(
        networks.unet, networks.text_encoder, optimizer, data, schedule
    )
    schedule_ = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    seconds: list[float] = []
    while len(seconds) < steps + 3:
        for pictures in data:
            start = time.perf_counter()
            latents = _encode(networks.vae, pictures["pixels"], half)
            noise, noisy, times = _noised(schedule_, latents)
            tokens = pictures["tokens"]
            states = text(tokens, return_dict=False)[0] if text_targets else networks.told(len(latents), half)
            more = networks.added_conditions(len(latents), half)
            answer = unet(noisy, times, states, added_cond_kwargs=more, return_dict=False)[0]
            loss = torch.nn.functional.mse_loss(answer.float(), noise.float(), reduction="mean")
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            loss.detach().item()
            seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[3:]))


def _accelerate(precision: str) -> tuple[Any, torch.dtype]:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(mixed_precision=precision), torch.bfloat16 if precision == "bf16" else torch.float32


def _add_layers(
    networks: Any, half: torch.dtype, rank: int, targets: Sequence[str], text_targets: Sequence[str]
) -> list[torch.nn.Parameter]:
    """peft's layers on both parts, float32 as the scripts cast them; the weights that are trained."""
    from diffusers.training_utils import cast_training_params
    from peft import LoraConfig

    for part, modules in ((networks.unet, targets), (networks.text_encoder, text_targets)):
        part.to(dtype=half)
        if modules:
            config = LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(modules))
            part.add_adapter(config)
    trained = [networks.unet, networks.text_encoder] if text_targets else [networks.unet]
    if half != torch.float32:
        cast_training_params(trained, dtype=torch.float32)
    for part in trained:
        part.train()
    return [weight for part in trained for weight in part.parameters() if weight.requires_grad]


def _noised(schedule: Any, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    noise = torch.randn_like(latents)
    times = torch.randint(0, 1000, (len(latents),), device=latents.device).long()
    return noise, schedule.add_noise(latents, noise, times), times


def _encode(vae: Any, pixels: Tensor, half: torch.dtype) -> Tensor:
    latents = vae.encode(pixels.to(dtype=vae.dtype)).latent_dist.sample()
    return (latents * vae.config.scaling_factor).to(half)
