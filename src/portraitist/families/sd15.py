"""Stable Diffusion 1.x: a U-Net told by CLIP's text encoder, noise prediction, latents of 4 channels at an eighth.

`mini` is one of this family. Architecture: Rombach et al. (arXiv:2112.10752), as held by diffusers.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from portraitist.devices import Device
from portraitist.errors import BadRequest, UnfitModel
from portraitist.families import adapters, fused
from portraitist.families.base import Condition, Noised, Trainable, Words
from portraitist.families.folder import load_part, read_config
from portraitist.images import from_tensor, to_tensor
from portraitist.lora.formats import Lora, Slots, check
from portraitist.recipes import Base
from portraitist.types import Picture, Seed, derive_seed

_UNET_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
_TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
_PREFIXES = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}
_MAX_CHUNKS = 4


def load(folder: Path, base: Base, device: Device) -> "StableDiffusion15":
    """Load a diffusers folder, whole or in shards. Raises MissingModel or UnfitModel that names the part."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    config = read_config(folder / "scheduler" / "scheduler_config.json")
    if config.get("prediction_type", "epsilon") not in ("epsilon", "v_prediction"):
        raise UnfitModel(f"{folder.name} predicts {config['prediction_type']!r}, which is not supported.")
    return StableDiffusion15(
        base=base,
        device=device,
        unet=load_part(UNet2DConditionModel, folder / "unet", device, device.dtype),
        # the autoencoder stays in float32: half formats lose shades, and in some checkpoints overflow
        vae=load_part(AutoencoderKL, folder / "vae", device, torch.float32),
        text_encoder=load_part(CLIPTextModel, folder / "text_encoder", device, device.dtype),
        tokenizer=load_part(CLIPTokenizer, folder / "tokenizer"),
        scheduler_config=config,
    )


class StableDiffusion15:
    """A loaded base of this family; see `families.base.Model`."""

    words = Words("sd_v1", "stable-diffusion-v1/lora", "https://github.com/CompVis/stable-diffusion")

    def __init__(
        self,
        *,
        base: Base,
        device: Device,
        unet: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        scheduler_config: Mapping[str, Any],
    ) -> None:
        from diffusers import DDPMScheduler

        if fused.can_fuse(device.device) and device.dtype != torch.float32:
            fused.fuse(unet.to(memory_format=torch.channels_last))
        self.base, self.device, self.scheduler_config = base, device, scheduler_config
        self.unet, self.vae, self.text_encoder, self.tokenizer = unet, vae, text_encoder, tokenizer
        self._parts: dict[str, nn.Module] = {"unet": unet, "text_encoder": text_encoder}
        self._signal = DDPMScheduler.from_config(dict(scheduler_config)).alphas_cumprod.to(device.device)
        self._velocity = scheduler_config.get("prediction_type") == "v_prediction"
        self._alpha = 0.0
        self._scale = 2 ** (len(vae.config.block_out_channels) - 1)

    # pictures

    def encode(self, pictures: Sequence[Picture]) -> Tensor:
        with torch.no_grad():
            pixels = to_tensor(pictures).to(self.device.device)
            mean = self.vae.encode(pixels).latent_dist.mode()  # the mean: nothing random is cached
            return torch.as_tensor(mean * self.vae.config.scaling_factor)

    def decode(self, latents: Tensor) -> list[Picture]:
        with torch.no_grad():
            return from_tensor(self.vae.decode(latents / self.vae.config.scaling_factor).sample)

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        step = self._scale * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if width < step or height < step or width % step or height % step:
            raise BadRequest(f"The size {width}x{height} does not go: both sides must be multiples of {step}.")
        return int(self.unet.config.in_channels), height // self._scale, width // self._scale

    # prompts

    def tokenize(self, prompts: Sequence[str], *, chunks: int | None = None) -> Tensor:
        room = self.tokenizer.model_max_length - 2
        ids = [self.tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids for prompt in prompts]
        count = max([1, chunks or 1, *(-(-len(row) // room) for row in ids)])
        count = min(count, _MAX_CHUNKS)
        begin, end, pad = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id, self.tokenizer.pad_token_id
        rows = []
        for row in ids:
            pieces = [row[room * i : room * (i + 1)] for i in range(count)]
            rows.append([[begin, *piece, end, *[pad] * (room - len(piece))] for piece in pieces])
        return torch.tensor(rows, dtype=torch.int64, device=self.device.device).flatten(1)

    def condition(self, tokens: Tensor, *, clip_skip: int = 1) -> Condition:
        """Chunks of a long prompt are encoded one by one and joined; `clip_skip` 2 takes the last layer but one."""
        batch = tokens.shape[0]
        pieces = tokens.reshape(-1, self.tokenizer.model_max_length)
        if clip_skip <= 1:
            states = self.text_encoder(pieces).last_hidden_state
        else:
            hidden = self.text_encoder(pieces, output_hidden_states=True).hidden_states
            if clip_skip >= len(hidden):
                raise BadRequest(f"Clip skip {clip_skip} is too much: this base takes 1 to {len(hidden) - 1}.")
            text_model = getattr(self.text_encoder, "text_model", self.text_encoder)
            states = text_model.final_layer_norm(hidden[-clip_skip])
        return Condition(states.reshape(batch, -1, states.shape[-1]))

    # denoising

    def predict(self, latents: Tensor, times: Tensor, condition: Condition) -> Tensor:
        dtype = self.device.dtype
        answer = self.unet(latents.to(dtype), times, condition.states.to(dtype), return_dict=False)[0]
        return torch.as_tensor(answer.float())

    def times(self, places: Tensor) -> Tensor:
        return (places * len(self._signal)).long().clamp(0, len(self._signal) - 1)

    def noised(self, latents: Tensor, noise: Tensor, places: Tensor) -> Noised:
        share = self._signal[self.times(places)]
        kept, mixed = (value.sqrt().reshape(-1, 1, 1, 1) for value in (share, 1 - share))
        target = kept * noise - mixed * latents if self._velocity else noise
        return Noised(kept * latents + mixed * noise, target, share / (1 - share))

    # likenesses

    def slots(self) -> Slots:
        return adapters.find_slots(self._parts, _PREFIXES)

    def attach(self, *, rank: int, alpha: float, text: bool, seed: Seed) -> Trainable:
        self._alpha = alpha
        adapters.attach(self.unet, _UNET_TARGETS, rank=rank, alpha=alpha, seed=derive_seed(seed, "unet"))
        if text:
            adapters.attach(self.text_encoder, _TEXT_TARGETS, rank=rank, alpha=alpha, seed=derive_seed(seed, "text"))
        parts = (self.unet, self.text_encoder)
        unet, words = (tuple(adapters.weights(part)) for part in parts)
        return Trainable(unet, words, tuple(copy for part in parts for copy in adapters.working(part)))

    def attached(self, tensors: Sequence[Tensor] | None = None) -> Lora:
        unet, text = adapters.weights(self.unet), adapters.weights(self.text_encoder)
        values = list(tensors) if tensors is not None else [*unet, *text]
        layers = adapters.collect(self.unet, _PREFIXES["unet"], self._alpha, values[: len(unet)])
        layers |= adapters.collect(self.text_encoder, _PREFIXES["text_encoder"], self._alpha, values[len(unet) :])
        return Lora(layers)

    def resting(self) -> Any:
        return adapters.resting((self.unet, self.text_encoder))

    def detach(self) -> None:
        for part in self._parts.values():
            adapters.detach(part)

    @contextmanager
    def applied(self, loras: Sequence[tuple[Lora, float]]) -> Iterator[None]:
        slots = self.slots()
        for lora, _ in loras:
            check(lora, slots)
        with adapters.applied(self._parts, slots, loras):
            yield
