"""The training of a likeness on the tiny base: it learns, it stops and goes on, it writes what loads."""

from __future__ import annotations

import itertools
import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from portraitist import families
from portraitist.devices import choose_device
from portraitist.errors import BadFile, BadRequest, Cancelled
from portraitist.families.base import Model
from portraitist.lora.formats import read, read_tensors
from portraitist.photos.framing import FRAMINGS, Frame
from portraitist.recipes import Base, Recipe, find, names
from portraitist.training.checkpoints import states
from portraitist.training.dataset import draw, prepare
from portraitist.training.job import TrainingJob, TrainingPicture, TrainingStep
from portraitist.training.losses import loss_of
from portraitist.training.optimizers import rate_factor, text_rate
from portraitist.training.tape import Batch, record
from portraitist.training.train import make_plan, train
from portraitist.types import Box, Size, Step

RECIPE = Recipe(
    name="test", rank=4, alpha=4.0, learning_rate=1e-2, batch=2, visits_per_photo=8, crops_per_photo=2, checkpoints=2
)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    base = Base("tiny", "sd15", f"file:{tiny_base}", "tiny-1", (64, 64), "test")
    return families.load(tiny_base, base, choose_device("cpu"))


def make_job(folder: Path, recipe: Recipe = RECIPE, *, photos: int = 3, resume: bool = False) -> TrainingJob:
    chance = np.random.default_rng(7)
    face = np.zeros((80, 80), dtype=np.float32)
    face[20:60, 20:60] = 1
    pictures = tuple(
        TrainingPicture(f"{i}.png", chance.integers(0, 256, (80, 80, 3), dtype=np.uint8), f"ohwx woman, {tag}", face)
        for i, tag in zip(range(photos), ("smile", "hat", "glasses"), strict=False)
    )
    return TrainingJob("anna", pictures, recipe, "ohwx", "woman", folder, seed=3, resume=resume)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_tensors(path)[0]


def same(left: Path, right: Path) -> bool:
    a, b = weights(left), weights(right)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def stop_at(step: int):  # type: ignore[no-untyped-def]
    def hook(told: Step) -> None:
        if told.stage == "train" and told.done == step:
            raise Cancelled("enough")

    return hook


def batch_of(job: TrainingJob, model: Model, step: int) -> Batch:
    tape = record(prepare(job, model, lambda done: None), job, model, step + 1, text=True)
    noise = tape.empty_noise(tape.kinds[step])
    tape.fill(noise, step, torch.Generator())
    return tape.batch(tape.kinds[step], torch.tensor([step]), noise)


def test_the_loss_falls_and_the_model_is_left_alone(model: Model, tmp_path: Path) -> None:
    before = {key: value.clone() for key, value in model.unet.state_dict().items()}  # type: ignore[attr-defined]
    recipe = replace(RECIPE, visits_per_photo=40, batch=3, schedule="constant")
    job = make_job(tmp_path, recipe)
    batches = [batch_of(job, model, 100 + i) for i in range(8)]

    def error() -> float:
        with torch.no_grad():
            return float(np.mean([loss_of(model, batch, recipe) for batch in batches]))

    bare = error()
    result = train(job, model)
    after = model.unet.state_dict()  # type: ignore[attr-defined]
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)
    with model.applied([(read(result.likeness, model.slots()), 1.0)]):
        learned = error()
    assert learned < 0.9 * bare
    assert result.steps == 40 and result.visits == 120 and len(result.loss) == 20


@pytest.mark.parametrize("extras", [{}, {"ema": 0.9, "prior_every": 3, "background_weight": 0.2, "min_snr_gamma": 5.0}])
def test_a_resumed_training_ends_with_the_same_weights(model: Model, tmp_path: Path, extras: dict[str, float]) -> None:
    recipe = replace(RECIPE, caption_dropout=0.2, tag_dropout=0.3, **extras)
    whole = train(make_job(tmp_path / "whole", recipe), model)
    for step in (3, 6):
        with pytest.raises(Cancelled):
            train(make_job(tmp_path / "parts", recipe, resume=True), model, stop_at(step))
    parts = train(make_job(tmp_path / "parts", recipe, resume=True), model)
    assert same(whole.likeness, parts.likeness)
    assert [point.step for point in parts.checkpoints] == [6, 12]
    assert [point.loss for point in parts.checkpoints] == [point.loss for point in whole.checkpoints]
    assert parts.loss == whole.loss
    assert not same(whole.checkpoints[0].file, whole.checkpoints[1].file)


def test_control_c_saves_the_state(model: Model, tmp_path: Path) -> None:
    def interrupt(told: Step) -> None:
        if told.stage == "train" and told.done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Cancelled) as caught:
        train(make_job(tmp_path), model, interrupt)
    assert caught.value.exit_code == 5
    assert signal.getsignal(signal.SIGINT) is handler
    assert len(states(tmp_path)) == 1
    assert not [name for name, _ in model.unet.named_modules() if "lora" in name]  # type: ignore[attr-defined]


def test_a_state_of_another_job_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        train(make_job(tmp_path), model, stop_at(2))
    with pytest.raises(BadRequest, match="cannot be resumed"):
        train(replace(make_job(tmp_path, resume=True), seed=4), model)
    with pytest.raises(BadRequest, match="cannot be resumed"):
        train(make_job(tmp_path, replace(RECIPE, rank=2), resume=True), model)


def test_a_training_without_resume_begins_anew(model: Model, tmp_path: Path) -> None:
    first = train(make_job(tmp_path), model)
    kept = weights(first.likeness)
    (tmp_path / "step-999999.safetensors").write_bytes(b"old")
    second = train(make_job(tmp_path), model)
    assert not (tmp_path / "step-999999.safetensors").exists()
    assert all(torch.equal(kept[key], value) for key, value in weights(second.likeness).items())


def test_progress_is_honest(model: Model, tmp_path: Path) -> None:
    told: list[Step] = []
    train(make_job(tmp_path), model, told.append)
    assert [step.done for step in told if step.stage == "encode"] == [0, 1, 2, 3]
    steps = [step for step in told if isinstance(step, TrainingStep) and step.stage == "train"]
    assert [step.done for step in steps] == list(range(1, 13))
    assert steps[0].seconds_left is None and steps[-1].seconds_left == 0.0
    assert all(step.loss is not None and step.loss > 0 for step in steps)


def test_the_file_tells_where_it_comes_from(model: Model, tmp_path: Path) -> None:
    metadata = read_tensors(train(make_job(tmp_path), model).likeness)[1]
    assert metadata["ss_base_model_version"] == "sd_v1" and metadata["ss_network_dim"] == "4"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert metadata["ss_output_name"] == "anna" and metadata["modelspec.trigger_phrase"] == "ohwx woman"
    assert len(metadata["sshs_model_hash"]) == 64 and len(metadata["sshs_legacy_hash"]) == 8
    assert '"ohwx woman": 3' in metadata["ss_tag_frequency"]


def test_each_photo_has_its_turn_and_each_step_its_own_noise(model: Model, tmp_path: Path) -> None:
    job = make_job(tmp_path, replace(RECIPE, batch=1))
    examples = prepare(job, model, lambda done: None)
    assert {len(example.latents) for example in examples} == {4}
    draws = [draw(examples, job, step) for step in range(20)]
    for epoch in (draws[:3], draws[3:6]):
        assert {drawn.captions[0] for drawn in epoch} == {"ohwx woman, smile", "ohwx woman, hat", "ohwx woman, glasses"}
    first, second = batch_of(job, model, 0), batch_of(job, model, 1)
    assert not torch.equal(first.noise, second.noise)
    assert torch.equal(first.noise, batch_of(job, model, 0).noise)
    assert torch.equal(second.latents[0], examples[draws[1].photos[0]].latents[draws[1].variants[0]])
    places = sorted(drawn.places[0] for drawn in draws)
    assert max(b - a for a, b in itertools.pairwise(places)) < 0.12


def test_crops_that_are_given_are_taken_as_they_are(model: Model, tmp_path: Path) -> None:
    job = make_job(tmp_path, replace(RECIPE, crops_per_photo=7, background_weight=0.5))
    first = job.pictures[0]
    assert first.mask is not None
    others = (first.pixels[::-1].copy(), first.pixels[:, ::-1].copy())
    for masks in ((), (first.mask, first.mask)):
        given = replace(job, pictures=(replace(first, others=others, other_masks=masks),))
        (example,) = prepare(given, model, lambda done: None)
        assert len(example.latents) == 6 and example.weights is not None and len(example.weights) == 6
        assert torch.equal(example.latents[2], example.latents[3])  # the second other is the first's mirror image


def test_a_prior_step_names_nobody_and_starts_without_an_error(model: Model, tmp_path: Path) -> None:
    recipe = replace(RECIPE, prior_every=2)
    job = make_job(tmp_path, recipe)
    drawn, batch = draw(prepare(job, model, lambda done: None), job, 1), batch_of(job, model, 1)
    assert drawn.prior and batch.prior and not any("ohwx" in caption for caption in drawn.captions)
    model.attach(rank=4, alpha=4.0, text=True, seed=0)
    try:
        assert loss_of(model, batch, recipe).item() == 0.0
    finally:
        model.detach()


def test_the_person_weighs_more_than_the_background(model: Model, tmp_path: Path) -> None:
    job = make_job(tmp_path, replace(RECIPE, background_weight=0.1, flip=False))
    weights_of = prepare(job, model, lambda done: None)[0].weights
    assert weights_of is not None and weights_of.shape == (2, 1, 8, 8)
    assert float(weights_of[0, 0, 4, 4]) > 5 * float(weights_of[0, 0, 0, 0])
    assert torch.allclose(weights_of.mean(dim=(1, 2, 3)), torch.ones(2))


def framed_job(folder: Path, recipe: Recipe, *, resume: bool = False) -> TrainingJob:
    """Five wide pictures, three of which are cut square and two upright."""
    job = make_job(folder, recipe, photos=3, resume=resume)
    first = job.pictures[0]
    frames = [Frame(Box(20, 20, 30, 30), FRAMINGS["head"], Size(64, high)) for high in (64, 128, 64, 128, 64)]
    pictures = [replace(first, caption=f"ohwx woman, tag{i}", frame=frame) for i, frame in enumerate(frames)]
    return replace(job, pictures=tuple(pictures))


def test_a_batch_has_pictures_of_one_size_and_each_photo_its_share(model: Model, tmp_path: Path) -> None:
    job = framed_job(tmp_path, replace(RECIPE, batch=2))
    examples = prepare(job, model, lambda done: None)
    assert [example.latents.shape[-2:] for example in examples] == [(high, 8) for high in (8, 16, 8, 16, 8)]
    draws = [draw(examples, job, step) for step in range(30)]
    for drawn in draws:
        tall = {caption in ("ohwx woman, tag1", "ohwx woman, tag3") for caption in drawn.captions}
        assert tall == {examples[drawn.photos[0]].latents.shape[-2] == 16}
    batch = batch_of(job, model, 7)
    assert torch.equal(batch.latents[1], examples[draws[7].photos[1]].latents[draws[7].variants[1]])
    assert batch.weights is not None and batch.weights.shape[-2:] == batch.latents.shape[-2:]
    seen = Counter(caption for drawn in draws for caption in drawn.captions)
    assert set(seen.values()) == {12}, "60 visits, five photos"
    assert len({examples[drawn.photos[0]].latents.shape for drawn in draws[:5]}) == 2, "the sizes take turns"
    assert draw(examples, job, 17) == draws[17]


def test_a_resumed_training_in_buckets_with_masks_ends_with_the_same_weights(model: Model, tmp_path: Path) -> None:
    recipe = replace(RECIPE, visits_per_photo=3, background_weight=0.2)
    whole = train(framed_job(tmp_path / "whole", recipe), model)
    with pytest.raises(Cancelled):
        train(framed_job(tmp_path / "parts", recipe, resume=True), model, stop_at(3))
    parts = train(framed_job(tmp_path / "parts", recipe, resume=True), model)
    assert same(whole.likeness, parts.likeness) and whole.loss == parts.loss
    other = framed_job(tmp_path / "parts", recipe, resume=True)
    moved = replace(other.pictures[0], frame=Frame(Box(30, 20, 30, 30), FRAMINGS["head"], Size(64, 64)))
    with pytest.raises(BadRequest, match="cannot be resumed"):
        train(replace(other, pictures=(moved, *other.pictures[1:])), model)


def test_what_reaches_over_the_photo_has_no_weight_and_a_weight_of_one_no_mask(model: Model, tmp_path: Path) -> None:
    job = make_job(tmp_path, replace(RECIPE, background_weight=0.25, flip=False, crops_per_photo=1), photos=1)
    mask = np.zeros((80, 80), np.float32)
    mask[:, :20], mask[:, 40:] = -1, 1
    job = replace(job, pictures=(replace(job.pictures[0], mask=mask),))
    (example,) = prepare(job, model, lambda done: None)
    assert example.weights is not None
    row = example.weights[0, 0, 4]
    assert float(row[0]) == 0.0 and float(row[3] / row[7]) == pytest.approx(0.25, rel=0.1)
    flat = replace(job, recipe=replace(job.recipe, background_weight=1.0))
    assert prepare(flat, model, lambda done: None)[0].weights is None


def test_plans_and_rates() -> None:
    job = make_job(Path(), replace(RECIPE, visits_per_photo=10, batch=4, checkpoints=3))
    assert make_plan(job).steps == 8 and make_plan(job).checkpoints == (3, 5, 8)
    assert make_plan(replace(job, recipe=replace(RECIPE, max_visits=6))).steps == 3
    with pytest.raises(BadRequest, match="no photo"):
        make_plan(replace(job, pictures=()))
    with pytest.raises(BadFile, match="batch must be greater"):
        make_plan(replace(job, recipe=replace(RECIPE, batch=0)))
    assert rate_factor(RECIPE, 0, 10) == 1.0 and rate_factor(RECIPE, 5, 10) == pytest.approx(0.5)
    assert rate_factor(replace(RECIPE, warmup=3), 0, 10) == 0.25
    assert text_rate(replace(RECIPE, train_text=False)) == 0.0


def test_the_librarys_recipes_make_sense() -> None:
    for name in names(Recipe):
        recipe = find(Recipe, name)
        assert make_plan(make_job(Path(), recipe)).steps > 0 and recipe.name == name
    assert find(Base, "mini").recipe in names(Recipe)


def test_a_finished_training_resumes_to_its_file(model: Model, tmp_path: Path) -> None:
    first = train(make_job(tmp_path), model)
    kept = weights(first.likeness)
    again = train(make_job(tmp_path, resume=True), model)
    assert again.checkpoints == first.checkpoints
    for point in first.checkpoints:
        point.file.unlink()
    third = train(make_job(tmp_path, resume=True), model)
    assert all(torch.equal(kept[key], value) for key, value in weights(third.likeness).items())


def test_a_training_that_goes_astray_says_so(model: Model, tmp_path: Path) -> None:
    recipe = replace(RECIPE, learning_rate=1e30, max_grad_norm=0.0)
    with pytest.raises(BadFile, match="went astray"):
        train(make_job(tmp_path, recipe), model)
    assert not [name for name, _ in model.unet.named_modules() if "lora" in name]  # type: ignore[attr-defined]
