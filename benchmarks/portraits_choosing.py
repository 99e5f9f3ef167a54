"""The part `choosing` of portraits.py: are four portraits that the studio chose of twelve more like the sitter?

Of each sitter the portraits that `likeness.py` made, unranked, in the photo-like styles, twelve at a time: a dozen has
each style once. The studio ranks a dozen as `portrait --candidates 12 -n 4` does: by dlib's distance to the training
photos, quality and variety. The judge marks on the two held-out photos, which take no part in choosing. Other ways to
choose stand beside it. A sitter's gain is the mean over the dozens.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import common
from benchmarks.common import Row, bar, note
from portraitist import measure as marks
from portraitist import ranking
from portraitist.settings import ChoosingSettings

if TYPE_CHECKING:
    from portraitist.types import Embedding

KEPT, MADE, GAIN = 4, 12, 0.05
DRAWS = 10_000
Way = Callable[["Dozen"], Sequence[int]]


@dataclass(frozen=True)
class Dozen:
    """What is known of twelve of a sitter's portraits: the judge's marks, and what the studio ranks by."""

    identity: int
    scores: np.ndarray
    candidates: tuple[ranking.Candidate, ...]
    faces: tuple[Embedding | None, ...]
    mirrored: tuple[Embedding | None, ...]
    steady: tuple[Embedding | None, ...]
    photos: tuple[Embedding, ...]


def measure(given: argparse.Namespace) -> list[Row]:
    """A row for each sitter, the bar, and a row for each other way."""
    from benchmarks.likeness_mark import Marker
    from benchmarks.likeness_prepare import choose_sitters

    marker = Marker.load(common.device_name(given.device), given.base)
    dozens = []
    for identity in choose_sitters(given.sitters, given.count):
        own = read_dozens(identity, given, marker)
        if not own:
            print(f"{identity} was not made and is left out", file=sys.stderr)
        dozens += own
        for dozen in own:
            print(" ".join(f"{key} {common.words(value)}" for key, value in row(dozen).items()), flush=True)
    if not dozens:
        sys.exit("Nothing was made that could be marked: run likeness.py with --phase make first.")
    return [*map(row, dozens), *summary(dozens, given.seed)]


def read_dozens(identity: int, given: argparse.Namespace, marker: Any) -> list[Dozen]:
    """Look at a sitter's portraits as the studio does, and let the judge mark them; nothing if they were not made."""
    from benchmarks.likeness_make import read_made
    from benchmarks.likeness_mark import Seen, folders
    from benchmarks.likeness_prepare import read_job
    from portraitist.images import read_picture

    made, words = folders(given.work, given.variant, identity)
    if made is None or words is None:
        return []
    job, (_, parts), (_, said) = read_job(given.work, identity), read_made(made.parent), read_made(words.parent)
    seen = Seen(given.work / "embedded" / f"{identity}-{marker.mark}.npz", marker)
    portraits = parts["portraits"]

    def photos(names: Sequence[str], by: str) -> list[Embedding]:
        found = seen.faces([read_picture(given.work / "renders" / name) for name in names], by)
        return [face for face in found if face is not None]

    said_faces = [face for face in seen.faces([picture for _, picture in said["words"]], "judge") if face is not None]
    scale = ranking.make_scale(photos(job.held_out, "judge"), photos(job.known, "judge"), said_faces)
    judged = seen.faces([picture for _, picture in portraits], "judge")
    known = photos(job.known, "dlib")
    record = marks.make_record(marker.faces.recogniser.name, known, ())
    candidates, faces, mirrored, steady = [], [], [], []
    for number, (style, picture) in enumerate(portraits):
        look = marks.look(picture, marker.faces, steady=True)
        candidates.append(marks.candidate_of(picture, f"{number:02d}", style, look, record))
        faces.append(look.face)
        steady.append(look.steady)
        mirrored.append(marks.look(np.ascontiguousarray(picture[:, ::-1]), marker.faces).face)
    scores = np.array([scale.score(face) for face in judged])
    dozens = []
    for first in range(0, len(portraits) - MADE + 1, MADE):
        part = slice(first, first + MADE)
        named = (replace(one, name=f"{place:02d}") for place, one in enumerate(candidates[part]))
        seen_so = (tuple(own[part]) for own in (faces, mirrored, steady))
        dozens.append(Dozen(identity, scores[part], tuple(named), *seen_so, tuple(known)))
    return dozens


# Ways to choose: the portraits' places, the best first


def by_studio(settings: ChoosingSettings | None = None) -> Way:
    """As the command does, with its weights or others."""
    weights = settings or ChoosingSettings()

    def order(dozen: Dozen) -> list[int]:
        return [int(found.candidate.name) for found in ranking.pick(dozen.candidates, weights)]

    return order


def by_distance(
    distance: Callable[[np.ndarray, np.ndarray], float], *, mirror: bool = False, steady: bool = False
) -> Way:
    """By a distance of a face (d,) to the photos (n, d); with `mirror` the face is the mean of it and its mirror image,
    with `steady` the mean that the studio ranks by."""

    def far(face: Embedding | None, other: Embedding | None, photos: np.ndarray) -> float:
        if face is None:
            return float("inf")
        return distance((face + other) / 2 if mirror and other is not None else face, photos)

    def order(dozen: Dozen) -> np.ndarray:
        photos = np.stack(dozen.photos)
        pairs = zip(dozen.steady if steady else dozen.faces, dozen.mirrored, strict=True)
        return np.argsort([far(face, other, photos) for face, other in pairs], kind="stable")

    return order


def nearest(count: int) -> Callable[[np.ndarray, np.ndarray], float]:
    """Mean distance to the `count` nearest photos."""
    return lambda face, photos: float(np.sort(np.linalg.norm(photos - face, axis=1))[:count].mean())


def to_middle(face: np.ndarray, photos: np.ndarray) -> float:
    return float(np.linalg.norm(photos.mean(axis=0) - face))


def until_good(dozen: Dozen) -> list[int]:
    """As `portrait -n 4` does with its usual budget: the first four good ones, then the best of the others."""
    good = [place for place, one in enumerate(dozen.candidates) if one.good]
    return [*good, *(place for place in by_studio()(dozen) if place not in good)]


def ways() -> dict[str, Way]:
    plain = {"quality": 0.0, "variety": 0.0}
    return {
        "the studio, likeness alone": by_studio(ChoosingSettings(**plain)),
        "the studio, quality weighs as much as likeness": by_studio(ChoosingSettings(quality=1.0)),
        "the studio, variety weighs five times as much": by_studio(ChoosingSettings(variety=0.1)),
        "the studio, quality alone": by_studio(ChoosingSettings(likeness=0.0, variety=0.0)),
        "dlib, distance to the middle of the photos": by_distance(to_middle),
        "dlib, mean distance to the photos": by_distance(nearest(99)),
        "dlib, distance to the nearest photo": by_distance(nearest(1)),
        "dlib, mean distance to the two nearest photos": by_distance(nearest(2)),
        "dlib, face and its mirror image, to the middle": by_distance(to_middle, mirror=True),
        "dlib, steady, to the middle": by_distance(to_middle, steady=True),
        "dlib, steady, mean distance to the two nearest photos": by_distance(nearest(2), steady=True),
        "the first four that are good (portrait -n 4)": until_good,
        "the judge's own four (the most there is)": lambda dozen: np.argsort(-dozen.scores, kind="stable"),
    }


# Numbers


def gain(dozen: Dozen, way: Way) -> float:
    """By how much the kept ones score more than all."""
    return float(dozen.scores[list(way(dozen)[:KEPT])].mean() - dozen.scores.mean())


def row(dozen: Dozen) -> Row:
    kept = list(by_studio()(dozen)[:KEPT])
    return {
        "sitter": dozen.identity, "made": len(dozen.scores), "good": sum(one.good for one in dozen.candidates),
        "all": round(float(dozen.scores.mean()), 4), "kept": round(float(dozen.scores[kept].mean()), 4),
        "gain": round(gain(dozen, by_studio()), 4),
        "most": round(float(np.sort(dozen.scores)[-KEPT:].mean() - dozen.scores.mean()), 4),
    }  # fmt: skip


def summary(dozens: Sequence[Dozen], seed: int) -> list[Row]:
    """The bar with an interval, then the gains of the other ways."""
    gains = gains_of(dozens, by_studio())
    low, high = interval(gains, seed)
    rows = [
        note("likeness score, mean of all twelve", float(np.mean([dozen.scores.mean() for dozen in dozens]))),
        bar("gain of the four that the studio keeps", float(gains.mean()), GAIN),
        note("  lower end of the interval (95 %, bootstrap over sitters)", low),
        note("  upper end", high),
        note("  sitters whose kept ones score less", int((gains < 0).sum())),
    ]
    return rows + [note(f"gain: {name}", float(gains_of(dozens, way).mean())) for name, way in ways().items()]


def gains_of(dozens: Sequence[Dozen], way: Way) -> np.ndarray:
    """Each sitter's gain, the mean over the dozens, in the order of the sitters."""
    by_sitter: dict[int, list[float]] = {}
    for dozen in dozens:
        by_sitter.setdefault(dozen.identity, []).append(gain(dozen, way))
    return np.array([np.mean(own) for own in by_sitter.values()])


def interval(values: np.ndarray, seed: int) -> tuple[float, float]:
    """The middle 95 % of the means of `DRAWS` draws with replacement (Efron 1979)."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)
