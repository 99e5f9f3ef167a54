"""Class pictures are drawn once or read, and a training with every option on goes on as if it had not been stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from portraitist import families
from portraitist.devices import choose_device
from portraitist.errors import BadRequest, Cancelled, NoPhotos
from portraitist.families.base import Model
from portraitist.images import save_png
from portraitist.lora.formats import read_tensors
from portraitist.recipes import Base, Recipe
from portraitist.training.checkpoints import fingerprint
from portraitist.training.class_pictures import check_class_images, with_class_pictures
from portraitist.training.dataset import prepare_class
from portraitist.training.job import TrainingJob, TrainingPicture
from portraitist.training.train import train
from portraitist.types import Step

RECIPE = Recipe("r", rank=2, alpha=2.0, learning_rate=1e-2, visits_per_photo=1, crops_per_photo=1, checkpoints=1)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    base = Base("tiny", "sd15", f"file:{tiny_base}", "tiny-1", (64, 64), "test", steps=2)
    return families.load(tiny_base, base, choose_device("cpu"))


def make_job(folder: Path, recipe: Recipe = RECIPE, *, resume: bool = False) -> TrainingJob:
    chance = np.random.default_rng(7)
    face = np.zeros((64, 64), dtype=np.float32)
    face[16:48, 16:48] = 1
    pixels = chance.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    captions = ("ohwx woman, smile, red", "ohwx woman, hat, red")
    pictures = tuple(TrainingPicture(f"{i}.png", pixels[i], captions[i], face) for i in range(2))
    return TrainingJob("anna", pictures, recipe, "ohwx", "woman", folder, seed=3, resume=resume)


def test_the_base_draws_class_pictures_once(model: Model, tmp_path: Path) -> None:
    job = make_job(tmp_path, replace(RECIPE, class_images=1))
    told: list[Step] = []
    made = with_class_pictures(job, model, None, tmp_path / "class", told.append)
    assert [picture.shape for picture in made.class_pictures] == [(64, 64, 3)] * 2
    assert not np.array_equal(*made.class_pictures)
    assert [(step.done, step.total) for step in told] == [(0, 2), (1, 2), (2, 2)]
    files = sorted((tmp_path / "class").glob("*/*.png"))
    before = [file.stat().st_mtime_ns for file in files]
    more = with_class_pictures(replace(job, recipe=replace(RECIPE, class_images=2)), model, None, tmp_path / "class")
    assert len(more.class_pictures) == 4
    assert all(np.array_equal(one, two) for one, two in zip(made.class_pictures, more.class_pictures, strict=False))
    assert [file.stat().st_mtime_ns for file in files] == before, "the first two were not drawn again"
    assert fingerprint(made, model) != fingerprint(job, model)


def test_a_folder_of_class_pictures_is_cut_to_the_bases_size(model: Model, tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (100, 160, 3), dtype=np.uint8)
    (tmp_path / "others").mkdir()
    save_png(tmp_path / "others" / "a.png", picture)
    made = with_class_pictures(make_job(tmp_path), model, str(tmp_path / "others"), tmp_path / "class")
    latents = prepare_class(made, model)
    assert made.class_pictures[0].shape == (64, 64, 3) and latents is not None and latents.shape == (1, 4, 8, 8)
    assert not (tmp_path / "class").exists()
    with pytest.raises(NoPhotos, match="no file or folder"):
        check_class_images(str(tmp_path / "nowhere"), RECIPE)
    with pytest.raises(BadRequest, match="no weight"):
        check_class_images(str(tmp_path / "others"), replace(RECIPE, class_weight=0.0))


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "prodigy", "learning_rate": 1.0, "shuffle_tags": True, "clip_skip": 2, "tokens": 150, "ema": 0.9},
        {"background_target": "base", "train_text": False, "prior_weight": 0.5, "noise_offset": 0.1},
    ],
)
def test_a_resumed_training_ends_with_the_same_weights(model: Model, tmp_path: Path, options: dict[str, Any]) -> None:
    recipe = replace(RECIPE, tag_dropout=0.3, min_snr_gamma=5.0, **options)
    others = tuple(picture.pixels[::-1].copy() for picture in make_job(tmp_path).pictures)
    whole = train(replace(make_job(tmp_path / "whole", recipe), class_pictures=others), model)
    again = replace(make_job(tmp_path / "parts", recipe, resume=True), class_pictures=others)

    def stop(told: Step) -> None:
        if told.stage == "train" and told.done == 1:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        train(again, model, stop)
    parts = train(again, model)
    one, two = (read_tensors(result.likeness)[0] for result in (whole, parts))
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    assert any(bool(value.any()) for key, value in one.items() if key.endswith("lora_up.weight"))
    assert parts.loss == whole.loss and whole.steps == 2
