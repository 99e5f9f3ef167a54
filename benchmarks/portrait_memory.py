"""What a portrait takes of a GPU's memory beside the weights, against what is estimated before it is drawn.

    python benchmarks/portrait_memory.py --out benchmarks/results/portrait_memory.json
    python benchmarks/portrait_memory.py --derive            # on any machine: where the estimate's factors come from

Networks of the full size of Stable Diffusion 1.5 and SDXL with random weights, with a likeness on them: two steps with
guidance and the autoencoder, whole and in tiles, at several sizes, and at the two smaller ones four pictures at a time.
The estimate has to cover what torch reserved, and under a cap of weights and estimate the picture has to be drawn; how
much the cap changes it is told, for convolutions that find less memory may be computed in another way. The last of four
pictures, made alone by the request that is in its PNG, has to be the same.
`--derive` runs the networks on no device at all and counts which values are alive at a time.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import Row, bar, note
from benchmarks.full_size import config, make_model
from benchmarks.portrait_speed import likeness
from portraitist.errors import OutOfMemory
from portraitist.generation.generate import complete, generate
from portraitist.generation.portrait import Portrait
from portraitist.generation.room import needed
from portraitist.lora.formats import Lora, read
from portraitist.requests import PortraitRequest

SEED, GIB, BATCH = 42, 2**30, 4
SIZES = {
    "sd15": ((512, 512), (512, 768), (1024, 1536), (2048, 2048)),
    "sdxl": ((768, 768), (1024, 1024), (1536, 1536), (2048, 2048)),
}


def main() -> None:
    parser = common.options(__doc__, count=None, of="sizes of each family", seed=SEED)
    parser.add_argument("--derive", action="store_true", help="count live values without any device")
    given = parser.parse_args()
    if given.derive:
        common.finish("portrait_memory_derived", given, [row for family in SIZES for row in derive(family)], "none")
        return
    if not torch.cuda.is_available():
        sys.exit("This benchmark needs a CUDA device.")
    rows: list[Row] = []
    for family in SIZES:
        rows += measure(family, given)
    common.finish("portrait_memory", given, rows, common.describe_machine("cuda"))


def measure(family: str, given: argparse.Namespace) -> Iterator[Row]:
    """Each size whole and in tiles: the peak, the estimate, and the same under a cap."""
    model = make_model(family == "sdxl")
    with tempfile.TemporaryDirectory() as place:
        lora = read(likeness(model.slots(), Path(place) / "a.safetensors", SEED), model.slots())
    for size in SIZES[family][: given.count]:
        for tiles, batch in ((False, 1), (True, 1), *([(False, BATCH)] if size in SIZES[family][:2] else [])):
            request = PortraitRequest(
                "anna", prompt="ohwx woman", negative="hat", seed=SEED, size=size, steps=2, cfg=7.0, sampler="Euler",
                tiles=tiles, batch=batch, count=batch,
            )  # fmt: skip
            name = f"{family}, {size[0]}x{size[1]}{', in tiles' * tiles}{f', {batch} at a time' * (batch > 1)}"
            yield from compare(name, complete(request, model), model, lora)
    del model
    clean()


def compare(name: str, request: PortraitRequest, model: Any, lora: Lora) -> Iterator[Row]:
    guess = needed(request, model, [lora])
    model.forget()
    clean()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    free = draw(request, model, lora)
    allocated, reserved = torch.cuda.max_memory_allocated() - before, torch.cuda.max_memory_reserved() - before
    yield note(f"{name}: allocated beside the weights", allocated / GIB if free else None, "GiB", digits=2)
    yield note(f"{name}: reserved beside the weights", reserved / GIB if free else None, "GiB", digits=2)
    yield note(f"{name}: estimated", guess / GIB, "GiB", digits=2)
    yield bar(f"{name}: reserved, as a share of the estimate", reserved / guess, 1.0, digits=2, at_most=True)
    model.forget()
    clean()
    with capped(before + guess):
        tight = draw(request, model, lora)
    yield bar(f"{name}: is drawn under a cap of weights and estimate", float(bool(tight)), 1, digits=0)
    if free and tight:
        unlike = [np.mean(one.pixels != other.pixels) for one, other in zip(free, tight, strict=True)]
        yield note(f"{name}: numbers of the picture that the cap changed", 100 * float(np.mean(unlike)), "%", digits=2)
    if len(free) > 1:
        alone = draw(free[-1].request, model, lora)
        same = bool(alone) and np.array_equal(alone[0].pixels, free[-1].pixels)
        yield bar(f"{name}: the last picture is the same when it is made alone", float(same), 1, digits=0)


def draw(request: PortraitRequest, model: Any, lora: Lora) -> list[Portrait]:
    """The portraits; none where the memory does not suffice."""
    try:
        made = list(generate(request, model, lora))
    except OutOfMemory:
        return []
    torch.cuda.synchronize()
    return made


@contextmanager
def capped(limit: int) -> Iterator[None]:
    """Within: torch may reserve so many bytes."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def clean() -> None:
    gc.collect()
    torch.cuda.empty_cache()


# where the factors come from


class Live(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive, and the most at a time."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.peak = self.now = 0
        self._own = {weight.untyped_storage()._cdata for weight in (*network.parameters(), *network.buffers())}
        self._holders: Counter[int] = Counter()

    def __torch_dispatch__(self, act: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = act(*args, **(kwargs or {}))
        for tensor in tree_flatten(made)[0]:
            if isinstance(tensor, torch.Tensor):
                self._hold(tensor)
        return made

    def _hold(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._own:
            return
        if not self._holders[key]:
            self.now += size
            self.peak = max(self.peak, self.now)
        self._holders[key] += 1
        weakref.finalize(tensor, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._holders[key] -= 1
        if not self._holders[key]:
            self.now -= size


def peak(network: torch.nn.Module, act: Callable[[], Any]) -> int:
    """The most bytes alive at a time during `act`, without the weights. Attention never holds its matrix."""
    live = Live(network)
    attend = patch("torch.nn.functional.scaled_dot_product_attention", lambda query, *_, **__: torch.empty_like(query))
    with attend, torch.no_grad(), live:
        act()
    return live.peak


def derive(family: str) -> Iterator[Row]:
    """Live values for each pixel of a picture, in units of the networks' finest widths."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**config(family, "unet")).to(torch.bfloat16)
        vae = AutoencoderKL(**config(family, "vae"))
        latents, picture = torch.empty(1, 4, 64, 64), torch.empty(1, 3, 512, 512)
        half = torch.empty(2, 4, 64, 64, dtype=torch.bfloat16)
        states = torch.empty(2, 77, unet.config.cross_attention_dim, dtype=torch.bfloat16)
        told = {"text_embeds": torch.empty(2, 1280).bfloat16(), "time_ids": torch.empty(2, 6).bfloat16()}
        added = {"added_cond_kwargs": told} if family == "sdxl" else {}
        times = torch.empty(2)
    pixels, fine = 512 * 512, vae.config.block_out_channels
    numbers = peak(unet, lambda: unet(half, times, states, **added)) / 2 / 2 / (64 * 64)
    yield note(f"{family}: U-Net, live numbers for a latent", numbers, digits=0)
    yield note(f"{family}: the same, of its finest width", numbers / unet.config.block_out_channels[0], digits=1)
    decoding = peak(vae, lambda: vae.decode(latents).sample) / 4 / pixels
    yield note(f"{family}: decoder, live numbers for a pixel, of its second width", decoding / fine[1], digits=2)
    encoding = peak(vae, lambda: vae.encode(picture).latent_dist.mode()) / 4 / pixels
    yield note(f"{family}: encoder, live numbers for a pixel, of its finest width", encoding / fine[0], digits=2)


if __name__ == "__main__":
    common.run(main)
