"""Draws a sitter: `python -m mini.render --identity N --count K --seed S --look photo --out DIR`.

Writes 000.png, 001.png … and truth.json: for each picture its identity, circumstance and look in numbers, the tags that
can be seen, a caption and five landmarks in pixels. The same numbers give the same pictures on the same kind of
machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mini import captions, people
from mini.tags import LOOKS, TAGS

if TYPE_CHECKING:
    from mini.renderer import Pictures

SIZES = ((256, 256), (256, 384), (384, 256))
LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")  # left and right of the picture
CHUNK = 16
LIMIT = 10_000


class BadCall(ValueError):
    """What was asked for cannot be drawn; the message says why in a sentence."""


def main(arguments: list[str] | None = None) -> int:
    given = options().parse_args(arguments)
    try:
        render(given)
    except (BadCall, OSError, RuntimeError) as error:
        print(f"mini.render: {sentence(error)}", file=sys.stderr)
        return 2 if isinstance(error, BadCall | OSError) else 3
    return 0


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mini.render", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--identity", type=int, required=True, help=f"whose pictures; from {people.MEASURING} up for measuring only"
    )
    parser.add_argument("--count", type=int, default=8, help="how many (8)")
    parser.add_argument("--seed", type=int, default=0, help="of the first picture; the next ones count up (0)")
    parser.add_argument(
        "--look", default="photo", help=f"{', '.join(LOOKS)}, or any: a look for each picture by its seed (photo)"
    )
    parser.add_argument("--size", default="256x256", help=f"{', '.join(f'{w}x{h}' for w, h in SIZES)} (256x256)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (cpu)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    return parser


def render(given: argparse.Namespace) -> None:
    """Draws and writes. Raises BadCall, OSError for the folder, RuntimeError when the kernel cannot be built."""
    size = check(given)
    import torch  # after the checks, which need none of it

    from mini.renderer import Renderer

    if given.device != "cpu" and (torch.device(given.device).index or 0) >= torch.cuda.device_count():
        raise BadCall(f"--device is {given.device}, but torch sees {torch.cuda.device_count()} CUDA devices")
    renderer = Renderer(given.device)
    given.out.mkdir(parents=True, exist_ok=True)
    truths: list[dict[str, Any]] = []
    look = None if given.look == "any" else given.look
    for start in range(0, given.count, CHUNK):
        seeds = np.arange(start, min(start + CHUNK, given.count)) + given.seed
        drawn = people.draw(np.full(len(seeds), given.identity), seeds, look, aspect=size[0] / size[1])
        pictures = renderer(drawn, size=size)
        for i in range(len(drawn)):
            name = f"{start + i:03d}.png"
            write_picture(given.out / name, pictures.rgb[i].cpu().numpy())
            truths.append({"file": name, **truth(drawn, pictures, i)})
    document = json.dumps({"renderer": "mini-2", "size": list(size), "pictures": truths}, indent=1)
    replace(given.out / "truth.json", document.encode())


def draw_in(identities: people.Ints, seeds: people.Ints, looks: people.Ints, *, aspect: float = 1.0) -> people.People:
    """As `people.draw`, with a look for each picture: indices into LOOKS."""
    found: people.People | None = None
    for k in np.unique(looks):
        there = looks == k
        drawn = people.draw(identities, seeds, LOOKS[k], aspect=aspect)
        found = drawn if found is None else found
        found = people.People(*(_merged(there, getattr(drawn, f.name), getattr(found, f.name)) for f in fields(drawn)))
    return found or people.draw(identities, seeds, None, aspect=aspect)


def _merged(there: np.ndarray[Any, Any], one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> Any:
    return np.where(there.reshape(-1, *[1] * (one.ndim - 1)), one, other)


def check(given: argparse.Namespace) -> tuple[int, int]:
    """The size (width, height). Raises BadCall naming the option."""
    if not 0 <= given.identity < 2**31:
        raise BadCall(f"--identity is {given.identity}; it must be between 0 and {2**31 - 1}")
    if not 1 <= given.count <= LIMIT:
        raise BadCall(f"--count is {given.count}; it must be between 1 and {LIMIT}")
    if not 0 <= given.seed < 2**31 - given.count:
        raise BadCall(f"--seed is {given.seed}; it must be between 0 and {2**31 - 1 - given.count}")
    if given.look != "any" and given.look not in LOOKS:
        raise BadCall(f"--look {given.look!r} is not known; there are any, {', '.join(LOOKS)}")
    sizes = {f"{w}x{h}": (w, h) for w, h in SIZES}
    if given.size not in sizes:
        raise BadCall(f"--size {given.size!r} is not known; there are {', '.join(sizes)}")
    if not (given.device in ("cpu", "cuda") or given.device.removeprefix("cuda:").isdigit()):
        raise BadCall(f"--device {given.device!r} is not known; use cpu, cuda or cuda:N")
    if given.out.exists() and not given.out.is_dir():
        raise BadCall(f"--out {given.out} is a file, not a folder")
    return sizes[given.size]


def truth(drawn: people.People, pictures: Pictures, i: int) -> dict[str, Any]:
    """All that is known of one picture, as JSON values."""
    tags = [TAGS[k] for k in np.flatnonzero(pictures.tags[i].cpu().numpy())]
    values = dict(zip(people.PARAMS, (round(float(value), 5) for value in drawn.values[i]), strict=True))
    rng = np.random.default_rng([int(drawn.identity[i]), int(drawn.seed[i])])
    points = pictures.landmarks[i].cpu().tolist()
    return {
        "identity": {"number": int(drawn.identity[i]), **{name: values[name] for name in people.IDENTITY}},
        "circumstance": {
            "seed": int(drawn.seed[i]),
            **{name: values[name] for name in people.CIRCUMSTANCE if name != "seed"},
        },
        "look": LOOKS[int(drawn.look[i])],
        "tags": tags,
        "caption": captions.text(captions.write(tags, rng)),
        "landmarks": {name: [round(x, 2), round(y, 2)] for name, (x, y) in zip(LANDMARKS, points, strict=True)},
    }


def write_picture(path: Path, rgb: np.ndarray[Any, Any]) -> None:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    replace(path, buffer.getvalue())


def replace(path: Path, data: bytes) -> None:
    """Writes whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sentence(error: Exception) -> str:
    """One line: what went wrong and with what."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the folder'}: {error.strerror.lower()}"
    return str(error).strip()


if __name__ == "__main__":
    sys.exit(main())
