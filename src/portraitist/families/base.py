"""What every family of bases can do. No caller asks which family it has: all that training and generation need is here.

A family is one file that builds a `Model` from a folder. What makes it a family is `tests/contract/family.py`.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Parameter

from portraitist.devices import Device
from portraitist.families.reading import Unread
from portraitist.lora.formats import Lora, Slots
from portraitist.recipes import Base, Layers
from portraitist.types import Picture, Seed, Size, Span


@dataclass(frozen=True)
class Condition:
    """What the denoiser is told about prompts: `states` (batch, tokens, width), and what else a family needs."""

    states: Tensor
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def rows(self, which: Tensor) -> "Condition":
        """The prompts numbered `which`, int64 (n,) on the same device."""
        extra = {name: tensor.index_select(0, which) for name, tensor in self.extra.items()}
        return Condition(self.states.index_select(0, which), extra)


@dataclass(frozen=True)
class Noised:
    """A training example: what the denoiser gets, what it shall answer, and the signal-to-noise ratio (batch,)."""

    latents: Tensor
    target: Tensor
    snr: Tensor


@dataclass(frozen=True)
class Trainable:
    """The LoRA weights of a model with layers attached, float32, in a fixed order; `text` is empty if it rests.

    Where the model computes in a half format, its layers use `working`, rounded copies of `all` in the same order:
    gradients arrive there, `collect` brings them to the weights, and `publish` rounds the weights anew. Elsewhere
    `working` is empty, and both do nothing.
    """

    denoiser: tuple[Parameter, ...]
    text: tuple[Parameter, ...]
    working: tuple[Tensor, ...] = ()

    @property
    def all(self) -> tuple[Parameter, ...]:
        return self.denoiser + self.text

    def forget(self) -> None:
        """Drop the gradients that the layers have gathered."""
        for weight in self.working or self.all:
            weight.grad = None

    def collect(self) -> None:
        """Bring the gradients of the working copies to the weights; a copy that took no part has none."""
        if not self.working:
            return
        pairs = [(w, c.grad) for w, c in zip(self.all, self.working, strict=True) if c.grad is not None]
        for weight, _ in pairs:
            if weight.grad is None:
                weight.grad = torch.empty_like(weight)
        torch._foreach_copy_([w.grad for w, _ in pairs if w.grad is not None], [grad for _, grad in pairs])

    @torch.no_grad()
    def publish(self) -> None:
        """Let the layers use the weights as they are now."""
        if self.working:
            torch._foreach_copy_(list(self.working), list(self.all))


@dataclass(frozen=True)
class Saving:
    """Ways to need less memory, all of them slower. `checkpointing` computes the denoiser's inner values again on the
    way back; `slices` lets the autoencoder work on one picture at a time, `tiles` on parts of 512 x 512 pixels (which
    changes latents a little where parts meet); `park` keeps text encoders and autoencoder beside the device between
    two uses."""

    checkpointing: bool = False
    slices: bool = False
    tiles: bool = False
    park: bool = False


@dataclass(frozen=True)
class Words:
    """The family's words in the metadata of a LoRA file: kohya's version, ModelSpec's architecture, the dialect."""

    base_model_version: str
    architecture: str
    implementation: str


class Model(Protocol):
    """A loaded base. Latents are float32 (batch, channels, height / 8, width / 8), scaled as the denoiser wants them.

    Between `attach` and `detach` a LoRA can be trained; within `applied` finished LoRAs are part of the weights.
    """

    @property
    def base(self) -> Base: ...

    @property
    def device(self) -> Device: ...

    @property
    def words(self) -> Words: ...

    @property
    def scheduler_config(self) -> Mapping[str, Any]: ...

    def encode(self, pictures: Sequence[Picture]) -> Tensor:
        """Latents of pictures of one size, sides divisible by 8; the same bits for the same picture each time."""

    def decode(self, latents: Tensor) -> list[Picture]:
        """The pictures of latents."""

    @property
    def multiple(self) -> int:
        """Both sides of a picture are multiples of so many pixels."""

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """(channels, height, width) of the latents of a picture. Raises BadRequest for a size that does not go."""

    def tokenize(self, prompts: Sequence[str], *, chunks: int | None = None) -> Tensor:
        """int64 (batch, tokens) on the device: as many whole chunks as the longest prompt needs, at least `chunks`."""

    def told(self, prompts: Sequence[Sequence[Span]], *, clip_skip: int = 1) -> Condition:
        """The condition of prompts in pieces of their own weights. Raises BadRequest for one that is too long."""

    def unread(self, text: str) -> tuple[Unread, ...]:
        """The words of `text` that the text encoder cannot read, each with the tokens that it falls into."""

    def condition(self, tokens: Tensor, *, clip_skip: int = 1) -> Condition:
        """Encode tokens; with LoRA layers attached to the text encoder, gradients flow through."""

    def predict(self, latents: Tensor, times: Tensor, condition: Condition) -> Tensor:
        """The denoiser's answer, float32 and shaped like `latents`; `times` is (batch,) in the scheduler's steps."""

    def answer(self, latents: Tensor, times: Tensor, condition: Condition) -> Tensor:
        """`predict` for those who ask many times with one shape and want no gradients: on CUDA a recorded graph."""

    def noised(self, latents: Tensor, noise: Tensor, places: Tensor) -> Noised:
        """Mix noise into latents; `places` (batch,) in [0, 1) is how far along the noise schedule, 1 = pure noise."""

    def times(self, places: Tensor) -> Tensor:
        """The scheduler's steps for `places`."""

    def weights(self) -> Mapping[str, int]:
        """How many numbers each part has."""

    def save_memory(self, saving: Saving) -> None:
        """Save memory in these ways from now on, and in no others. But for tiles, answers change by rounding alone."""

    def drawing_bytes(self, size: Size, *, tiles: bool = False, batch: int = 1) -> int:
        """About how many bytes of the device `batch` pictures at a time take at the most beside the weights; see
        `Saving.tiles`."""

    def forget(self) -> None:
        """Give back what is kept between portraits beside the weights; the next one makes it anew."""

    def slots(self) -> Slots:
        """Every place where a LoRA layer can sit, by kohya name."""

    def attach(self, *, rank: int, alpha: float, text: bool, seed: Seed, layers: Layers = "all") -> Trainable:
        """Put fresh LoRA layers on the family's targets; the model's answers stay the same until they are trained.

        `layers` says on which of the denoiser: all, or only those of attention."""

    def attached(self, tensors: Sequence[Tensor] | None = None) -> Lora:
        """A copy of the attached LoRA; with `tensors` (in the order of `Trainable.all`) in place of its weights."""

    def resting(self) -> AbstractContextManager[None]:
        """Within: the attached LoRA layers do nothing, the model answers like the bare base."""

    def detach(self) -> None:
        """Take the LoRA layers off; the base's weights are bit for bit what they were."""

    def applied(self, loras: Sequence[tuple[Lora, float]]) -> AbstractContextManager[None]:
        """Within: LoRAs times their strengths are added to the weights; afterwards these are bit for bit as before."""
