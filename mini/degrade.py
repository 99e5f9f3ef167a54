"""Spoils pictures on purpose: for captions of flawed pictures (so that negative prompts mean something) and as
augmentation.

Pictures are float (b, 3, h, w) in [-1, 1] on any device; the same generator state gives the same pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mini.captions import FLAWS


def uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """(n, 1, 1, 1) numbers in [low, high)."""
    return torch.empty(n, 1, 1, 1, device=generator.device).uniform_(low, high, generator=generator)


def blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur with the edge repeated."""
    radius = max(1, round(2.5 * sigma))
    at = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    x = functional.pad(x, (radius,) * 4, mode="replicate")
    x = functional.conv2d(x, kernel[:, :, None, :], groups=x.shape[1])
    return functional.conv2d(x, kernel[:, :, :, None], groups=x.shape[1])


def coarse(x: Tensor, factor: float, mode: str = "bilinear") -> Tensor:
    """Down by `factor` and up again."""
    small = functional.interpolate(x, scale_factor=1 / factor, mode="area", recompute_scale_factor=True)
    corners = None if mode == "nearest" else False
    return functional.interpolate(small, size=x.shape[2:], mode=mode, align_corners=corners)


def jpeg(x: Tensor, step: float) -> Tensor:
    """What strong JPEG does: 8×8 cosine blocks with coefficients rounded, coarser the higher the frequency."""
    k = torch.arange(8, device=x.device, dtype=torch.float32)
    basis = torch.cos((2 * k[None, :] + 1) * k[:, None] * torch.pi / 16) * 0.5
    basis[0] *= 0.5**0.5
    b, c, h, w = x.shape
    blocks = x.reshape(b, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5).float()
    found = basis @ blocks @ basis.T
    table = step * (1 + k[:, None] + k[None, :])
    found = (found / table).round() * table
    return (basis.T @ found @ basis).permute(0, 1, 2, 4, 3, 5).reshape(b, c, h, w).clamp(-1, 1).to(x.dtype)


def warp(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Bends the picture by a smooth random field of `strength` (share of the picture's size)."""
    b, _, h, w = x.shape
    field = torch.randn(b, 2, 6, 6, device=x.device, generator=generator) * strength * 2
    field = functional.interpolate(field, size=(h, w), mode="bicubic", align_corners=True)
    eye = torch.eye(2, 3, device=x.device).expand(b, 2, 3)
    grid = functional.affine_grid(eye, [b, 3, h, w], align_corners=False) + field.permute(0, 2, 3, 1)
    return functional.grid_sample(x, grid.to(x.dtype), padding_mode="border", align_corners=False)


def spoil(x: Tensor, flaw: int, generator: torch.Generator) -> Tensor:
    """Pictures with one of the flaws that `captions.FLAWS` has words for."""
    roll = float(torch.rand((), generator=generator, device=generator.device))
    match flaw:
        case 1:
            x = blur(x, 1.5 + 3 * roll)
        case 2:
            x = coarse(x, 4 + 6 * roll, "nearest" if roll > 0.5 else "bilinear")
        case 3:
            x = x + torch.randn(x.shape, device=x.device, generator=generator) * (0.15 + 0.25 * roll)
        case 4:
            x = jpeg(x, 0.12 + 0.2 * roll)
        case 5:
            x = warp(x, 0.05 + 0.06 * roll, generator)
        case 6:
            x = (x + 1) * (1.8 + roll) - 1
        case 7:
            x = (x + 1) * (0.35 - 0.2 * roll) - 1
        case 8:
            grey = x.mean(1, keepdim=True)
            x = grey + (x - grey) * (2.2 + roll)
    return x.clamp(-1, 1)


def random_flaws(n: int, share: float, generator: torch.Generator) -> Tensor:
    """(n,) flaw numbers on the CPU: 0 for all but `share` of them."""
    kinds = torch.randint(1, len(FLAWS), (n,), generator=generator)
    return torch.where(torch.rand(n, generator=generator) < share, kinds, torch.zeros_like(kinds))


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """What photos and portraits differ in without meaning anything: exposure, contrast, a little blur or noise."""
    n = len(x)
    x = x * uniform(n, 0.85, 1.15, generator) + uniform(n, -0.12, 0.12, generator)
    way = int(torch.randint(6, (), generator=generator, device=generator.device))
    cut = n // 4  # a quarter of the batch is made worse
    if way == 0:
        x[:cut] = blur(x[:cut], 1.0)
    elif way == 1:
        x[:cut] = coarse(x[:cut], 2.0)
    elif way == 2:
        x[:cut] = jpeg(x[:cut], 0.05)
    elif way == 3:
        x[:cut] += torch.randn(x[:cut].shape, device=x.device, generator=generator) * 0.06
    return x.clamp(-1, 1)
