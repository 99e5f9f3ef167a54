"""Writing without leaving anything half-written: write beside, fsync, rename. Knows nothing of what it writes."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from portraitist.errors import DiskFull, PortraitistError, ResourceError, Unwritable


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
    stays as it was. Raises Unwritable or DiskFull.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=path.suffix)
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
