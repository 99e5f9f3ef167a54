"""Writing without leaving anything half-written: write beside, fsync, rename. Knows nothing of what it writes."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from portraitist.errors import DiskFull, PortraitistError, ResourceError, Unwritable

_PART = ".part-"


def write_error(path: Path, error: OSError) -> PortraitistError:
    """The error of our tree for a failed write to `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(path)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return Unwritable(path, (error.strerror or "not permitted").lower())
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.ENOENT):
        return Unwritable(path, (error.strerror or "not a possible path").lower())
    return ResourceError(f"Writing {path} failed: {error.strerror or error}.")


def make_folder(path: Path) -> Path:
    """Make `path` and its parents. Raises Unwritable or DiskFull; an existing folder must be writable."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise write_error(path, error) from error
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path`; when the block ends well, sync it and rename it to `path`.

    For writers that want a file name (safetensors, Pillow). On any error the temporary file is removed and `path`
    stays as it was; what a killed process leaves behind, `sweep` removes. Raises Unwritable or DiskFull.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}{_PART}", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _finish(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _finish(temporary: Path, path: Path) -> None:
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o666 & ~mask)  # mkstemp makes private files
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make names in `folder` last through a power cut. Not every system lets a folder be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks have no such thing
            raise
    finally:
        os.close(handle)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; when the block ends well, it takes the place of `path` and what was in it.

    A crash leaves the old folder, the new one, or (between two renames) none, never a mixture. Raises Unwritable or
    DiskFull.
    """
    fresh: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}{_PART}"))
        yield fresh
        remove_folder(path)
        fresh.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder, if it is there, so that after a crash it is there whole or not at all."""
    if path.is_dir():
        grave = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}{_PART}"))
        path.rename(grave / path.name)
        shutil.rmtree(grave, ignore_errors=True)


def sweep(folder: Path) -> int:
    """Remove what killed processes left half-written or half-removed in `folder` and below; how many things it was.

    Only for folders that no other process writes to.
    """
    left = sorted(folder.rglob(f".*{_PART}*"))
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(left)


def write_bytes(path: Path, data: bytes) -> Path:
    """Write `data` to `path` in one go. Raises Unwritable or DiskFull."""
    return _write(path, lambda temporary: temporary.write_bytes(data))


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 `text` to `path` in one go. Raises Unwritable or DiskFull."""
    return _write(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))


def _write(path: Path, write: Callable[[Path], object]) -> Path:
    with replacing(path) as temporary:
        write(temporary)
    return path
