"""Rendered pictures kept on the device as bytes, with all that the trainings need to know of them.

The pool of rank r holds the pictures number r, r + world, r + 2·world … of an endless list, so ranks never share a
picture and any picture can be rendered again. There are two lists: one goes round and round `JUDGED` identities, for
the judge; in the other each picture has an identity of its own, so that the base meets as many people as it sees
pictures.
"""

from __future__ import annotations

import importlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from mini import people
from mini.loop import say
from mini.networks import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterator

JUDGED = 22_000  # identities with several pictures; measuring ones (from people.MEASURING up) are never used here
NEWCOMERS = 100_000  # first identity of those that have one picture
IDENTITY = len(people.IDENTITY)


@dataclass
class Pool:
    """Pictures of one size: `rgb` uint8 (n, h, w, 3); `tags` bool (n, tags); `points` float (n, 5, 2) pixels; `who`
    int64 (n,);
    `traits` half (n, IDENTITY), the numbers of the identity; `kind` int64 (n,), equal for the same gender, age, skin
    and hair."""

    rgb: Tensor
    tags: Tensor
    points: Tensor
    who: Tensor
    traits: Tensor
    kind: Tensor

    def __len__(self) -> int:
        return len(self.who)

    def __getitem__(self, index: slice | Tensor) -> Pool:
        return Pool(*(getattr(self, name)[index] for name in FIELDS))

    def pictures(self, index: slice | Tensor) -> Tensor:
        """Float (n, 3, h, w) in [-1, 1], channels last."""
        return to_float(self.rgb[index])


FIELDS = ("rgb", "tags", "points", "who", "traits", "kind")


def to_float(rgb: Tensor) -> Tensor:
    """uint8 (n, h, w, 3) → float (n, 3, h, w) in [-1, 1]."""
    return rgb.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_bytes(x: Tensor) -> Tensor:
    """float (n, 3, h, w) in [-1, 1] → uint8 (n, h, w, 3)."""
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def joined(pools: list[Pool]) -> Pool:
    return Pool(*(torch.cat([getattr(pool, name) for pool in pools]) for name in FIELDS))


def listed(number: np.ndarray[Any, np.dtype[np.int64]], judged: bool) -> tuple[Any, Any]:
    """(identity, seed) of the pictures with these numbers in one of the two lists."""
    if judged:
        return number % JUDGED, number // JUDGED
    return NEWCOMERS + number * 7919 % (people.MEASURING - NEWCOMERS), number + 10


class Painter:
    """Renders the list's pictures chunk by chunk; the next chunk's numbers are drawn while the device is busy."""

    def __init__(self, renderer: str, device: torch.device, *, rank: int = 0, world: int = 1, chunk: int = 192) -> None:
        module, name = renderer.split(":")
        self.draw_pixels = getattr(importlib.import_module(module), name)(str(device))
        self.device, self.rank, self.world, self.chunk = device, rank, world, chunk
        self.thread = ThreadPoolExecutor(1)

    def chunks(self, size: tuple[int, int], count: int, *, judged: bool, start: int = 0) -> Iterator[Pool]:
        """Pools of `chunk` pictures of `size`, up to `count` on this rank, from this rank's number `start` on."""
        firsts = range(start, start + count, self.chunk)
        ahead = None
        for i, first in enumerate(firsts):
            now = ahead or self.thread.submit(self._draw, size, first, min(self.chunk, start + count - first), judged)
            following = firsts[i + 1] if i + 1 < len(firsts) else None
            ahead = None
            if following is not None:
                ahead = self.thread.submit(
                    self._draw, size, following, min(self.chunk, start + count - following), judged
                )
            yield self._paint(now.result(), size)

    def _draw(self, size: tuple[int, int], first: int, count: int, judged: bool) -> people.People:
        number = (np.arange(first, first + count, dtype=np.int64)) * self.world + self.rank
        # Each shape of picture walks its own way through the list.
        number = number * len(BUCKETS) + BUCKETS.index(size) if not judged else number
        identity, seed = listed(number, judged)
        return people.draw(identity, seed, None, aspect=size[0] / size[1])

    def paint(
        self, identity: np.ndarray[Any, Any], seed: np.ndarray[Any, Any], size: tuple[int, int], look: str | None = None
    ) -> Pool:
        """Pictures of these people at once, outside the lists."""
        return self._paint(people.draw(identity, seed, look, aspect=size[0] / size[1]), size)

    def _paint(self, drawn: people.People, size: tuple[int, int]) -> Pool:
        found = self.draw_pixels(drawn, size=size)
        kind = ((drawn.gender * 3 + drawn.age) * 4 + drawn.skin) * 6 + drawn.hair
        values = torch.from_numpy(np.ascontiguousarray(drawn.values[:, :IDENTITY]))
        to = self.device
        return Pool(
            found.rgb.contiguous(), found.tags.bool(), found.landmarks.float(), torch.from_numpy(drawn.identity).to(to),
            values.to(to), torch.from_numpy(np.ascontiguousarray(kind)).to(to),
        )  # fmt: skip


def fill(painter: Painter, size: tuple[int, int], count: int, seconds: float, *, judged: bool) -> Pool:
    """Renders up to `count` pictures, or as many as `seconds` allow, into one block of memory."""
    start, held, rows = time.monotonic(), None, 0
    for part in painter.chunks(size, count, judged=judged):
        if held is None:
            held = Pool(
                *(
                    torch.empty(
                        count, *getattr(part, name).shape[1:], dtype=getattr(part, name).dtype, device=painter.device
                    )
                    for name in FIELDS
                )
            )
        for name in FIELDS:
            getattr(held, name)[rows : rows + len(part)] = getattr(part, name)
        rows += len(part)
        if rows % (painter.chunk * 8) == 0 and painter.device.type == "cuda":
            torch.cuda.synchronize(painter.device)
        if time.monotonic() - start > seconds:
            break
    if held is None:
        raise ValueError("asked for no pictures")
    if painter.device.type == "cuda":
        torch.cuda.synchronize(painter.device)
    spent = time.monotonic() - start
    say("render", size=size, judged=judged, pictures=rows, seconds=round(spent, 1), per_second=round(rows / spent))
    return held[:rows]
