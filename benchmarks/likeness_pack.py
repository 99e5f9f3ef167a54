"""What likeness.py made, in few files, so that it can be sent from one machine to another."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from benchmarks.common import PART

_HEAD = 2048  # bytes that a tar adds to a file, at most
_SHELVES = ("made", "words")


def pack(work: Path, shelves: Sequence[Path], out: Path) -> list[Path]:
    """Write `made-1.tar`, `made-2.tar` … with the finished folders `shelves` of `work` into `out`; each below 15 MB."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("made-*.tar"):
        old.unlink()
    written: list[Path] = []
    for number, part in enumerate(parts(shelves), 1):
        written.append(out / f"made-{number}.tar")
        with tarfile.open(written[-1], "w") as tar:
            for file in part:
                entry = tarfile.TarInfo(file.relative_to(work).as_posix())
                entry.size = file.stat().st_size
                tar.addfile(entry, io.BytesIO(file.read_bytes()))
    total = sum(file.stat().st_size for file in written)
    print(f"{len(shelves)} folders in {len(written)} files, {total / 1e6:.1f} MB, in {out}")
    return written


def parts(shelves: Sequence[Path]) -> Iterator[list[Path]]:
    """The files of all finished folders, as many at a time as go into one file."""
    part: list[Path] = []
    size = 0
    for folder in shelves:
        # made.json says that a folder is whole, so it comes after the folder's pictures
        files = sorted(folder.glob("*"), key=lambda file: (file.suffix == ".json", file.name))
        for file in files if (folder / "made.json").is_file() else ():
            more = file.stat().st_size + _HEAD
            if part and size + more > PART:
                yield part
                part, size = [], 0
            part.append(file)
            size += more
    if part:
        yield part


def unpack(source: Path, work: Path) -> None:
    """Put what `pack` wrote into `source` where it belongs in `work`."""
    archives = sorted(source.glob("made-*.tar"))
    if not archives:
        sys.exit(f"There is no made-1.tar in {source}.")
    for archive in archives:
        with tarfile.open(archive) as tar:
            for entry in tar:
                name, file = PurePosixPath(entry.name), tar.extractfile(entry)
                if file is None or name.is_absolute() or ".." in name.parts or name.parts[0] not in _SHELVES:
                    sys.exit(f"{archive} holds {entry.name}, which likeness.py did not pack.")
                place = work / name
                place.parent.mkdir(parents=True, exist_ok=True)
                data = file.read()
                if not place.is_file() or place.read_bytes() != data:  # what did not change is not marked again
                    place.write_bytes(data)
