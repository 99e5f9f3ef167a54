"""What a training takes of a GPU: estimates, presets, refusals that say what fits, and one more try with less."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from portraitist.devices import choose_device
from portraitist.errors import BadRequest, OutOfMemory
from portraitist.families.base import Saving
from portraitist.families.unet import _TARGETS
from portraitist.recipes import LIBRARY, Base, Recipe
from portraitist.training import memory
from portraitist.training.job import TrainingJob, TrainingResult
from portraitist.training.memory import GIB, Table, check_memory, choose, estimate, load_table, on_device, train_to_fit
from portraitist.types import Size

HUNGRY = Recipe(name="hungry", rank=32, batch=64, train_text=True, checkpoints=4)


def table_of(family: str) -> Table:
    table = load_table(family)
    assert table is not None
    return table


@pytest.mark.parametrize(("family", "gigabytes"), [("sd15", [6, 8, 12, 16, 24]), ("sdxl", [10, 12, 16, 24])])
def test_each_preset_fits_its_device_whatever_the_recipe_asks(family: str, gigabytes: list[int]) -> None:
    table = table_of(family)
    assert [preset.gigabytes for preset in table.presets] == gigabytes
    for preset in table.presets:
        needed = on_device(table, estimate(table, HUNGRY, preset, Size(*table.size)))
        assert 0.6 * preset.gigabytes * GIB < needed <= preset.gigabytes * GIB, (
            f"{preset.gigabytes}: {needed / GIB:.2f}"
        )


def test_what_is_saved_is_less() -> None:
    table = table_of("sdxl")
    plain, recipe, size = replace(table.presets[-1], slices=True, batch=4), replace(HUNGRY, batch=1), Size(1024, 1024)
    needed = estimate(table, recipe, plain, size)
    assert estimate(table, recipe, replace(plain, checkpointing=True), size) < 0.8 * needed
    assert estimate(table, recipe, replace(plain, text=False, park=True), size) < needed - 1.5e9
    assert estimate(table, recipe, plain, Size(512, 512)) < 0.8 * needed
    assert estimate(table, replace(recipe, batch=2), plain, size) > 1.2 * needed
    assert estimate(table, replace(recipe, ema=0.99), plain, size) > needed
    assert estimate(table, replace(recipe, optimizer="lion"), plain, size) < needed
    assert estimate(table, replace(recipe, prior_weight=1.0), plain, size) > 1.2 * needed
    assert replace(plain, batch=4).lowered(replace(HUNGRY, prior_weight=1.0)).batch == 2


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_the_table_counts_what_attention_alone_takes(family: str) -> None:
    """The weights are counted again, on networks of the published size that hold no numbers."""
    from diffusers import UNet2DConditionModel

    table, place = table_of(family), LIBRARY / "families" / family / "unet" / "config.json"
    config = {key: value for key, value in json.loads(place.read_text()).items() if not key.startswith("_")}
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    counts = {
        layers: sum(
            module.in_features + module.out_features
            for path, module in unet.named_modules()
            if isinstance(module, torch.nn.Linear) and path.endswith(targets)
        )
        for layers, targets in _TARGETS.items()
    }
    assert counts == {"all": table.lora["unet"], "attention": table.lora["attention"]}


def test_attention_alone_and_class_pictures_are_estimated(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    table, size, recipe = table_of("sd15"), Size(512, 512), replace(HUNGRY, batch=8, train_text=False)
    preset, few = replace(table.presets[-1], slices=True, tiles=True), replace(recipe, layers="attention")
    spared = estimate(table, recipe, preset, size) - estimate(table, few, preset, size)
    weights = 32 * (374016 - 199296) * (8 + 8 + 4)
    assert abs(spared - weights - 8 * 512 * 512 * table.spared) < 2**20
    drawn, free = replace(recipe, class_images=2), replace(recipe, class_images=2, class_weight=0.0)
    assert estimate(table, drawn, preset, size) > 1.3 * estimate(table, recipe, preset, size)
    assert estimate(table, free, preset, size) == estimate(table, recipe, preset, size), "of no weight, so not there"
    picture = np.zeros((8, 8, 3), np.uint8)
    _, _, trainings = run(replace(job, class_pictures=(picture,)), monkeypatch, 0, 80, memory="16")
    _, _, others = run(job, monkeypatch, 0, 80, memory="16")
    assert (trainings.jobs[0].recipe.batch, others.jobs[0].recipe.batch) == (2, 4), "one beside each photo"
    assert trainings.jobs[0].recipe.class_images == 0, "the recipe itself stays"


def test_the_largest_preset_that_fits_is_taken() -> None:
    table, size = table_of("sd15"), Size(512, 512)
    assert choose(table, HUNGRY, size, 80 * GIB).preset.gigabytes == 24
    assert choose(table, HUNGRY, size, 9 * GIB).preset.gigabytes == 8
    assert choose(table, replace(HUNGRY, batch=1), size, 6 * GIB).preset.gigabytes == 12, "photos one by one"
    assert choose(table, replace(HUNGRY, batch=1), size, 11 * GIB).preset.gigabytes == 24, "it asks for no more"
    assert choose(table, HUNGRY, size, 80 * GIB, memory="8").preset.gigabytes == 8
    with pytest.raises(BadRequest, match="preset '7'") as caught:
        choose(table, HUNGRY, size, 80 * GIB, memory="7")
    assert "6, 8, 12, 16, 24" in str(caught.value.hint)


def test_a_refusal_says_what_is_needed_what_is_free_and_what_fits() -> None:
    table = table_of("sdxl")
    with pytest.raises(OutOfMemory, match=r"needs about \d+\.\d GB at 1024x1024 .* 14\.0 GB are free") as caught:
        choose(table, HUNGRY, Size(1024, 1024), 14 * GIB, memory="24")
    assert caught.value.hint == "With --memory 12 it fits." and caught.value.exit_code == 4
    tight = on_device(table, estimate(table, HUNGRY, table.presets[0], Size(640, 640)))
    with pytest.raises(OutOfMemory) as caught:
        choose(table, HUNGRY, Size(1024, 1024), tight)
    assert "--memory 10 --size 640x640" in str(caught.value.hint)
    with pytest.raises(OutOfMemory) as caught:
        choose(table, HUNGRY, Size(1024, 1024), 2 * GIB)
    assert "mini" in str(caught.value.hint)


class FakeModel:
    """A full-size model on a GPU, as far as memory is concerned."""

    base = Base("sdxl", "sdxl", "file:x", "1", (1024, 1024), "portrait")
    device = SimpleNamespace(type="cuda", device=torch.device("cuda"), dtype=torch.bfloat16)

    def __init__(self, share: float = 1.0) -> None:
        self.share, self.saved = share, []

    def weights(self) -> dict[str, int]:
        return {name: round(count * self.share) for name, count in table_of("sdxl").parameters.items()}

    def save_memory(self, saving: Saving) -> None:
        self.saved.append(saving)


class Trainings:
    """Stands in for `train`: notes what it was asked for, and runs out of memory as often as it is told."""

    def __init__(self, failures: int) -> None:
        self.failures, self.jobs = failures, []

    def __call__(self, job: TrainingJob, *_: Any) -> TrainingResult:
        self.jobs.append(job)
        if len(self.jobs) <= self.failures:
            raise OutOfMemory("There is not enough memory for the training.")
        return TrainingResult(Path("x"), (), 1, 1, 1.0)


@pytest.fixture
def job(tmp_path: Path) -> TrainingJob:
    return TrainingJob("anna", (), HUNGRY, "ohwx", "woman", tmp_path)


def run(job: TrainingJob, patch: pytest.MonkeyPatch, failures: int, free: float, **more: Any) -> Any:
    model, trainings = FakeModel(more.pop("share", 1.0)), Trainings(failures)
    patch.setattr(memory, "train", trainings)
    patch.setattr(memory, "available", lambda device: round(free * GIB))
    patch.setattr(torch.cuda, "empty_cache", lambda: None)
    try:
        return train_to_fit(job, model, **more), model, trainings  # type: ignore[arg-type]
    except OutOfMemory as error:
        return error, model, trainings


def test_the_recipe_is_lowered_to_what_fits_and_the_report_says_so(
    job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, model, trainings = run(job, monkeypatch, 0, 10.0)
    recipe = trainings.jobs[0].recipe
    assert (recipe.batch, recipe.train_text) == (1, False) and recipe.rank == HUNGRY.rank
    assert model.saved == [Saving(checkpointing=True, slices=True, tiles=True, park=True), Saving()]
    assert result.warnings[0].code == "memory_preset"
    assert "1 pictures a step instead of 64, the text encoder is not trained, gradient" in result.warnings[0].message
    modest = replace(job, recipe=replace(HUNGRY, batch=1, train_text=False))
    result, model, _ = run(modest, monkeypatch, 0, 80)
    assert not result.warnings and model.saved == [Saving(slices=True), Saving()]


def test_out_of_memory_is_tried_once_more_with_less(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    result, model, trainings = run(replace(job, resume=True), monkeypatch, 1, 80)
    assert [asked.recipe.batch for asked in trainings.jobs] == [1, 4] and model.saved[-1] == Saving()
    assert [asked.resume for asked in trainings.jobs] == [True, False], "a state with another batch is of no use"
    assert result.warnings[0].code == "out_of_memory" and "16 GB" in result.warnings[0].message
    error, model, trainings = run(job, monkeypatch, 2, 80)
    assert isinstance(error, OutOfMemory) and len(trainings.jobs) == 2 and model.saved[-1] == Saving()
    error, _, trainings = run(job, monkeypatch, 1, 80, memory="10")
    assert isinstance(error, OutOfMemory) and len(trainings.jobs) == 1, "there is nothing smaller"


def test_a_resumed_training_keeps_its_preset(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    run(job, monkeypatch, 0, 12.0)
    _, _, trainings = run(replace(job, resume=True), monkeypatch, 0, 80)
    assert not trainings.jobs[0].recipe.train_text
    _, _, trainings = run(job, monkeypatch, 0, 80)
    assert trainings.jobs[0].recipe.batch == 1 and trainings.jobs[0].recipe.train_text


def test_a_wrong_preset_is_refused_where_nothing_is_estimated() -> None:
    base, processor = Base("mini", "sd15", "file:", "1", (256, 256), "mini"), choose_device("cpu")
    assert check_memory(base, HUNGRY, processor, "8") is None
    with pytest.raises(BadRequest, match="'lots' for sd15"):
        check_memory(base, HUNGRY, processor, "lots")


def test_small_networks_and_processors_are_not_estimated(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    _, model, trainings = run(job, monkeypatch, 0, 1.0, share=0.01)
    assert trainings.jobs == [job] and not model.saved
