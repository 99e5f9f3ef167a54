"""Draws docs/images/finishing.jpg: a photo of the sample sitter (rendered, nobody's face) taken through the bench.

    .venv/bin/python scripts/draw_finishing.py [--out FILE]

The same file each time on one machine.
"""

import argparse
from pathlib import Path

import numpy as np

from portraitist.api import load_faces
from portraitist.finisher import make_tools
from portraitist.finishing.asking import parse
from portraitist.finishing.steps import finish
from portraitist.images import read_picture, resize, save_jpeg
from portraitist.recipes import LIBRARY
from portraitist.requests import FinishRequest
from portraitist.settings import load_settings
from portraitist.types import Size

PHOTO = LIBRARY / "samples" / "mina-woman" / "03.jpg"
PANELS = (
    ("", "retouch", "background:colour=blue", "background:blur=0.6"),
    ("stylise:style=oil", "stylise:style=pencil", "stylise:style=cartoon", "stylise:style=film"),
)
SIDE = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images/finishing.jpg"))
    out: Path = parser.parse_args().out
    settings = load_settings()
    tools = make_tools(FinishRequest(), settings, load_faces(settings), None)
    photo = read_picture(PHOTO)
    rows = []
    for row in PANELS:
        requests = [FinishRequest(parse(f"upscale:scale=3{',' if steps else ''}{steps}")) for steps in row]
        rows.append(
            np.concatenate([resize(finish(photo, one, tools).picture, Size(SIDE, SIDE)) for one in requests], 1)
        )
    print(save_jpeg(out, np.concatenate(rows), quality=86, made=False))


if __name__ == "__main__":
    main()
