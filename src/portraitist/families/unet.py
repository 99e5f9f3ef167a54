"""What U-Nets told by CLIP have in common (Stable Diffusion 1.x, SDXL): pictures, noise, LoRA layers.

Latents have 4 channels at an eighth of the picture's size; the schedule is discrete, noise or velocity is predicted.
Architecture: Rombach et al. (arXiv:2112.10752), as held by diffusers. Knows no file and no text encoder's ways.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from portraitist.devices import Device
from portraitist.errors import BadRequest, UnfitModel
from portraitist.families import adapters, clip, fused, sizes
from portraitist.families.base import Condition, Noised, Saving, Trainable, Words
from portraitist.families.reading import Unread, unread
from portraitist.families.replay import Replays
from portraitist.families.saving import PIXELS_AT_ONCE, TILE, checkpointing, encode_in_parts, park, present
from portraitist.images import from_tensor, to_tensor
from portraitist.lora.formats import Lora, LoraLayer, Slots, check
from portraitist.recipes import Base, Layers
from portraitist.types import Picture, Seed, Size, Span, derive_seed

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_TARGETS: Mapping[Layers, tuple[str, ...]] = {
    "attention": _ATTENTION,
    "all": (*_ATTENTION, "ff.net.0.proj", "ff.net.2"),
}


class UNetModel(ABC):
    """A loaded base with a U-Net; see `families.base.Model`. `encoders` are its text encoders by part."""

    words: Words

    def __init__(
        self,
        *,
        base: Base,
        device: Device,
        unet: Any,
        vae: Any,
        encoders: Mapping[str, Any],
        tokenizer: Any,
        scheduler_config: Mapping[str, Any],
    ) -> None:
        from diffusers import DDPMScheduler

        if device.type == "cpu":  # convolutions of oneDNN read that layout as it lies
            unet.to(memory_format=torch.channels_last)
            vae.to(memory_format=torch.channels_last)
        elif fused.can_fuse(device.device) and device.dtype != torch.float32:
            fused.fuse(unet.to(memory_format=torch.channels_last))
        self.base, self.device, self.scheduler_config = base, device, scheduler_config
        self.unet, self.vae, self.encoders, self.tokenizer = unet, vae, encoders, tokenizer
        self._parts: dict[str, nn.Module] = {"unet": unet, **encoders}
        self._signal = DDPMScheduler.from_config(dict(scheduler_config)).alphas_cumprod.to(device.device)
        self._velocity = scheduler_config.get("prediction_type") == "v_prediction"
        self._alpha = 0.0
        self._replays = Replays()
        self._rests = False
        self._scale = 2 ** (len(vae.config.block_out_channels) - 1)

    # what a family says of itself

    @abstractmethod
    def condition(self, tokens: Tensor, *, clip_skip: int = 1) -> Condition: ...

    @abstractmethod
    def kohya_name(self, part: str, path: str) -> str:
        """The name in LoRA files of the layer at `path` in `part`."""

    @abstractmethod
    def _unused(self, part: str) -> int:
        """How many last layers of a text encoder do not reach the denoiser: nothing is to be learned there."""

    def _added(self, latents: Tensor, condition: Condition) -> Mapping[str, Any]:
        """What the U-Net is told beside the prompt's states."""
        return {}

    # pictures

    def encode(self, pictures: Sequence[Picture]) -> Tensor:
        at_once = max(1, PIXELS_AT_ONCE // (pictures[0].shape[0] * pictures[0].shape[1]))
        parts = [self._encode(pictures[i : i + at_once]) for i in range(0, len(pictures), at_once)]
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    @torch.no_grad()
    def _encode(self, pictures: Sequence[Picture]) -> Tensor:
        pixels = to_tensor(pictures).to(self.device.device)
        with present(self.vae, self.device.device):
            mean = self.vae.encode(pixels).latent_dist.mode()  # the mean: nothing random is cached
        return torch.as_tensor(mean * self.vae.config.scaling_factor)

    def decode(self, latents: Tensor) -> list[Picture]:
        with torch.no_grad(), present(self.vae, self.device.device):
            return from_tensor(self.vae.decode(latents / self.vae.config.scaling_factor).sample)

    @property
    def multiple(self) -> int:
        return int(self._scale * 2 ** (len(self.unet.config.block_out_channels) - 1))

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        step = self.multiple
        if width < step or height < step or width % step or height % step:
            raise BadRequest(f"The size {width}x{height} does not go: both sides must be multiples of {step}.")
        return int(self.unet.config.in_channels), height // self._scale, width // self._scale

    # prompts

    def tokenize(self, prompts: Sequence[str], *, chunks: int | None = None) -> Tensor:
        return clip.tokenize(self.tokenizer, prompts, chunks).to(self.device.device)

    def unread(self, text: str) -> tuple[Unread, ...]:
        return unread(self.tokenizer, text)

    def told(self, prompts: Sequence[Sequence[Span]], *, clip_skip: int = 1) -> Condition:
        tokens, weights = clip.tokenize_spans(self.tokenizer, prompts)
        condition = self.condition(tokens.to(self.device.device), clip_skip=clip_skip)
        if bool((weights == 1).all()):
            return condition
        return replace(condition, states=clip.weighed(condition.states, weights, self.tokenizer.model_max_length))

    # denoising

    def predict(self, latents: Tensor, times: Tensor, condition: Condition) -> Tensor:
        dtype = self.device.dtype
        added = self._added(latents, condition)
        answer = self.unet(latents.to(dtype), times, condition.states.to(dtype), return_dict=False, **added)[0]
        return torch.as_tensor(answer.float())

    def answer(self, latents: Tensor, times: Tensor, condition: Condition) -> Tensor:
        if self.device.type != "cuda":
            return self.predict(latents, times, condition)
        return self._replays.predict(self.predict, latents, times, condition, resting=self._rests)

    def times(self, places: Tensor) -> Tensor:
        return (places * len(self._signal)).long().clamp(0, len(self._signal) - 1)

    def noised(self, latents: Tensor, noise: Tensor, places: Tensor) -> Noised:
        share = self._signal[self.times(places)]
        kept, mixed = (value.sqrt().reshape(-1, 1, 1, 1) for value in (share, 1 - share))
        target = kept * noise - mixed * latents if self._velocity else noise
        return Noised(kept * latents + mixed * noise, target, share / (1 - share))

    # memory

    def weights(self) -> Mapping[str, int]:
        parts = {**self._parts, "vae": self.vae}
        return {name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()}

    def save_memory(self, saving: Saving) -> None:
        checkpointing(self.unet, saving.checkpointing)
        encode_in_parts(self.vae, slices=saving.slices, tiles=saving.tiles)
        for network in (*self.encoders.values(), self.vae):
            park(network, self.device.device, saving.park)

    def drawing_bytes(self, size: Size, *, tiles: bool = False, batch: int = 1) -> int:
        wide, fine = self.unet.config.block_out_channels, self.vae.config.block_out_channels
        widths = sizes.Widths(wide[0], fine[0], fine[min(1, len(fine) - 1)], self._scale)
        overhead = sizes.CUDA if self.device.type == "cuda" else sizes.PROCESSOR
        return sizes.drawing_bytes(
            widths, size, itemsize=self.device.dtype.itemsize, tile=TILE if tiles else None, overhead=overhead,
            batch=batch,
        )  # fmt: skip

    def forget(self) -> None:
        self._replays.forget()

    # likenesses

    def slots(self) -> Slots:
        found = adapters.find_slots(self._parts, {part: f"{part}." for part in self._parts})
        return {self.kohya_name(slot.part, slot.path): slot for slot in found.values()}

    def attach(self, *, rank: int, alpha: float, text: bool, seed: Seed, layers: Layers = "all") -> Trainable:
        self._alpha = alpha
        self._replays.forget()
        adapters.attach(self.unet, _TARGETS[layers], rank=rank, alpha=alpha, seed=derive_seed(seed, "unet"))
        for number, (part, encoder) in enumerate(self.encoders.items() if text else ()):
            chance = derive_seed(seed, "text", *([number] if number else []))
            paths = clip.targets(encoder, self._unused(part))
            adapters.attach(encoder, paths, rank=rank, alpha=alpha, seed=chance)
        text_weights = [weight for encoder in self.encoders.values() for weight in adapters.weights(encoder)]
        copies = [copy for part in self._parts.values() for copy in adapters.working(part)]
        return Trainable(tuple(adapters.weights(self.unet)), tuple(text_weights), tuple(copies))

    def attached(self, tensors: Sequence[Tensor] | None = None) -> Lora:
        layers: dict[str, LoraLayer] = {}
        values = list(tensors) if tensors is not None else None
        for part, module in self._parts.items():
            own = adapters.weights(module)
            given, values = (own, None) if values is None else (values[: len(own)], values[len(own) :])
            names = {
                path.replace(".", "_"): self.kohya_name(part, path) for path, _ in adapters.attached_layers(module)
            }
            layers |= {names[name]: layer for name, layer in adapters.collect(module, "", self._alpha, given).items()}
        return Lora(layers)

    @contextmanager
    def resting(self) -> Iterator[None]:
        self._rests = True
        try:
            with adapters.resting(tuple(self._parts.values())):
                yield
        finally:
            self._rests = False

    def detach(self) -> None:
        self._replays.forget()
        for part in self._parts.values():
            adapters.detach(part)

    @contextmanager
    def applied(self, loras: Sequence[tuple[Lora, float]]) -> Iterator[None]:
        slots = self.slots()
        for lora, _ in loras:
            check(lora, slots)
        with adapters.applied(self._parts, slots, loras):
            yield


def check_schedule(config: Mapping[str, Any], name: str) -> None:
    """Whether the base called `name` predicts what we can train. Raises UnfitModel."""
    predicts = config.get("prediction_type", "epsilon")
    if predicts not in ("epsilon", "v_prediction"):
        raise UnfitModel(f"{name} predicts {predicts!r}, which is not supported.")
    if config.get("rescale_betas_zero_snr"):
        raise UnfitModel(f"{name} has a noise schedule that ends in pure noise (zero SNR), which is not supported.")
