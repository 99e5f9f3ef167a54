"""Optimisers and schedules: what becomes of gradients. Knows no loss and no model.

AdamW (Loshchilov and Hutter, arXiv:1711.05101) is torch's; its 8-bit form (Dettmers et al., arXiv:2110.02861),
Prodigy (Mishchenko and Defazio, arXiv:2306.06101), Adafactor (Shazeer and Stern, arXiv:1804.04235) and Lion (Chen et
al., arXiv:2302.06675) are their libraries'. The schedules are those of `diffusers.optimization` by name and shape.
"""

import importlib.util
import io
import math
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from portraitist.errors import MissingModel
from portraitist.families.base import Trainable
from portraitist.recipes import OptimizerName, Recipe

INSTALL = "pip install 'portraitist[optimizers]'"


@dataclass(frozen=True)
class OptimizerFacts:
    """`package` is the module it lives in, beside what is always installed; `unrecorded` says why its steps cannot be
    part of a CUDA graph, and is empty where they can."""

    package: str = ""
    unrecorded: str = ""


_FACTS: Mapping[OptimizerName, OptimizerFacts] = {
    "adamw": OptimizerFacts(),
    "adamw8bit": OptimizerFacts("bitsandbytes", "it hands its rate and the number of the step to its kernels"),
    "prodigy": OptimizerFacts("prodigyopt", "it reads its estimate of the distance on the processor"),
    "adafactor": OptimizerFacts(unrecorded="it counts its steps, and with them its decay, on the processor"),
    "lion": OptimizerFacts("lion_pytorch", "its rate is a number of the processor"),
}


def facts_of(recipe: Recipe) -> OptimizerFacts:
    return _FACTS[recipe.optimizer]


def check_package(recipe: Recipe) -> None:
    """Raises MissingModel, with the command that installs it, if the recipe's optimiser is not there."""
    package = facts_of(recipe).package
    if package and importlib.util.find_spec(package) is None:
        raise MissingModel(
            f"The optimiser {recipe.optimizer!r} needs the package {package}, which is not installed.",
            hint=f"Run: {INSTALL}, or take a recipe with another optimizer.",
        )


def make_optimizer(trainable: Trainable, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser, with a rate of its own for the text encoder. Raises MissingModel.

    Each group's `initial_lr` is what `set_rates` scales, `part` the column of `rate_factors` that it follows. AdamW's
    rates are tensors on the device, for a number would be baked into a recorded step; the others take numbers.
    """
    check_package(recipe)
    device = trainable.all[0].device
    recorded = not facts_of(recipe).unrecorded
    rates = ((trainable.denoiser, recipe.learning_rate), (trainable.text, text_rate(recipe)))
    groups = [
        {
            "params": list(weights),
            "lr": torch.tensor(rate, device=device) if recorded else rate,
            "initial_lr": rate,
            "part": part,
        }
        for part, (weights, rate) in enumerate(rates)
        if weights
    ]
    return _make(groups, recipe, capturable=device.type == "cuda")


def _make(groups: list[dict[str, Any]], recipe: Recipe, *, capturable: bool) -> torch.optim.Optimizer:
    betas, decay = recipe.betas, recipe.weight_decay
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, betas=betas, weight_decay=decay, fused=True, capturable=capturable)
    if recipe.optimizer == "adafactor":
        from transformers import Adafactor

        # with a rate given, as trainers of LoRA use it: no rate relative to the weights, which begin at 0
        rate = recipe.learning_rate
        return Adafactor(groups, rate, scale_parameter=False, relative_step=False, weight_decay=decay)  # type: ignore[no-any-return]
    if recipe.optimizer == "prodigy":
        from prodigyopt import Prodigy

        with redirect_stdout(io.StringIO()):  # it prints, and standard output is for answers
            return Prodigy(  # type: ignore[no-any-return]
                groups, betas=betas, weight_decay=decay, use_bias_correction=True, safeguard_warmup=True
            )
    if recipe.optimizer == "lion":
        from lion_pytorch import Lion

        return Lion(groups, recipe.learning_rate, betas=betas, weight_decay=decay)  # type: ignore[no-any-return]
    return _adamw_8bit(groups, recipe)


def _adamw_8bit(groups: list[dict[str, Any]], recipe: Recipe) -> torch.optim.Optimizer:
    from bitsandbytes.optim import AdamW8bit

    class Flat(AdamW8bit):  # type: ignore[misc]
        def state_dict(self) -> dict[str, Any]:
            """torch's own form, with no tensor twice; the library's hides tensors from FSDP, and shares its maps."""
            whole = torch.optim.Optimizer.state_dict(self)
            state = {
                number: {name: value.clone() if name.startswith("qmap") else value for name, value in values.items()}
                for number, values in whole["state"].items()
            }
            return {**whole, "state": state}

    return Flat(groups, recipe.learning_rate, betas=recipe.betas, weight_decay=recipe.weight_decay)


def set_rates(optimizer: torch.optim.Optimizer, factors: Tensor) -> None:
    """Let each group train with `factors[part]` of its rate; `factors` is a row of `rate_factors` on the device."""
    for group in optimizer.param_groups:
        rate = group["initial_lr"] * factors[group["part"]]
        if isinstance(group["lr"], Tensor):
            group["lr"].copy_(rate)
        else:
            group["lr"] = float(rate)


def text_rate(recipe: Recipe) -> float:
    """The text encoder's rate: half the U-Net's unless the recipe says otherwise, 0 where it rests. Prodigy finds the
    rate itself and knows one for all."""
    if not recipe.train_text:
        return 0.0
    if recipe.text_learning_rate is None:
        return recipe.learning_rate / (1 if recipe.optimizer == "prodigy" else 2)
    return recipe.text_learning_rate


def rate_factors(recipe: Recipe, steps: int) -> Tensor:
    """(steps, 2): what share of its rate each step trains the denoiser and the text encoder with."""
    factors = [rate_factor(recipe, step, steps) for step in range(steps)]
    return torch.tensor([(f, f if step < recipe.text_until * steps else 0.0) for step, f in enumerate(factors)])


def rate_factor(recipe: Recipe, step: int, steps: int) -> float:
    """What share of its rate a step trains with: the warm-up, then the recipe's schedule.

    As `diffusers.optimization.get_scheduler`, but for the warm-up: here its first step has 1 / (warmup + 1) of the
    rate; there it has none, and changes nothing. `constant` is warmed up too, where `warmup` asks for it.
    """
    if recipe.schedule == "piecewise_constant":
        return _piecewise(recipe.schedule_rules, step)
    if step < recipe.warmup:
        return (step + 1) / (recipe.warmup + 1)
    way = (step - recipe.warmup) / max(1, steps - recipe.warmup)
    match recipe.schedule:
        case "linear":
            return 1.0 - way
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * way))
        case "cosine_with_restarts":
            return 0.5 * (1.0 + math.cos(math.pi * (recipe.schedule_cycles * way % 1.0)))
        case "polynomial":
            end = min(1.0, 1e-7 / recipe.learning_rate)
            return float((1.0 - end) * (1.0 - way) ** recipe.schedule_power + end)
        case _:
            return 1.0


def _piecewise(rules: str, step: int) -> float:
    """`rules` such as "1:100,0.1:200,0.01": factors, each until its step, and the last for the rest."""
    *parts, last = rules.split(",")
    pairs = sorted((int(until), float(factor)) for factor, until in (part.split(":") for part in parts))
    return next((factor for until, factor in pairs if step < until), float(last))
