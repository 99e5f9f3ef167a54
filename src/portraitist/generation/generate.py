"""From a request to portraits: noise by seed, the sampler's steps with guidance, the autoencoder.

Pictures are denoised in batches of exactly the request's size, the last one filled up, each with chance of its own: so
the pixels of one depend on its seed and the request alone, not on its place and not on how many there are. Another size
may run other kernels and round differently. They are decoded one by one. Knows no style and no sitter's folder; the
LoRA is given. Guidance: Ho & Salimans (arXiv:2207.12598).
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from portraitist.devices import empty_cache
from portraitist.errors import BadRequest, UnknownName
from portraitist.families.base import Condition, Model, Saving
from portraitist.families.memory import enough_memory
from portraitist.generation.hires import LANCZOS, LATENT, UPSCALERS, Pass, filled, plan
from portraitist.generation.portrait import Portrait
from portraitist.generation.prompts import clean, parse
from portraitist.generation.room import at_once
from portraitist.generation.samplers import build, webui_names
from portraitist.images import resize
from portraitist.lora.formats import Lora
from portraitist.requests import PortraitRequest
from portraitist.types import MAX_SEED, OnStep, Picture, Seed, Size, Step, derive_seed, no_progress

MAX_STEPS = 150
MAX_SIDE = 2048
MAX_BATCH = 32


@dataclass(frozen=True)
class GenerationStep(Step):
    """The `Step` that `on_step` hears: `done` of `total` sampler steps over all pictures.

    `seconds_left` is None until enough steps ran to say it honestly.
    """

    seconds_left: float | None = None


def picture_seeds(request: PortraitRequest) -> tuple[Seed, ...]:
    """The seed of each picture: the request's own for the first, the others' derived from it and their place."""
    return tuple(request.seed if i == 0 else derive_seed(request.seed, "picture", i) for i in range(request.count))


def complete(request: PortraitRequest, model: Model) -> PortraitRequest:
    """The request with the base's own numbers where it has None. Raises BadRequest or UnknownName for a bad value."""
    base = model.base
    for text in (request.prompt, request.negative):
        parse(text or "")  # as it was written, so that columns are right
    full = replace(
        request,
        prompt=clean(request.prompt or ""),
        negative=clean(base.negative if request.negative is None else request.negative),
        size=request.size or base.size,
        sampler=request.sampler or base.sampler,
        steps=base.steps if request.steps is None else request.steps,
        cfg=base.cfg if request.cfg is None else request.cfg,
        clip_skip=base.clip_skip if request.clip_skip is None else request.clip_skip,
        strength=1.0 if request.strength is None else request.strength,
        tiles=bool(request.tiles),
        batch=at_once(request),
        base=base.name,
        base_version=base.version,
    )
    _check(full, model)
    full = filled(full if model.device.batches else replace(full, batch=1))
    plan(full, model.multiple)
    return full


@torch.no_grad()
def generate(
    request: PortraitRequest,
    model: Model,
    lora: Lora | None = None,
    on_step: OnStep = no_progress,
    *,
    others: Sequence[tuple[Lora, float]] = (),
    enlarge: Callable[[Picture, Size], Picture] | None = None,
) -> Generator[Portrait, None, None]:
    """Yield the request's portraits one by one. `lora` is the sitter's likeness, None the bare base; `others` are
    added with their strengths; `enlarge` is the network that the request names as its upscaler.

    The base has the LoRAs in its weights until the generator ends or is closed.

    What the request leaves open comes from the base (see `complete`). Raises BadRequest or UnknownName before the first
    picture, UnfitModel if the LoRA is of another family, OutOfMemory; `on_step` cancels by raising Cancelled.
    """
    full = complete(request, model)
    seeds = picture_seeds(full)
    loras = [*([(lora, full.strength or 0.0)] if lora is not None else []), *others]
    passes = plan(full, model.multiple)
    if any(one.upscaler not in (None, *UPSCALERS) for one in passes) and enlarge is None:
        raise UnknownName("upscaler", full.hires_upscaler or "", UPSCALERS)
    looks = sum(len(_schedule(full, model, one, (0,))[1]) for one in passes)
    clock = _Clock(on_step, len(seeds) * looks)
    with enough_memory("the portrait"), _in_tiles(model, bool(full.tiles)), model.applied(loras):
        condition = _condition(full, model)
        for wanted, batch in _batches(seeds, at_once(full)):
            clock.at_once = len(wanted)
            latents = _begin(full, model, condition, passes[0], batch, clock)
            for one in passes[1:]:
                latents = _again(latents, full, model, condition, one, batch, clock, enlarge)
            for seed, latent in zip(wanted, latents.split(1), strict=False):
                pixels, tiles = _decoded(latent, model, request.tiles)
                yield Portrait(pixels, seed, replace(full, count=1, seed=seed, tiles=tiles))


def _batches(seeds: Sequence[Seed], size: int) -> Iterator[tuple[Sequence[Seed], Sequence[Seed]]]:
    """(the seeds that are wanted, the batch of exactly `size` in which they are computed), one after the other."""
    for first in range(0, len(seeds), size):
        wanted = seeds[first : first + size]
        yield wanted, (*wanted, *[wanted[-1]] * (size - len(wanted)))


def _condition(request: PortraitRequest, model: Model) -> Condition:
    """The prompt, or with guidance the negative and the prompt, padded to the same length; for each of a batch."""
    texts = [request.prompt or ""] if _plain(request) else [request.negative or "", request.prompt or ""]
    told = model.told([parse(text) for text in texts], clip_skip=request.clip_skip or 1)
    if at_once(request) == 1:
        return told
    return told.rows(torch.arange(len(texts), device=told.states.device).repeat_interleave(at_once(request)))


def _begin(
    request: PortraitRequest, model: Model, condition: Condition, one: Pass, seeds: Sequence[Seed], clock: "_Clock"
) -> Tensor:
    """Latents of the first pass, from pure noise."""
    scheduler, moments = _schedule(request, model, one, seeds)
    chances = _chances(seeds)
    latents = _noise(model.latent_shape(one.size.width, one.size.height), chances).to(model.device.device)
    return _sample(latents * scheduler.init_noise_sigma, scheduler, moments, request, model, condition, chances, clock)


def _again(
    latents: Tensor, request: PortraitRequest, model: Model, condition: Condition, one: Pass, seeds: Sequence[Seed],
    clock: "_Clock", enlarge: Callable[[Picture, Size], Picture] | None,
) -> Tensor:  # fmt: skip
    """Latents of a later pass: those of the one before, enlarged, with noise up to where the schedule is entered."""
    scheduler, moments = _schedule(request, model, one, seeds)
    latents = _enlarged(latents, one, model, enlarge)
    chances = _chances([derive_seed(seed, "hires") for seed in seeds])
    latents = scheduler.add_noise(latents, _noise(tuple(latents.shape[1:]), chances).to(latents.device), moments[:1])
    return _sample(latents, scheduler, moments, request, model, condition, chances, clock)


def _chances(seeds: Sequence[Seed]) -> list[torch.Generator]:
    """A generator for each picture, on the processor: the same noise whatever the device."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _noise(shape: Sequence[int], chances: Sequence[torch.Generator]) -> Tensor:
    return torch.cat([torch.randn((1, *shape), generator=chance) for chance in chances])


def _enlarged(latents: Tensor, one: Pass, model: Model, enlarge: Callable[[Picture, Size], Picture] | None) -> Tensor:
    """Latents for the size of a pass, of the size of the pass before."""
    if one.upscaler == LATENT:
        _, height, width = model.latent_shape(one.size.width, one.size.height)
        return torch.nn.functional.interpolate(latents, (height, width), mode="bilinear")
    grow = resize if one.upscaler == LANCZOS or enlarge is None else enlarge
    each = latents.split(1)  # decoded and encoded one by one, as always
    return torch.cat([model.encode([grow(model.decode(latent)[0], one.size)]) for latent in each])


def _sample(
    latents: Tensor, scheduler: Any, moments: Tensor, request: PortraitRequest, model: Model, condition: Condition,
    chances: list[torch.Generator], clock: "_Clock",
) -> Tensor:  # fmt: skip
    """The sampler's steps."""
    copies = 1 if _plain(request) else 2
    for moment in moments:
        scaled = scheduler.scale_model_input(latents, moment)
        answer = model.answer(scaled.repeat(copies, 1, 1, 1), moment.repeat(copies * len(latents)), condition)
        if copies == 2:
            without, told = answer.chunk(2)
            answer = without + (request.cfg or 0.0) * (told - without)
        latents = _step(scheduler, answer, moment, latents, chances)
        clock.tick()
    return latents


@contextmanager
def _in_tiles(model: Model, wanted: bool) -> Iterator[None]:
    """Within: the autoencoder works in tiles, where that is wanted."""
    if not wanted:
        yield
        return
    model.save_memory(Saving(tiles=True))
    try:
        yield
    finally:
        model.save_memory(Saving())


def _decoded(latents: Tensor, model: Model, tiles: bool | None) -> tuple[Picture, bool]:
    """The picture, and whether it was decoded in tiles: where memory runs out and nobody has decided, it is."""
    try:
        return model.decode(latents)[0], bool(tiles)
    except torch.OutOfMemoryError:
        if tiles is not None:
            raise
    model.forget()
    empty_cache()
    with _in_tiles(model, True):
        return model.decode(latents)[0], True


def _schedule(request: PortraitRequest, model: Model, one: Pass, seeds: Sequence[Seed]) -> tuple[Any, Tensor]:
    """A scheduler for a pass of a batch, and the moments that it goes through."""
    scheduler = build(request.sampler or "", model.scheduler_config, seeds=seeds)
    trained_for = scheduler.config.get("original_inference_steps")  # LCM's, of which it takes each n-th
    if trained_for is not None and one.of > trained_for:
        scheduler.register_to_config(original_inference_steps=one.of)
    scheduler.set_timesteps(one.of, device=model.device.device)
    skipped = (one.of - one.steps) * scheduler.order
    if hasattr(scheduler, "set_begin_index"):  # a schedule may begin with the same moment twice, so never by its value
        scheduler.set_begin_index(skipped)
    return scheduler, scheduler.timesteps[skipped:]


def _step(scheduler: Any, answer: Tensor, moment: Tensor, latents: Tensor, chances: list[torch.Generator]) -> Tensor:
    """One step of the scheduler; those that add noise take it from each picture's own generator."""
    if "generator" in scheduler.step.__code__.co_varnames[: scheduler.step.__code__.co_argcount]:
        return torch.as_tensor(scheduler.step(answer, moment, latents, generator=chances, return_dict=False)[0])
    return torch.as_tensor(scheduler.step(answer, moment, latents, return_dict=False)[0])


def _plain(request: PortraitRequest) -> bool:
    """Whether guidance would change nothing."""
    return request.cfg == 1.0


def _check(request: PortraitRequest, model: Model) -> None:
    """`request` is complete; its numbers must make sense."""
    webui_names(request.sampler or "")
    width, height = request.size or (0, 0)
    if max(width, height) > MAX_SIDE:
        raise BadRequest(f"The size {width}x{height} is too large: at most {MAX_SIDE} pixels a side.")
    model.latent_shape(width, height)
    limits = (
        ("count", request.count, 1, 1000),
        ("steps", request.steps, 1, MAX_STEPS),
        ("cfg", request.cfg, 0, 30),
        ("strength", request.strength, -2, 2),
        ("clip_skip", request.clip_skip, 1, 12),
        ("seed", request.seed, 0, MAX_SEED),
        ("hires_steps", request.hires_steps or 1, 1, MAX_STEPS),
        ("batch", at_once(request), 1, MAX_BATCH),
    )
    for name, value, low, high in limits:
        if value is None or not low <= value <= high:
            raise BadRequest(f"{name} is {value}; it must be between {low} and {high}.")


class _Clock:
    """Counts the steps of pictures, `at_once` at a time, for `on_step`, and says how long the rest takes at the pace so
    far."""

    def __init__(self, on_step: OnStep, total: int) -> None:
        self.at_once = 1
        self._on_step, self._total, self._done, self._start = on_step, total, 0, time.monotonic()

    def tick(self) -> None:
        self._done += self.at_once
        pace = (time.monotonic() - self._start) / self._done
        left = pace * (self._total - self._done) if self._done >= 3 else None
        self._on_step(GenerationStep("portrait", self._done, self._total, seconds_left=left))
