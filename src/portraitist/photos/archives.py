"""Photos out of `.zip` and `.tar` archives, into a folder that goes again. Writes nowhere else, whatever they hold.

Nothing is unpacked by the archive's own paths: of each photo only the last part of its name is kept.
Sizes are counted while bytes arrive, for what an archive says of itself may be wrong. The work is done in a child
process of small means (`limited.py`), for the libraries hold an archive's own tables in memory.
"""

import errno
import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from portraitist.errors import BadFile, PhotoTooLarge, TooManyPhotos
from portraitist.files import write_error
from portraitist.images import MAX_BYTES, SUFFIXES
from portraitist.limited import ChildDied, Header, Limited, Means
from portraitist.photos.intake import MAX_PHOTOS

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_ENTRIES = 20_000
MAX_TOTAL = 4 * 2**30
_FREE_BYTES, _RATIO = 64 * 2**20, 20
_SECONDS, _MEMORY = 180.0, 2**30
_CHUNK = 2**20
_PREFIX = "portraitist-archive-"
# What the libraries raise on damage; ValueError for names that are no text.
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError
)  # fmt: skip


@dataclass(frozen=True)
class Caps:
    """Bytes of a photo, photos of an archive, and bytes of all that it unpacks to."""

    bytes: int = MAX_BYTES
    photos: int = MAX_PHOTOS
    total: int = MAX_TOTAL

    def allowed(self, packed: int) -> int:
        """Bytes that an archive of `packed` bytes may unpack to: photos hardly shrink, what shrinks more is a bomb."""
        return min(self.total, _FREE_BYTES + _RATIO * packed)


def is_archive(path: Path) -> bool:
    """By its name: `.zip`, `.tar`, `.tar.gz` or `.tgz`."""
    return path.name.lower().endswith(ARCHIVES) and path.is_file()


@contextmanager
def opened(paths: Sequence[Path], *, max_bytes: int = MAX_BYTES, max_photos: int = MAX_PHOTOS) -> Iterator[list[Path]]:
    """The paths, each archive replaced by a folder of its photos; these folders go when the block ends.

    A photo of more than `max_bytes` is cut there, so that `check` refuses it by its size. Raises BadFile for an archive
    that is damaged or locked, PhotoTooLarge for one with too many bytes, TooManyPhotos.
    """
    caps = Caps(max_bytes, max_photos)
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
            _unpack_apart(path, folder, caps)
            found.append(folder)
        yield found


def told(file: Path) -> str:
    """How to call a photo in a report: `holiday.zip/one.jpg` for one that lay in an archive, else its path."""
    for parent in file.parents:
        if parent.name.startswith(_PREFIX):
            return file.relative_to(parent / file.relative_to(parent).parts[0]).as_posix()
    return str(file)


def _unpack_apart(path: Path, folder: Path, caps: Caps) -> None:
    """`unpack` in a child process."""
    means = Means(memory=_MEMORY, seconds=_SECONDS, file_bytes=caps.bytes + 1)
    with Limited("portraitist.photos.archives:answer", means) as child:
        try:
            child.call({"path": str(path.absolute()), "folder": str(folder.absolute()), "caps": asdict(caps)}, most=0)
        except ChildDied as died:
            raise BadFile(
                f"The archive {path.name} was given up: unpacking it {died.reason}.", hint="Pack only photos into it."
            ) from died


def answer(header: Header, data: bytes) -> tuple[dict[str, Any], bytes]:
    """What the child does with an archive."""
    unpack(Path(header["path"]), Path(header["folder"]), Caps(**header["caps"]))
    return {}, b""


def unpack(path: Path, folder: Path, caps: Caps) -> None:
    """The photos of an archive into `folder`; raises what `opened` does, and DiskFull."""
    count = total = 0
    try:
        allowed = caps.allowed(path.stat().st_size)
        entries = _zip_entries(path) if path.suffix.lower() == ".zip" else _tar_entries(path, allowed)
        for name, source in entries:
            count += 1
            if count > caps.photos:
                raise TooManyPhotos(path.name, caps.photos)
            file = folder / name
            if file.exists():
                file = folder / f"{count:03d}-{name}"
            with source, file.open("wb") as target:
                total += _copy(source, target, min(caps.bytes, allowed - total))
            if total > allowed:
                raise _too_much(path, allowed)
    except _DAMAGE as error:
        raise BadFile(f"The archive {path.name} is damaged or cut short.", hint="Pack it again.") from error
    except RuntimeError as error:  # what zipfile raises for a password
        raise BadFile(f"The archive {path.name} is locked with a password.", hint="Unpack it first.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise write_error(folder, error) from error
        reason = (error.strerror or "it is no archive").lower()
        raise BadFile(f"The archive {path.name} cannot be unpacked: {reason}.") from error


def _too_much(path: Path, allowed: int) -> PhotoTooLarge:
    return PhotoTooLarge(
        f"{path.name} unpacks to more than {allowed / 2**20:.0f} MiB.", hint="Pack only photos into it, or fewer."
    )


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


def _tar_entries(path: Path, allowed: int) -> Iterator[tuple[str, IO[bytes]]]:
    """What is no photo counts too, for it has to be unpacked to get past it."""
    with tarfile.open(path, "r:*") as archive:
        for number, entry in enumerate(archive):
            if number >= MAX_ENTRIES:
                break
            if archive.offset > allowed:
                raise _too_much(path, allowed)
            archive.members.clear()  # type: ignore[attr-defined]  # else it keeps every entry that it has seen
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
