"""How many bytes a base takes: its weights, from the heads of its files; a picture, from its networks' widths.

Loads nothing and computes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portraitist.types import Size

_PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
_AUTOENCODER = ("first_stage_model.", "vae.")
_FULL = 4
"""Bytes of a number of the autoencoder, which stays in float32."""

_TILE_SEEN = 48
"""Bytes that remain for each pixel of a picture where the autoencoder works in tiles: the picture, in a few copies."""


@dataclass(frozen=True)
class Widths:
    """Channels of a U-Net and of its autoencoder where they are at their finest, and of the autoencoder one step
    below, which its decoder still has at full size; `scale`: pixels for each latent."""

    unet: int
    vae: int
    below: int
    scale: int


@dataclass(frozen=True)
class Overhead:
    """What a device takes beside the values: libraries' own workspace in bytes, and a share that is lost in gaps."""

    work: int
    spare: float
    both: bool


CUDA = Overhead(work=650_000_000, spare=0.14, both=True)
"""Derived, not measured on portraits: `work` and `spare` are the most that trainings of both families showed, rounded
(benchmarks/results/memory.json). `both`: a recorded denoiser keeps its memory while the autoencoder works."""

PROCESSOR = Overhead(work=150_000_000, spare=0.6, both=False)
"""Assumed: on a processor convolutions copy values into an order of memory of their own and back."""


def drawing_bytes(
    widths: Widths, size: Size, *, itemsize: int, tile: int | None, overhead: Overhead, batch: int = 1
) -> int:
    """Bytes that `batch` pictures of `size`, denoised together and decoded one by one, take at most beside the weights,
    with guidance; `tile` is the side in pixels of what the autoencoder works on, None the whole.

    The factors are the most live values at a time, counted operation by operation for SD 1.5, SDXL and mini
    (`benchmarks/portrait_memory.py --derive`) with attention that never holds its matrix: 26 times the finest width of
    the U-Net for each of two latents, 3 times the wide and 5 times the fine width of the autoencoder (float32).
    """
    pixels = size.width * size.height
    denoising = 2 * batch * itemsize * 26 * widths.unet * pixels / widths.scale**2
    each = _FULL * max(3 * widths.below, 5 * widths.vae + 3)
    coding = pixels * each
    if tile is not None:
        coding = min(size.width, tile) * min(size.height, tile) * each + pixels * _TILE_SEEN
    live = denoising + coding if overhead.both else max(denoising, coding)
    return round(live * (1 + overhead.spare)) + overhead.work


def weight_bytes(place: Path, itemsize: int) -> int:
    """Bytes of the weights of the base at `place` (a folder in diffusers' layout or a single file), whose networks but
    for the autoencoder have numbers of `itemsize` bytes. What cannot be read counts as nothing: loading will say so."""
    if not place.is_dir():
        return sum(
            numbers * (_FULL if name.startswith(_AUTOENCODER) else itemsize) for name, numbers in _tensors(place)
        )
    total = 0
    for part in _PARTS:
        size = _FULL if part == "vae" else itemsize
        total += size * sum(numbers for file in _files(place / part) for _, numbers in _tensors(file))
    return total


def _files(folder: Path) -> list[Path]:
    """The files of a part, of one of its variants where it has several."""
    found = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    plain = [file for file in found if ".fp16." not in file.name]
    return plain or found


def _tensors(file: Path) -> Iterator[tuple[str, int]]:
    """(name, how many numbers) of each tensor of a safetensors file: eight bytes say how long its head of JSON is."""
    for name, tensor in _head(file).items():
        if isinstance(tensor, Mapping) and "shape" in tensor:
            yield name, math.prod(tensor["shape"])


def _head(file: Path) -> Mapping[str, Any]:
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > file.stat().st_size:
                return {}
            head = json.loads(stream.read(length))
    except (OSError, ValueError):
        return {}
    return head if isinstance(head, dict) else {}
