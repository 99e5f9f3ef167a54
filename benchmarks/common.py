"""What benchmarks share: options, the machine in words, the table on paper and in JSON, pictures drawn elsewhere.

A benchmark is run as `python benchmarks/<name>.py --out benchmarks/results/<name>.json`; it puts the checkout on the
path first, because `mini` and the judge are no part of the package.
"""

from __future__ import annotations

import argparse
import datetime
import io
import itertools
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from portraitist import __version__

if TYPE_CHECKING:
    from portraitist.captions.tagger import Tagger
    from portraitist.faces import Faces
    from portraitist.families.base import Model
    from portraitist.types import Picture

# as the command line does: torch's threads would else spin while they wait for each other
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")

PART = 14_000_000  # bytes of pictures in one file, so that every file can be sent
BASE_SETTINGS = ("cfg", "steps", "sampler", "clip_skip", "negative")  # of a base, that can be tried without training
Row = Mapping[str, Any]


def options(text: str | None, *, count: int | None, of: str, seed: int) -> argparse.ArgumentParser:
    """`--out --device --count --seed --base`; `of` says what `count` counts, `text` is the script's own description."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where the table goes as JSON")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--count", type=int, default=count, help=f"number of {of} ({count or 'all'})")
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--base", type=Path, help="folder of a base in place of the embedded mini")
    return parser


def run(main: Callable[[], None]) -> None:
    """Run a benchmark; what it lacks is said in a sentence."""
    from portraitist.errors import PortraitistError

    try:
        main()
    except PortraitistError as error:
        sys.exit(" ".join(part for part in (error.message, error.hint) if part))


def finish(name: str, given: argparse.Namespace, rows: Sequence[Row], machine: str, **more: object) -> None:
    """Print the table and write it to `given.out`; `more` are further facts of the run (weights, counts)."""
    print_table(rows)
    if given.out is None:
        return
    document = {"name": name, "version": __version__, "machine": machine, "seed": given.seed, **more, "rows": [*rows]}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = given.out.with_suffix(".part")
    temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(given.out)


def finish_parts(name: str, given: argparse.Namespace, measured: Mapping[str, Sequence[Row]], note: str = "") -> None:
    """`finish` for a benchmark whose parts are run one by one: rows of other parts stay as `given.out` has them.

    Each row has its `part`; the document's `parts` say when, where, with which version and seed each was measured.
    """
    rows: dict[str, list[Row]] = {}
    parts: dict[str, dict[str, Any]] = {}
    if given.out is not None and given.out.is_file():
        before = json.loads(given.out.read_text(encoding="utf-8"))
        parts = before.get("parts", {})
        rows = {part: [row for row in before["rows"] if row.get("part") == part] for part in parts}
    machine = describe_machine()
    for part, found in measured.items():
        rows[part] = [{"part": part, **row} for row in found]
        today = datetime.date.today().isoformat()
        parts[part] = {"date": today, "machine": machine, "version": __version__, "seed": given.seed, "note": note}
    finish(name, given, [row for part in rows.values() for row in part], machine, parts=parts)


def bar(what: str, value: float | None, limit: float, unit: str = "", *, digits: int = 4, at_most: bool = False) -> Row:
    """A row with a bar: what was measured, the limit, and whether it holds (not, if nothing could be measured)."""
    kept = value is not None and (value <= limit if at_most else value >= limit)
    shown = None if value is None else round(float(value), digits)
    return {"what": what, "value": shown, "unit": unit, "bar": limit, "kept": bool(kept)}


def note(what: str, value: float | int | str | None, unit: str = "", *, digits: int = 4) -> Row:
    """A row without a bar."""
    shown = round(float(value), digits) if isinstance(value, float | np.floating) else value
    return {"what": what, "value": shown, "unit": unit, "bar": None, "kept": None}


def print_table(rows: Iterable[Row]) -> None:
    """One line a row; columns are the rows' keys, and rows with other keys make a table of their own."""
    for number, (keys, part) in enumerate(itertools.groupby(rows, key=tuple)):
        cells = [[words(value) for value in row.values()] for row in part]
        lines = [list(keys), *cells]
        wide = [max(len(line[i]) for line in lines) for i in range(len(keys))]
        if number:
            print()
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, wide, strict=True)).rstrip())


def words(value: object) -> str:
    """A cell of a printed table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_machine(device: str = "cpu") -> str:
    """Processor or GPU, threads and torch, in words."""
    import torch

    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    name, cpuinfo = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def device_name(wanted: str) -> str:
    """cpu or cuda: what `auto` stands for here."""
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted


def load_faces() -> Faces:
    """The embedded face stack. Raises MissingModel with the command that fetches it."""
    from portraitist.faces import Faces
    from portraitist.settings import load_settings

    return Faces.load(load_settings().models_folder / "faces")


def base_folder(folder: Path | None = None) -> Path:
    """`folder`, or where the embedded base lies. Raises MissingModel."""
    from portraitist.recipes import Base, find
    from portraitist.weights import resolve

    return folder or resolve(find(Base, "mini").source)


def load_base(
    device: str, folder: Path | None = None, settings: Mapping[str, object] | None = None, dtype: str | None = None
) -> Model:
    """The embedded base, or another of its family in `folder`; `settings` replace its own numbers (cfg, steps …)."""
    from dataclasses import asdict, replace

    import torch
    from pydantic import TypeAdapter

    from portraitist import families
    from portraitist.devices import choose_device
    from portraitist.recipes import Base, find

    base = find(Base, "mini")
    if folder is not None:
        base = replace(base, version=folder.resolve().name, sha256={})
    if settings:
        base = TypeAdapter(Base).validate_python({**asdict(base), **settings})
    chosen = choose_device(device)
    if dtype is not None:
        chosen = replace(chosen, dtype=getattr(torch, dtype), reason=f"{dtype} was asked for")
    return families.load(base_folder(folder), base, chosen)


def read_settings(pairs: Sequence[str]) -> dict[str, object]:
    """`cfg=3`, `schedule=linear`, `flip=false` as values by name; ends with a sentence for anything else."""
    found: dict[str, object] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (name and sign and value):
            sys.exit(f"{pair!r} is no setting: write name=value.")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def load_tagger(device: str, folder: Path | None = None) -> Tagger:
    """The tagger beside the base."""
    from portraitist.captions.tagger import Tagger

    return Tagger.load(base_folder(folder) / "tagger", device)


@dataclass(frozen=True)
class Pictures:
    """Pictures with arrays of the same length (`columns`) and facts of the run that drew them (`facts`)."""

    pictures: tuple[Picture, ...]
    columns: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.pictures)


def save_pictures(drawn: Pictures, path: Path) -> list[Path]:
    """Write as JPEGs of quality 95 into `path` and, where it grows too large, into `<name>-1.npz`, `-2` … beside it."""
    blobs = [_jpeg(picture) for picture in drawn.pictures]
    parts: list[list[int]] = [[]]
    for i, blob in enumerate(blobs):
        if parts[-1] and sum(len(blobs[k]) for k in parts[-1]) + len(blob) > PART:
            parts.append([])
        parts[-1].append(i)
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f"{path.stem}-[0-9]*{path.suffix}"):
        old.unlink()
    written = []
    for number, part in enumerate(parts):
        ends = np.cumsum([len(blobs[i]) for i in part])
        data = np.frombuffer(b"".join(blobs[i] for i in part), np.uint8)
        columns = {f"column_{name}": values[part] for name, values in drawn.columns.items()}
        written.append(_part_path(path, number))
        np.savez(written[-1], jpeg=data, ends=ends, facts=np.array(json.dumps(dict(drawn.facts))), **columns)
    return written


def load_pictures(path: Path) -> Pictures:
    """Read what `save_pictures` wrote, all its parts. Raises FileNotFoundError."""
    pictures: list[Picture] = []
    columns: dict[str, list[np.ndarray]] = {}
    facts: dict[str, Any] = {}
    number = 0
    while number == 0 or _part_path(path, number).exists():
        with np.load(_part_path(path, number), allow_pickle=False) as held:
            data, ends = held["jpeg"].tobytes(), [0, *held["ends"].tolist()]
            pictures += [_decode(data[a:b]) for a, b in itertools.pairwise(ends)]
            facts = json.loads(str(held["facts"]))
            for key in held.files:
                if key.startswith("column_"):
                    columns.setdefault(key.removeprefix("column_"), []).append(held[key])
        number += 1
    return Pictures(tuple(pictures), {name: np.concatenate(parts) for name, parts in columns.items()}, facts)


def _part_path(path: Path, number: int) -> Path:
    return path if number == 0 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def _jpeg(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def _decode(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        return np.asarray(image.convert("RGB"))


def progress(stage: str, done: int, total: int) -> None:
    """A line on stderr that is rewritten; only where somebody looks at it, or once at the end."""
    if sys.stderr.isatty() or done == total:
        print(f"\r{stage} {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
