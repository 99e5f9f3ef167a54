"""Every optimiser learns a small problem, goes on after a stop as if there had been none, and follows its schedule."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import Parameter

from portraitist.errors import BadFile, MissingModel
from portraitist.families.base import Trainable
from portraitist.recipes import OptimizerName, Recipe, check_recipe
from portraitist.training import optimizers
from portraitist.training.checkpoints import State, load_state, save_state
from portraitist.training.optimizers import (
    check_package,
    facts_of,
    make_optimizer,
    rate_factor,
    rate_factors,
    set_rates,
    text_rate,
)

RECIPES = {
    "adamw": Recipe("a", learning_rate=0.05, optimizer="adamw"),
    "adamw8bit": Recipe("b", learning_rate=0.05, optimizer="adamw8bit"),
    "prodigy": Recipe("p", learning_rate=1.0, optimizer="prodigy", schedule="constant"),
    "adafactor": Recipe("f", learning_rate=0.05, optimizer="adafactor"),
    "lion": Recipe("l", learning_rate=0.02, optimizer="lion"),
}
STEPS = 60


def installed(recipe: Recipe) -> Recipe:
    package = facts_of(recipe).package
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return recipe


class Problem:
    """Two matrices, one of them the text encoder's, that shall give a third; 128 by 64, so that 8 bits are used."""

    def __init__(self, recipe: Recipe) -> None:
        chance = torch.Generator().manual_seed(1)
        up, down = (torch.randn(shape, generator=chance) for shape in ((128, 64), (64, 80)))
        self.goal = torch.randn((128, 80), generator=chance)
        self.recipe = recipe
        self.trainable = Trainable((Parameter(up / 8),), (Parameter(down / 8),))
        self.optimizer = make_optimizer(self.trainable, recipe)
        self.factors = rate_factors(recipe, STEPS)

    def go(self, first: int, last: int) -> float:
        """The loss before the last of these steps."""
        loss = torch.zeros(())
        for step in range(first, last):
            self.trainable.forget()
            set_rates(self.optimizer, self.factors[step])
            loss = (self.trainable.denoiser[0] @ self.trainable.text[0] - self.goal).square().mean()
            torch.autograd.backward(loss)
            self.optimizer.step()
        return float(loss.detach())


@pytest.mark.parametrize("name", RECIPES)
def test_every_optimiser_learns_and_prints_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem(installed(RECIPES[name]))
    first = problem.go(0, 1)
    assert problem.go(1, STEPS) < 0.7 * first
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", RECIPES)
def test_every_optimisers_state_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    recipe = installed(RECIPES[name])
    whole, first, second = Problem(recipe), Problem(recipe), Problem(recipe)
    whole.go(0, 14)
    first.go(0, 7)
    losses = [torch.zeros(())] * 7
    machine = {"device": "cpu"}
    save_state(tmp_path, State(first.trainable, first.optimizer, [], 7, losses), "m-" * 5 + "m", machine)
    assert load_state(tmp_path, State(second.trainable, second.optimizer, []), "m-" * 5 + "m", machine)
    second.go(7, 14)
    for one, two in zip(whole.trainable.all, second.trainable.all, strict=True):
        assert torch.equal(one, two)


def test_rates_are_tensors_where_a_step_can_be_recorded() -> None:
    adamw, lion = (Problem(installed(RECIPES[name])) for name in ("adamw", "lion"))
    before = [group["lr"] for group in adamw.optimizer.param_groups]
    set_rates(adamw.optimizer, torch.tensor([0.5, 0.25]))
    assert [float(rate) for rate in before] == pytest.approx([0.025, 0.00625]), "the same tensors, other values"
    set_rates(lion.optimizer, torch.tensor([0.5, 0.25]))
    assert [group["lr"] for group in lion.optimizer.param_groups] == pytest.approx([0.01, 0.0025])
    assert not facts_of(RECIPES["adamw"]).unrecorded
    assert all(facts_of(RECIPES[name]).unrecorded for name in ("adamw8bit", "prodigy", "adafactor", "lion"))


def test_the_text_encoder_has_its_rate_and_its_end() -> None:
    assert text_rate(RECIPES["adamw"]) == 0.025 and text_rate(RECIPES["prodigy"]) == 1.0
    assert text_rate(replace(RECIPES["adamw"], train_text=False)) == 0.0
    assert text_rate(replace(RECIPES["adamw"], text_learning_rate=3.0)) == 3.0
    problem = Problem(replace(RECIPES["adamw"], text_until=0.5))
    problem.go(0, STEPS // 2)
    kept = [weight.detach().clone() for weight in problem.trainable.all]
    problem.go(STEPS // 2, STEPS)
    assert not torch.equal(kept[0], problem.trainable.denoiser[0])
    assert torch.equal(kept[1], problem.trainable.text[0])


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingModel, match="bitsandbytes") as caught:
        check_package(RECIPES["adamw8bit"])
    assert "pip install 'portraitist[optimizers]'" in str(caught.value.hint)
    check_package(RECIPES["adafactor"])


SCHEDULES: dict[str, dict[str, Any]] = {
    "linear": {},
    "cosine": {},
    "cosine_with_restarts": {"schedule_cycles": 3},
    "polynomial": {"schedule_power": 2.0},
    "constant": {},
    "constant_with_warmup": {},
    "piecewise_constant": {"schedule_rules": "1:4,0.1:9,0.01"},
}


@pytest.mark.parametrize("warmup", [0, 5])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_those_of_diffusers(name: Any, warmup: int) -> None:
    from diffusers.optimization import get_scheduler

    recipe = Recipe("s", schedule=name, warmup=warmup, learning_rate=2e-4, **SCHEDULES[name])
    check_recipe(recipe)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=recipe.learning_rate)
    theirs = get_scheduler(
        name,
        optimizer,
        step_rules=recipe.schedule_rules,
        num_warmup_steps=warmup,
        num_training_steps=30,
        num_cycles=recipe.schedule_cycles,
        power=recipe.schedule_power,
    )
    for step in range(30):
        if step >= warmup:  # ours begins above 0, theirs at it
            assert rate_factor(recipe, step, 30) * recipe.learning_rate == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


def test_the_warm_up_begins_above_nothing() -> None:
    recipe = Recipe("w", warmup=3, schedule="constant_with_warmup")
    assert [rate_factor(recipe, step, 9) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"rank": 0}, "rank must be greater than 0"),
        ({"tag_dropout": 1.5}, "tag_dropout must be between"),
        ({"repeats": 20}, "together"),
        ({"schedule": "piecewise_constant", "schedule_rules": "1:x,2"}, "schedule_rules"),
        ({"schedule": "piecewise_constant"}, "schedule_rules"),
        ({"optimizer": "prodigy", "text_learning_rate": 0.5}, "one rate"),
        ({"betas": (0.9, 1.0)}, "betas"),
    ],
)
def test_a_senseless_recipe_is_refused_by_the_name_of_the_number(values: dict[str, Any], told: str) -> None:
    with pytest.raises(BadFile, match=told):
        check_recipe(Recipe("bad", **values))


def test_every_name_has_its_facts() -> None:
    assert set(RECIPES) == set(OptimizerName.__args__)  # type: ignore[attr-defined]
