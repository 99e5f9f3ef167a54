"""Is a LoRA file what was meant to be written? Every layer found again, every delta equal but for rounding.

The distance of two deltas is had from their factors alone: ||B A - B' A'||^2 = <C^T C, D D^T> with C = [B, -B'] and
D = [A; A']. So all layers are compared, not a sample, and no delta is ever made.
"""

import math

import torch
from torch import Tensor

from portraitist.errors import Fault
from portraitist.lora.canonical import Lora, LoraLayer

_ROOM = 2.0  # alpha is rounded too, and the folded dialect rounds a product


def prove(meant: Lora, found: Lora, dtype: torch.dtype, name: str) -> float:
    """The largest error of a delta in shares of what rounding to `dtype` explains (below 1).

    Raises Fault that names the layer which is lacking or wrong.
    """
    if strange := meant.layers.keys() ^ found.layers.keys():
        raise Fault(f"{name} does not read back as it was written: layer {min(strange)}.")
    worst = 0.0
    for key, layer in meant.layers.items():
        share = _error(layer, found.layers[key], dtype)
        if not share < 1.0:
            raise Fault(f"{name} does not read back as it was written: layer {key} differs.")
        worst = max(worst, share)
    return worst


def _error(meant: LoraLayer, found: LoraLayer, dtype: torch.dtype) -> float:
    """The distance of the two deltas over what rounding explains."""
    up, down = _factors(meant)
    other_up, other_down = _factors(found)
    both, across = torch.cat([up, -other_up], dim=1), torch.cat([down, other_down])
    distance = float(((both.T @ both) * (across @ across.T)).sum().clamp(min=0).sqrt())
    steps = max(1.0, meant.alpha / meant.rank)
    up_error, down_error = _rounding(up, dtype, steps), _rounding(down, dtype, 1.0)
    bound = up_error * float(down.norm()) + float(up.norm()) * down_error + up_error * down_error
    return distance / (_ROOM * bound + 1e-30)


def _factors(layer: LoraLayer) -> tuple[Tensor, Tensor]:
    """float64 up (out, rank), scaled by alpha / rank, and down (rank, in)."""
    return layer.up.double().flatten(1) * (layer.alpha / layer.rank), layer.down.double().flatten(1)


def _rounding(values: Tensor, dtype: torch.dtype, factor: float) -> float:
    """How far `values` can move when they are rounded to `dtype`, as a norm; tiny ones lose all but a few digits."""
    kind = torch.finfo(dtype)
    smallest = kind.tiny * kind.eps
    return float(kind.eps) / 2 * float(values.norm()) + factor * smallest / 2 * math.sqrt(values.numel())
