"""One step of a training: a batch's loss, its gradients and the optimiser's answer. Knows no files and no photos."""

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from portraitist.families.base import Model, Trainable
from portraitist.recipes import Recipe
from portraitist.training.losses import loss_of
from portraitist.training.optimizers import facts_of, rate_factors, set_rates
from portraitist.training.tape import Kind, Tape

_FP16_SCALE = 256.0
_PLAIN_RUNS = 2


class Stepper:
    """Runs the steps of one training by their numbers; `how` says in a sentence in which way, for logs and reports.

    On any device a step is the same function of its number. On CUDA it is recorded once for each kind of step as one
    CUDA graph, forward, backward, clipping and optimiser together, and replayed: launching the thousands of kernels of
    a step one by one takes several times as long as they run (`benchmarks/train_speed.py`). `graphs` False keeps to
    single launches.
    """

    def __init__(
        self,
        model: Model,
        trainable: Trainable,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        tape: Tape,
        *,
        graphs: bool = True,
    ) -> None:
        self._model, self._trainable, self._optimizer = model, trainable, optimizer
        self._recipe, self._tape = recipe, tape
        device = model.device.device
        self._factors = rate_factors(recipe, len(tape.kinds)).to(device)
        self._generator = torch.Generator(device)
        self._number = torch.zeros(1, dtype=torch.int64, device=device)
        self._noise = {kind: tape.empty_noise(kind) for kind in dict.fromkeys(tape.kinds)}
        self._graphs: _Graphs | None = None
        self.how = "each step on its own"
        unrecorded = facts_of(recipe).unrecorded
        if device.type == "cuda" and graphs and unrecorded:
            self.how += f", for {recipe.optimizer} cannot be recorded as a CUDA graph: {unrecorded}"
        elif device.type == "cuda" and graphs:
            self._graphs = _Graphs(device)
            self.how = "each step one CUDA graph"

    def __call__(self, step: int) -> Tensor:
        """Do step number `step`; the batch's loss, a scalar on the device."""
        kind = self._tape.kinds[step]
        self._number.fill_(step)
        self._tape.fill(self._noise[kind], step, self._generator)
        if self._graphs is None:
            return self._step(kind)
        try:
            return self._graphs.run(kind, lambda: self._step(kind))
        except NotRecorded as error:
            self._graphs = None
            self.how = f"each step on its own, for it could not be recorded as a CUDA graph: {error}"
            return self._step(kind)

    def _step(self, kind: Kind) -> Tensor:
        """The whole step, without a look at any value: all of it can be recorded."""
        trainable, recipe = self._trainable, self._recipe
        scale = _FP16_SCALE if self._model.device.dtype == torch.float16 else 1.0
        set_rates(self._optimizer, self._factors.index_select(0, self._number)[0])
        batch = self._tape.batch(kind, self._number, self._noise[kind])
        trainable.forget()
        loss = loss_of(self._model, batch, recipe)
        torch.autograd.backward(loss * scale)
        trainable.collect()
        if scale != 1.0:
            torch._foreach_div_([weight.grad for weight in trainable.all if weight.grad is not None], scale)
        if recipe.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(trainable.all, recipe.max_grad_norm)
        self._optimizer.step()
        trainable.publish()
        return loss.detach()


class NotRecorded(Exception):
    """A step could not be recorded as a CUDA graph; it was not run."""


class _Graphs:
    """Records what it runs as CUDA graphs, one for each kind, in one pool of memory.

    The first runs of a kind are plain: they are steps like any other, and bring libraries, kernels and the optimiser's
    state to where a recording finds them. All runs use one stream, for autograd binds gradients to the stream of the
    first.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._plain: Counter[Kind] = Counter()
        self._graphs: dict[Kind, tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def run(self, kind: Kind, step: Callable[[], Tensor]) -> Tensor:
        """What `step` answers. Raises NotRecorded before anything ran."""
        if kind not in self._graphs and self._plain[kind] >= _PLAIN_RUNS:
            self._graphs[kind] = self._record(step)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            if kind in self._graphs:
                graph, loss = self._graphs[kind]
                graph.replay()
                loss = loss.clone()
            else:
                self._plain[kind] += 1
                loss = step()
        torch.cuda.current_stream().wait_stream(self._stream)
        return loss

    def _record(self, step: Callable[[], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.empty_cache()  # what the plain runs used is of no use to a recording, which has a pool of its own
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                loss = step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise NotRecorded(str(error).strip().splitlines()[0]) from error
        return graph, loss


def move_average(average: Sequence[Tensor], weights: Sequence[Tensor], decay: float, step: int) -> None:
    """Move the kept average towards the weights; the decay grows from 0.1, so that the start is soon forgotten."""
    decay = min(decay, (1.0 + step) / (10.0 + step))
    torch._foreach_lerp_(list(average), [weight.detach() for weight in weights], 1.0 - decay)
