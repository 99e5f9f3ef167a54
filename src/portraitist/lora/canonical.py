"""The canonical form of a LoRA: layers by kohya name, and the slots of a base that they fit. No files, no family.

A layer's canonical name is kohya's (`lora_unet_mid_block_attentions_0_proj_in`), for it is what WebUI, Forge, ComfyUI
and diffusers all load. Which layers a base has is told by its family as `Slots`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Slot:
    """A place in a base where a LoRA layer can sit: the part (`unet`, `text_encoder`), the module's path in it, and
    the shape of its weight, (out, in) or (out, in, kernel, kernel)."""

    part: str
    path: str
    shape: tuple[int, ...]


Slots = Mapping[str, Slot]
"""Every slot of a base by its kohya name."""


@dataclass(frozen=True)
class LoraLayer:
    """`down` (rank, in) and `up` (out, rank), convolutions (rank, in, k, k) and (out, rank, 1, 1).

    What is added to the base's weight is strength x alpha / rank x up @ down.
    """

    down: Tensor
    up: Tensor
    alpha: float

    @property
    def rank(self) -> int:
        return int(self.down.shape[0])

    def delta(self, device: torch.device | None = None) -> Tensor:
        """float32, shaped like the base's weight, at strength 1; computed on `device`."""
        down, up = self.down.to(device).float(), self.up.to(device).float()
        flat = up.flatten(1) @ down.flatten(1)
        return (self.alpha / self.rank) * flat.reshape(up.shape[0], *down.shape[1:])

    def shaped(self, shape: tuple[int, ...]) -> "LoraLayer":
        """The layer for a weight of `shape`, where a linear layer was stored as a 1x1 convolution or the other way."""
        if len(shape) == 2 and self.down.shape[2:] == (1, 1) and self.up.shape[2:] == (1, 1):
            return LoraLayer(self.down.flatten(1), self.up.flatten(1), self.alpha)
        if shape[2:] == (1, 1) and self.down.ndim == self.up.ndim == 2:
            return LoraLayer(self.down[..., None, None], self.up[..., None, None], self.alpha)
        return self


@dataclass(frozen=True)
class Lora:
    """A LoRA in the canonical form: layers by kohya name, and the file's metadata."""

    layers: Mapping[str, LoraLayer]
    metadata: Mapping[str, str] = field(default_factory=dict)
