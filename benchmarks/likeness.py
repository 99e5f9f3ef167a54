"""Do the portraits look like the sitter? Ten sitters that nothing was trained on, from eight photos each.

    python benchmarks/likeness.py --out benchmarks/results/likeness.json --work out/likeness

For each sitter: eight renders as photos, `train` as a user would run it (two are held out), 24 portraits in the
photo-like styles, one in each painted style, before any ranking. The judge of `benchmarks/judge` marks; dlib's number,
which the studio ranks by, stands beside it. What is done lies in `--work` and is not done again, so a run that was
stopped goes on. What the columns mean, and how a GPU does the long part: benchmarks/README.md.

The three phases can run on different machines: `prepare` and `mark` need the face models, `make` needs none of them.
Recipes are chosen on `--sitters tuning`, four other people, and never on those that are reported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common, likeness_make
from benchmarks.common import Row, bar, note
from benchmarks.likeness_pack import pack, unpack
from benchmarks.likeness_prepare import PHOTOS, PLANS, prepare
from benchmarks.likeness_variants import variants_of

SCORE, WORST, TOP1, ADHERENCE, DIVERSITY = 0.5, 0.25, 0.9, 0.05, 0.8  # the bars


def main() -> None:
    run_phases(arguments(__doc__), show)


def run_phases(given: argparse.Namespace, show: Callable[[argparse.Namespace], None]) -> None:
    """Do the phases that were asked for; `show` marks and shows the table."""
    if given.phase in (None, "prepare"):
        prepare(given)
    if given.draw_only:
        return
    if given.phase in (None, "make"):
        failed = likeness_make.make(given)
        if given.pack:
            tasks = likeness_make.plan(given, 0.0)
            pack(given.work, [task.folder for task in tasks], given.pack)
        if failed:
            sys.exit(f"{failed} could not be made; the others are there.")
    if given.phase in (None, "mark"):
        if given.unpack:
            unpack(given.unpack, given.work)
        show(given)


def arguments(
    text: str | None, *, work: str = "out/likeness", photos: int = PHOTOS, masks: bool = False,
    more: Callable[[argparse.ArgumentParser], object] = lambda parser: None, sitters: str = "measuring",
) -> argparse.Namespace:  # fmt: skip
    """The options of the likeness benchmarks; `photos` a sitter, with or without `masks`, are what a job holds, `more`
    adds a script's own options. `told` takes variants that a script knows by itself."""
    parser = common.options(text, count=None, of="sitters", seed=42)
    parser.set_defaults(told=None, photos=photos, masks=masks)
    more(parser)
    add = parser.add_argument
    add("--work", type=Path, default=Path(work), help="where finished work is kept")
    add("--phase", choices=("prepare", "make", "mark"), help="one phase; without it all three")
    add("--sitters", choices=tuple(PLANS), default=sitters, help=f"whom to measure ({sitters})")
    add("--share", metavar="K/N", help="make only the K-th of N parts of the sitters (all)")
    add("--draw-only", action="store_true", help="draw all renders into --work and end")
    add("--quick", action="store_true", help="fewer pictures, others and unseen photos: numbers for a look only")
    add("--counts", nargs="*", default=[], metavar="PART=N", help=f"pictures of {', '.join(likeness_make.COUNTS)}")
    add("--variant", default="shipped", help="name of what is made (shipped: the library's recipe and base)")
    add("--set", nargs="*", default=[], metavar="NAME=VALUE", help="numbers of the recipe, or cfg, steps, sampler")
    add("--variants", type=Path, metavar="FILE.json", help='many variants: {"name": {"learning_rate": 2e-3}, …}')
    add("--only", nargs="*", default=[], metavar="NAME", help="these of the variants (all)")
    add("--jobs", type=int, default=1, help="sitters that are made at once (1); CUDA: spread over all GPUs")
    add("--dtype", choices=("float32", "bfloat16"), help="number format of the base (the device's own)")
    add("--seconds", type=float, help="begin nothing new in the phase make after so many seconds")
    add("--pack", type=Path, metavar="DIR", help="put what was made into DIR/made-1.tar …")
    add("--unpack", type=Path, metavar="DIR", help="take what --pack wrote on another machine, then mark")
    given = parser.parse_args()
    counts = common.read_settings(given.counts)
    known = likeness_make.QUICK if given.quick else likeness_make.COUNTS
    if wrong := [name for name, value in counts.items() if name not in known or not isinstance(value, int)]:
        parser.error(f"--counts: {wrong[0]} is no part, or its number is none")
    given.counts = {**known, **counts}
    given.work.mkdir(parents=True, exist_ok=True)
    return given


def show(given: argparse.Namespace) -> None:
    """Mark what was made and show the table of one variant, or a line for each of several."""
    from benchmarks.likeness_mark import mark

    rows = mark(given, tuple(variants_of(given)))
    if not rows:
        sys.exit("Nothing was made that could be marked: run the phase make first.")
    # what recipes were chosen on is no result, and does not pass for one
    name = "likeness" if given.sitters == "measuring" and not given.quick else f"likeness on {given.sitters} sitters"
    (variant, first), *more = rows.items()
    facts = {"base": first[0]["base"], "made_on": first[0]["made_on"]}
    if more:
        table: Sequence[Row] = [line(variant, own) for variant, own in rows.items()]
    else:
        table, facts["variant"] = [*first, *summary(first)], variant
    common.finish(name, given, table, common.describe_machine(common.device_name(given.device)), **facts)


def mean(rows: Sequence[Mapping[str, Any]], key: str) -> float:
    """Over all sitters; what could not be measured counts 0."""
    return float(np.mean([row[key] or 0.0 for row in rows]))


def summary(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The bars, over all sitters."""
    top1 = mean(rows, "top1") / max(mean(rows, "top1_photos"), 1e-9)
    top1_dlib = mean(rows, "top1_dlib") / max(mean(rows, "top1_photos_dlib"), 1e-9)
    lost = mean(rows, "adherence_base") - mean(rows, "adherence")
    spread = mean(rows, "diversity") / max(mean(rows, "diversity_base"), 1e-9)
    return [
        bar("likeness score, mean", mean(rows, "score"), SCORE),
        bar("likeness score, worst sitter", min(row["score"] or 0.0 for row in rows), WORST),
        note("likeness score by dlib, mean", mean(rows, "score_dlib")),
        note("likeness score in painted styles, mean", mean(rows, "painted")),
        bar("top-1 as a share of the photos' rate", top1, TOP1),
        note("top-1 by dlib as a share of the photos' rate", top1_dlib),
        bar("adherence, points under the base", lost, ADHERENCE, at_most=True),
        bar("diversity as a share of the base's", spread, DIVERSITY),
        note("pictures with exactly one face", mean(rows, "one_face")),
        note("seconds for a training, mean", mean(rows, "train_s"), "s"),
    ]


def line(variant: str, rows: Sequence[Mapping[str, Any]]) -> Row:
    """A variant in one line of a comparison; the columns are those of the summary."""
    return {
        "variant": variant, "sitters": len(rows), "score": round(mean(rows, "score"), 3),
        "worst": round(min(row["score"] or 0.0 for row in rows), 3), "dlib": round(mean(rows, "score_dlib"), 3),
        "painted": round(mean(rows, "painted"), 3),
        "top1": round(mean(rows, "top1") / max(mean(rows, "top1_photos"), 1e-9), 3),
        "d_words": round(mean(rows, "d_words"), 3), "d_same": round(mean(rows, "d_same"), 3),
        "d_portraits": round(mean(rows, "d_portraits"), 3), "adherence": round(mean(rows, "adherence"), 3),
        "adherence_base": round(mean(rows, "adherence_base"), 3),
        "diversity": round(mean(rows, "diversity") / max(mean(rows, "diversity_base"), 1e-9), 3),
        "one_face": round(mean(rows, "one_face"), 3), "loss": round(mean(rows, "loss"), 4),
        "train_s": round(mean(rows, "train_s"), 1),
    }  # fmt: skip


if __name__ == "__main__":
    common.run(main)
