"""The loss of a batch. Knows no optimiser, no files and no photos.

Nothing here looks at a value, copies one to or from the processor, or makes a tensor of numbers: a step on CUDA is
recorded once and replayed. Loss of Ho et al. (arXiv:2006.11239); min-SNR weights of Hang et al. (arXiv:2303.09556); the
prior step holds the class word to the bare base's own answers, an idea of ostris/ai-toolkit ("differential output
preservation").
"""

import torch
from torch import Tensor

from portraitist.families.base import Condition, Model, Noised
from portraitist.recipes import Recipe
from portraitist.training.tape import Batch


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


def _snr_weights(noised: Noised, recipe: Recipe) -> Tensor:
    if recipe.min_snr_gamma is None:
        return torch.ones_like(noised.snr)
    return noised.snr.clamp(max=recipe.min_snr_gamma) / noised.snr
