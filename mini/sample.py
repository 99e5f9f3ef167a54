"""Draws the photos of the sample sitter that `portraitist demo` learns: somebody no training has met.

`python -m mini.sample --out src/portraitist/library/samples/mina-woman` takes the first seeds whose
pictures a person would choose: the face turned to the viewer, eyes open, nothing in front of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from mini import people
from mini.renderer import Renderer
from mini.tags import INDEX

COUNT, SEEDS = 8, 400
AVOIDED = (
    "sunglasses", "glasses", "hat", "closed_eyes", "angry", "sad", "facing_left", "facing_right", "looking_up",
    "looking_down", "dramatic_light", "neon_lights", "night", "looking_to_the_side",
)  # fmt: skip


def choose(identity: int, count: int = COUNT) -> np.ndarray:
    """int64 (count,): the first seeds without any of AVOIDED. ValueError when there are too few."""
    seeds = np.arange(SEEDS)
    drawn = people.draw(np.full(SEEDS, identity), seeds, "photo")
    good = seeds[~drawn.scene[:, [INDEX[tag] for tag in AVOIDED]].any(axis=1)]
    if len(good) < count:
        raise ValueError(f"only {len(good)} of {SEEDS} pictures of {identity} are fit")
    return good[:count]


def write(identity: int, folder: Path, side: int = 256) -> list[Path]:
    """Eight JPEGs of `side` pixels, 01.jpg … 08.jpg."""
    seeds = choose(identity)
    pictures = Renderer("cpu")(people.draw(np.full(len(seeds), identity), seeds, "photo"), size=(side, side)).rgb.numpy()
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:02d}.jpg" for number in range(1, len(seeds) + 1)]
    for file, picture in zip(files, pictures, strict=True):
        Image.fromarray(picture).save(file, quality=93, subsampling=0)
    return files


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identity", type=int, default=people.MEASURING + 55)
    parser.add_argument("--side", type=int, default=256, help="pixels (256; the picture of docs/idphoto.md has 768)")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    print(*write(given.identity, given.out, given.side), sep="\n")
