"""How many bytes a base's weights will take once they are loaded, read from the heads of its files. Loads nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
_AUTOENCODER = ("first_stage_model.", "vae.")
_FULL = 4
"""Bytes of a number of the autoencoder, which stays in float32."""


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
