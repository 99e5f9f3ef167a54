"""What all steps of a training see, laid on the device before the first: a step then only says its number.

Between two steps of a fast device there is no time to cut, encode, tokenize and copy. So the tape holds the latents of
all variants, the tokens of all captions (or what the text encoder answers to them, where it rests) and, for each step,
which of them it takes. Only the noise is drawn on the way, on the device, from (seed, number of the step). Knows no
loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from portraitist.families.base import Condition, Model
from portraitist.training.dataset import Draw, Example, draw
from portraitist.training.job import TrainingJob
from portraitist.types import Seed, derive_seed

_MOST_TOLD = 512
"""Of more captions than this (shuffled tags make many) the answers are not kept: they would take gigabytes."""

_ENCODE_AT_ONCE = 16


@dataclass(frozen=True)
class Kind:
    """What steps must share to be computed alike: the number of their pictures' size, and whether they are prior."""

    size: int
    prior: bool


@dataclass(frozen=True)
class Table:
    """The variants of all photos of one size: latents (rows, channels, height, width), and weights of the loss
    (rows, 1, height, width) with mean 1, or None for a flat loss."""

    latents: Tensor
    weights: Tensor | None


@dataclass(frozen=True)
class Batch:
    """What one step trains on. `places` (batch,) in [0, 1) say how much noise. `told` is what the text encoder says to
    the captions where it rests, else None: then `tokens` (batch, tokens) are to be encoded."""

    latents: Tensor
    weights: Tensor | None
    noise: Tensor
    places: Tensor
    tokens: Tensor
    told: Condition | None
    prior: bool


@dataclass(frozen=True)
class Tape:
    """`kinds` has one entry a step; `rows` and `captions` (steps, batch) int64 and `places` (steps, batch) float32 say
    what each takes out of its size's table and out of the captions."""

    tables: tuple[Table, ...]
    tokens: Tensor
    told: Condition | None
    kinds: tuple[Kind, ...]
    rows: Tensor
    captions: Tensor
    places: Tensor
    seed: Seed
    noise_offset: float

    def empty_noise(self, kind: Kind) -> Tensor:
        """Room for the noise of a step, on the device."""
        latents = self.tables[kind.size].latents
        return torch.empty((self.rows.shape[1], *latents.shape[1:]), dtype=torch.float32, device=latents.device)

    def fill(self, noise: Tensor, step: int, generator: torch.Generator) -> None:
        """Draw the noise of a step into `noise`; `generator` is on its device."""
        generator.manual_seed(derive_seed(self.seed, "noise", step))
        noise.normal_(generator=generator)
        if self.noise_offset:
            shift = torch.empty((*noise.shape[:2], 1, 1), device=noise.device).normal_(generator=generator)
            noise.add_(shift, alpha=self.noise_offset)

    def batch(self, kind: Kind, step: Tensor, noise: Tensor) -> Batch:
        """The batch of a step of this kind; `step` is its number as int64 (1,) on the device, so that nothing waits."""
        table = self.tables[kind.size]
        rows, captions = (table_.index_select(0, step)[0] for table_ in (self.rows, self.captions))
        return Batch(
            table.latents.index_select(0, rows),
            None if table.weights is None else table.weights.index_select(0, rows),
            noise,
            self.places.index_select(0, step)[0],
            self.tokens.index_select(0, captions),
            None if self.told is None else self.told.rows(captions),
            kind.prior,
        )


def record(examples: Sequence[Example], job: TrainingJob, model: Model, steps: int, *, text: bool) -> Tape:
    """The tape of a training of `steps` steps; `text` says whether the text encoder is trained."""
    draws = [draw(examples, job, step) for step in range(steps)]
    device = model.device.device
    sizes = list(dict.fromkeys(tuple(example.latents.shape[1:]) for example in examples))
    size_of = [sizes.index(tuple(example.latents.shape[1:])) for example in examples]
    texts = list(dict.fromkeys(caption for drawn in draws for caption in drawn.captions))
    number = {caption: i for i, caption in enumerate(texts)}
    tokens = model.tokenize(texts)
    first = _first_rows(examples, size_of)
    return Tape(
        tables=tuple(_table(examples, size_of, size) for size in range(len(sizes))),
        tokens=tokens,
        told=None if text or len(texts) > _MOST_TOLD else _encode(model, tokens),
        kinds=tuple(Kind(size_of[drawn.photos[0]], drawn.prior) for drawn in draws),
        rows=torch.tensor([_rows(drawn, first) for drawn in draws]).to(device),
        captions=torch.tensor([[number[caption] for caption in drawn.captions] for drawn in draws]).to(device),
        places=torch.tensor([drawn.places for drawn in draws], dtype=torch.float32).to(device),
        seed=job.seed,
        noise_offset=job.recipe.noise_offset,
    )


def _first_rows(examples: Sequence[Example], size_of: Sequence[int]) -> list[int]:
    """Where each photo's variants begin in the table of its size."""
    filled: dict[int, int] = {}
    first = []
    for example, size in zip(examples, size_of, strict=True):
        first.append(filled.get(size, 0))
        filled[size] = first[-1] + len(example.latents)
    return first


def _rows(drawn: Draw, first: Sequence[int]) -> list[int]:
    return [first[photo] + variant for photo, variant in zip(drawn.photos, drawn.variants, strict=True)]


def _table(examples: Sequence[Example], size_of: Sequence[int], size: int) -> Table:
    own = [example for example, its in zip(examples, size_of, strict=True) if its == size]
    weights = [example.weights for example in own if example.weights is not None]
    return Table(torch.cat([example.latents for example in own]), torch.cat(weights) if weights else None)


def _encode(model: Model, tokens: Tensor) -> Condition:
    with torch.no_grad():
        parts = [model.condition(rows, clip_skip=model.base.clip_skip) for rows in tokens.split(_ENCODE_AT_ONCE)]
    extra = {name: torch.cat([part.extra[name] for part in parts]) for name in parts[0].extra}
    return Condition(torch.cat([part.states for part in parts]), extra)
