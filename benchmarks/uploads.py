"""What do hostile uploads do? Each is refused with a reason or decoded: no crash, no hang, no flood, nothing outside.

    python benchmarks/uploads.py --out benchmarks/results/uploads.json

sends mutated files (`uploads_make.py`) the way of a photo: out of its archive, found, decoded in the limited child. A
crash is an error outside our tree, which would end the studio's process. A decoding library that crashes takes the
child with it and no more: its photo is refused, and counted as `lost`. Seconds are those of one upload, archives with
all their photos; the peak is the largest resident memory of any child. A picture of as many pixels as are allowed needs
more memory than any of these; it is measured beside them.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import Row, bar, note
from benchmarks.uploads_make import Upload, uploads
from portraitist.decoder import Decoder
from portraitist.errors import InputError, UnreadablePhoto
from portraitist.images import MAX_PIXELS
from portraitist.limited import ChildDied
from portraitist.photos import find_photos, opened
from portraitist.photos.archives import is_archive

COUNT = 10_000
SECONDS, MEGABYTES = 5.0, 300.0  # the bars
HEIC = Path(__file__).resolve().parents[1] / "tests" / "data" / "turned.heic"


@dataclass
class Outcome:
    """What happened to all uploads: counts by kind and end, the slowest, the crashes with their number."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: float = 0.0
    slowest_name: str = ""
    crashes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unexplained: int = 0
    photos: int = 0


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="uploads-") as place:
        outcome, stray = send(given.count, given.seed, Path(place))
    rows = [*table(outcome, stray), *allowed_rows()]
    common.finish("uploads", given, rows, common.describe_machine(), crashes=outcome.crashes, lost=outcome.lost)


def arguments() -> argparse.Namespace:
    return common.options(__doc__, count=COUNT, of="uploads", seed=0).parse_args()


def send(count: int, seed: int, root: Path, every: int = 1) -> tuple[Outcome, list[str]]:
    """Send `count` uploads, or each `every`-th; the outcome, and the files that were left where none should be."""
    inbox, outside, temporary = root / "inbox", root / "outside", root / "temporary"
    for folder in (inbox, outside, temporary):
        folder.mkdir()
    kept, tempfile.tempdir = tempfile.tempdir, str(temporary)
    outcome = Outcome()
    try:
        with Decoder() as decoder:
            for number, make in enumerate(uploads(count, seed, HEIC, outside)):
                if number % every == 0:
                    receive(make(), number, inbox, decoder, outcome)
                common.progress("uploads", number + 1, count)
    finally:
        tempfile.tempdir = kept
    return outcome, [str(path.relative_to(root)) for path in root.rglob("*") if path.parent != root]


def receive(upload: Upload, number: int, inbox: Path, decoder: Decoder, outcome: Outcome) -> None:
    """One upload: written as it came, unpacked, decoded, and gone again."""
    file = inbox / upload.name
    file.write_bytes(upload.data)
    begun = time.perf_counter()
    try:
        ends = [end_of(photo, decoder, outcome) for photo in photos_of(file, outcome)]
    except InputError as error:
        outcome.unexplained += not error.message
        ends = ["refused"]
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        outcome.crashes.append(f"{number} {upload.kind} {upload.name}: {type(error).__name__}: {error}")
        ends = ["crashed"]
    seconds = time.perf_counter() - begun
    if seconds > outcome.slowest:
        outcome.slowest, outcome.slowest_name = seconds, f"{number} {upload.kind} {upload.name}"
    outcome.ends[upload.kind, ends[0] if len(set(ends)) == 1 else "in part"] += 1
    file.unlink()


def photos_of(file: Path, outcome: Outcome) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each photo of an upload."""
    if not is_archive(file):
        yield file.name, file.read_bytes()
        return
    with opened([file]) as paths:
        for photo in find_photos(paths):
            yield photo.name, photo.read_bytes()


def end_of(photo: tuple[str, bytes], decoder: Decoder, outcome: Outcome) -> str:
    name, data = photo
    outcome.photos += 1
    try:
        picture = decoder.decode(data, name=name)
    except InputError as error:
        outcome.unexplained += not error.message
        died = isinstance(error, UnreadablePhoto) and isinstance(error.__cause__, ChildDied)
        if died and "memory" not in error.message and "seconds" not in error.message:
            outcome.lost.append(error.message)
        return "given up" if died else "refused"
    assert picture.ndim == 3 and picture.shape[2] == 3
    return "decoded"


def table(outcome: Outcome, stray: list[str]) -> Iterator[Row]:
    total = sum(outcome.ends.values())
    yield note("uploads", total)
    yield note("photos in them", outcome.photos)
    for end in ("decoded", "refused", "given up", "in part"):
        found = sum(count for (_, ended), count in outcome.ends.items() if ended == end)
        yield note(end, found, "uploads")
    for kind in sorted({kind for kind, _ in outcome.ends}):
        found = {end: count for (one, end), count in outcome.ends.items() if one == kind}
        yield note(f"  {kind}", ", ".join(f"{count} {end}" for end, count in sorted(found.items())))
    yield bar("crashes", len(outcome.crashes), 0, at_most=True)
    yield note("children lost to a crash of a decoding library", len(outcome.lost))
    yield bar("refused without a reason", outcome.unexplained, 0, at_most=True)
    yield bar("files left or written outside", len(stray), 0, at_most=True)
    yield bar("slowest upload", outcome.slowest, SECONDS, "s", digits=2, at_most=True)
    yield note("which", outcome.slowest_name)
    yield bar("peak of a child", peak(), MEGABYTES, "MB", digits=0, at_most=True)


def peak() -> float:
    """The largest resident memory of a child that has ended, in megabytes."""
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * scale / 1e6


def allowed_rows() -> Iterator[Row]:
    """What the largest picture costs that is allowed."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (10_000, MAX_PIXELS // 10_000), "white").save(buffer, "PNG")
    with Decoder() as decoder:
        begun = time.perf_counter()
        decoder.decode(buffer.getvalue(), name="large.png")
        seconds = time.perf_counter() - begun
    yield note(f"a PNG of {MAX_PIXELS / 1e6:.0f} megapixels and {len(buffer.getvalue()) / 1e3:.0f} kB", seconds, "s",
               digits=1)  # fmt: skip
    yield note("its child's peak", peak(), "MB", digits=0)


if __name__ == "__main__":
    common.run(main)
