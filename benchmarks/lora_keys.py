"""How many layers of our LoRA files other programs apply, and with the right strength, at full size.

    python benchmarks/lora_keys.py --out benchmarks/results/lora_keys.json

A LoRA on every linear layer and convolution of SD 1.5 and SDXL (text encoders too), random, alpha half the rank, is
written by `portraitist.lora` in each dialect and read by the rules of AUTOMATIC1111's WebUI 1.10.1 and of ComfyUI
(`lora_rules.py`). A layer is applied if it lands on its own module, and right if what is added there is what was meant.
The bars are for what `portraitist train` writes. No weights are needed: the networks are shapes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import lora_rules
from benchmarks.common import Row, describe_machine, finish, options, run
from benchmarks.lora_networks import Network, sd15, sdxl
from portraitist.lora.formats import DIALECTS, Lora, LoraLayer, read_tensors, write
from portraitist.lora.names import with_text_model

SEED = 42
PROGRAMS = {"webui": lora_rules.webui, "comfyui": lora_rules.comfyui}
BARS = {"sd15": 354, "sdxl": 1058}


def main() -> None:
    given = options(__doc__, count=2, of="ranks in each layer", seed=SEED).parse_args()
    torch.set_num_threads(1)  # so that the seconds are those of one core
    with tempfile.TemporaryDirectory() as place:
        rows = [*measure("sd15", sd15(), given.count, given.seed, Path(place))]
        rows += measure("sdxl", sdxl(), given.count, given.seed, Path(place))
        rows += measure("sdxl", sdxl(sgm=False), given.count, given.seed, Path(place), named="kohya, diffusers blocks")
    finish("lora_keys", given, rows, describe_machine())


def measure(
    family: str, network: Network, rank: int, seed: int, place: Path, *, named: str | None = None
) -> Iterator[Row]:
    """A row for each dialect and program; with `named` only kohya's, under that name and without a bar."""
    lora = random_lora(network, rank, seed)
    for dialect in DIALECTS if named is None else DIALECTS[:1]:
        start = time.thread_time()
        path = write(place / f"{family}.safetensors", lora, network.slots, dialect=dialect)
        seconds = time.thread_time() - start
        tensors, _ = read_tensors(path)
        for program, rules in PROGRAMS.items():
            applied, right = count(lora, network, rules(tensors, network.native, network.layers))
            bar = BARS[family] if dialect == "kohya" and named is None else None
            yield {
                "family": family,
                "dialect": named or dialect,
                "program": program,
                "modules": len(lora.layers),
                "applied": applied,
                "right": right,
                "bar": bar,
                "kept": None if bar is None else applied == right == len(lora.layers) == bar,
                "write and prove, CPU s": round(seconds, 2),
            }


def random_lora(network: Network, rank: int, seed: int) -> Lora:
    """Normal numbers in every slot, alpha half the rank, so that a forgotten alpha shows."""
    chance = torch.Generator().manual_seed(seed)
    layers = {}
    for name, slot in sorted(network.slots.items()):
        down = torch.randn((rank, *slot.shape[1:]), generator=chance)
        up = torch.randn((slot.shape[0], rank, *(1,) * (len(slot.shape) - 2)), generator=chance)
        layers[name] = LoraLayer(down, up * 0.05, rank / 2)
    return Lora(layers, {})


def count(lora: Lora, network: Network, found: Mapping[lora_rules.Target, Any]) -> tuple[int, int]:
    """How many layers land on their own module, and how many of them add what was meant there."""
    applied = right = 0
    for name, layer in lora.layers.items():
        slot = network.slots[name]
        path = network.native[slot.path] if slot.part == "unet" else with_text_model(slot.path).split(".", 1)[1]
        there = found.get((slot.part, path))
        applied += there is not None
        right += there is not None and _same(layer, there)
    return applied, right


def _same(layer: LoraLayer, there: lora_rules.Found) -> bool:
    """Whether the scaled matrices are equal but for float16, and with them their product, which is what is added."""
    scale = layer.alpha / layer.rank
    pairs = ((scale * layer.up, there.factor * there.up.float()), (layer.down, there.down.float()))
    return all(a.shape == b.shape and torch.allclose(a, b, rtol=2e-3, atol=1e-6) for a, b in pairs)


if __name__ == "__main__":
    run(main)
