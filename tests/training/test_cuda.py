"""Every option of a training also runs inside a CUDA graph, and answers there as it does step by step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from portraitist import families
from portraitist.devices import Device
from portraitist.errors import Cancelled
from portraitist.families.base import Model, Saving
from portraitist.lora.formats import read_tensors
from portraitist.recipes import Base, OptimizerName, Recipe
from portraitist.training.dataset import prepare, prepare_class
from portraitist.training.job import TrainingJob, TrainingPicture
from portraitist.training.optimizers import make_optimizer
from portraitist.training.step import Stepper
from portraitist.training.tape import record
from portraitist.training.train import train
from portraitist.types import Step

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

STEPS = 12
RECIPE = Recipe(
    "r", rank=4, alpha=4.0, learning_rate=1e-3, batch=2, visits_per_photo=STEPS, crops_per_photo=1, checkpoints=1
)
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "text at rest": {"train_text": False},
    "masks": {"background_weight": 0.2},
    "base outside the mask": {"background_target": "base"},
    "prior in each step": {"prior_weight": 0.5},
    "prior in each third step": {"prior_every": 3},
    "class pictures": {"class_images": 1, "class_weight": 0.5},
    "min-SNR and noise offset": {"min_snr_gamma": 5.0, "noise_offset": 0.1},
    "long captions": {"tokens": 150, "clip_skip": 2, "shuffle_tags": True, "tag_dropout": 0.3, "caption_dropout": 0.3},
}


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    base = Base("tiny", "sd15", f"file:{tiny_base}", "tiny-1", (64, 64), "test", steps=2)
    return families.load(tiny_base, base, Device(torch.device("cuda", 0), torch.float32, "a test"))


def make_job(folder: Path, recipe: Recipe, *, resume: bool = False) -> TrainingJob:
    chance = np.random.default_rng(7)
    face = np.zeros((64, 64), dtype=np.float32)
    face[16:48, 16:48] = 1
    pixels = chance.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    captions = ("ohwx woman, smile, red", "ohwx woman, hat, red")
    pictures = tuple(TrainingPicture(f"{i}.png", pixels[i], captions[i], face) for i in range(2))
    others = tuple(pixels[2:]) if recipe.class_images else ()
    return TrainingJob("anna", pictures, recipe, "ohwx", "woman", folder, seed=3, resume=resume, class_pictures=others)


def run(model: Model, recipe: Recipe, *, graphs: bool = True) -> tuple[torch.Tensor, torch.Tensor, str]:
    """(losses, what all LoRA layers add to their weights, in a row, how the steps ran)."""
    job = make_job(Path(), recipe)
    examples, classes = prepare(job, model, lambda done: None), prepare_class(job, model)
    tape = record(examples, job, model, STEPS, text=recipe.train_text, classes=classes)
    try:
        trainable = model.attach(rank=recipe.rank, alpha=recipe.alpha, text=recipe.train_text, seed=job.seed)
        optimizer = make_optimizer(trainable, recipe)
        trainable.publish()
        stepper = Stepper(model, trainable, optimizer, recipe, tape, graphs=graphs)
        losses = torch.stack([stepper(step) for step in range(STEPS)]).cpu()
        device = model.device.device
        added = [layer.delta(device).flatten().cpu() for layer in model.attached(None).layers.values()]
        return losses, torch.cat(added), stepper.how
    finally:
        model.detach()


@pytest.mark.parametrize("name", OPTIONS)
def test_a_recorded_step_answers_as_a_plain_one(model: Model, name: str) -> None:
    recipe = replace(RECIPE, **OPTIONS[name])
    losses, added, how = run(model, recipe)
    plain, others, slow = run(model, recipe, graphs=False)
    assert how == "each step one CUDA graph" and slow == "each step on its own"
    assert losses.isfinite().all() and torch.allclose(losses, plain, rtol=1e-3, atol=1e-4)
    assert float((added - others).norm() / others.norm()) < 0.01


def test_checkpointing_is_recorded_too(model: Model) -> None:
    whole, _, _ = run(model, RECIPE)
    model.save_memory(Saving(checkpointing=True))
    try:
        again, _, how = run(model, RECIPE)
    finally:
        model.save_memory(Saving())
    assert how == "each step one CUDA graph" and torch.allclose(whole, again, rtol=1e-3)


@pytest.mark.parametrize("optimizer", ["adafactor", "prodigy", "lion", "adamw8bit"])
def test_an_optimiser_that_cannot_be_recorded_says_so_and_learns(model: Model, optimizer: OptimizerName) -> None:
    package = {"prodigy": "prodigyopt", "lion": "lion_pytorch", "adamw8bit": "bitsandbytes"}.get(optimizer)
    if package:
        pytest.importorskip(package)
    recipe = replace(RECIPE, optimizer=optimizer, learning_rate=1.0 if optimizer == "prodigy" else 1e-3)
    losses, added, how = run(model, recipe)
    assert "cannot be recorded" in how and losses.isfinite().all()
    assert added.isfinite().all() and bool(added.any())


def test_a_resumed_training_ends_near_an_uninterrupted_one(model: Model, tmp_path: Path) -> None:
    """Not bit for bit, as on a processor: some of CUDA's sums have no fixed order."""
    recipe = replace(RECIPE, ema=0.9, min_snr_gamma=5.0, prior_weight=0.5, visits_per_photo=30)

    def stop(told: Step) -> None:
        if told.stage == "train" and told.done == 25:
            raise Cancelled("enough")

    whole = train(make_job(tmp_path / "whole", recipe), model)
    with pytest.raises(Cancelled):
        train(make_job(tmp_path / "parts", recipe), model, stop)
    parts = train(make_job(tmp_path / "parts", recipe, resume=True), model)
    one, two = (read_tensors(result.likeness)[0] for result in (whole, parts))
    assert one.keys() == two.keys() and parts.steps == whole.steps
    assert all(torch.allclose(one[key].float(), two[key].float(), rtol=0.05, atol=1e-3) for key in one)
