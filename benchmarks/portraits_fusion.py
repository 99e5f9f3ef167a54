"""The part `fusion` of portraits.py: does fusion make portraits that missed their sitter more like the sitter?

Each of the 16 photo-like portraits of a sitter that `likeness.py` made is fused as the studio would. The training
photos are parted: every other one may be laid on, the rest are the gate. The judge marks before and after by the
held-out photos, which fusion never sees. What decides is the studio's own recogniser, dlib, by the gate's photos alone:
a portrait is fused where its score by them is under 0.5 and it lies outside of their usual spread. The judge finds
other portraits under 0.5 than dlib does; both views have their rows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import common
from benchmarks.common import Row, bar, note
from benchmarks.likeness_make import read_made
from benchmarks.likeness_mark import Marker, Seen, folders
from benchmarks.likeness_prepare import Job, choose_sitters, read_job
from portraitist import ranking
from portraitist.images import read_picture, save_png

if TYPE_CHECKING:
    from portraitist.finishing.fusion import Fused, Gate
    from portraitist.finishing.matching import Source
    from portraitist.requests import FusionReport, FusionSettings
    from portraitist.types import Embedding, Picture

UNDER, GAIN = 0.5, 0.05  # the bars


@dataclass(frozen=True)
class Sitter:
    """A sitter's portraits with all that fuses and marks them."""

    identity: int
    portraits: tuple[Picture, ...]
    scale: ranking.Scale
    sources: tuple[Source, ...]
    gate: Gate
    seen: Seen


@dataclass(frozen=True)
class Marked:
    """A portrait before and after: the judge's scores, whether there was one face, what fusion said."""

    before: float
    after: float
    one_face: tuple[bool, bool]
    report: FusionReport

    @property
    def gain(self) -> float:
        return self.after - self.before


def options(parser: argparse.ArgumentParser) -> None:
    """What this part adds to the options of portraits.py."""
    add = parser.add_argument
    add("--fusion", nargs="*", default=[], metavar="NAME=VALUE", help="settings of fusion in place of the defaults")
    add("--pictures", type=Path, metavar="DIR", help="write each fused portrait beside what it was and the photo")


def measure(given: argparse.Namespace) -> list[Row]:
    """A row for each sitter, then the bars over all portraits."""
    from portraitist.requests import FusionSettings, from_data

    settings = from_data(FusionSettings, common.read_settings(given.fusion))
    marker = Marker.load(common.device_name(given.device), given.base)
    marked: list[Marked] = []
    rows: list[Row] = []
    for identity in choose_sitters(given.sitters, given.count):
        made, words = folders(given.work, given.variant, identity)
        if made is None or words is None:
            print(f"{identity} was not made and is left out", file=sys.stderr)
            continue
        sitter = read_sitter(read_job(given.work, identity), made.parent, words.parent, given, marker)
        own = list(fused_and_marked(sitter, settings, marker, given.pictures))
        rows.append(row_of(identity, own))
        marked += own
        print(" ".join(f"{key} {common.words(value)}" for key, value in rows[-1].items()), flush=True)
    if not marked:
        sys.exit("Nothing was made that could be fused: run likeness.py with --phase make first.")
    return [*rows, *summary(marked)]


def read_sitter(job: Job, made: Path, words: Path, given: argparse.Namespace, marker: Marker) -> Sitter:
    """What was made of a sitter, the judge's scale, the sources and the gate."""
    seen = Seen(given.work / "embedded" / f"{job.identity}-{marker.mark}.npz", marker)
    said = [picture for _, picture in read_made(words)[1]["words"]]
    sources, gate = parted(job, said, given, seen, marker)
    portraits = tuple(picture for _, picture in read_made(made)[1]["portraits"])
    return Sitter(job.identity, portraits, scale_of(job, said, given, seen), tuple(sources), gate, seen)


def fused_and_marked(sitter: Sitter, settings: FusionSettings, marker: Marker, folder: Path | None) -> Iterator[Marked]:
    """Each portrait of a sitter, fused or left alone, and marked."""
    from portraitist.finishing.fusion import fuse

    before = sitter.seen.faces(sitter.portraits, "judge")
    for number, (picture, face) in enumerate(zip(sitter.portraits, before, strict=True)):
        fused = fuse(picture, marker.faces.detect(picture), sitter.sources, settings, sitter.gate)
        after = sitter.seen.faces([fused.picture], "judge")[0]
        if folder and fused.report.fused:
            show(folder / f"{sitter.identity}-{number:02d}.png", picture, fused, sitter.sources)
        scores = (sitter.scale.score(one) for one in (face, after))
        yield Marked(*scores, (face is not None, after is not None), fused.report)


def scale_of(job: Job, said: Sequence[Picture], given: argparse.Namespace, seen: Seen) -> ranking.Scale:
    """The judge's scale, by the held-out photos."""

    def faces(pictures: Sequence[Picture]) -> list[Embedding]:
        return [face for face in seen.faces(pictures, "judge") if face is not None]

    held_out, known = (
        [read_picture(given.work / "renders" / name) for name in names] for names in (job.held_out, job.known)
    )
    return ranking.make_scale(faces(held_out), faces(known), faces(said))


def parted(
    job: Job, said: Sequence[Picture], given: argparse.Namespace, seen: Seen, marker: Marker
) -> tuple[list[Source], Gate]:
    """Every other training photo as source, the rest as gate; what words say is told by the gate's photos too."""
    from portraitist.finishing.fusion import Gate
    from portraitist.finishing.sources import source_of

    photos = [(name, read_picture(given.work / "renders" / name)) for name in job.known]
    found = [source_of(name, picture, marker.faces) for name, picture in photos[0::2]]
    judges = [
        (name, face)
        for (name, _), face in zip(photos[1::2], seen.faces([p for _, p in photos[1::2]], "dlib"), strict=True)
        if face is not None
    ]
    centre = np.stack([face for _, face in judges])
    words = [np.linalg.norm(centre - face, axis=1).mean() for face in seen.faces(said, "dlib") if face is not None]
    return [source for source in found if source], Gate(marker.faces, judges, float(np.mean(words)))


def show(file: Path, picture: Picture, fused: Fused, sources: Sequence[Source]) -> None:
    """Before, after and the photo, side by side."""
    from portraitist.images import resize, size_of

    source = next(source for source in sources if source.name == fused.report.source)
    file.parent.mkdir(parents=True, exist_ok=True)
    photo = resize(source.picture, size_of(picture))
    save_png(file, np.concatenate([picture, fused.picture, photo], axis=1))


def row_of(identity: int, own: Sequence[Marked]) -> Row:
    """A sitter's line: the judge's scores of what was fused, and how many portraits were under 0.5 and fused."""
    low, fused = [one for one in own if one.before < UNDER], [one for one in own if one.report.fused]
    return {
        "sitter": identity, "portraits": len(own), "fused": len(fused), "before": mean(one.before for one in fused),
        "after": mean(one.after for one in fused), "under": len(low),
        "under_fused": sum(one.report.fused for one in low), "under_gain": mean(one.gain for one in low),
        "all_before": mean(one.before for one in own), "all_after": mean(one.after for one in own),
        "lost_faces": sum(lost(one) for one in own),
    }  # fmt: skip


def summary(marked: Sequence[Marked]) -> list[Row]:
    """The bars, over all portraits."""
    fused, left = split(marked, [one.report.fused for one in marked])
    low, high = split(marked, [one.before < UNDER for one in marked])
    asked, others = split(marked, [score(one) < UNDER for one in marked])
    above = [one for one in high if one.report.fused]
    return [
        bar("judge's score under 0.5: gain of all of them, mean", mean(one.gain for one in low), GAIN),
        note("of them fused", f"{sum(one.report.fused for one in low)} of {len(low)}"),
        bar("studio's score under 0.5: gain by the judge, mean", mean(one.gain for one in asked), GAIN),
        note("of them fused", f"{sum(one.report.fused for one in asked)} of {len(asked)}"),
        bar("studio's score from 0.5: fused", sum(one.report.fused for one in others), 0, at_most=True),
        bar("portraits that lost their one face", sum(lost(one) for one in marked), 0, at_most=True),
        note("judge's score from 0.5: fused", f"{len(above)} of {len(high)}"),
        note("of these the gain by the judge, mean", mean(one.gain for one in above)),
        note("fused portraits whose score fell by more than 0.05", sum(one.gain < -GAIN for one in fused)),
        note("worst of them", min((one.gain for one in fused), default=None)),
        note("score of all portraits before", mean(one.before for one in marked)),
        note("and after", mean(one.after for one in marked)),
        *(note(f"left alone: {code}", count) for code, count in reasons(left).items()),
    ]  # fmt: skip


def lost(one: Marked) -> bool:
    """Whether there was exactly one face before and is not any more."""
    return one.one_face[0] and not one.one_face[1]


def score(one: Marked) -> float:
    """The studio's own score before; a portrait that has none counts as good: it is not fused."""
    before = one.report.score_before
    return 1.0 if before is None else before


def split(marked: Sequence[Marked], which: Sequence[bool]) -> tuple[list[Marked], list[Marked]]:
    """Those that are meant, and the others."""
    pairs = list(zip(marked, which, strict=True))
    return [one for one, meant in pairs if meant], [one for one, meant in pairs if not meant]


def reasons(left: Sequence[Marked]) -> dict[str, int]:
    codes = sorted(one.report.code for one in left)
    return {code: codes.count(code) for code in dict.fromkeys(codes)}


def mean(values: Any) -> float | None:
    kept = list(values)
    return round(float(np.mean(kept)), 4) if kept else None
