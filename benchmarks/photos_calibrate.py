"""Where do the limits of `portraitist.photos.quality` lie, in units of the truth?

    python benchmarks/photos_calibrate.py

prints, on rendered people that photos.py does not use, the strength of blur and noise at which the rule begins to
tell, what FaceMesh measures of a head that is turned just as far as the limit, and how far open and closed eyes are
told apart. The constants of `photos.TRUE` and the limits of closed eyes come from it.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common, photos_people
from benchmarks.common import Row
from benchmarks.photos import STEPS, TRUE, Unnamed, pitches_beside, spoil, told
from portraitist.faces import Faces
from portraitist.photos.look import look
from portraitist.photos.quality import Limits, usual_pitch


def main() -> None:
    given = common.options(__doc__, count=10, of="sitters with two photos each", seed=0).parse_args()
    common.print_table([*calibrate(common.load_faces(), given)])


def calibrate(faces: Faces, given: argparse.Namespace) -> Iterator[Row]:
    """On other people: the median strength at which a rule begins to tell, and the spread."""
    quick, limits, random = Unnamed(faces), Limits(), np.random.default_rng(given.seed)
    drawn = photos_people.draw("plain", given.count, 2, "calibrate", given.seed)
    begins: dict[str, list[float]] = defaultdict(list)
    for number, person in enumerate(drawn):
        seen = look(Path("p"), person.picture, quick, limits)
        if seen.faces:
            width = seen.faces[0].face.box.width
            for code, unit in (("blurred", TRUE["blurred"] * width), ("noisy", TRUE["noisy"])):
                pictures = (spoil(code, person.picture, unit * step, width, limits, random) for step in STEPS)
                hits = (told(code, look(Path("p"), picture, quick, limits)) for picture in pictures)
                first = next((step for step, hit in zip(STEPS, hits, strict=True) if hit), np.nan)
                begins[code].append(first * TRUE[code])
        common.progress("calibrated", number + 1, len(drawn))
    for code, values in begins.items():
        low, middle, high = np.nanpercentile(values, [10, 50, 90])
        yield {"rule": code, "10 %": round(low, 4), "median": round(middle, 4), "90 %": round(high, 4)}
    yield from _calibrate_pose(quick, limits, given)
    yield from _calibrate_eyes(quick, limits, given)


def _calibrate_pose(faces: Unnamed, limits: Limits, given: argparse.Namespace) -> Iterator[Row]:
    sitters = 3 * given.count
    beside = pitches_beside(sitters, "calibrate", given.seed, faces, limits)
    for kind, code in (("yaw", "profile"), ("pitch", "pitched")):
        pairs: list[Any] = []
        for person in photos_people.draw(kind, sitters, 1, "calibrate", given.seed):
            seen = look(Path("p"), person.picture, faces, limits)
            if seen.faces:
                face = seen.faces[0].face
                level = face.pitch - usual_pitch([*beside[person.sitter], face.pitch], limits)
                pairs.append((person.yaw, face.yaw) if kind == "yaw" else (person.pitch, level))
        truth, measured = np.array(pairs).T
        for side, part in (("negative", truth < -5), ("positive", truth > 5)):
            slope, start = np.polyfit(truth[part], measured[part], 1)
            off = float((measured[part] - slope * truth[part] - start).std())
            sign = -1 if side == "negative" else 1
            limit = sign * TRUE[code]
            middle = slope * limit + start
            row = {
                "rule": f"{kind}, measured at {limit:g}",
                "median - sd": middle - off,
                "median": middle,
                "median + sd": middle + off,
            }
            yield {key: round(value, 1) if isinstance(value, float) else value for key, value in row.items()}


def _calibrate_eyes(faces: Unnamed, limits: Limits, given: argparse.Namespace) -> Iterator[Row]:
    """The opening of closed and of open eyes as a share of what is usual for the sitter, and in widths of the eye."""
    sitters: dict[int, list[tuple[bool, float]]] = defaultdict(list)
    for kind, each in (("plain", 5), ("closed", 2)):
        for person in photos_people.draw(kind, 3 * given.count, each, "calibrate", given.seed):
            seen = look(Path("p"), person.picture, faces, limits)
            if seen.faces:
                sitters[person.sitter].append((person.closed, seen.faces[0].opening))
    for closed in (False, True):
        shares, widths = [], []
        for photos in sitters.values():
            usual = float(np.median([opening for _, opening in photos]))
            widths += [opening for shut, opening in photos if shut == closed]
            shares += [opening / usual for shut, opening in photos if shut == closed]
        for unit, values in (("share", shares), ("widths", widths)):
            low, middle, high = np.percentile(values, [0, 50, 100])
            yield {
                "eyes": f"{'closed' if closed else 'open'}, {unit}",
                "least": round(low, 3),
                "median": round(middle, 3),
                "most": round(high, 3),
            }


if __name__ == "__main__":
    common.run(main)
