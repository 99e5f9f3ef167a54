"""What all steps of a training see, laid on the device before the first: a step then only says its number.

Between two steps of a fast device there is no time to cut, encode, tokenize and copy. So the tape holds the latents of
all variants, the tokens of all captions (or what the text encoder answers to them, where it rests) and, for each step,
which of them it takes. Only the noise is drawn on the way, on the device, from (seed, number of the step). Knows no
loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from portraitist.families.base import Condition, Model
from portraitist.training.dataset import Draw, Example, draw, draw_class
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
    (rows, 1, height, width), or None for a flat loss; `held` are weights against the bare base's answer, or None."""

    latents: Tensor
    weights: Tensor | None = None
    held: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """What one step trains on. `places` (batch,) in [0, 1) say how much noise. `told` is what the text encoder says to
    the captions where it rests, else None: then `tokens` (batch, tokens) are to be encoded. `prior` asks for the bare
    base's answers; `beside` are further batches whose loss is added, with its weight."""

    latents: Tensor
    weights: Tensor | None
    held: Tensor | None
    noise: Tensor
    places: Tensor
    tokens: Tensor
    told: Condition | None
    prior: bool
    beside: tuple[tuple[float, "Batch"], ...] = ()


@dataclass(frozen=True)
class Lane:
    """What each step takes: `rows` and `captions` (steps, batch) int64 out of a table and out of the captions, and
    `places` (steps, batch) float32."""

    rows: Tensor
    captions: Tensor
    places: Tensor


@dataclass(frozen=True)
class Tape:
    """`kinds` has one entry a step; `lane` says what each takes out of its size's table. Where steps also hold the
    class word to the base, `unnamed` (steps, batch) int64 are their captions for that; where they look at class
    pictures, `classes` are these and what is taken of them."""

    tables: tuple[Table, ...]
    tokens: Tensor
    told: Condition | None
    kinds: tuple[Kind, ...]
    lane: Lane
    seed: Seed
    noise_offset: float
    unnamed: Tensor | None = None
    prior_weight: float = 0.0
    classes: tuple[Table, Lane] | None = None
    class_weight: float = 0.0

    def empty_noise(self, kind: Kind) -> tuple[Tensor, ...]:
        """Room for the noise of a step, on the device: of the photos and, if there are any, of the class pictures."""
        pairs = [(self.tables[kind.size], self.lane), *([self.classes] if self.classes is not None else [])]
        return tuple(
            torch.empty((lane.rows.shape[1], *table.latents.shape[1:]), device=table.latents.device)
            for table, lane in pairs
        )

    def fill(self, noises: tuple[Tensor, ...], step: int, generator: torch.Generator) -> None:
        """Draw the noise of a step into `noises`; `generator` is on its device."""
        generator.manual_seed(derive_seed(self.seed, "noise", step))
        for noise in noises:
            noise.normal_(generator=generator)
            if self.noise_offset:
                shift = torch.empty((*noise.shape[:2], 1, 1), device=noise.device).normal_(generator=generator)
                noise.add_(shift, alpha=self.noise_offset)

    def batch(self, kind: Kind, step: Tensor, noises: tuple[Tensor, ...]) -> Batch:
        """The batch of a step of this kind; `step` is its number as int64 (1,) on the device, so that nothing waits."""
        own = self._take(self.tables[kind.size], self.lane, step, noises[0], prior=kind.prior)
        beside = []
        if self.unnamed is not None and not kind.prior:
            tokens, told = self._say(self.unnamed.index_select(0, step)[0])
            beside.append((self.prior_weight, replace(own, tokens=tokens, told=told, prior=True)))
        if self.classes is not None:
            table, lane = self.classes
            beside.append((self.class_weight, self._take(table, lane, step, noises[1], prior=False)))
        return replace(own, beside=tuple(beside))

    def _take(self, table: Table, lane: Lane, step: Tensor, noise: Tensor, *, prior: bool) -> Batch:
        rows, captions, places = (values.index_select(0, step)[0] for values in (lane.rows, lane.captions, lane.places))
        latents, weights, held = (
            None if values is None else values.index_select(0, rows)
            for values in (table.latents, table.weights, table.held)
        )
        assert latents is not None
        return Batch(latents, weights, held, noise, places, *self._say(captions), prior)

    def _say(self, captions: Tensor) -> tuple[Tensor, Condition | None]:
        return self.tokens.index_select(0, captions), None if self.told is None else self.told.rows(captions)


def record(
    examples: Sequence[Example],
    job: TrainingJob,
    model: Model,
    steps: int,
    *,
    text: bool,
    classes: Tensor | None = None,
) -> Tape:
    """The tape of a training of `steps` steps; `text` says whether the text encoder is trained, `classes` are the
    latents of class pictures."""
    recipe = job.recipe
    draws = [draw(examples, job, step) for step in range(steps)]
    sizes = list(dict.fromkeys(tuple(example.latents.shape[1:]) for example in examples))
    size_of = [sizes.index(tuple(example.latents.shape[1:])) for example in examples]
    said = [caption for drawn in draws for caption in drawn.captions]
    said += [caption for drawn in draws for caption in drawn.unnamed if recipe.prior_weight]
    texts = list(dict.fromkeys([*said, *([class_caption(job)] if classes is not None else [])]))
    number = {caption: i for i, caption in enumerate(texts)}
    tokens = _tokenize(model, texts, recipe.tokens)
    first, skip = _first_rows(examples, size_of), recipe.clip_skip or model.base.clip_skip
    lane = _lane(
        model,
        [_rows(drawn, first) for drawn in draws],
        [[number[caption] for caption in drawn.captions] for drawn in draws],
        [drawn.places for drawn in draws],
    )
    unnamed = [[number[caption] for caption in drawn.unnamed] for drawn in draws] if recipe.prior_weight else None
    return Tape(
        tables=tuple(_table(examples, size_of, size) for size in range(len(sizes))),
        tokens=tokens,
        told=None if text or len(texts) > _MOST_TOLD else _encode(model, tokens, skip),
        kinds=tuple(Kind(size_of[drawn.photos[0]], drawn.prior) for drawn in draws),
        lane=lane,
        seed=job.seed,
        noise_offset=recipe.noise_offset,
        unnamed=None if unnamed is None else torch.tensor(unnamed).to(model.device.device),
        prior_weight=recipe.prior_weight,
        classes=None if classes is None else _classes(classes, job, model, steps, number[class_caption(job)]),
        class_weight=recipe.class_weight,
    )


def class_caption(job: TrainingJob) -> str:
    """What is said of the class pictures, and what the base is asked for to draw them."""
    return job.recipe.class_prompt.replace("{class}", job.class_word)


def _classes(latents: Tensor, job: TrainingJob, model: Model, steps: int, caption: int) -> tuple[Table, Lane]:
    drawn = [draw_class(len(latents), job, step) for step in range(steps)]
    rows, places = [rows for rows, _ in drawn], [places for _, places in drawn]
    return Table(latents), _lane(model, rows, [[caption] * len(row) for row in rows], places)


def _lane(
    model: Model, rows: Sequence[Sequence[int]], captions: Sequence[Sequence[int]], places: Sequence[Sequence[float]]
) -> Lane:
    device = model.device.device
    return Lane(
        torch.tensor(rows).to(device),
        torch.tensor(captions).to(device),
        torch.tensor(places, dtype=torch.float32).to(device),
    )


def _tokenize(model: Model, texts: Sequence[str], room: int | None) -> Tensor:
    """Tokens of all captions; with `room` of 75, 150 or 225, in so many chunks of 75 and no more."""
    if room is None:
        return model.tokenize(texts)
    chunk = model.tokenize([""]).shape[1]
    return model.tokenize(texts, chunks=room // 75)[:, : chunk * (room // 75)]


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
    held = [example.held for example in own if example.held is not None]
    return Table(
        torch.cat([example.latents for example in own]),
        torch.cat(weights) if weights else None,
        torch.cat(held) if held else None,
    )


def _encode(model: Model, tokens: Tensor, clip_skip: int) -> Condition:
    with torch.no_grad():
        parts = [model.condition(rows, clip_skip=clip_skip) for rows in tokens.split(_ENCODE_AT_ONCE)]
    extra = {name: torch.cat([part.extra[name] for part in parts]) for name in parts[0].extra}
    return Condition(torch.cat([part.states for part in parts]), extra)
