"""Averages LoRAs of one base: of what they add to its weights, not of their factors. Knows no family and no score.

The mean of the factors is not the factor of the mean: up and down of two checkpoints may be turned against each other,
and then their products cancel. So the deltas are averaged and taken apart again by singular values, which is the best
approximation of its rank (Eckart & Young 1936).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from portraitist.lora.formats import Lora, LoraLayer


def average(loras: Sequence[Lora], *, rank: int | None = None, metadata: Mapping[str, str] | None = None) -> Lora:
    """The LoRA whose delta is the mean of the deltas of `loras` (at least one), at most of `rank` in each layer.

    Without `rank` a layer keeps the largest rank that it has in one of them. A layer that one of them lacks counts
    there as nothing. Alpha becomes the rank, so nothing is left to scale. Exact where the rank suffices.
    """
    names = dict.fromkeys(name for lora in loras for name in lora.layers)
    layers = {}
    for name in names:
        found = [lora.layers[name] for lora in loras if name in lora.layers]
        layers[name] = _mean(found, len(loras), rank or max(layer.rank for layer in found))
    return Lora(layers, dict(loras[0].metadata if metadata is None else metadata))


def _mean(layers: Sequence[LoraLayer], count: int, rank: int) -> LoraLayer:
    """The mean over `count` deltas, of which `layers` are those that are not zero.

    Their sum is a product of two thin matrices, all `up` beside each other and all `down` below each other; so the
    singular values are those of a small core, and the large delta is never made.
    """
    first = layers[0]
    ups = [layer.up.double().flatten(1) * (layer.alpha / layer.rank / count) for layer in layers]
    downs = [layer.down.double().flatten(1) for layer in layers]
    left, left_core = torch.linalg.qr(torch.cat(ups, dim=1))
    right, right_core = torch.linalg.qr(torch.cat(downs, dim=0).t())
    u, values, v = torch.linalg.svd(left_core @ right_core.t())
    root = values[:rank].sqrt()
    up, down = _padded(left @ u[:, : len(root)] * root, rank), _padded(right @ v[: len(root)].t() * root, rank).t()
    return LoraLayer(
        down.reshape(rank, *first.down.shape[1:]).float().contiguous(),
        up.reshape(first.up.shape[0], rank, *first.up.shape[2:]).float().contiguous(),
        float(rank),
    )


def _padded(matrix: Tensor, rank: int) -> Tensor:
    """(rows, rank): columns of zeros added where a layer is narrower than its rank."""
    return torch.nn.functional.pad(matrix, (0, rank - matrix.shape[1]))
