"""Makes candidates until enough of them are good, or a set number of them, and keeps the best.

Knows the order of the work and which files are written; what is good is said in `ranking`. A candidate's pixels come
from its own seed alone, so that nothing here changes a picture.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from portraitist import measure, ranking
from portraitist.errors import BadRequest
from portraitist.families.base import Model
from portraitist.files import make_folder
from portraitist.generation.generate import GenerationStep
from portraitist.images import save_png
from portraitist.ranking.scorers import Scorer
from portraitist.requests import (
    ChooseRequest,
    PortraitReport,
    PortraitRequest,
    PortraitScores,
    PortraitsReport,
    Reason,
    Warn,
)
from portraitist.settings import ChoosingSettings
from portraitist.sitting import Made, Sitting, make_each
from portraitist.types import OnStep, Step, no_progress

MOST = 1000
"""Candidates of one request."""

REJECTED = "rejected"
"""The sub-folder for what was not kept."""


@dataclass(frozen=True)
class Plan:
    """How many portraits to `keep` of at most `most` candidates; `all_made`: make them all and keep the best."""

    keep: int
    most: int
    all_made: bool

    def enough(self, good: int) -> bool:
        """Whether no further candidate is needed."""
        return not self.all_made and good >= self.keep


def make_plan(count: int, asked: ChooseRequest, settings: ChoosingSettings) -> Plan:
    """The plan for `count` portraits. Raises BadRequest for numbers that do not go together.

    One portrait has a budget of one unless more is asked for: who names a seed wants the picture of that seed.
    """
    if asked.candidates is not None and asked.budget is not None:
        raise BadRequest("--candidates and --budget exclude each other.", hint="Leave one of them out.")
    told = asked.candidates if asked.candidates is not None else asked.budget
    usual = 1 if count == 1 else min(MOST, max(count, count * settings.budget))
    most = usual if told is None else told
    if not count <= most <= MOST:
        name = "candidates" if asked.candidates is not None else "budget"
        raise BadRequest(f"{name} is {most}; it must be between the {count} portraits asked for and {MOST}.")
    return Plan(count, most, asked.candidates is not None)


def make_chosen(
    request: PortraitRequest,
    sitting: Sitting,
    model: Model,
    faces: measure.FaceReader,
    root: Path,
    asked: ChooseRequest,
    settings: ChoosingSettings,
    *,
    scorers: Sequence[Scorer] = (),
    photo: bool = True,
    on_step: OnStep = no_progress,
) -> PortraitsReport:
    """Make candidates by the plan, write the kept ones into `root`, and tell of all.

    Good ones that will be kept for sure are written as soon as they are there. Where the budget ends before enough are
    good, the best of the others are kept too, with a warning: a picture that exists is better than none.
    """
    plan = make_plan(request.count, asked, settings)
    told = _Told(on_step, plan)
    made: list[Made] = []
    written: set[str] = set()
    asked_for, folders = replace(request, count=plan.most), (root, root / REJECTED)
    asking = make_each(asked_for, sitting, model, faces, kept=folders, photo=photo, ranked=True, on_step=told)
    with closing(asking):  # the base gets its own weights back at once
        for one in asking:
            one = _unless_same(_marked(one, scorers), () if plan.all_made else made, settings)
            made.append(one)
            told.good += one.candidate.good
            if one.candidate.good and not plan.all_made:
                save_png(root / one.report.file, one.pixels, one.text)
                written.add(one.candidate.name)
            if plan.enough(told.good):
                break
    ordered = _ordered(_without_doubles(made, settings) if plan.all_made else made, settings)
    kept, others = ordered[: plan.keep], ordered[plan.keep :]
    for one, _ in kept:
        if one.candidate.name not in written:
            save_png(root / one.report.file, one.pixels, one.text)
    if asked.keep_rejected and others:
        make_folder(root / REJECTED)
        for one, _ in others:
            save_png(root / REJECTED / one.report.file, one.pixels, one.text)
    return PortraitsReport(
        str(root),
        tuple(_report(one, found) for one, found in kept),
        tuple(_rejected(one, found, kept[-1][1], asked.keep_rejected) for one, found in others),
        _warnings(kept, len(made), sitting.record),
    )


def _marked(one: Made, scorers: Sequence[Scorer]) -> Made:
    if not scorers:
        return one
    marks = {scorer.name: scorer.score([one.pixels])[0] for scorer in scorers}
    return replace(one, candidate=replace(one.candidate, learned=marks))


def _unless_same(one: Made, before: Sequence[Made], settings: ChoosingSettings) -> Made:
    """The portrait, with a flaw if it is the same picture as a good one before it."""
    good = [other.candidate for other in before if other.candidate.good]
    same = ranking.same_picture(one.candidate, good, settings) if one.candidate.good else None
    if same is None:
        return one
    reason = Reason("alike", None, settings.alike, f"It is nearly the same picture as {same.name}.")
    return replace(one, candidate=replace(one.candidate, flaws=(reason,)))


def _without_doubles(made: Sequence[Made], settings: ChoosingSettings) -> list[Made]:
    """Of pictures that are nearly the same the best one stays good."""
    found: list[Made] = []
    for one in sorted(made, key=lambda one: -ranking.total(one.candidate, settings)):
        found.append(_unless_same(one, found, settings))
    return found


def _ordered(made: Sequence[Made], settings: ChoosingSettings) -> list[tuple[Made, ranking.Pick]]:
    by_name = {one.candidate.name: one for one in made}
    picks = ranking.pick([one.candidate for one in made], settings)
    return [(by_name[found.candidate.name], found) for found in picks]


def _report(one: Made, found: ranking.Pick) -> PortraitReport:
    likeness = found.candidate.likeness
    scores = PortraitScores(
        round(found.total, 4), None if likeness is None else round(likeness, 4), round(found.candidate.quality, 4),
        round(found.variety, 4), {name: round(mark, 4) for name, mark in found.candidate.learned.items()},
    )  # fmt: skip
    return replace(one.report, scores=scores, reasons=found.candidate.flaws)


def _rejected(one: Made, found: ranking.Pick, last: ranking.Pick, written: bool) -> PortraitReport:
    told = _report(one, found)
    reasons = told.reasons
    if not reasons:
        like = f", and it is like {found.like}" if found.like and found.variety < last.variety else ""
        message = f"The kept ones were better: it scores {found.total:.2f}, the last of them {last.total:.2f}{like}."
        reasons = (Reason("not_chosen", round(found.total, 4), round(last.total, 4), message),)
    return replace(told, file=f"{REJECTED}/{one.report.file}" if written else "", reasons=reasons)


def _warnings(kept: Sequence[tuple[Made, ranking.Pick]], made: int, record: measure.FaceRecord) -> tuple[Warn, ...]:
    found = []
    if not record.training:
        found.append(
            Warn(
                "not_compared",
                "This sitter has no faces to compare with; the order goes by quality and variety.",
            )
        )
    elif record.circle is None:
        found.append(Warn("no_threshold", "One photo says nothing of the sitter's spread: likeness was not compared."))
    flawed = [pick.candidate for _, pick in kept if not pick.candidate.good]
    if not flawed:
        return tuple(found)
    codes = sorted({reason.code for one in flawed for reason in one.flaws})
    told = f"{len(flawed)} of {len(kept)} portraits have a flaw ({', '.join(codes)}); {made} were made."
    if codes == ["unlike"] and len(flawed) == len(kept) and made > len(kept):
        hint = "None lies within the sitter's own threshold: more photos or a longer training help more than a budget."
        found.append(Warn("weak_likeness", f"{told} {hint}"))
    else:
        found.append(Warn("too_few_good", f"{told} A larger --budget looks for better ones."))
    return tuple(found)


class _Told:
    """Passes on the progress with the number of candidates that will be needed at the pace of good ones so far.

    The candidates asked of the generator are the most there may be; to count by them would promise too long a wait.
    """

    def __init__(self, on_step: OnStep, plan: Plan) -> None:
        self._on_step, self._plan, self._begun = on_step, plan, time.monotonic()
        self.good = 0

    def __call__(self, step: Step) -> None:
        each = max(1, step.total // self._plan.most)
        made = (step.done - 1) // each
        total = self.expected(made) * each
        if not isinstance(step, GenerationStep):
            self._on_step(step)
            return
        pace = (time.monotonic() - self._begun) / step.done
        left = pace * max(0, total - step.done) if step.seconds_left is not None else None
        self._on_step(replace(step, total=total, seconds_left=left, detail=self._detail(made)))

    def expected(self, made: int) -> int:
        """How many candidates there will be when `made` are done and `self.good` of them good."""
        plan = self._plan
        if plan.all_made:
            return plan.most
        if made == 0:
            return plan.keep
        missing, rate = plan.keep - self.good, (self.good + 0.5) / (made + 0.5)
        return min(plan.most, made + max(1, math.ceil(missing / rate)))

    def _detail(self, made: int) -> str:
        plan = self._plan
        if plan.most == plan.keep:
            return ""
        aim = f"the best {plan.keep} of {plan.most}" if plan.all_made else f"{self.good} of {plan.keep} good"
        return f"{aim}, {made} made" + ("" if plan.all_made else f", at most {plan.most}")
