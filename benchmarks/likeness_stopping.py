"""When could a training have been ended? Rules of stopping on the curves that likeness_choosing.py has recorded.

    python benchmarks/likeness_stopping.py --out benchmarks/results/likeness_stopping.json

Needs no GPU: for each rule it walks along each recorded curve, a check after another, as a training does, sees the
score alone, and takes what the judge gave the checkpoint that the rule ends with. The rules: `clearly below`, today's:
the last `patience` checks are all below the best before them by more than `margin`; `not risen`: the mean of the last
`patience` is not above that of those before by more than `margin`, which is what a plateau looks like; and a plain end
after a share of the checks, against which a rule must win to be worth its pictures. The margin stands for the scores'
own noise, of which curves keep no more than two digits. With four sitters a file, this rules out rules; it proves none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import Row, describe_machine, note

RESULTS = Path(__file__).parent / "results"
FILES = tuple(f"likeness_choosing_tuning{which}.json" for which in ("", "_long", "_average"))
EQUAL, SHARE = 0.01, 0.6  # what counts as an equal score, and the bar for the steps
Ends = Callable[[Sequence[float]], bool]


@dataclass(frozen=True)
class Curve:
    """One sitter's checks: steps, scores of choosing and of the judge; `planned` steps."""

    planned: int
    steps: tuple[int, ...]
    scores: tuple[float, ...]
    judged: tuple[float, ...]


def main() -> None:
    parser = common.options(__doc__, count=None, of="curves of each file", seed=0)
    given = parser.parse_args()
    rows: list[Row] = []
    for name in FILES:
        curves = read(RESULTS / name)[: given.count]
        rows += told(name.removesuffix(".json"), curves)
    common.finish("likeness_stopping", given, rows, describe_machine("cpu"))


def read(path: Path) -> list[Curve]:
    """The curves of a result file: `step:score/judged` for each check."""
    rows: list[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    curves = []
    for row in rows:
        if "curve" not in row:
            continue
        checks = [check.replace("/", ":").split(":") for check in row["curve"].split()]
        steps, scores, judged = zip(*checks, strict=True)
        curves.append(Curve(row["planned"], *(tuple(map(kind, part)) for kind, part in (
            (int, steps), (float, scores), (float, judged)))))  # fmt: skip
    return curves


def rules() -> Iterator[tuple[str, Ends]]:
    """Each rule with its name; it is told the scores so far."""
    for patience in (1, 2, 3):
        for margin in (0.0, 0.02, 0.04):
            yield f"clearly below, patience {patience}, margin {margin:.2f}", clearly_below(patience, margin)
    for patience in (1, 2):
        for margin in (0.0, 0.02):
            yield f"not risen, patience {patience}, margin {margin:.2f}", not_risen(patience, margin)


def clearly_below(patience: int, margin: float) -> Ends:
    def ends(scores: Sequence[float]) -> bool:
        if len(scores) <= patience:
            return False
        top = max(scores[:-patience])
        return all(score < top - margin for score in scores[-patience:])

    return ends


def not_risen(patience: int, margin: float) -> Ends:
    def ends(scores: Sequence[float]) -> bool:
        if len(scores) < 2 * patience:
            return False
        before = float(np.mean(scores[-2 * patience : -patience]))
        return float(np.mean(scores[-patience:])) <= before + margin

    return ends


def end_of(curve: Curve, ends: Ends) -> int:
    """The number of the check with which a rule ends the training; the last where it never does."""
    return next((n for n in range(len(curve.scores)) if ends(curve.scores[: n + 1])), len(curve.scores) - 1)


def told(name: str, curves: Sequence[Curve]) -> Iterator[Row]:
    """Rows of one file: the last step, each rule, and a plain end after each check."""
    last = float(np.mean([curve.judged[-1] for curve in curves]))
    yield note(f"{name}: judged at the last step", last, digits=3)
    for rule, ends in rules():
        yield from outcome(f"{name}: {rule}", curves, [end_of(curve, ends) for curve in curves], last)
    for number in range(min(len(curve.steps) for curve in curves) - 1):
        share = curves[0].steps[number] / curves[0].planned
        yield from outcome(f"{name}: plain end at {share:.0%}", curves, [number] * len(curves), last)


def outcome(name: str, curves: Sequence[Curve], at: Sequence[int], last: float) -> Iterator[Row]:
    """What a rule costs and keeps: the checkpoint that it ends with is the likeness."""
    share = float(np.mean([curve.steps[n] / curve.planned for curve, n in zip(curves, at, strict=True)]))
    judged = float(np.mean([curve.judged[n] for curve, n in zip(curves, at, strict=True)]))
    yield note(f"{name}: share of the steps", share, digits=2)
    yield note(f"{name}: judged, against the last step", judged - last, digits=3)
    yield note(f"{name}: both bars", float(share < SHARE and judged >= last - EQUAL), digits=0)


if __name__ == "__main__":
    common.run(main)
