"""The part `choosing` of portraits.py: are four portraits that the studio chose of twelve more like the sitter?

Of each sitter the first twelve portraits that `likeness.py` made, unranked, in the photo-like styles. The studio ranks
them as `portrait --candidates 12 -n 4` does: by dlib's distance to the training photos, quality and variety. The judge
marks on the two held-out photos, which take no part in choosing. Other ways to choose stand beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
Way = Callable[["Sitter"], Sequence[int]]


@dataclass(frozen=True)
class Sitter:
    """What is known of one sitter's portraits: the judge's marks, and what the studio ranks by."""

    identity: int
    scores: np.ndarray
    candidates: tuple[ranking.Candidate, ...]
    faces: tuple[Embedding | None, ...]
    mirrored: tuple[Embedding | None, ...]
    photos: tuple[Embedding, ...]


def measure(given: argparse.Namespace) -> list[Row]:
    """A row for each sitter, the bar, and a row for each other way."""
    from benchmarks.likeness_mark import Marker
    from benchmarks.likeness_prepare import choose_sitters

    marker = Marker.load(common.device_name(given.device), given.base)
    sitters = []
    for identity in choose_sitters(given.sitters, given.count):
        sitter = read_sitter(identity, given, marker)
        if sitter is None:
            print(f"{identity} was not made and is left out", file=sys.stderr)
            continue
        sitters.append(sitter)
        print(" ".join(f"{key} {common.words(value)}" for key, value in row(sitter).items()), flush=True)
    if not sitters:
        sys.exit("Nothing was made that could be marked: run likeness.py with --phase make first.")
    return [*map(row, sitters), *summary(sitters, given.seed)]


def read_sitter(identity: int, given: argparse.Namespace, marker: Any) -> Sitter | None:
    """Look at a sitter's portraits as the studio does, and let the judge mark them; None if they were not made."""
    from benchmarks.likeness_make import read_made
    from benchmarks.likeness_mark import Seen, folders
    from benchmarks.likeness_prepare import read_job
    from portraitist.images import read_picture

    made, words = folders(given.work, given.variant, identity)
    if made is None or words is None:
        return None
    job, (_, parts), (_, said) = read_job(given.work, identity), read_made(made.parent), read_made(words.parent)
    seen = Seen(given.work / "embedded" / f"{identity}-{marker.mark}.npz", marker)
    portraits = parts["portraits"][:MADE]

    def photos(names: Sequence[str], by: str) -> list[Embedding]:
        found = seen.faces([read_picture(given.work / "renders" / name) for name in names], by)
        return [face for face in found if face is not None]

    said_faces = [face for face in seen.faces([picture for _, picture in said["words"]], "judge") if face is not None]
    scale = ranking.make_scale(photos(job.held_out, "judge"), photos(job.known, "judge"), said_faces)
    judged = seen.faces([picture for _, picture in portraits], "judge")
    known = photos(job.known, "dlib")
    record = marks.make_record(marker.faces.recogniser.name, known, ())
    candidates, faces, mirrored = [], [], []
    for number, (style, picture) in enumerate(portraits):
        look = marks.look(picture, marker.faces)
        candidates.append(marks.candidate_of(picture, f"{number:02d}", style, look, record))
        faces.append(look.face)
        mirrored.append(marks.look(np.ascontiguousarray(picture[:, ::-1]), marker.faces).face)
    scores = np.array([scale.score(face) for face in judged])
    return Sitter(identity, scores, tuple(candidates), tuple(faces), tuple(mirrored), tuple(known))


# Ways to choose: the portraits' places, the best first


def by_studio(settings: ChoosingSettings | None = None) -> Way:
    """As the command does, with its weights or others."""
    weights = settings or ChoosingSettings()

    def order(sitter: Sitter) -> list[int]:
        return [int(found.candidate.name) for found in ranking.pick(sitter.candidates, weights)]

    return order


def by_distance(distance: Callable[[np.ndarray, np.ndarray], float], *, mirror: bool = False) -> Way:
    """By a distance of a face (d,) to the photos (n, d); with `mirror` the face is the mean of it and its mirror's."""

    def far(face: Embedding | None, other: Embedding | None, photos: np.ndarray) -> float:
        if face is None:
            return float("inf")
        return distance((face + other) / 2 if mirror and other is not None else face, photos)

    def order(sitter: Sitter) -> np.ndarray:
        photos = np.stack(sitter.photos)
        pairs = zip(sitter.faces, sitter.mirrored, strict=True)
        return np.argsort([far(face, other, photos) for face, other in pairs], kind="stable")

    return order


def nearest(count: int) -> Callable[[np.ndarray, np.ndarray], float]:
    """Mean distance to the `count` nearest photos."""
    return lambda face, photos: float(np.sort(np.linalg.norm(photos - face, axis=1))[:count].mean())


def to_middle(face: np.ndarray, photos: np.ndarray) -> float:
    return float(np.linalg.norm(photos.mean(axis=0) - face))


def until_good(sitter: Sitter) -> list[int]:
    """As `portrait -n 4` does with its usual budget: the first four good ones, then the best of the others."""
    good = [place for place, one in enumerate(sitter.candidates) if one.good]
    return [*good, *(place for place in by_studio()(sitter) if place not in good)]


def ways() -> dict[str, Way]:
    plain = {"quality": 0.0, "variety": 0.0}
    return {
        "the studio, likeness alone": by_studio(ChoosingSettings(**plain)),
        "the studio, quality weighs as much as likeness": by_studio(ChoosingSettings(quality=1.0)),
        "the studio, variety weighs five times as much": by_studio(ChoosingSettings(variety=0.5)),
        "the studio, quality alone": by_studio(ChoosingSettings(likeness=0.0, variety=0.0)),
        "dlib, distance to the middle of the photos": by_distance(to_middle),
        "dlib, mean distance to the photos": by_distance(nearest(99)),
        "dlib, distance to the nearest photo": by_distance(nearest(1)),
        "dlib, mean distance to the two nearest photos": by_distance(nearest(2)),
        "dlib, face and its mirror image, to the middle": by_distance(to_middle, mirror=True),
        "the first four that are good (portrait -n 4)": until_good,
        "the judge's own four (the most there is)": lambda sitter: np.argsort(-sitter.scores, kind="stable"),
    }


# Numbers


def gain(sitter: Sitter, way: Way) -> float:
    """By how much the kept ones score more than all."""
    return float(sitter.scores[list(way(sitter)[:KEPT])].mean() - sitter.scores.mean())


def row(sitter: Sitter) -> Row:
    kept = list(by_studio()(sitter)[:KEPT])
    return {
        "sitter": sitter.identity, "made": len(sitter.scores), "good": sum(one.good for one in sitter.candidates),
        "all": round(float(sitter.scores.mean()), 4), "kept": round(float(sitter.scores[kept].mean()), 4),
        "gain": round(gain(sitter, by_studio()), 4),
        "most": round(float(np.sort(sitter.scores)[-KEPT:].mean() - sitter.scores.mean()), 4),
    }  # fmt: skip


def summary(sitters: Sequence[Sitter], seed: int) -> list[Row]:
    """The bar with an interval, then the gains of the other ways."""
    gains = np.array([gain(sitter, by_studio()) for sitter in sitters])
    low, high = interval(gains, seed)
    rows = [
        note("likeness score, mean of all twelve", float(np.mean([sitter.scores.mean() for sitter in sitters]))),
        bar("gain of the four that the studio keeps", float(gains.mean()), GAIN),
        note("  lower end of the interval (95 %, bootstrap over sitters)", low),
        note("  upper end", high),
        note("  sitters whose kept ones score less", int((gains < 0).sum())),
    ]
    return rows + [
        note(f"gain: {name}", float(np.mean([gain(one, way) for one in sitters]))) for name, way in ways().items()
    ]


def interval(values: np.ndarray, seed: int) -> tuple[float, float]:
    """The middle 95 % of the means of `DRAWS` draws with replacement (Efron 1979)."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (DRAWS, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)
