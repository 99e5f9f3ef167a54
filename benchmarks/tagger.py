"""Does mini's tagger see what is there? F1 of every tag on renders that it has not seen, plain and through mini.

    python benchmarks/tagger.py --out benchmarks/results/tagger.json

draws pictures of sitters that nothing was trained on, in all looks, each of somebody else; the truth is the renderer's
own (a tag is true from 12 visible pixels on). The second half of the table is the same pictures after mini's
autoencoder. A GPU does all of it in a minute; `--draw-only` and `--pictures` share the work between machines.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import Pictures, Row, bar, note
from mini import people
from mini.tags import INDEX, TAGS

if TYPE_CHECKING:
    from portraitist.families.base import Model
    from portraitist.types import Picture

FIRST = people.MEASURING + 100_000
CHUNK, TRIP = 64, 16  # pictures drawn, and sent through the autoencoder, at once
RENDERS, TRIPS, WORST = 0.95, 0.90, 0.85  # the bars
FEWEST = 10  # pictures that have a tag, below which its F1 is not counted


def main() -> None:
    given = arguments()
    device = common.device_name(given.device)
    drawn = common.load_pictures(given.pictures) if given.pictures else draw(given.count, given.seed, device)
    if given.draw_only:
        print(*common.save_pictures(drawn, given.draw_only), sep="\n")
        return
    tagger = common.load_tagger(device, given.base)
    if tuple(tagger.names) != TAGS:
        sys.exit("the tagger has other tags than mini/tags.py")
    pictures, truth = drawn.pictures[: given.count], drawn.columns["tags"][: given.count]
    rows = [note("pictures", len(pictures)), *judge("renders", said(tagger, pictures), truth, RENDERS, WORST)]
    count = min(len(pictures), len(pictures) if given.trips is None else given.trips)
    if count:
        again = through(common.load_base(device, given.base), pictures[:count])
        rows += [note("pictures through mini", count)]
        rows += judge("through mini", said(tagger, again), truth[:count], TRIPS, None)
    common.finish("tagger", given, rows, common.describe_machine(device))


def arguments() -> argparse.Namespace:
    parser = common.options(__doc__, count=2000, of="pictures", seed=0)
    parser.add_argument("--trips", type=int, help="how many of them go through the autoencoder (all)")
    parser.add_argument("--pictures", type=Path, help="pictures that --draw-only wrote, in place of drawing them")
    parser.add_argument("--draw-only", type=Path, metavar="FILE.npz", help="draw, write the pictures, and end")
    return parser.parse_args()


def draw(count: int, seed: int, device: str) -> Pictures:
    """Pictures in all looks with their tags bool (n, tags)."""
    from mini.renderer import Renderer

    renderer = Renderer(device)
    pictures, tags = [], []
    number = np.arange(count)
    for part in np.array_split(number, max(1, count // CHUNK)):
        found = renderer(people.draw(FIRST + part, seed * 1_000_000 + part))
        pictures += [*found.rgb.cpu().numpy()]
        tags.append(found.tags.cpu().numpy())
        common.progress("drawn", int(part[-1]) + 1, count)
    facts = {"machine": common.describe_machine(device)}
    return Pictures(tuple(pictures), {"identity": FIRST + number, "tags": np.concatenate(tags)}, facts)


def said(tagger: common.Tagger, pictures: Sequence[Picture]) -> np.ndarray:
    """bool (n, tags): what the tagger says with a score of at least 0.5."""
    from portraitist.captions.tagger import THRESHOLD

    rows = []
    for start in range(0, len(pictures), CHUNK):
        scores = tagger.scores(pictures[start : start + CHUNK], batch=CHUNK)
        rows += [[score >= THRESHOLD for score in row.values()] for row in scores]
        common.progress("tagged", len(rows), len(pictures))
    return np.array(rows)


def through(model: Model, pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures after a trip through the base's autoencoder."""
    again: list[Picture] = []
    for start in range(0, len(pictures), TRIP):
        again += model.decode(model.encode(pictures[start : start + TRIP]))
        common.progress("through mini", len(again), len(pictures))
    return again


def f1_of(given: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """F1 of every tag that at least `FEWEST` pictures have; bool (n, tags) each."""
    both, either = (given & truth).sum(axis=0), given.sum(axis=0) + truth.sum(axis=0)
    enough = np.flatnonzero(truth.sum(axis=0) >= FEWEST)
    return {TAGS[k]: float(2 * both[k] / either[k]) for k in enough}


def judge(where: str, given: np.ndarray, truth: np.ndarray, limit: float, worst: float | None) -> Iterator[Row]:
    """Macro-F1, the same over pictures with colour, and the worst tags."""
    f1 = f1_of(given, truth)
    colour = ~truth[:, INDEX["monochrome"]]
    coloured = f1_of(given[colour], truth[colour])
    yield note(f"tags counted, {where}", len(f1))
    yield bar(f"macro-F1, {where}", mean(f1), limit)
    # On film, sepia, ink and pencil no colour can be told, yet the truth has it.
    yield note(f"macro-F1, {where}, pictures in colour", mean(coloured))
    order = sorted(f1, key=lambda tag: f1[tag])
    if worst is not None:
        yield bar(f"worst tag, {where}", f1[order[0]] if order else None, worst)
        yield note(f"tags below {worst:g}, {where}", sum(value < worst for value in f1.values()))
    for tag in order[:12]:
        yield note(f"{tag}, {where}", f1[tag])


def mean(values: dict[str, float]) -> float | None:
    return float(np.mean([*values.values()])) if values else None


if __name__ == "__main__":
    common.run(main)
