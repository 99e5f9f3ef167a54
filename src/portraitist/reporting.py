"""What a training did, in words and numbers: builds the report, and copies what is meant for people.

Knows what the stages give back. Does no work of theirs.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from portraitist import measure, ranking
from portraitist.choosing import Choosing, choosing_report
from portraitist.families.found import weights_sum
from portraitist.files import replacing
from portraitist.photos import PhotoCheck
from portraitist.preparing import Prepared, file_names
from portraitist.recipes import Base
from portraitist.requests import (
    BaseReport,
    Checkpoint,
    LikenessReport,
    Report,
    TrainingReport,
    TrainRequest,
)
from portraitist.settings import Settings
from portraitist.show.results import versions
from portraitist.sitting import Made
from portraitist.store.sitters import SitterFolder
from portraitist.training.choose import Choice
from portraitist.training.job import TrainingResult


def captioned_report(
    request: TrainRequest,
    checked: PhotoCheck,
    prepared: Prepared,
    settings: Settings,
    base: Base,
    seconds: Mapping[str, float],
) -> Report:
    """The report where nothing was trained."""
    called = file_names(checked.accepted)
    return Report(
        sitter=request.sitter,
        photos=checked.report.photos,
        held_out=_held_out(prepared, called),
        captions={photo.name: photo.caption for photo in prepared.set},
        likeness=LikenessReport(None, "Only captions were asked for."),
        seconds=seconds,
        base=BaseReport(base.name, base.version, weights_sum(base, settings)),
        versions={**versions(), "captioner": prepared.captioner},
        warnings=(*checked.warnings, *prepared.warnings),
    )


def training_report(
    request: TrainRequest,
    checked: PhotoCheck,
    prepared: Prepared,
    result: TrainingResult,
    made: Sequence[Made],
    record: measure.FaceRecord,
    settings: Settings,
    base: Base,
    seconds: Mapping[str, float],
    choosing: Choosing | None = None,
) -> Report:
    """The report of a whole training; `choosing` if the likeness was chosen."""
    called = file_names(checked.accepted)
    choice = choosing.choice if choosing else None
    told = choosing_report(choosing, result, called) if choosing else None
    training = TrainingReport(
        round(result.seconds, 2), result.steps, result.visits, result.loss, _checkpoints(result, choice), told
    )
    return Report(
        sitter=request.sitter,
        photos=checked.report.photos,
        held_out=_held_out(prepared, called),
        captions={photo.name: photo.caption for photo in prepared.set},
        training=training,
        portraits=tuple(one.report for one in made),
        likeness=likeness_report(made, record),
        seconds=seconds,
        base=BaseReport(base.name, base.version, weights_sum(base, settings)),
        versions={**versions(), "captioner": prepared.captioner, "faces": record.recogniser},
        warnings=(*checked.warnings, *result.warnings),
    )


def _held_out(prepared: Prepared, called: Mapping[Path, str]) -> tuple[str, ...]:
    """All photos that training never saw; those that measure come first."""
    return tuple(called[photo.path] for photo in (*prepared.held_out, *prepared.choosing))


def _checkpoints(result: TrainingResult, choice: Choice | None) -> tuple[Checkpoint, ...]:
    """Each checkpoint with its scores; `chosen` is the last one where none was chosen."""
    scored = {one.steps: one for one in choice.scored} if choice else {}
    taken = choice.chosen.steps if choice else (result.checkpoints[-1].step,)
    points = []
    for point in result.checkpoints:
        told = Checkpoint(point.step, point.loss, chosen=point.step in taken)
        if one := scored.get((point.step,)):
            told = replace(
                told, score=one.score, likeness=one.likeness, adherence=one.adherence, diversity=one.diversity
            )
        points.append(told)
    return tuple(points)


def likeness_report(made: Sequence[Made], record: measure.FaceRecord) -> LikenessReport:
    """The mean scores of the portraits, photo-like and painted, or the reason why there are none."""
    scale = record.scale
    if scale is None or not made:
        reason = record.reason if scale is None else "No portraits were made."
        return LikenessReport(None, reason, words=record.words)

    def mean(photo: bool) -> float | None:
        faces = [one.face for one in made if one.report.photo == photo]
        return round(ranking.mean_score(scale, faces), 4) if faces else None

    return LikenessReport(
        mean(True), None, painted=mean(False), words=record.words,
        d_words=round(scale.d_words, 4), d_same=round(scale.d_same, 4),
    )  # fmt: skip


def best_portrait(made: Sequence[Made]) -> str | None:
    first = next((one.report for one in made if one.report.photo), None)
    return first.file if first is not None else None


def copy_results(folder: SitterFolder, report: Report, out: Path) -> None:
    """Copy what is meant for people from the sitter's folder to `out`, each file whole."""
    names_ = [
        "contact.jpg",
        "choosing.jpg",
        "index.html",
        "report.json",
        *(f"{folder.name}{end}" for end in (".safetensors", ".json", ".png")),
    ]
    for name in (*names_, *(portrait.file for portrait in report.portraits)):
        if (folder.root / name).is_file():
            with replacing(out / name) as part:
                shutil.copyfile(folder.root / name, part)
