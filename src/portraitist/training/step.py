"""One step of a training: the loss of a batch, its gradients, and the optimiser's answer. Knows no files and no photos.

Loss of Ho et al. (arXiv:2006.11239); min-SNR weights of Hang et al. (arXiv:2303.09556); the prior step holds the class
word to the bare base's own answers, an idea of ostris/ai-toolkit ("differential output preservation").
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from portraitist.families.base import Model, Noised, Trainable
from portraitist.recipes import Recipe
from portraitist.training.dataset import Batch

_FP16_SCALE = 256.0


def make_optimizer(trainable: Trainable, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW with a rate of its own for the text encoder; `initial_lr` of each group is what `rate_factor` scales."""
    rates = ((trainable.denoiser, recipe.learning_rate), (trainable.text, text_rate(recipe)))
    groups = [{"params": list(weights), "lr": rate, "initial_lr": rate} for weights, rate in rates if weights]
    return torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=recipe.weight_decay, fused=True)


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


def train_step(
    model: Model, trainable: Trainable, optimizer: torch.optim.Optimizer, batch: Batch, recipe: Recipe, factor: float
) -> Tensor:
    """Do one step with rates scaled by `factor`; the batch's loss, a scalar on the device."""
    scale = _FP16_SCALE if model.device.dtype == torch.float16 else 1.0
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
    loss = loss_of(model, batch, recipe)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss * scale)
    if scale != 1.0:
        torch._foreach_div_([weight.grad for weight in trainable.all if weight.grad is not None], scale)
    if recipe.max_grad_norm:
        torch.nn.utils.clip_grad_norm_(trainable.all, recipe.max_grad_norm)
    optimizer.step()
    return loss.detach()


def loss_of(model: Model, batch: Batch, recipe: Recipe) -> Tensor:
    """The weighted mean square error of a batch, with gradients into the attached LoRA layers."""
    noised = model.noised(batch.latents, batch.noise, batch.places)
    times = model.times(batch.places)
    tokens = model.tokenize(batch.captions)
    target = noised.target
    if batch.prior:
        with torch.no_grad(), model.resting():
            target = model.predict(noised.latents, times, model.condition(tokens, clip_skip=model.base.clip_skip))
    condition = model.condition(tokens, clip_skip=model.base.clip_skip)
    answer = model.predict(noised.latents, times, condition)
    error = (answer - target).square()
    if batch.weights is not None and not batch.prior:
        error = error * batch.weights
    return (error.mean(dim=(1, 2, 3)) * _snr_weights(noised, recipe)).mean()


def move_average(average: Sequence[Tensor], weights: Sequence[Tensor], decay: float, step: int) -> None:
    """Move the kept average towards the weights; the decay grows from 0.1, so that the start is soon forgotten."""
    decay = min(decay, (1.0 + step) / (10.0 + step))
    torch._foreach_lerp_(list(average), [weight.detach() for weight in weights], 1.0 - decay)


def _snr_weights(noised: Noised, recipe: Recipe) -> Tensor:
    if recipe.min_snr_gamma is None:
        return torch.ones_like(noised.snr)
    return noised.snr.clamp(max=recipe.min_snr_gamma) / noised.snr
