"""Does mini draw what it is asked for, one face in each picture, and different people for different seeds?

    python benchmarks/base.py --out benchmarks/results/base.json

takes 200 measuring sitters, says in the captions' own grammar what can be seen of each, and lets mini draw two
portraits of each prompt. The tagger says which of the asked-for attributes are there, the embedded detector counts
faces, and the judge measures how far apart the two portraits are, against renders of two sitters of the same gender,
age, skin, hair colour and look (sent through mini's autoencoder, as every portrait is). Drawing is quick on a GPU:
`--draw-only FILE.npz` there, `--pictures FILE.npz` here. On a processor `--count 20` takes two minutes. `--cfg 3` and
`--set steps=30 sampler="Euler a"` try other numbers than the base's own.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import Pictures, Row, bar, note
from benchmarks.judge import FOLDER as JUDGE
from benchmarks.judge import Judge, distances
from mini import captions, people
from mini.tags import LOOKS, TAGS

if TYPE_CHECKING:
    from portraitist.families.base import Model
    from portraitist.types import Picture

FIRST = people.MEASURING + 300_000
CROWD = 5_000  # measuring sitters among which somebody alike is looked for
CHUNK = 48
KINDS = ("portrait", "again", "sitter", "alike")  # what a picture is: two portraits of a prompt, two renders
PRESENT, ONE_FACE, APART = 0.90, 0.98, 0.8  # the bars
FEWEST = 10  # times that a tag is asked for, below which its share is not listed


def main() -> None:
    given = arguments()
    drawn = common.load_pictures(given.pictures) if given.pictures else draw(given)
    if given.draw_only:
        print(*common.save_pictures(drawn, given.draw_only), sep="\n")
        return
    rows = [*measure(drawn, given)]
    facts = {key: drawn.facts[key] for key in ("weights", "drawn_on", "settings") if drawn.facts.get(key)}
    common.finish("base", given, rows, common.describe_machine(), **facts)


def arguments() -> argparse.Namespace:
    parser = common.options(__doc__, count=200, of="prompts", seed=0)
    parser.add_argument("--pictures", type=Path, help="pictures that --draw-only wrote, in place of drawing them")
    parser.add_argument("--draw-only", type=Path, metavar="FILE.npz", help="draw, write the pictures, and end")
    parser.add_argument("--cfg", type=float, help="guidance (the base's own)")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="cfg, steps, sampler … of the base")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="number format (the device's own)")
    parser.add_argument("--judge", type=Path, default=JUDGE, help="folder of the judge (benchmarks/judge)")
    return parser.parse_args()


# Drawing


def draw(given: argparse.Namespace) -> Pictures:
    """Renders of sitters and of people like them, prompts about the sitters, and two portraits of each prompt."""
    device = common.device_name(given.device)
    settings = common.read_settings(given.set) | ({} if given.cfg is None else {"cfg": given.cfg})
    if unknown := sorted(set(settings) - set(common.BASE_SETTINGS)):
        sys.exit(f"A base has no setting {unknown[0]!r}; it has {', '.join(common.BASE_SETTINGS)}.")
    model = common.load_base(device, given.base, settings, given.dtype)
    sitters, alike, look = couples(given.count)
    renders, tags = render(sitters, look, given.seed, device)
    others, _ = render(alike, look, given.seed + 1, device)
    prompts = [prompt_of(row, given.seed, i) for i, row in enumerate(tags)]
    portraits: list[tuple[Picture, Picture]] = []
    for i, (prompt, _) in enumerate(prompts):
        portraits.append(two_portraits(prompt, given.seed * 1_000_003 + i, model))
        common.progress("portraits", 2 * i + 2, 2 * given.count)
    first, second = ([pair[k] for pair in portraits] for k in (0, 1))
    pictures = [*first, *second, *through(model, renders), *through(model, others)]
    columns = {
        "kind": np.repeat(np.arange(len(KINDS)), given.count),
        "prompt": np.tile(np.arange(given.count), len(KINDS)),
    }
    facts = {
        "prompts": [prompt for prompt, _ in prompts],
        "asked": [list(asked) for _, asked in prompts],
        "looks": [LOOKS[k] for k in look],
        "weights": model.base.version,
        "drawn_on": common.describe_machine(device),
        "settings": settings,
    }
    return Pictures(tuple(pictures), columns, facts)


def couples(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int64 (count,): sitters, somebody else with the same gender, age, skin and hair colour for each, and looks."""
    identity = FIRST + np.arange(CROWD)
    drawn = people.draw(identity, identity)
    waiting: dict[tuple[int, ...], int] = {}
    found: list[tuple[int, int]] = []
    for i, key in enumerate(zip(drawn.gender, drawn.age, drawn.skin, drawn.hair, strict=True)):
        other = waiting.pop(key, None)
        if other is None:
            waiting[key] = i
        else:
            found.append((other, i))
    # In the order of the first: pairs that were complete early would all be of the commonest kinds.
    mine, alike = np.array(sorted(found)[:count], dtype=np.int64).reshape(-1, 2).T
    return identity[mine], identity[alike], drawn.look[mine]


def render(identity: np.ndarray, look: np.ndarray, seed: int, device: str) -> tuple[list[Picture], np.ndarray]:
    """One picture of each in its look, and its tags bool (n, tags)."""
    from mini.render import draw_in
    from mini.renderer import Renderer

    renderer = Renderer(device)
    pictures: list[Picture] = []
    tags = []
    for start in range(0, len(identity), CHUNK):
        part = slice(start, start + CHUNK)
        found = renderer(draw_in(identity[part], np.full(len(identity[part]), seed), look[part]))
        pictures += [*found.rgb.cpu().numpy()]
        tags.append(found.tags.cpu().numpy())
        common.progress("renders", len(pictures), len(identity))
    return pictures, np.concatenate(tags)


def prompt_of(tags: np.ndarray, seed: int, number: int) -> tuple[str, tuple[str, ...]]:
    """A prompt and the tags that it asks for."""
    pieces, asked = captions.ask([TAGS[k] for k in np.flatnonzero(tags)], np.random.default_rng([seed, number]))
    return captions.text(pieces), asked


def two_portraits(prompt: str, seed: int, model: Model) -> tuple[Picture, Picture]:
    """Two seeds of a prompt by the bare base, as the studio makes them."""
    from portraitist.generation.generate import generate
    from portraitist.requests import PortraitRequest

    made = list(generate(PortraitRequest("nobody", prompt=prompt, count=2, seed=seed), model))
    return made[0].pixels, made[1].pixels


def through(model: Model, pictures: Sequence[Picture], batch: int = 16) -> list[Picture]:
    """The pictures after a trip through the base's autoencoder."""
    parts = [pictures[start : start + batch] for start in range(0, len(pictures), batch)]
    return [picture for part in parts for picture in model.decode(model.encode(part))]


# Measuring


def measure(drawn: Pictures, given: argparse.Namespace) -> Iterator[Row]:
    kind, number = drawn.columns["kind"], drawn.columns["prompt"]
    count = min(given.count, len(drawn.facts["prompts"]))
    pictures = {
        name: [drawn.pictures[i] for i in np.flatnonzero((kind == k) & (number < count))]
        for k, name in enumerate(KINDS)
    }
    asked = [tuple(tags) for tags in drawn.facts["asked"][:count]]
    yield note("prompts", count)
    yield from attributes(pictures, asked, common.load_tagger(common.device_name(given.device), given.base))
    faces = common.load_faces()
    looked = {name: find_faces(faces, pictures[name], name) for name in KINDS}
    looks = np.array(drawn.facts["looks"][:count])
    photo = looks == "photo"
    yield from face_rows(looked, looks)
    judge = Judge.load(given.judge, faces=faces)
    only = {name: [found[0] if len(found) == 1 else None for found in looked[name]] for name in KINDS}
    yield from distance_rows({name: judge.embed_found(pictures[name], only[name]) for name in KINDS}, photo)


def attributes(pictures: dict[str, list[Picture]], asked: list[tuple[str, ...]], tagger: Any) -> Iterator[Row]:
    """The share of asked-for attributes that the tagger sees; beside it the share on the sitters' own renders."""
    seen = {name: tagger.scores(pictures[name]) for name in ("portrait", "again", "sitter")}
    pairs = [(i, tag) for i, tags in enumerate(asked) for tag in tags]
    hits = {name: [seen[name][i][tag] >= 0.5 for i, tag in pairs] for name in seen}
    yield bar("asked-for attributes present", float(np.mean([*hits["portrait"], *hits["again"]])), PRESENT)
    yield note("the same on the sitters' own renders through mini", float(np.mean(hits["sitter"])))
    by_tag: dict[str, list[bool]] = defaultdict(list)
    for name in ("portrait", "again"):
        for (_, tag), hit in zip(pairs, hits[name], strict=True):
            by_tag[tag].append(hit)
    shares = {tag: float(np.mean(found)) for tag, found in by_tag.items() if len(found) >= FEWEST}
    for tag in sorted(shares, key=lambda tag: shares[tag])[:10]:
        yield note(f"asked for {tag}", shares[tag])


def find_faces(faces: Any, pictures: Sequence[Picture], name: str) -> list[list[Any]]:
    found = []
    for picture in pictures:
        found.append(faces.detect(picture))
        common.progress(f"faces of {name}", len(found), len(pictures))
    return found


def face_rows(looked: dict[str, list[list[Any]]], looks: np.ndarray) -> Iterator[Row]:
    """Pictures with exactly one face: all, by look, and beside them the renders."""
    one = {name: np.array([len(found) == 1 for found in looked[name]]) for name in looked}
    made, renders = np.stack([one["portrait"], one["again"]]), np.stack([one["sitter"], one["alike"]])
    yield bar("exactly one face", float(made.mean()), ONE_FACE)
    yield note("exactly one face, renders through mini", float(renders.mean()))
    for look in dict.fromkeys(["photo", *sorted(set(looks))]):
        mine = looks == look
        if mine.any():
            yield note(f"exactly one face, {look}", float(made[:, mine].mean()))
            yield note(f"exactly one face, {look}, renders through mini", float(renders[:, mine].mean()))


def distance_rows(rows: dict[str, np.ndarray], photo: np.ndarray) -> Iterator[Row]:
    """Judge distances between two seeds of a prompt, and between two sitters of the same attributes."""
    seeds, sitters = distances(rows["portrait"], rows["again"]), distances(rows["sitter"], rows["alike"])
    drawn, real = median(seeds), median(sitters)
    share = drawn / real if drawn is not None and real else None
    yield bar("distance of two seeds, as a share of that of two sitters", share, APART)
    yield note("judge distance, two seeds of a prompt", drawn)
    yield note("judge distance, two sitters of the same attributes", real)
    yield note("judge distance, two seeds, photos only", median(seeds[photo]))
    yield note("judge distance, two sitters, photos only", median(sitters[photo]))


def median(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


if __name__ == "__main__":
    common.run(main)
