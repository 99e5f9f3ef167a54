"""Is a pet found in its photo? The overlap of the found box and the true one, on drawn animals.

    python benchmarks/pets.py --out benchmarks/results/pets.json

draws 50 animals of six kinds on seven kinds of ground (`pets_draw.py`), every second with other things at the edge, and
looks for each as `check --kind pet` does. A picture in which nothing is found counts as an overlap of 0.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import Row, bar, note
from benchmarks.pets_draw import Drawn, draw
from portraitist.photos.subject import find_subject

COUNT, OVERLAP = 50, 0.7  # pictures; the bar


def main() -> None:
    given = common.options(__doc__, count=COUNT, of="animals", seed=0).parse_args()
    rows = [*measure([draw(number, given.seed) for number in range(given.count)])]
    common.finish("pets", given, rows, common.describe_machine())


def measure(drawn: Sequence[Drawn]) -> Iterator[Row]:
    """The rows of the table."""
    overlaps, seconds = [], []
    for one in drawn:
        begun = time.perf_counter()
        found = find_subject(one.picture)
        seconds.append(time.perf_counter() - begun)
        overlaps.append(found.box.overlap(one.box) if found is not None else 0.0)
    values = np.array(overlaps)
    yield note("animals", len(drawn))
    yield bar("overlap of the boxes, mean", float(values.mean()), OVERLAP, digits=3)
    yield note("median", float(np.median(values)), digits=3)
    yield note("lowest", float(values.min()), digits=3)
    yield note(f"share of {OVERLAP} or more", float((values >= OVERLAP).mean()), digits=3)
    yield note("nothing found", int((values == 0).sum()))
    for what in ("kind", "ground"):
        for name in sorted({getattr(one, what) for one in drawn}):
            part = [value for value, one in zip(values, drawn, strict=True) if getattr(one, what) == name]
            yield note(f"  {name}", float(np.mean(part)), digits=3)
    yield note("time", float(np.median(seconds)), "s a photo", digits=2)


if __name__ == "__main__":
    common.run(main)
