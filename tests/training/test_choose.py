"""Which checkpoint becomes the likeness: by faces that are given, never by those that the score is measured on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from portraitist import families
from portraitist.choosing import Choosing, choosing_photos, choosing_picture, choosing_report
from portraitist.devices import choose_device
from portraitist.errors import Cancelled
from portraitist.families.base import Model
from portraitist.lora.formats import read, read_tensors
from portraitist.photos import CheckedPhoto
from portraitist.preparing import Prepared, draw_apart, set_apart
from portraitist.recipes import Base, Recipe, Style
from portraitist.training.choose import (
    Choice,
    Chooser,
    Measure,
    References,
    Scored,
    best,
    clearly_above,
    likeness_of,
    make_trial,
    peaked,
    total,
)
from portraitist.training.job import Checkpoint, TrainingJob, TrainingPicture, TrainingResult
from portraitist.training.train import make_plan, train
from portraitist.types import Picture, Step

RECIPE = Recipe(
    name="choosy", rank=4, alpha=4.0, learning_rate=1e-2, batch=2, visits_per_photo=8, crops_per_photo=1,
    checkpoints=4, choose_pictures=2, choose_steps=1, choose_from=0.5, choose_patience=0, choose_average=2,
)  # fmt: skip
STYLES = (
    Style("studio", "{sitter}, smile", cfg=1.0),
    Style("city", "{sitter}, outdoors, hat", cfg=1.0),
    Style("oil", "{sitter}, red", photo=False),
)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    base = Base("tiny", "sd15", f"file:{tiny_base}", "tiny-1", (64, 64), "test")
    return families.load(tiny_base, base, choose_device("cpu"))


def make_job(folder: Path, recipe: Recipe = RECIPE, *, resume: bool = False) -> TrainingJob:
    chance = np.random.default_rng(7)
    pictures = tuple(
        TrainingPicture(f"{i}.png", chance.integers(0, 256, (64, 64, 3), dtype=np.uint8), "ohwx woman, smile")
        for i in range(3)
    )
    return TrainingJob("anna", pictures, recipe, "ohwx", "woman", folder, seed=3, resume=resume)


def by_light(picture: Picture) -> np.ndarray:
    """A face whose place in space is the picture's mean colour."""
    return np.asarray(picture.mean(axis=(0, 1)) / 255.0, dtype=np.float64)


def make_chooser(model: Model, recipe: Recipe = RECIPE, on_step: Any = lambda step: None) -> Chooser:
    trial = make_trial(STYLES, "ohwx woman", "woman, black hair", model.base, recipe, 3)
    references = References((np.array([1.0, 0.0, 0.0]),), unseen=True)
    steps = make_plan(make_job(Path(), recipe)).steps
    return Chooser(Measure(trial, references, by_light), recipe, steps, model, on_step)


def curve(*scores: float, scatter: float = 0.0) -> list[Scored]:
    """Checkpoints with these scores; their pictures scatter around them, each in its own way."""
    chance = np.random.default_rng(1)
    found = []
    for step, score in enumerate(scores, 1):
        off = scatter * chance.standard_normal(6)
        each = tuple(score + off - off.mean())
        found.append(Scored(Path(), (step,), score, None, None, score, (), each))
    return found


@pytest.fixture(scope="module")
def chosen(model: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, Choice]:
    """A whole training that chose."""
    chooser = make_chooser(model)
    result = train(make_job(tmp_path_factory.mktemp("whole")), model, on_checkpoint=chooser)
    choice = chooser.choose()
    assert choice is not None
    return result, choice


def test_the_best_of_the_later_checkpoints_becomes_the_likeness(
    model: Model, chosen: tuple[TrainingResult, Choice]
) -> None:
    _, choice = chosen
    assert [one.steps for one in choice.scored[:-1]] == [(6,), (9,), (12,)], "the first quarter is not looked at"
    top = max(choice.scored, key=lambda one: one.score)
    assert not clearly_above(top, choice.chosen)
    assert all(clearly_above(top, one) for one in choice.scored if max(one.steps) > max(choice.chosen.steps))
    mean = choice.scored[-1]
    assert len(mean.steps) == 2 and mean.file.name == "mean.safetensors"
    loras = [read(one.file, model.slots()) for one in choice.scored if one.steps[0] in mean.steps and one is not mean]
    found, name = read(mean.file, model.slots()), sorted(loras[0].layers)[0]
    wanted = (loras[0].layers[name].delta() + loras[1].layers[name].delta()) / 2
    assert (found.layers[name].delta() - wanted).norm() < 0.5 * wanted.norm()
    assert found.metadata["ss_network_alpha"] == "4.0" and "mean" in found.metadata["ss_training_comment"]
    assert [len(one.pictures) for one in choice.scored] == [2, 2, 2, 2] and len(choice.bare) == 2
    assert not np.array_equal(choice.scored[0].pictures[0], choice.scored[2].pictures[0])


def test_looking_changes_nothing_and_a_resumed_training_chooses_the_same(
    model: Model, chosen: tuple[TrainingResult, Choice], tmp_path: Path
) -> None:
    whole, first = chosen

    def stop(told: Step) -> None:
        if told.stage == "train" and told.done == 10:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        train(make_job(tmp_path), model, stop)
    again = make_chooser(model)
    result = train(make_job(tmp_path, resume=True), model, on_checkpoint=again)
    ours, theirs = read_tensors(whole.likeness)[0], read_tensors(result.likeness)[0]
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())
    second = again.choose()
    assert second is not None and second.chosen.steps == first.chosen.steps
    assert [one.score for one in first.scored] == [one.score for one in second.scored]


def test_the_training_ends_when_it_is_told_and_stays_ended(model: Model, tmp_path: Path) -> None:
    heard: list[int] = []

    def at_six(point: Checkpoint) -> bool:
        heard.append(point.step)
        return point.step == 6

    result = train(make_job(tmp_path), model, on_checkpoint=at_six)
    assert (result.steps, result.visits, result.planned) == (6, 12, 12) and heard == [3, 6]
    assert result.likeness.name == "step-000006.safetensors"
    again = train(make_job(tmp_path, resume=True), model, on_checkpoint=at_six)
    assert again.steps == 6 and again.likeness == result.likeness and heard == [3, 6, 3, 6]


def test_choosing_can_be_cancelled_and_the_state_is_there(model: Model, tmp_path: Path) -> None:
    def stop(told: Step) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        train(make_job(tmp_path), model, on_checkpoint=make_chooser(model, on_step=stop))
    told: list[Step] = []

    def stop_again(step: Step) -> None:
        told.append(step)
        if step.stage == "train":
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        train(make_job(tmp_path, resume=True), model, stop_again)
    assert told[-1].done == 7, "it goes on after the checkpoint that was being looked at"


def test_a_score_has_peaked_when_nothing_better_came_for_long_enough() -> None:
    assert not peaked(curve(0.1, 0.3), 2) and not peaked(curve(0.3, 0.2), 2)
    assert peaked(curve(0.1, 0.3, 0.2, 0.1), 2) and not peaked(curve(0.3, 0.1, 0.3), 2)
    assert not peaked(curve(0.3, 0.1, 0.1, 0.1), 0)
    assert not peaked(curve(0.1, 0.3, 0.29, 0.28, scatter=0.1), 2), "that is within chance"


def test_what_a_likeness_costs_is_taken_off() -> None:
    assert total(0.4, None, None) == 0.4 and total(0.4, 1.2, 0.9) == 0.4
    assert total(0.4, 1.0, 0.6) == pytest.approx(0.3) and total(0.4, 0.85, None) == pytest.approx(0.3)


def test_without_photos_to_spare_a_copy_of_one_photo_gains_nothing() -> None:
    faces = tuple(np.array(place) for place in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0]))
    copy, between = faces[0], np.array([0.3, 0.3])
    seen = References(faces, unseen=False)
    assert References(faces, unseen=True).distance(copy) < seen.distance(copy)
    assert seen.distance(between) < seen.distance(copy)
    assert likeness_of([None, between], seen, 2.0) == pytest.approx((0.0, 1 - seen.distance(between) / 2))


def test_of_equals_the_one_trained_longest_is_taken() -> None:
    assert best(curve(0.5, 0.5)).steps == (2,)


def test_of_those_that_only_chance_tells_apart_the_one_trained_longest_is_taken() -> None:
    assert best(curve(0.2, 0.31, 0.3, scatter=0.1)).steps == (3,)
    assert best(curve(0.2, 0.31, 0.3, scatter=0.0)).steps == (2,)
    assert best(curve(0.2, 0.6, 0.3, scatter=0.1)).steps == (2,), "more than chance"


def test_prompts_are_fixed_and_have_the_sitter_in_them_but_for_the_base(model: Model) -> None:
    trial = make_trial(STYLES, "ohwx woman", "woman, black hair", model.base, replace(RECIPE, choose_pictures=3), 3)
    assert [one.style for one in trial.asked] == ["studio", "city", "studio"], "the photo-like ones, in turn"
    assert len({one.seed for one in trial.asked}) == 3
    assert all("ohwx woman" in str(one.prompt) for one in trial.asked)
    assert [one.seed for one in trial.bare] == [one.seed for one in trial.asked]
    assert all("ohwx" not in str(one.prompt) and "black hair" in str(one.prompt) for one in trial.bare)


@dataclass(frozen=True)
class Sealed(CheckedPhoto):
    """A photo whose face nobody may look at."""

    def __getattribute__(self, name: str) -> Any:
        assert name not in ("embedding", "face"), "the photos that measure were looked at"
        return super().__getattribute__(name)


@pytest.mark.parametrize(("count", "sizes"), [(5, (5, 0, 0)), (6, (4, 1, 1)), (8, (5, 1, 2)), (10, (6, 2, 2))])
def test_the_photos_that_measure_never_choose(count: int, sizes: tuple[int, int, int]) -> None:
    photos = [CheckedPhoto(Path(f"{i}.jpg"), embedding=np.full(3, float(i))) for i in range(count)]
    training, choosing, held_out = set_apart(photos, RECIPE, 42, True)
    assert (len(training), len(choosing), len(held_out)) == sizes
    assert sorted(one.path.name for one in (*training, *choosing, *held_out)) == [f"{i}.jpg" for i in range(count)]
    sealed = tuple(Sealed(photo.path) for photo in held_out)
    prepared = Prepared(training, sealed, (), (), "none", (), choosing=choosing)
    chosen_by, unseen = choosing_photos(prepared)
    names = {photo.path for photo in chosen_by}
    assert unseen == (count >= 6) and names == {photo.path for photo in (choosing or training)}
    assert all(photo.embedding is not None for photo in chosen_by)


def test_without_choosing_the_photos_are_split_as_before() -> None:
    photos = [CheckedPhoto(Path(f"{i}.jpg")) for i in range(9)]
    plain = replace(RECIPE, choose_pictures=0)
    training, choosing, held_out = set_apart(photos, plain, 42, True)
    assert choosing == () and len(training) == 7
    assert set_apart(photos, RECIPE, 42, True)[2] == held_out, "the score is measured on the same photos"
    assert set_apart(photos, RECIPE, 42, False) == (tuple(photos), (), ())
    assert draw_apart("abcdef", 2, 1) == draw_apart("abcdef", 2, 1)


def test_the_report_and_the_grid_tell_of_the_choice(model: Model, chosen: tuple[TrainingResult, Choice]) -> None:
    (result, choice), photo = chosen, CheckedPhoto(Path("/photos/7.jpg"))
    trial = make_trial(STYLES, "ohwx woman", "woman", model.base, RECIPE, 3)
    choosing = Choosing(choice, (photo,), True, trial)
    told = choosing_report(choosing, result, {photo.path: "7.jpg"})
    assert told.photos == ("7.jpg",) and told.by == "unseen photos" and told.planned == 12 and told.pictures == 2
    assert told.steps == choice.chosen.steps and told.adherence is None and told.diversity is not None
    grid = choosing_picture(choosing)
    assert grid.shape[1] == 1600 and grid.shape[0] > 5 * 220
