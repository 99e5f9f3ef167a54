"""The self-check after a save: rounding passes in every format, anything more is a fault that names the layer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from portraitist.errors import Fault
from portraitist.lora.canonical import Lora, LoraLayer
from portraitist.lora.proof import prove

DTYPES = (torch.float16, torch.bfloat16, torch.float32)


def made(scale: float = 0.1) -> Lora:
    """A linear layer and a convolution; `scale` is of `up`, tiny at the beginning of a training."""
    chance = torch.Generator().manual_seed(0)
    shapes = {"a": ((4, 30), (20, 4)), "b": ((4, 8, 3, 3), (12, 4, 1, 1))}
    return Lora(
        {
            name: LoraLayer(torch.randn(down, generator=chance), scale * torch.randn(up, generator=chance), 3.0)
            for name, (down, up) in shapes.items()
        }
    )


def rounded(lora: Lora, dtype: torch.dtype) -> Lora:
    return Lora({k: replace(v, down=v.down.to(dtype), up=v.up.to(dtype)) for k, v in lora.layers.items()})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [0.1, 1e-6, 0.0])
def test_rounding_passes(dtype: torch.dtype, scale: float) -> None:
    lora = made(scale)
    assert 0 <= prove(lora, rounded(lora, dtype), dtype, "x") < 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_another_scale_of_the_same_delta_passes(dtype: torch.dtype) -> None:
    lora = made()
    folded = {k: LoraLayer(v.down.to(dtype), (v.up * v.alpha / 4).to(dtype), 4.0) for k, v in lora.layers.items()}
    assert prove(lora, Lora(folded), dtype, "x") < 1


def test_anything_more_is_told_by_the_layers_name() -> None:
    lora = made()
    layer = lora.layers["b"]
    up = layer.up.clone()
    up[0, 0] += 0.05
    for wrong in (replace(layer, alpha=3.2), replace(layer, up=up), replace(layer, up=layer.up * float("nan"))):
        with pytest.raises(Fault, match="layer b differs"):
            prove(lora, Lora({**lora.layers, "b": wrong}), torch.float16, "x")
    with pytest.raises(Fault, match="layer b"):
        prove(lora, Lora({"a": lora.layers["a"]}), torch.float16, "x")
