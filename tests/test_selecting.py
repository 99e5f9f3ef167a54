"""Which candidates are kept, how many are made, and what is told of the others; the portraits come from a list."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from portraitist import measure, ranking, selecting
from portraitist.errors import BadRequest
from portraitist.generation.generate import GenerationStep
from portraitist.images import read_picture
from portraitist.requests import ChooseRequest, PortraitReport, PortraitRequest, PortraitsReport, Reason
from portraitist.settings import ChoosingSettings
from portraitist.sitting import Made
from portraitist.types import Step

RNG = np.random.default_rng(3)
FLAW = Reason("no_face", 0, 1, "No face was found in it.")


def portrait(number: int, reach: float | None = 0.8, *, flawed: bool = False, grey: int | None = None) -> Made:
    """A candidate; pictures differ unless they have the same `grey`."""
    pixels = (
        RNG.integers(0, 255, (32, 32, 3)).astype(np.uint8) if grey is None else np.full((32, 32, 3), grey, np.uint8)
    )
    name = f"studio-{number}.png"
    faces = 0 if flawed else 1
    report = PortraitReport(name, "studio", "a portrait", number, None, faces)
    candidate = ranking.Candidate(
        name, "studio", faces, None, 1.0, None if flawed else reach, (FLAW,) if flawed else (),
        small=ranking.miniature(pixels),
    )  # fmt: skip
    return Made(report, pixels, None, candidate)


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs `make_chosen` on a list of candidates; `made` counts how many were asked for."""
    photos = tuple(tuple(float(v) for v in RNG.normal(0, 0.02, 8)) for _ in range(6))
    sitting = SimpleNamespace(record=measure.FaceRecord("dlib-resnet-v1", photos))
    counted = SimpleNamespace(made=0, sitting=sitting, root=tmp_path)

    def run(
        candidates: Sequence[Made], count: int, asked: ChooseRequest = ChooseRequest(), **more: Any
    ) -> PortraitsReport:
        def each(request: PortraitRequest, *_: Any, **__: Any) -> Iterator[Made]:
            for one in candidates[: request.count]:
                counted.made += 1
                yield one

        counted.made = 0
        monkeypatch.setattr(selecting, "make_each", each)
        request = PortraitRequest("anna", count=count)
        weights = more.pop("settings", ChoosingSettings())
        model: Any = None
        return selecting.make_chosen(request, sitting, model, model, tmp_path, asked, weights, **more)

    counted.run = run
    return counted


def seeds(reports: Sequence[PortraitReport]) -> list[int]:
    return [one.seed for one in reports]


def test_candidates_are_made_until_enough_are_good(studio: Any) -> None:
    made = [portrait(0, flawed=True), portrait(1, 0.9), portrait(2, flawed=True), portrait(3, 0.5), portrait(4)]
    report = studio.run(made, 2)
    assert studio.made == 4, "the fifth is not needed"
    assert seeds(report.portraits) == [3, 1], "the nearer one first"
    assert sorted(file.name for file in studio.root.iterdir()) == ["studio-1.png", "studio-3.png"]
    assert [one.reasons[0].code for one in report.rejected] == ["no_face", "no_face"]
    assert all(one.file == "" for one in report.rejected) and report.warnings == ()
    np.testing.assert_array_equal(read_picture(studio.root / "studio-3.png"), made[3].pixels)


def test_at_the_end_of_the_budget_the_best_of_the_others_fill_up(studio: Any) -> None:
    report = studio.run([portrait(i, flawed=i != 3) for i in range(20)], 3, ChooseRequest(budget=6))
    assert studio.made == 6 and len(report.portraits) == 3 and report.portraits[0].seed == 3
    (warning,) = report.warnings
    assert warning.code == "too_few_good" and "2 of 3" in warning.message and "no_face" in warning.message
    assert len(list(studio.root.iterdir())) == 3 and len(report.rejected) == 3


def test_a_likeness_that_is_never_near_is_called_weak(studio: Any) -> None:
    unlike = ranking.likeness_flaws(1, 1.4, True)
    made = [
        replace(one, candidate=replace(one.candidate, flaws=unlike)) for one in (portrait(i, 1.4) for i in range(9))
    ]
    (warning,) = studio.run(made, 2).warnings
    assert warning.code == "weak_likeness" and "6 were made" in warning.message and "photos" in warning.message


def test_of_a_set_number_the_best_are_kept_and_the_others_say_why(studio: Any) -> None:
    made = [portrait(i, reach) for i, reach in enumerate((0.9, 0.4, 0.95, 0.5, 0.8))]
    report = studio.run(made, 2, ChooseRequest(candidates=5, keep_rejected=True))
    assert studio.made == 5 and seeds(report.portraits) == [1, 3]
    assert {one.reasons[0].code for one in report.rejected} == {"not_chosen"}
    assert all((studio.root / one.file).is_file() for one in report.rejected)
    scores = report.portraits[0].scores
    assert scores is not None and scores.likeness == pytest.approx(0.8) and scores.variety == 1.0


def test_one_portrait_is_the_one_of_its_seed_unless_more_are_asked_for(studio: Any) -> None:
    made = [portrait(0, flawed=True), portrait(1)]
    assert seeds(studio.run(made, 1).portraits) == [0] and studio.made == 1
    assert seeds(studio.run(made, 1, ChooseRequest(budget=5)).portraits) == [1]


def test_the_same_picture_again_is_not_good(studio: Any) -> None:
    made = [portrait(0, 0.7, grey=100), portrait(1, 0.6, grey=101), portrait(2, 0.9)]
    report = studio.run(made, 2)
    assert sorted(seeds(report.portraits)) == [0, 2] and report.rejected[0].reasons[0].code == "alike"
    best = studio.run(made, 2, ChooseRequest(candidates=3))
    assert sorted(seeds(best.portraits)) == [1, 2], "of two that are the same the better one stays"


def test_a_pet_is_ordered_by_quality_and_the_report_says_so(studio: Any) -> None:
    studio.sitting.record = measure.FaceRecord("dlib-resnet-v1", ())
    made = [portrait(0, None), portrait(1, None)]
    made[0] = replace(made[0], candidate=replace(made[0].candidate, faces=0, quality=0.3))
    report = studio.run(made, 2)
    assert seeds(report.portraits) == [1, 0]
    assert [warning.code for warning in report.warnings] == ["not_compared"]
    assert report.portraits[0].scores is not None and report.portraits[0].scores.likeness is None


def test_a_learned_scorer_weighs_as_the_settings_say(studio: Any) -> None:
    class Scorer:
        name = "grey"

        def score(self, pictures: Sequence[np.ndarray]) -> list[float]:
            return [float(picture.mean() / 255) for picture in pictures]

    made = [portrait(0, 0.5, grey=20), portrait(1, 0.6, grey=240)]
    asked = ChooseRequest(candidates=2)
    plain = studio.run(made, 1, asked)
    assert seeds(plain.portraits) == [0]
    report = studio.run(made, 1, asked, scorers=[Scorer()], settings=ChoosingSettings(scorers={"grey": 2.0}))
    assert seeds(report.portraits) == [1]
    assert report.portraits[0].scores.learned == {"grey": pytest.approx(240 / 255, abs=1e-3)}


@pytest.mark.parametrize(
    ("count", "asked", "said"),
    [
        (4, ChooseRequest(budget=3), "budget is 3"),
        (4, ChooseRequest(candidates=2), "candidates is 2"),
        (4, ChooseRequest(budget=8, candidates=8), "exclude"),
        (1, ChooseRequest(candidates=1001), "1000"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(count: int, asked: ChooseRequest, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        selecting.make_plan(count, asked, ChoosingSettings())


def test_the_usual_budget_is_that_of_the_settings() -> None:
    assert selecting.make_plan(4, ChooseRequest(), ChoosingSettings()).most == 12
    assert selecting.make_plan(4, ChooseRequest(), ChoosingSettings(budget=5)).most == 20
    assert selecting.make_plan(900, ChooseRequest(), ChoosingSettings()).most == 1000


def test_the_time_left_goes_by_how_many_are_good_so_far() -> None:
    heard: list[Step] = []
    told = selecting._Told(heard.append, selecting.Plan(4, 12, False))
    told(GenerationStep("portrait", 5, 120, seconds_left=None))
    assert heard[-1].total == 40, "four candidates at first, not the whole budget"
    told.good = 1
    told(GenerationStep("portrait", 31, 120, seconds_left=9.0))
    assert heard[-1].total == 100, "one of three was good: about seven more"
    assert "1 of 4 good, 3 made, at most 12" in heard[-1].detail
    all_ = selecting._Told(heard.append, selecting.Plan(4, 12, True))
    all_(GenerationStep("portrait", 5, 120, seconds_left=None))
    assert heard[-1].total == 120
