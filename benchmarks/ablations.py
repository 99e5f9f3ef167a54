"""The method itself, measured: what does each of its parts do to the likeness? Sitters and phases of likeness.py.

    python benchmarks/ablations.py --out benchmarks/results/ablations.json --work out/ablations

Every row is mini's recipe on six photos with one thing changed. The tuning sitters are used, because what is learned
here turns into advice and into recipes, and those are measured on others; each has twelve photos, of which two measure.

- tags pruned or not: captions that also name hair, eyes, skin and age; the prompt never does.
- upright or not: photos that stand askew by up to 25 degrees, or of which two lie on their side, cut as they are.
- masked loss: the background weighs 0.2, or is held to what the bare base answers. prior preservation: each fourth
  step, or a part of each, holds the class word to what the bare base answers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common, likeness
from benchmarks.common import Row
from benchmarks.likeness_variants import Settings, variants_of

PHOTOS, PLAIN = 12, {"photos": 6}

# part of the method -> what is tried -> settings beside those of the plain variant; None is the plain variant itself
PARTS: Mapping[str, Mapping[str, Settings | None]] = {
    "tags": {"pruned": None, "with identity": {"identity_words": True}},
    "upright": {"yes": None, "askew by 25": {"askew": 25.0}, "two lie": {"lying": 2}},
    "text encoder": {"rests": None, "trained": {"train_text": True, "text_learning_rate": 2e-3}},
    "min-SNR": {"5": None, "none": {"min_snr_gamma": None}},
    "rank": {"4": {"rank": 4, "alpha": 4.0}, "16": {"rank": 16, "alpha": 16.0}, "32": None,
             "64": {"rank": 64, "alpha": 64.0}},
    "rate": {"x 0.3": {"rate": 0.3}, "x 1": None, "x 3": {"rate": 3.0}},
    "batch at equal looks": {"1": {"batch": 1}, "1, a third of the rate": {"batch": 1, "rate": 0.3}, "4": None},
    "steps a photo": {
        **{str(n): {"visits_per_photo": n, "min_visits": 0} for n in (50, 100, 200)}, "300": None,
        "400": {"visits_per_photo": 400}, "600": {"visits_per_photo": 600, "max_visits": 3600},
    },
    "photos": {**{str(n): {"photos": n} for n in (1, 2, 3, 4)}, "6": None, **{str(n): {"photos": n} for n in (8, 10)}},
    "masked loss": {
        "no": None, "background 0.2": {"background_weight": 0.2}, "base outside": {"background_target": "base"},
    },
    "prior preservation": {"no": None, "each 4th step": {"prior_every": 4}, "in each step": {"prior_weight": 1.0}},
    "strength": {"0.9": {"strength": 0.9}, "1": None},
    "trigger": {"ohwx": None, "sks": {"trigger": "sks"}, "<sks>": {"trigger": "<sks>"}},
}  # fmt: skip


def main() -> None:
    given = likeness.arguments(__doc__, work="out/ablations", photos=PHOTOS, masks=True, sitters="tuning")
    given.told = {"plain": {**PLAIN}}
    for part, tried in PARTS.items():
        for what, settings in tried.items():
            if settings is not None:
                given.told[name_of(part, what)] = {**PLAIN, **settings}
    likeness.run_phases(given, show)


def name_of(part: str, what: str) -> str:
    """A variant's name, of which a folder is made."""
    words = f"{part} {what}".replace("<sks>", "sks in brackets").replace(",", "")
    return "-".join(words.split())


def show(given: argparse.Namespace) -> None:
    """One table: a row for each thing that was tried, with its distance to the plain variant."""
    from benchmarks.likeness_mark import mark

    marked = mark(given, tuple(variants_of(given)))
    if "plain" not in marked:
        sys.exit("The plain variant was not made, and it is what the others are compared with: run the phase make.")
    rows: list[Row] = []
    for part, tried in PARTS.items():
        for what, settings in tried.items():
            own = marked.get("plain" if settings is None else name_of(part, what))
            if own:
                rows.append(compared(part, what, own, marked["plain"]))
    first = marked["plain"][0]
    name = "ablations" if given.sitters == "tuning" else f"ablations on {given.sitters} sitters"
    machine = common.describe_machine(common.device_name(given.device))
    common.finish(name, given, rows, machine, base=first["base"], made_on=first["made_on"])


def compared(part: str, what: str, own: list[dict[str, Any]], plain: list[dict[str, Any]]) -> Row:
    """A row; `over_plain` is over the sitters that both were made for."""
    both = {row["sitter"] for row in own} & {row["sitter"] for row in plain}
    mine, theirs = ([row for row in rows if row["sitter"] in both] for rows in (own, plain))
    line = likeness.line(what, own)
    kept = ("sitters", "score", "worst", "dlib", "top1", "adherence", "one_face", "train_s")
    over = likeness.mean(mine, "score") - likeness.mean(theirs, "score") if both else None
    return {
        "part": part, "what": what, **{name: line[name] for name in kept}, "visits": own[0]["visits"],
        "over_plain": None if over is None else round(over, 3),
    }  # fmt: skip


if __name__ == "__main__":
    common.run(main)
