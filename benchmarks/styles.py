"""Can one tell the styles apart? The share of each style's portraits in which the tagger sees the style's tags.

    python benchmarks/styles.py --out benchmarks/results/styles.json

draws `--count` portraits in each style that mini knows, of people in words (class, hair, eyes and skin of measuring
sitters, women and men in turn) by the bare base. With `--likenesses DIR` (LoRA files that were trained on mini with the
trigger `ohwx`, called `<class word>-<anything>.safetensors`, as `woman-mina.safetensors`) they are portraits of those
sitters in turn. A portrait counts where all of the style's `tags` have a score of at least 0.5; the bar is 85 % for
each style. `--styles a b` takes some of them. On a GPU `--draw-only FILE.npz`, elsewhere `--mark-only FILE.npz`; of
several files the last one that has a style counts for it, so that a style whose words changed can be drawn alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import Pictures, Row, bar, note
from mini import people
from mini.tags import GENDERS, IDENTITY_TAGS, INDEX
from portraitist.generation.styled import meant_for, on_base, with_style
from portraitist.recipes import Base, Recipe, Style, find, names

if TYPE_CHECKING:
    from portraitist.families.base import Model
    from portraitist.lora.formats import Lora
    from portraitist.types import Picture

FIRST = people.MEASURING + 500_000
SEEN = 0.85  # the bar
TRIGGER = "ohwx"


@dataclass(frozen=True)
class Drawn:
    """Who is drawn: the words that stand for them, and the likeness, if there is one."""

    subject: str
    lora: Lora | None = None


def main() -> None:
    given = arguments()
    drawn = joined([common.load_pictures(file) for file in given.mark_only]) if given.mark_only else draw(given)
    if given.draw_only:
        print(*common.save_pictures(drawn, given.draw_only), sep="\n")
        return
    rows = [*measure(drawn, given)]
    common.finish("styles", given, rows, common.describe_machine(), **dict(drawn.facts))


def arguments() -> argparse.Namespace:
    parser = common.options(__doc__, count=4, of="portraits in each style", seed=0)
    parser.add_argument("--styles", nargs="*", default=[], metavar="NAME", help="these only (all that mini knows)")
    parser.add_argument("--likenesses", type=Path, metavar="DIR", help="folder of likenesses, in place of words")
    parser.add_argument("--draw-only", type=Path, metavar="FILE.npz", help="draw, write the pictures, and end")
    parser.add_argument("--mark-only", type=Path, nargs="+", metavar="FILE.npz", help="mark what --draw-only wrote")
    return parser.parse_args()


def drawn_by(base: Base, wanted: Sequence[str] = ()) -> tuple[Style, ...]:
    """The library's styles that a base draws, in its own words. Raises UnknownName for one that is not there."""
    styles = [find(Style, name) for name in wanted or names(Style)]
    return tuple(on_base(style, base) for style in styles if meant_for(style, base) and style.tags)


# Drawing


def draw(given: argparse.Namespace) -> Pictures:
    """`--count` portraits in each style."""
    from portraitist.types import derive_seed

    device = common.device_name(given.device)
    model = common.load_base(device, given.base)
    styles = drawn_by(model.base, given.styles)
    sitters = likenesses(given.likenesses, model) if given.likenesses else told(given.count)
    pictures: list[Picture] = []
    for style in styles:
        for number in range(given.count):
            seed = derive_seed(given.seed, "styles", style.name, number) % 2**32
            pictures.append(portrait(style, sitters[number % len(sitters)], seed, model))
            common.progress("portraits", len(pictures), len(styles) * given.count)
    columns = {
        "style": np.repeat(np.arange(len(styles)), given.count),
        "number": np.tile(np.arange(given.count), len(styles)),
    }
    facts = {
        "styles": [style.name for style in styles],
        "weights": model.base.version,
        "drawn_on": common.describe_machine(device),
        "of": "likenesses" if given.likenesses else "people in words",
        "sitters": len(sitters),
    }
    return Pictures(tuple(pictures), columns, facts)


def told(count: int) -> tuple[Drawn, ...]:
    """People in words: class, then hair, eyes and skin of measuring sitters."""
    identity = FIRST + np.arange(count)
    scene = people.draw(identity, identity, "photo").scene
    found = []
    for number in range(count):
        has = {tag for tag in (*GENDERS, *IDENTITY_TAGS) if scene[number, INDEX[tag]]}
        grown = ("woman" if "1girl" in has else "man") if "child" not in has else "girl" if "1girl" in has else "boy"
        words = [tag.replace("_", " ") for tag in IDENTITY_TAGS if tag in has and tag != "child"]
        found.append(Drawn(", ".join([grown, *words])))
    return tuple(found)


def likenesses(folder: Path, model: Model) -> tuple[Drawn, ...]:
    """The likenesses of a folder, by name."""
    from portraitist.lora.formats import read

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        sys.exit(f"{folder} holds no likeness (.safetensors).")
    return tuple(Drawn(f"{TRIGGER} {file.stem.split('-')[0]}", read(file, model.slots())) for file in files)


def portrait(style: Style, sitter: Drawn, seed: int, model: Model) -> Picture:
    """One portrait as the studio makes it."""
    from portraitist.generation.generate import generate
    from portraitist.requests import PortraitRequest

    recipe = find(Recipe, model.base.recipe) if sitter.lora is not None else None
    asked = PortraitRequest("nobody", style=style.name, seed=seed)
    (made,) = generate(with_style(asked, style, sitter.subject, model.base, recipe), model, sitter.lora)
    return made.pixels


# Marking


def joined(parts: Sequence[Pictures]) -> Pictures:
    """Several files as one; of a style the pictures of the last file that has it."""
    last = {name: number for number, part in enumerate(parts) for name in part.facts["styles"]}
    names = sorted(last)
    pictures: list[Picture] = []
    columns: dict[str, list[int]] = {"style": [], "number": []}
    for number, part in enumerate(parts):
        for i, picture in enumerate(part.pictures):
            name = part.facts["styles"][part.columns["style"][i]]
            if last[name] == number:
                pictures.append(picture)
                columns["style"].append(names.index(name))
                columns["number"].append(int(part.columns["number"][i]))
    arrays = {key: np.array(values) for key, values in columns.items()}
    return Pictures(tuple(pictures), arrays, {**parts[-1].facts, "styles": names})


def measure(drawn: Pictures, given: argparse.Namespace) -> Iterator[Row]:
    """A row with the bar for each style, then how the styles stand together; what was missing most is named."""
    from portraitist.captions.tagger import THRESHOLD

    base = find(Base, "mini")
    scores = common.load_tagger(common.device_name(given.device), given.base).scores(drawn.pictures)
    shares = {}
    for number, name in enumerate(drawn.facts["styles"]):
        if given.styles and name not in given.styles:
            continue
        tags = on_base(find(Style, name), base).tags
        rows = [scores[i] for i in np.flatnonzero(drawn.columns["style"] == number)]
        seen = np.array([[row[tag] >= THRESHOLD for tag in tags] for row in rows])
        shares[name] = float(seen.all(axis=1).mean())
        missing = ", ".join(f"{tag} {share:.0%}" for tag, share in zip(tags, seen.mean(axis=0), strict=True))
        yield {**bar(name, shares[name], SEEN), "portraits": len(rows), "tags": missing}
    values = [*shares.values()]
    yield note("styles", len(values))
    yield note("styles at 0.85 or above", sum(value >= SEEN for value in values))
    yield note("mean over the styles", float(np.mean(values)) if values else None)


if __name__ == "__main__":
    common.run(main)
