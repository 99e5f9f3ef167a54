"""How fast portraits are drawn at full size on a GPU, against the plain diffusers pipeline, in one run.

    python benchmarks/portrait_speed.py --out benchmarks/results/portrait_speed.json

The networks have the published sizes and random weights: the speed does not depend on them. One picture a request, from
words to pixels, both sides in bf16, with the same sampler, steps, guidance and size; the median of warm requests. What
the first request of a shape takes (the recording of the graph is part of it) stands apart. Then two sitters take turns
on the same base: what a request with the other one's likeness, read from its file, takes beyond one with the same.
Last, several pictures at a time: seconds for each.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import Row, bar, note
from benchmarks.full_size import config, make_model, make_networks, second_encoder
from benchmarks.lora_networks import CLIP_LAYERS
from portraitist.generation.generate import generate
from portraitist.generation.samplers import build
from portraitist.lora.formats import Lora, LoraLayer, Slots, read, write
from portraitist.requests import PortraitRequest

SEED, RANK, CFG, SAMPLER = 42, 32, 7.0, "DPM++ 2M Karras"
LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", *CLIP_LAYERS)
PROMPT, NEGATIVE = "ohwx woman, smile, red shirt, outdoors, photo", "hat, glasses"


@dataclass(frozen=True)
class Case:
    """A family's request and its bar, as times as fast."""

    name: str
    xl: bool
    size: tuple[int, int]
    steps: int
    bar: float


CASES = (Case("SD 1.5", False, (512, 768), 20, 1.7), Case("SDXL", True, (1024, 1024), 30, 1.3))
OVERHEAD = 1.0  # seconds: the bar for another sitter
BATCHES, FEW = (2, 4, 8), 3  # pictures at a time, and how many requests tell their pace


def main() -> None:
    given = common.options(__doc__, count=10, of="requests of each measurement", seed=SEED).parse_args()
    if not torch.cuda.is_available():
        sys.exit("This benchmark needs a CUDA device.")
    rows: list[Row] = []
    for case in CASES:
        rows += measure(case, given)
    common.finish("portrait_speed", given, rows, common.describe_machine("cuda"))


def measure(case: Case, given: argparse.Namespace) -> Iterator[Row]:
    """Both sides of one family, one after the other, and the change of sitters."""
    first, plain = time_plain(case, given.count)
    yield note(f"{case.name}: plain pipeline, first request", first, "s", digits=2)
    yield note(f"{case.name}: plain pipeline, warm", plain, "s", digits=3)
    clean()
    first, ours, other, each = time_ours(case, given.count)
    yield note(f"{case.name}: ours, first request, recording included", first, "s", digits=2)
    yield note(f"{case.name}: ours, warm", ours, "s", digits=3)
    yield bar(f"{case.name}: times as fast", plain / ours, case.bar, digits=2)
    beyond = f"{case.name}: another sitter, beyond a request with the same"
    yield bar(beyond, other - ours, OVERHEAD, "s", digits=2, at_most=True)
    for batch, seconds in each.items():
        yield note(f"{case.name}: {batch} at a time, each, warm", seconds, "s", digits=3)
    clean()


def time_plain(case: Case, count: int) -> tuple[float, float]:
    """Seconds of the first and of a warm request."""
    pipeline, (width, height) = plain_pipeline(case.xl), case.size

    def draw() -> Any:
        return pipeline(
            PROMPT, negative_prompt=NEGATIVE, width=width, height=height, num_inference_steps=case.steps,
            guidance_scale=CFG, generator=torch.Generator().manual_seed(SEED),
        ).images  # fmt: skip

    return timed(draw, count)


def time_ours(case: Case, count: int) -> tuple[float, float, float, dict[int, float]]:
    """Seconds of the first request, of a warm one, of one whose sitter is another than before, and by the size of a
    batch of each of its pictures."""
    model = make_model(case.xl)
    request = PortraitRequest(
        "anna", prompt=PROMPT, negative=NEGATIVE, seed=SEED, size=case.size, steps=case.steps, cfg=CFG, sampler=SAMPLER,
        strength=1.0,
    )  # fmt: skip
    slots = model.slots()
    with tempfile.TemporaryDirectory() as place:
        files = [likeness(slots, Path(place) / f"{seed}.safetensors", seed) for seed in range(2)]
        anna, turns = read(files[0], slots), cycle(files)
        first, warm = timed(lambda: list(generate(request, model, anna)), count)
        _, other = timed(lambda: list(generate(request, model, read(next(turns), slots))), count)
        each = {}
        for batch in BATCHES:
            several = replace(request, count=batch, batch=batch)
            each[batch] = timed(lambda asked=several: list(generate(asked, model, anna)), min(FEW, count))[1] / batch
    return first, warm, other, each


def plain_pipeline(xl: bool) -> Any:
    """diffusers' own pipeline in bf16, as its documentation loads it."""
    import diffusers

    made = make_networks(xl, torch.bfloat16)
    parts = {
        "unet": made.unet, "vae": made.vae.to(torch.bfloat16), "text_encoder": made.text_encoder,
        "tokenizer": made.tokenizer, "scheduler": build(SAMPLER, config("sdxl" if xl else "sd15", "scheduler")),
    }  # fmt: skip
    if xl:
        second = second_encoder(torch.bfloat16)
        pipeline = diffusers.StableDiffusionXLPipeline(**parts, text_encoder_2=second, tokenizer_2=made.tokenizer)
    else:
        pipeline = diffusers.StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def likeness(slots: Slots, file: Path, seed: int) -> Path:
    """A likeness of the layers that a training has, with random numbers."""
    chance = torch.Generator().manual_seed(seed)
    layers = {}
    for name, slot in slots.items():
        if slot.path.endswith(LAYERS):
            outputs, inputs = slot.shape[:2]
            down, up = torch.randn((RANK, inputs), generator=chance), torch.randn((outputs, RANK), generator=chance)
            layers[name] = LoraLayer(0.01 * down, 0.01 * up, float(RANK))
    return write(file, Lora(layers), slots)


def clean() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def timed(act: Callable[[], Any], count: int) -> tuple[float, float]:
    """(seconds of the first call, median seconds of `count` later ones), each until the device is done."""
    seconds = []
    for _ in range(count + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        act()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[0], statistics.median(seconds[1:])


if __name__ == "__main__":
    common.run(main)
