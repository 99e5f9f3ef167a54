"""A renderer of coloured rectangles with the real one's interface: quick pictures for rehearsals of the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from mini.people import People


@dataclass(frozen=True)
class Pictures:
    rgb: torch.Tensor
    tags: torch.Tensor
    landmarks: torch.Tensor


class Renderer:
    """Each identity has its colours; each seed its noise."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)

    def __call__(self, people: People, size: tuple[int, int] = (256, 256)) -> Pictures:
        width, height = size
        n = len(people)
        colour = torch.from_numpy(people.values[:, :3]).reshape(n, 1, 1, 3).expand(n, height, width, 3).clone()
        colour[:, height // 4 : height * 3 // 4, width // 4 : width * 3 // 4] = torch.from_numpy(
            people.values[:, 50:53]
        ).reshape(n, 1, 1, 3)
        rgb = (colour.remainder(1.0) * 255).to(torch.uint8).to(self.device)
        points = torch.tensor([[0.4, 0.4], [0.6, 0.4], [0.5, 0.5], [0.42, 0.6], [0.58, 0.6]]) * torch.tensor(
            [width, height]
        )
        tags = torch.from_numpy(people.scene).to(self.device)
        return Pictures(rgb, tags, points.expand(n, 5, 2).to(self.device))
