"""Lets a training choose among its checkpoints: which photos' faces it is given, and what is told of it afterwards.

Knows which photos were set apart for what; the choice itself is made in `training.choose`, which is given faces alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from portraitist.captions import tags
from portraitist.captions.tagger import Tagger
from portraitist.faces import Faces
from portraitist.families.base import Model
from portraitist.measure import look
from portraitist.photos import CheckedPhoto
from portraitist.preparing import Prepared
from portraitist.recipes import Style
from portraitist.requests import ChoosingReport, TrainRequest
from portraitist.show.trials import Row, draw_trials
from portraitist.training.choose import Choice, Chooser, Measure, References, Trial, make_trial
from portraitist.training.job import TrainingJob, TrainingResult
from portraitist.training.train import make_plan
from portraitist.types import Embedding, OnStep, Picture


@dataclass(frozen=True)
class Choosing:
    """A choice that was made, and by which photos."""

    choice: Choice
    photos: tuple[CheckedPhoto, ...]
    unseen: bool
    trial: Trial


@dataclass(frozen=True)
class Committee:
    """A chooser for one training, and what it judges by."""

    chooser: Chooser
    photos: tuple[CheckedPhoto, ...]
    unseen: bool
    trial: Trial

    def decide(self) -> Choosing | None:
        """What was chosen; None where no checkpoint was scored."""
        choice = self.chooser.choose()
        return None if choice is None else Choosing(choice, self.photos, self.unseen, self.trial)


def call_committee(
    request: TrainRequest,
    job: TrainingJob,
    prepared: Prepared,
    model: Model,
    faces: Faces,
    tagger: Tagger | None,
    styles: Sequence[Style],
    on_step: OnStep,
) -> Committee | None:
    """The chooser of a training, or None where the recipe wants none or no face can be compared."""
    recipe, (photos, unseen) = job.recipe, choosing_photos(prepared)
    references = tuple(photo.embedding for photo in photos if photo.embedding is not None)
    if not recipe.choose_pictures or not references or request.kind == "pet" or not styles:
        return None
    subject = tags.subject(request.trigger, request.class_word)
    words = tags.words_prompt(prepared.identity, (), request.class_word, tags.load_rules())
    trial = make_trial(styles, subject, words, model.base, recipe, request.seed, request.sitter)

    def read_face(picture: Picture) -> Embedding | None:
        return look(picture, faces).face

    measure = Measure(trial, References(references, unseen), read_face, tagger)
    chooser = Chooser(measure, recipe, make_plan(job).steps, model, on_step)
    return Committee(chooser, photos, unseen, trial)


def choosing_photos(prepared: Prepared) -> tuple[tuple[CheckedPhoto, ...], bool]:
    """(photos, whether training never saw them): those that were set apart for it, or with few photos the training's.

    Never those that the score is measured on.
    """
    return (prepared.choosing, True) if prepared.choosing else (prepared.training, False)


def choosing_report(choosing: Choosing, result: TrainingResult, called: Mapping[Path, str]) -> ChoosingReport:
    """What the report tells of the choice; `called` are the photos' names."""
    chosen = choosing.choice.chosen
    return ChoosingReport(
        by="unseen photos" if choosing.unseen else "training photos",
        photos=tuple(called[photo.path] for photo in choosing.photos),
        pictures=len(choosing.trial.asked),
        steps=chosen.steps,
        score=chosen.score,
        likeness=chosen.likeness,
        adherence=chosen.adherence,
        diversity=chosen.diversity,
        planned=result.planned,
        seconds=choosing.choice.seconds,
        prompts=tuple(request.prompt or "" for request in choosing.trial.asked),
    )


def choosing_picture(choosing: Choosing) -> Picture:
    """The sample grid: what the bare base drew from words, then each scored checkpoint, the chosen one marked."""
    choice = choosing.choice
    rows = [Row("the bare base, in words", "", choice.bare)]
    for one in choice.scored:
        name = f"step {one.steps[0]}" if len(one.steps) == 1 else f"mean of steps {', '.join(map(str, one.steps))}"
        rows.append(Row(name, f"{round(one.score, 2) + 0.0:.2f}", one.pictures, one is choice.chosen))
    return draw_trials(rows, [request.style or "" for request in choosing.trial.asked])
