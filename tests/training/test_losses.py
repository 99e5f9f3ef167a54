"""Each part of the loss against numbers computed by hand, on a model of one weight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from portraitist.families.base import Condition, Noised
from portraitist.recipes import Recipe
from portraitist.training.losses import loss_of
from portraitist.training.tape import Batch

FLAT = Recipe("flat", background_weight=1.0)
ONES = torch.ones(1, 1, 1, 2)


class OneWeight:
    """Answers weight times latents plus the mean of the prompt's tokens; at rest the weight is 1. Noise is a target of
    0.5, the signal-to-noise ratio is given by `places`."""

    base = SimpleNamespace(clip_skip=1)

    def __init__(self, weight: float, prediction: str = "epsilon") -> None:
        self.weight = torch.tensor(weight, requires_grad=True)
        self.scheduler_config = {"prediction_type": prediction}
        self.skips: list[int] = []
        self._resting = False

    def times(self, places: Tensor) -> Tensor:
        return places

    def noised(self, latents: Tensor, noise: Tensor, places: Tensor) -> Noised:
        return Noised(latents, noise, places)

    def condition(self, tokens: Tensor, *, clip_skip: int = 1) -> Condition:
        self.skips.append(clip_skip)
        return Condition(tokens.float())

    def predict(self, latents: Tensor, times: Tensor, condition: Condition) -> Tensor:
        weight = 1.0 if self._resting else self.weight
        return weight * latents + condition.states.mean(dim=1).reshape(-1, 1, 1, 1)

    @contextmanager
    def resting(self) -> Iterator[None]:
        self._resting = True
        yield
        self._resting = False


def batch(**values: Any) -> Batch:
    """A picture of two pixels, both 1; the noise to be found is 0.5; the prompt says nothing."""
    plain = Batch(ONES, None, None, ONES / 2, torch.tensor([8.0]), torch.zeros(1, 3, dtype=torch.int64), None, False)
    return replace(plain, **values)


def loss(weight: float, recipe: Recipe = FLAT, prediction: str = "epsilon", **values: Any) -> float:
    model: Any = OneWeight(weight, prediction)
    return float(loss_of(model, batch(**values), recipe).detach())


def test_the_plain_loss_is_the_mean_square_error() -> None:
    assert loss(3.0) == pytest.approx(2.5**2)


def test_the_background_weighs_less() -> None:
    model: Any = OneWeight(3.0)
    values = loss_of(model, batch(noise=torch.tensor([[[[2.0, 0.0]]]]), weights=torch.tensor([[[[1.6, 0.4]]]])), FLAT)
    assert float(values.detach()) == pytest.approx((1.6 * 1.0 + 0.4 * 9.0) / 2)


def test_outside_the_mask_the_bases_own_answer_is_learned() -> None:
    weights, held = torch.tensor([[[[1.6, 0.0]]]]), torch.tensor([[[[0.0, 0.4]]]])
    # on the person against the noise 0.5, outside against the base's answer, which is 1
    assert loss(3.0, weights=weights, held=held) == pytest.approx((1.6 * 2.5**2 + 0.4 * 2.0**2) / 2)
    model: Any = OneWeight(3.0)
    value = loss_of(model, batch(weights=weights, held=held), FLAT)
    torch.autograd.backward(value)
    assert float(model.weight.grad) == pytest.approx((1.6 * 2 * 2.5 + 0.4 * 2 * 2.0) / 2), "the base gets no gradient"


def test_a_prior_step_learns_nothing_but_the_bases_answer() -> None:
    assert loss(1.0, prior=True) == 0.0
    assert loss(3.0, prior=True, weights=torch.zeros(1, 1, 1, 2)) == pytest.approx(2.0**2)


def test_what_stands_beside_is_added_with_its_weight() -> None:
    other = batch(tokens=torch.ones(1, 3, dtype=torch.int64), prior=True)
    pictures = batch(latents=2 * ONES)
    # the prior: |3 + 1 - (1 + 1)|; the class pictures: |3 * 2 - 0.5|
    whole = 2.5**2 + 0.5 * 2.0**2 + 0.25 * 5.5**2
    assert loss(3.0, beside=((0.5, other), (0.25, pictures))) == pytest.approx(whole)


def test_min_snr_weighs_clean_pictures_less() -> None:
    recipe = replace(FLAT, min_snr_gamma=5.0)
    assert loss(3.0, recipe) == pytest.approx(2.5**2 * 5 / 8)
    assert loss(3.0, recipe, places=torch.tensor([2.0])) == pytest.approx(2.5**2)
    assert loss(3.0, recipe, "v_prediction") == pytest.approx(2.5**2 * 5 / 9)


def test_the_recipes_clip_skip_beats_the_bases() -> None:
    for recipe, skip in ((FLAT, 1), (replace(FLAT, clip_skip=2), 2)):
        model: Any = OneWeight(1.0)
        loss_of(model, batch(), recipe)
        assert model.skips == [skip]
