"""A denoiser's answers as CUDA graphs: recorded once for each shape, then replayed from request to request.

Twenty steps of a portrait ask the same thing twenty times, and on a fast device launching its thousands of kernels
takes longer than they run. A graph reads and writes fixed places in memory, so what goes in is copied there. The
weights are read where they lie: they may change in place between two replays, but not move. Knows no family.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from portraitist.families.base import Condition

Predict = Callable[[Tensor, Tensor, Condition], Tensor]

_KEPT = 4
_PLAIN_RUNS = 2


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    latents: Tensor
    times: Tensor
    condition: Condition
    answer: Tensor


class Replays:
    """The recordings of one model; the last few shapes are kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], _Recording | None] = OrderedDict()
        self._pool: Any = None

    def forget(self) -> None:
        """Drop all recordings, because weights or layers are about to move."""
        self._kept.clear()
        self._pool = None

    @torch.no_grad()
    def predict(
        self, predict: Predict, latents: Tensor, times: Tensor, condition: Condition, *, resting: bool = False
    ) -> Tensor:
        """What `predict` answers. A shape that cannot be recorded is computed each time.

        `resting` says whether attached LoRA layers do nothing now: a recording keeps that as it was.
        """
        key = (resting, *_key(latents, condition))
        if key not in self._kept:
            self._kept[key] = self._record(predict, latents, times, condition)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        found = self._kept[key]
        if found is None:
            return predict(latents, times, condition)
        found.latents.copy_(latents)
        found.times.copy_(times)
        _copy(found.condition, condition)
        found.graph.replay()
        return found.answer.clone()

    def _record(self, predict: Predict, latents: Tensor, times: Tensor, condition: Condition) -> _Recording | None:
        own = (latents.clone(), times.clone(), _cloned(condition))
        stream = torch.cuda.Stream(latents.device)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries and kernels are made ready before a recording
            for _ in range(_PLAIN_RUNS):
                predict(*own)
        torch.cuda.current_stream().wait_stream(stream)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        torch.cuda.empty_cache()  # what the plain runs used is of no use to a recording, which has a pool of its own
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=stream):
                answer = predict(*own)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            return None
        return _Recording(graph, *own, answer)


def _key(latents: Tensor, condition: Condition) -> tuple[object, ...]:
    extra = tuple((name, tuple(tensor.shape)) for name, tensor in sorted(condition.extra.items()))
    return (tuple(latents.shape), tuple(condition.states.shape), extra)


def _cloned(condition: Condition) -> Condition:
    extra: Mapping[str, Tensor] = {name: tensor.clone() for name, tensor in condition.extra.items()}
    return Condition(condition.states.clone(), extra)


def _copy(place: Condition, condition: Condition) -> None:
    place.states.copy_(condition.states)
    for name, tensor in place.extra.items():
        tensor.copy_(condition.extra[name])
