"""Photos out of `.zip` and `.tar` archives, into a folder that goes again. Writes nowhere else, whatever they hold.

Nothing is unpacked by the archive's own paths: of each photo only the last part of its name is kept.
Sizes are counted while bytes arrive, for what an archive says of itself may be wrong.
"""

import errno
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from portraitist.errors import BadFile, PhotoTooLarge
from portraitist.files import write_error
from portraitist.images import MAX_BYTES, SUFFIXES

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_PHOTOS = 500
MAX_ENTRIES = 20_000
MAX_TOTAL = 4 * 2**30
_CHUNK = 2**20
_PREFIX = "portraitist-archive-"
# What the libraries raise on damage; ValueError for names that are no text.
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError
)  # fmt: skip


def is_archive(path: Path) -> bool:
    """By its name: `.zip`, `.tar`, `.tar.gz` or `.tgz`."""
    return path.name.lower().endswith(ARCHIVES) and path.is_file()


@contextmanager
def opened(paths: Sequence[Path], *, max_bytes: int = MAX_BYTES) -> Iterator[list[Path]]:
    """The paths, each archive replaced by a folder of its photos; these folders go when the block ends.

    A photo of more than `max_bytes` is cut there, so that `check` refuses it by its size. Raises BadFile for an archive
    that is damaged or locked, PhotoTooLarge for one with too many photos or too many bytes.
    """
    if not any(is_archive(path) for path in paths):
        yield list(paths)
        return
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as place:
        found = []
        for number, path in enumerate(paths):
            if not is_archive(path):
                found.append(path)
                continue
            folder = Path(place) / f"{number:02d}" / path.name
            folder.mkdir(parents=True)
            _unpack(path, folder, max_bytes)
            found.append(folder)
        yield found


def told(file: Path) -> str:
    """How to call a photo in a report: `holiday.zip/one.jpg` for one that lay in an archive, else its path."""
    for parent in file.parents:
        if parent.name.startswith(_PREFIX):
            return file.relative_to(parent / file.relative_to(parent).parts[0]).as_posix()
    return str(file)


def _unpack(path: Path, folder: Path, max_bytes: int) -> None:
    entries = _zip_entries(path) if path.suffix.lower() == ".zip" else _tar_entries(path)
    count = total = 0
    try:
        for name, source in entries:
            count += 1
            if count > MAX_PHOTOS:
                raise PhotoTooLarge(
                    f"{path.name} holds more than {MAX_PHOTOS} photos.", hint="Choose the best of them."
                )
            file = folder / name
            if file.exists():
                file = folder / f"{count:03d}-{name}"
            with source, file.open("wb") as target:
                total += _copy(source, target, max_bytes)
            if total > MAX_TOTAL:
                raise PhotoTooLarge(f"{path.name} unpacks to more than {MAX_TOTAL / 2**30:.0f} GiB.")
    except _DAMAGE as error:
        raise BadFile(f"The archive {path.name} is damaged or cut short.", hint="Pack it again.") from error
    except RuntimeError as error:  # what zipfile raises for a password
        raise BadFile(f"The archive {path.name} is locked with a password.", hint="Unpack it first.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise write_error(folder, error) from error
        reason = (error.strerror or "it is no archive").lower()
        raise BadFile(f"The archive {path.name} cannot be unpacked: {reason}.") from error


def _copy(source: IO[bytes], target: IO[bytes], max_bytes: int) -> int:
    """Bytes copied, at most one more than `max_bytes`."""
    left = max_bytes + 1
    while left > 0 and (chunk := source.read(min(_CHUNK, left))):
        target.write(chunk)
        left -= len(chunk)
    return max_bytes + 1 - left


def _zip_entries(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.infolist()[:MAX_ENTRIES], key=lambda entry: entry.filename):
            name = _photo_name(entry.filename)
            if name and not entry.is_dir():
                yield name, archive.open(entry)


def _tar_entries(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(path, "r:*") as archive:
        for number, entry in enumerate(archive):
            if number >= MAX_ENTRIES:
                break
            name = _photo_name(entry.name)
            source = archive.extractfile(entry) if name and entry.isreg() else None
            if name and source is not None:
                yield name, source


def _photo_name(inside: str) -> str | None:
    """A plain file name for a photo at `inside`; None for what is no photo, hidden, or a Mac's shadow of one."""
    path = PurePosixPath(inside.replace("\\", "/"))
    name = "".join(c for c in path.name if c.isprintable() and c not in ':*?"<>|\0')[
        -60:
    ]  # in any script below the 255 bytes of a file's name
    hidden = any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in path.parts)
    if hidden or not name:
        return None
    return name if Path(name).suffix.lower() in SUFFIXES else None
