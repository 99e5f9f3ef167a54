"""Our recipe against those of others, each at the best of its rate times 1, 3 and 10.

    python benchmarks/likeness_recipes.py --sitters tuning --out benchmarks/results/likeness_recipes_tuning.json
    python benchmarks/likeness_recipes.py --out benchmarks/results/likeness_recipes.json

The first run finds each one's rate on four sitters, the second takes those rates from the first one's file and measures
on the ten others; phases and other options are those of likeness.py. Every recipe gets the same photos, crops and
captions and is drawn with the same settings; what differs is how it trains.
Against each of the others ours also runs with as many looks at photos as that one takes (`ours-<visits>`), and that is
what the bar compares. The last step counts for each: what choosing adds is measured in likeness_choosing.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common, likeness
from benchmarks.common import Row, bar
from benchmarks.likeness_prepare import PHOTOS
from benchmarks.likeness_variants import variants_of
from portraitist.recipes import Recipe, find, visits
from portraitist.requests import HELD_OUT

RATES = (1, 3, 10)
BETTER, LOST = 0.05, 0.01  # the bars: likeness, adherence
OTHERS = ("facechain", "facechain-32", "kohya-colab")
OURS = ("mini", "portrait")


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--others", nargs="*", default=[*OTHERS], help="recipes to compare with")
        parser.add_argument("--ours", nargs="*", default=[*OURS], help="our own; the first is the one that is compared")
        parser.add_argument(
            "--rates", type=Path, default=Path("benchmarks/results/likeness_recipes_tuning.json"),
            help="the table of the run on tuning sitters",
        )  # fmt: skip

    given = likeness.arguments(__doc__, work="out/recipes", masks=True, more=more)
    given.told = all_rates(given) if given.sitters == "tuning" else best_rates(given)
    likeness.run_phases(given, show)


def all_rates(given: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Every recipe at every rate; the base's own recipe was tuned before and keeps its own."""
    told: dict[str, dict[str, object]] = {}
    for name in (*given.ours, *given.others):
        for rate in RATES:
            if rate == 1 or name != "mini":
                told[f"{name}-x{rate}"] = {"recipe": name, "rate": rate}
    return told


def best_rates(given: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Each recipe at its best rate, and ours at the visits of each of the others."""
    if not given.rates.is_file():
        sys.exit(f"{given.rates} is missing: run with --sitters tuning first.")
    rows = json.loads(given.rates.read_text(encoding="utf-8"))["rows"]
    found: dict[str, tuple[float, int]] = {}
    for row in rows:
        name, _, rate = str(row["variant"]).rpartition("-x")
        found[name] = max(found.get(name, (-9.0, 0)), (row["score"], int(rate)))
    if missing := [name for name in (*given.ours, *given.others) if name not in found]:
        sys.exit(f"{given.rates} has no row for {missing[0]}.")
    told: dict[str, dict[str, object]] = {
        name: {"recipe": name, "rate": found[name][1]} for name in (*given.ours, *given.others)
    }
    for looks in sorted({visits_of(name) for name in given.others}):
        ours = {"recipe": given.ours[0], "rate": found[given.ours[0]][1]}
        told[f"ours-{looks}"] = {**ours, "max_visits": looks, "min_visits": looks, "repeats": 0, "epochs": 0}
    return told


def visits_of(name: str) -> int:
    """How many looks at photos a recipe takes with the photos that a job holds."""
    return visits(find(Recipe, name), PHOTOS - HELD_OUT)


def show(given: argparse.Namespace) -> None:
    """A line for each variant; on the measuring sitters also the bars."""
    from benchmarks.likeness_mark import mark

    marked = mark(given, tuple(variants_of(given)))
    if not marked:
        sys.exit("Nothing was made that could be marked: run the phase make first.")
    rows: list[Row] = [
        {**likeness.line(variant, own), "visits": own[0]["visits"], "rate": given.told[variant]["rate"]}
        for variant, own in marked.items()
    ]
    first = next(iter(marked.values()))[0]
    facts = {"made_on": first["made_on"], "base": first["base"]}
    bars = [] if given.sitters == "tuning" else compare(rows, given.others)
    name = "likeness_recipes" if bars else f"likeness_recipes on {given.sitters} sitters"
    machine = common.describe_machine(common.device_name(given.device))
    common.finish(name, given, [*rows, *bars], machine, **facts)


def compare(rows: Sequence[Mapping[str, Any]], others: Sequence[str]) -> list[Row]:
    """Ours against each of the others at no more visits."""
    by_name, bars = {row["variant"]: row for row in rows}, []
    for name in others:
        ours = by_name.get(f"ours-{visits_of(name)}")
        if name in by_name and ours is not None:
            better, lost = ours["score"] - by_name[name]["score"], by_name[name]["adherence"] - ours["adherence"]
            bars.append(bar(f"likeness over {name} at {ours['visits']} visits", better, BETTER))
            bars.append(bar(f"adherence under {name}", lost, LOST, at_most=True))
    return bars


if __name__ == "__main__":
    common.run(main)
