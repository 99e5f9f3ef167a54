"""Are the rendered people people? Faces found, identities told apart by dlib, pictures a second.

    python benchmarks/renderer.py --out benchmarks/results/renderer.json

draws six photos each of 200 sitters that nothing was trained on, counts the pictures in which the embedded detector
finds exactly one face, and asks dlib's embedding whether two pictures of a sitter lie closer than pictures of two
sitters of the same gender, age band, skin and hair colour. Drawing is the work of a GPU: `--draw-only FILE.npz` there,
and `--pictures FILE.npz` here. Few of 200 sitters are alike, so that the area is a rough number; `--alike 12` takes
twelve groups of six sitters alike instead.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import Pictures, Row, bar, note
from benchmarks.judge import auc
from mini import people

CHUNK = 192
CROWD, TOGETHER = 4000, 6  # sitters among which groups are looked for; sitters of a group
FOUND, APART, SPEED = 0.98, 0.97, 500.0  # the bars
SPEED_BAR_ON = "H200"


def main() -> None:
    given = arguments()
    if given.pictures:
        drawn = common.load_pictures(given.pictures)
        drawn = select(drawn, np.isin(drawn.columns["identity"], sitters(given)))
    else:
        drawn = draw(sitters(given), given.each, given.seed, common.device_name(given.device))
    if given.draw_only:
        print(*common.save_pictures(drawn, given.draw_only), sep="\n")
        print(drawn.facts)
        return
    rows = [*measure(drawn), *speed(drawn.facts)]
    common.finish("renderer", given, rows, common.describe_machine(), renderer_machine=drawn.facts["machine"])


def arguments() -> argparse.Namespace:
    parser = common.options(__doc__, count=200, of="sitters", seed=0)
    parser.add_argument("--each", type=int, default=6, help="pictures of a sitter (6)")
    parser.add_argument(
        "--alike", type=int, metavar="N", help=f"N groups of {TOGETHER} sitters alike, in place of --count"
    )
    parser.add_argument("--pictures", type=Path, help="pictures that --draw-only wrote, in place of drawing them")
    parser.add_argument("--draw-only", type=Path, metavar="FILE.npz", help="draw, time, write the pictures, and end")
    return parser.parse_args()


def sitters(given: argparse.Namespace) -> np.ndarray:
    """int64 (n,): the measuring sitters that were asked for."""
    if not given.alike:
        return people.MEASURING + np.arange(given.count)
    crowd = people.MEASURING + np.arange(CROWD)
    members: dict[int, list[int]] = {}
    for identity, group in zip(crowd.tolist(), group_of(people.draw(crowd, crowd)).tolist(), strict=True):
        members.setdefault(group, []).append(identity)
    # Every second of the largest groups: neighbours in that order often differ in one thing only.
    largest = sorted(members.values(), key=len, reverse=True)[: 2 * given.alike : 2]
    return np.array([identity for group in largest for identity in group[:TOGETHER]])


def draw(who: np.ndarray, each: int, seed: int, device: str) -> Pictures:
    """`each` photos of each sitter, and how fast this device draws."""
    from mini.renderer import Renderer

    renderer = Renderer(device)
    identity = np.repeat(who, each)
    seeds = seed * each + np.tile(np.arange(each), len(who))
    pictures: list[np.ndarray] = []
    for part in np.array_split(np.arange(len(identity)), max(1, len(identity) // CHUNK)):
        rgb = renderer(people.draw(identity[part], seeds[part], "photo")).rgb
        pictures += [*rgb.cpu().numpy()]
    group = group_of(people.draw(identity, seeds, "photo"))
    facts = {"speed": pictures_a_second(renderer, device), "machine": common.describe_machine(device)}
    return Pictures(tuple(pictures), {"identity": identity, "seed": seeds, "group": group}, facts)


def group_of(drawn: people.People) -> np.ndarray:
    """int64 (n,), equal for the same gender, age band, skin and hair colour."""
    return ((drawn.gender * 3 + drawn.age) * 4 + drawn.skin) * 6 + drawn.hair


def pictures_a_second(renderer: Any, device: str, seconds: float = 5.0) -> float:
    """Finished 256 x 256 pictures in all looks per second, from the drawing of their numbers to bytes on the device."""
    import torch

    chunk = CHUNK if device.startswith("cuda") else 4
    first, done = people.MEASURING + 500_000, 0
    renderer(people.draw(np.arange(chunk) + first, np.arange(chunk)))
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    wait()
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        number = np.arange(done, done + chunk)
        renderer(people.draw(first + number, number))
        wait()
        done += chunk
    return done / (time.perf_counter() - start)


def select(drawn: Pictures, kept: np.ndarray) -> Pictures:
    """Some of the pictures; bool (n,)."""
    index = np.flatnonzero(kept)
    columns = {name: values[index] for name, values in drawn.columns.items()}
    return Pictures(tuple(drawn.pictures[i] for i in index), columns, drawn.facts)


def measure(drawn: Pictures) -> Iterator[Row]:
    """Faces found, and dlib's distances of pairs of pictures."""
    faces = common.load_faces()
    counts, embedded = [], []
    for i, picture in enumerate(drawn.pictures):
        found = faces.detect(picture)
        counts.append(len(found))
        embedded.append(faces.embed(picture, found[0]) if len(found) == 1 else np.full(128, np.nan))
        common.progress("faces", i + 1, len(drawn))
    one = np.array(counts) == 1
    identity, group = drawn.columns["identity"], drawn.columns["group"]
    same, other = pairs(np.array(embedded), identity, group)
    yield note("sitters", len(np.unique(identity)))
    yield note("pictures", len(drawn))
    yield bar("exactly one face", float(one.mean()), FOUND)
    yield note("no face", int((np.array(counts) == 0).sum()), "pictures")
    yield note("several faces", int((np.array(counts) > 1).sum()), "pictures")
    yield bar("AUC of dlib, same sitter against others like them", auc(same, other), APART)
    yield note("pairs of one sitter", len(same))
    yield note("pairs of sitters alike in gender, age, skin and hair", len(other))
    yield note("dlib distance, one sitter", median(same))
    yield note("dlib distance, sitters alike", median(other))


def pairs(embedded: np.ndarray, identity: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (pairs of one sitter,) and (pairs of two sitters of one group,) of rows without NaN."""
    there = np.flatnonzero(~np.isnan(embedded).any(axis=1))
    one, two = (there[index] for index in np.triu_indices(len(there), 1))
    like = group[one] == group[two]
    one, two = one[like], two[like]
    distance = np.linalg.norm(embedded[one] - embedded[two], axis=1)
    mine = identity[one] == identity[two]
    return distance[mine], distance[~mine]


def median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if len(values) else None


def speed(facts: dict[str, Any]) -> Iterator[Row]:
    """The bar is set for one H200; elsewhere the number stands alone."""
    what, value = f"drawn on {facts['machine'].split(',')[0]}", facts["speed"]
    if SPEED_BAR_ON in facts["machine"]:
        yield bar(what, value, SPEED, "pictures/s", digits=0)
    else:
        yield note(what, value, "pictures/s", digits=2)


if __name__ == "__main__":
    common.run(main)
