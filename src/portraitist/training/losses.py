"""The loss of a batch. Knows no optimiser, no files and no photos.

Nothing here looks at a value, copies one to or from the processor, or makes a tensor of numbers: a step on CUDA is
recorded once and replayed. Loss of Ho et al. (arXiv:2006.11239); min-SNR weights of Hang et al. (arXiv:2303.09556); the
prior holds the class word to the bare base's own answers, an idea of ostris/ai-toolkit ("differential output
preservation"); the same outside a mask, one of Nerogar/OneTrainer ("masked prior preservation"); class pictures are
those of Ruiz et al. (arXiv:2208.12242).
"""

import torch
from torch import Tensor

from portraitist.families.base import Condition, Model, Noised
from portraitist.recipes import Recipe
from portraitist.training.tape import Batch


def loss_of(model: Model, batch: Batch, recipe: Recipe) -> Tensor:
    """The weighted mean square error of a batch and of what stands beside it, with gradients into the LoRA layers."""
    noised = model.noised(batch.latents, batch.noise, batch.places)
    times = model.times(batch.places)
    bare = noised.target
    if batch.prior or batch.held is not None:
        with torch.no_grad(), model.resting():
            bare = model.predict(noised.latents, times, _condition(model, batch, recipe))
    answer = model.predict(noised.latents, times, _condition(model, batch, recipe))
    error = (answer - (bare if batch.prior else noised.target)).square()
    if batch.weights is not None and not batch.prior:
        error = error * batch.weights
    if batch.held is not None and not batch.prior:
        error = error + (answer - bare).square() * batch.held
    loss = (error.mean(dim=(1, 2, 3)) * _snr_weights(model, noised, recipe)).mean()
    for weight, other in batch.beside:
        loss = loss + weight * loss_of(model, other, recipe)
    return loss


def _condition(model: Model, batch: Batch, recipe: Recipe) -> Condition:
    return batch.told or model.condition(batch.tokens, clip_skip=recipe.clip_skip or model.base.clip_skip)


def _snr_weights(model: Model, noised: Noised, recipe: Recipe) -> Tensor:
    """min(snr, gamma) over snr, which for a target of velocities is over snr + 1 (Hang et al., section 3.4)."""
    if recipe.min_snr_gamma is None:
        return torch.ones_like(noised.snr)
    velocity = model.scheduler_config.get("prediction_type") == "v_prediction"
    return noised.snr.clamp(max=recipe.min_snr_gamma) / (noised.snr + 1 if velocity else noised.snr)
