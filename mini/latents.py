"""Turns rendered pictures into what the U-Net trains on: latents and captions as token ids, kept on disk and on the
device.

A few pictures are spoilt first and their captions say so. Each picture gets several captions, written by processes of
their own.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from mini import captions, degrade, tokenizer
from mini.loop import save_tensors, say
from mini.networks import BUCKETS
from mini.tags import TAGS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mini.pool import Painter, Pool

CAPTIONS = 3  # captions of a picture
FLAWED = 0.03  # share of spoilt pictures
SHARES = (0.86, 0.07, 0.07)  # of the buckets


@dataclass
class Store:
    """Latents fp16 (n, 4, h/8, w/8) and tokens int16 (n, CAPTIONS, 77) of one bucket."""

    latents: Tensor
    tokens: Tensor

    def __len__(self) -> int:
        return len(self.latents)


def made_up_names(count: int = 200, seed: int = 5) -> list[str]:
    """Trigger words and names of random letters, as people choose them; half of the list are the triggers."""
    rng = np.random.default_rng(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = ["".join(letters[i] for i in rng.integers(26, size=int(rng.integers(3, 8)))) for _ in range(count)]
    return [*captions.TRIGGERS * (count // 2), *names]


def tokens_of(
    tags: np.ndarray[Any, Any], flaws: np.ndarray[Any, Any], seed: int, variants: int = CAPTIONS
) -> np.ndarray[Any, Any]:
    """int16 (n, variants, 77) ids of captions for bool (n, len(TAGS)) tags."""
    rng, names = np.random.default_rng(seed), made_up_names()
    found = np.empty((len(tags), variants, tokenizer.LENGTH), np.int16)
    for i, row in enumerate(tags):
        present = [TAGS[k] for k in np.flatnonzero(row)]
        for v in range(variants):
            found[i, v] = tokenizer.encode_pieces(captions.write(present, rng, flaw=int(flaws[i]), names=names))
    return found


class Encoder:
    """Collects latents and captions of one bucket."""

    def __init__(self, vae: Any, scribes: ProcessPoolExecutor, seed: int) -> None:
        self.vae, self.scribes, self.seed = vae, scribes, seed
        self.latents: list[Tensor] = []
        self.tokens: list[Future[Any]] = []
        self.device = next(vae.parameters()).device
        self.dice = torch.Generator(self.device).manual_seed(seed)
        self.choose = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def add(self, pool: Pool) -> None:
        """Spoils some, encodes all, sends the tags to be written about."""
        x = pool.pictures(slice(None))
        flaws = degrade.random_flaws(len(pool), FLAWED, self.choose)
        for flaw in flaws.unique().tolist():
            if flaw:
                rows = (flaws == flaw).nonzero()[:, 0].to(self.device)
                x[rows] = degrade.spoil(x[rows], flaw, self.dice)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            self.latents.append(self.vae.encode(x).latent_dist.mode().to(torch.float16))
        self.seed += 1
        self.tokens.append(self.scribes.submit(tokens_of, pool.tags.cpu().numpy(), flaws.numpy(), self.seed))

    def count(self) -> int:
        return sum(len(part) for part in self.latents)

    def finish(self) -> Store:
        written = [torch.from_numpy(future.result()) for future in self.tokens]
        return Store(torch.cat(self.latents).contiguous(), torch.cat(written).to(self.device))


def collect(
    vae: Any,
    pools: Iterable[Pool],
    painter: Painter,
    count: int,
    seconds: float,
    *,
    seed: int,
    starts: tuple[int, ...],
    workers: int,
    kept: list[Pool] | None = None,
) -> list[Store]:
    """Stores of the three buckets: all of `pools`, then fresh renders up to `count` on this rank or until `seconds` are
    over.

    `starts`: for each bucket the first number of this rank's list that has not been rendered yet; `kept` gets the fresh
    renders of the native size, of which the tagger cannot see enough.
    """
    begin = time.monotonic()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as scribes:
        encoders = [Encoder(vae, scribes, seed * 1_000_003 + k * 100_003) for k in range(len(BUCKETS))]
        for pool in pools:
            bucket = encoders[BUCKETS.index((pool.rgb.shape[2], pool.rgb.shape[1]))]
            for start in range(0, len(pool), 256):
                bucket.add(pool[start : start + 256])
        say("latents", from_pools=sum(e.count() for e in encoders), seconds=round(time.monotonic() - begin, 1))
        streams = [
            painter.chunks(size, count, judged=False, start=first) for size, first in zip(BUCKETS, starts, strict=True)
        ]
        while True:
            total = sum(encoder.count() for encoder in encoders)
            if all(e.latents for e in encoders) and (total >= count or time.monotonic() - begin >= seconds):
                break
            # The bucket that is furthest behind its share comes next.
            behind = [share * total - encoder.count() for share, encoder in zip(SHARES, encoders, strict=True)]
            k = max(range(len(BUCKETS)), key=lambda i: (not encoders[i].latents, behind[i]))
            fresh = next(streams[k])
            encoders[k].add(fresh)
            if kept is not None and k == 0:
                kept.append(fresh)
            if painter.device.type == "cuda":
                torch.cuda.synchronize(painter.device)
        stores = [encoder.finish() for encoder in encoders]
    say("latents", pictures=[len(store) for store in stores], seconds=round(time.monotonic() - begin, 1))
    return stores


def scaling_of(store: Store) -> float:
    """1 / standard deviation of latents: what makes them unit size."""
    return 1.0 / float(store.latents[:20_000].float().std())


def save(stores: list[Store], path: Path) -> None:
    tensors = {}
    for size, store in zip(BUCKETS, stores, strict=True):
        tensors[f"{size[0]}x{size[1]}.latents"] = store.latents.cpu()
        tensors[f"{size[0]}x{size[1]}.tokens"] = store.tokens.cpu()
    save_tensors(tensors, path)


def load(path: Path, device: torch.device) -> list[Store]:
    tensors = load_file(path, device=str(device))
    return [Store(tensors[f"{w}x{h}.latents"], tensors[f"{w}x{h}.tokens"]) for w, h in BUCKETS]
