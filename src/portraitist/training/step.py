"""One step of a training: the loss of a batch, its gradients, and the optimiser's answer. Knows no files and no photos.

Loss of Ho et al. (arXiv:2006.11239); min-SNR weights of Hang et al. (arXiv:2303.09556); the prior step holds the class
word to the bare base's own answers, an idea of ostris/ai-toolkit ("differential output preservation").
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from portraitist.families.base import Condition, Model, Noised, Trainable
from portraitist.recipes import Recipe
from portraitist.training.tape import Batch, Kind, Tape

_FP16_SCALE = 256.0
_PLAIN_RUNS = 2


def make_optimizer(trainable: Trainable, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW with a rate of its own for the text encoder; `initial_lr` of each group is what `rate_factor` scales.

    The rates are tensors on the device: a number would be baked into a recorded step.
    """
    device = trainable.all[0].device
    rates = ((trainable.denoiser, recipe.learning_rate), (trainable.text, text_rate(recipe)))
    groups = [
        {"params": list(weights), "lr": torch.tensor(rate, device=device), "initial_lr": rate}
        for weights, rate in rates
        if weights
    ]
    decay, capturable = recipe.weight_decay, device.type == "cuda"
    return torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=decay, fused=True, capturable=capturable)


def text_rate(recipe: Recipe) -> float:
    """The text encoder's rate: half the U-Net's unless the recipe says otherwise, 0 where it rests."""
    if not recipe.train_text:
        return 0.0
    return recipe.learning_rate / 2 if recipe.text_learning_rate is None else recipe.text_learning_rate


def rate_factor(recipe: Recipe, step: int, steps: int) -> float:
    """What share of its rate a step trains with: warm-up, then the recipe's schedule down to 0 (or constant)."""
    if step < recipe.warmup:
        return (step + 1) / (recipe.warmup + 1)
    way = (step - recipe.warmup) / max(1, steps - recipe.warmup)
    if recipe.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * way))
    return 1.0 if recipe.schedule == "constant" else 1.0 - way


class Stepper:
    """Runs the steps of one training by their numbers; `how` says in a sentence in which way, for logs and reports.

    On any device a step is the same function of its number. On CUDA it is recorded once for each kind of step as one
    CUDA graph, forward, backward, clipping and optimiser together, and replayed: a step of Stable Diffusion 1.5 is
    about 3,000 kernels, and launching them one by one takes several times as long as they run. `graphs` False keeps
    to single launches.
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
        steps = len(tape.kinds)
        self._factors = torch.tensor([rate_factor(recipe, step, steps) for step in range(steps)]).to(device)
        self._generator = torch.Generator(device)
        self._number = torch.zeros(1, dtype=torch.int64, device=device)
        self._noise = {kind: tape.empty_noise(kind) for kind in dict.fromkeys(tape.kinds)}
        self._graphs: _Graphs | None = None
        self.how = "each step on its own"
        if device.type == "cuda" and graphs:
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
        factor = self._factors.index_select(0, self._number)[0]
        for group in self._optimizer.param_groups:
            group["lr"].copy_(group["initial_lr"] * factor)
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
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                loss = step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise NotRecorded(str(error).strip().splitlines()[0]) from error
        return graph, loss


def loss_of(model: Model, batch: Batch, recipe: Recipe) -> Tensor:
    """The weighted mean square error of a batch, with gradients into the attached LoRA layers."""
    noised = model.noised(batch.latents, batch.noise, batch.places)
    times = model.times(batch.places)
    target = noised.target
    if batch.prior:
        with torch.no_grad(), model.resting():
            target = model.predict(noised.latents, times, _condition(model, batch))
    answer = model.predict(noised.latents, times, _condition(model, batch))
    error = (answer - target).square()
    if batch.weights is not None and not batch.prior:
        error = error * batch.weights
    return (error.mean(dim=(1, 2, 3)) * _snr_weights(noised, recipe)).mean()


def _condition(model: Model, batch: Batch) -> Condition:
    return batch.told or model.condition(batch.tokens, clip_skip=model.base.clip_skip)


def move_average(average: Sequence[Tensor], weights: Sequence[Tensor], decay: float, step: int) -> None:
    """Move the kept average towards the weights; the decay grows from 0.1, so that the start is soon forgotten."""
    decay = min(decay, (1.0 + step) / (10.0 + step))
    torch._foreach_lerp_(list(average), [weight.detach() for weight in weights], 1.0 - decay)


def _snr_weights(noised: Noised, recipe: Recipe) -> Tensor:
    if recipe.min_snr_gamma is None:
        return torch.ones_like(noised.snr)
    return noised.snr.clamp(max=recipe.min_snr_gamma) / noised.snr
