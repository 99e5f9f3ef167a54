"""Optimisers and schedules: what becomes of gradients. Knows no loss and no model."""

import math

import torch

from portraitist.families.base import Trainable
from portraitist.recipes import Recipe


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
