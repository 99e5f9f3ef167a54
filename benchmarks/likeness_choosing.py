"""Does choosing a checkpoint beat taking the last one? The sitters and the three phases of likeness.py.

    python benchmarks/likeness_choosing.py --out benchmarks/results/likeness_choosing.json --work out/choosing

Of each sitter's six training photos one is spared, as `train` spares it, and chooses: by dlib, as for a user. Each
checkpoint from 40 % of the training on draws the trial's pictures, by which it is scored, and the portraits, which the
judge marks on the two held-out photos. So one training shows both what choosing takes and what it leaves. All
checkpoints are made here, also those behind the step at which `patience` would have ended the training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common, likeness
from benchmarks.common import Row, bar, note
from benchmarks.likeness_variants import given_of, spared, variants_of
from portraitist.recipes import Base, Recipe, find

GAIN, SHARE = 0.03, 0.6  # the bars: one of them is enough
CHOOSING = {
    "choose_pictures": 6, "choose_steps": 10, "choose_from": 0.4, "choose_patience": 2, "checkpoints": 8, "spare": 1,
}  # fmt: skip


def main() -> None:
    given = likeness.arguments(__doc__, work="out/choosing")
    given.variant = "choosing" if given.variant == "shipped" else given.variant
    given.told = {name: {**CHOOSING, **settings} for name, settings in variants_of(given).items()}
    likeness.run_phases(given, show)


def show(given: argparse.Namespace) -> None:
    """Mark all checkpoints; a row for each sitter and the bars, of the one variant that is asked for."""
    from benchmarks.likeness_mark import Marker, folders
    from benchmarks.likeness_prepare import choose_sitters

    (variant, settings), *more = variants_of(given).items()
    if more:
        sys.exit("Choose one of the variants to show with --only.")
    device = common.device_name(given.device)
    marker, rows, facts = Marker.load(device, given.base), [], {}
    for identity in choose_sitters(given.sitters, given.count):
        made, words = folders(given.work, variant, identity)
        if made is None or words is None:
            print(f"{identity} was not made and is left out", file=sys.stderr)
            continue
        row, facts = one_sitter(identity, made.parent, words.parent, settings, given, marker)
        rows.append(row)
        print(" ".join(f"{name} {common.words(value)}" for name, value in row.items()), flush=True)
    if not rows:
        sys.exit("Nothing was made that could be marked: run the phase make first.")
    name = "likeness_choosing" if given.sitters == "measuring" else f"likeness_choosing on {given.sitters} sitters"
    machine = common.describe_machine(device)
    common.finish(name, given, [*rows, *summary(rows)], machine, settings=dict(settings), **facts)


def one_sitter(
    identity: int, made: Path, words: Path, settings: Mapping[str, object], given: argparse.Namespace, marker: Any
) -> tuple[Row, dict[str, Any]]:
    """What is chosen for one sitter, beside the last checkpoint and the best that the judge sees."""
    from benchmarks.likeness_make import read_made
    from benchmarks.likeness_mark import Seen, adherence, marks_by
    from benchmarks.likeness_prepare import read_job
    from portraitist.training.choose import best, peaked

    job, (facts, parts), (_, said) = read_job(given.work, identity), read_made(made), read_made(words)
    seen = Seen(given.work / "embedded" / f"{identity}-{marker.mark}.npz", marker)
    recipe = TypeAdapter(Recipe).validate_python(facts["asked"]["recipe"])
    scored = scores(job, parts, recipe, given_of(settings).spare, given, seen, marker)
    ends = [n for n in range(1, len(scored) + 1) if peaked(scored[:n], recipe.choose_patience)]
    looked = scored[: ends[0]] if ends else scored
    chosen = best(looked).steps[0]
    judged, heard = {}, {}
    for one in scored:
        step = one.steps[0]
        portraits = parts[f"portraits@{step}"]
        mine = {"portraits": portraits, "painted": [], "words": said["words"]}
        judged[step], heard[step] = (
            marks_by("judge", job, mine, seen, given)["score"],
            adherence(portraits, marker.tagger),
        )
    last, found = max(judged), {step: score or 0.0 for step, score in judged.items()}
    row = {
        "sitter": identity, "last": found[last], "chosen": found[chosen], "gain": round(found[chosen] - found[last], 4),
        "best": max(found.values()), "step": chosen, "steps": looked[-1].steps[0], "planned": facts["planned"],
        "share": round(looked[-1].steps[0] / facts["planned"], 3), "adherence": heard[chosen],
        "adherence_last": heard[last],
        "curve": " ".join(f"{one.steps[0]}:{one.score:.2f}/{found[one.steps[0]]:.2f}" for one in scored),
    }  # fmt: skip
    return row, {"base": facts["base"], "made_on": f"{facts['machine']}, {facts['dtype']}"}


def scores(
    job: Any, parts: Mapping[str, Any], recipe: Recipe, spare: int, given: argparse.Namespace, seen: Any, marker: Any
) -> list[Any]:  # fmt: skip
    """What a user's training would have scored, in the order of the steps."""
    from benchmarks.likeness_make import trial_of
    from portraitist.images import read_picture
    from portraitist.training.choose import Measure, References

    _, names = spared(job, spare)
    pictures = [read_picture(given.work / "renders" / name) for name in names or job.known]
    faces = tuple(face for face in seen.faces(pictures, "dlib") if face is not None)
    trial = trial_of(find(Base, "mini"), job, recipe)
    measure = Measure(
        trial, References(faces, unseen=bool(names)), lambda picture: seen.faces([picture], "dlib")[0], marker.tagger
    )
    drawn = {
        int(part.partition("@")[2]): tuple(picture for _, picture in pairs)
        for part, pairs in parts.items()
        if part.startswith("trial@")
    }
    bare = measure.bare(drawn.pop(0))
    return [measure.score(drawn[step], bare, Path(), (step,)) for step in sorted(drawn)]


def summary(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The bars over all sitters."""
    mean = {name: float(np.mean([row[name] for row in rows])) for name in ("last", "chosen", "gain", "best", "share")}
    lost = float(np.mean([row["adherence_last"] - row["adherence"] for row in rows]))
    return [
        note("likeness score of the last step", mean["last"]),
        note("of the chosen step", mean["chosen"]),
        note("of the step that the judge would choose", mean["best"]),
        bar("chosen over last", mean["gain"], GAIN),
        bar("share of the planned steps that are done", mean["share"], SHARE, at_most=True),
        note("adherence, points under the last step", lost),
    ]


if __name__ == "__main__":
    common.run(main)
