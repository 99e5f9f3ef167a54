"""Which files the user meant: files and folders in, a list of photo files out. Opens none of them."""

from collections.abc import Sequence
from pathlib import Path

from portraitist.errors import NoPhotos, TooManyPhotos
from portraitist.images import SUFFIXES

MAX_PHOTOS = 500


def find_photos(paths: Sequence[Path], *, most: int = MAX_PHOTOS) -> tuple[Path, ...]:
    """The photo files of `paths` in order, each once; of a folder those with a picture's suffix, sorted by name.

    A file that is named itself is taken whatever its suffix. Raises NoPhotos if a path does not exist or if nothing
    is left, TooManyPhotos for more than `most`.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            for file in _in_folder(path):
                found.setdefault(file.resolve(), file)
        elif path.exists():
            found.setdefault(path.resolve(), path)
        else:
            raise NoPhotos(f"There is no file or folder {path}.", hint="Check the spelling of the path.")
    if not found:
        places = ", ".join(str(path) for path in paths) or "the given paths"
        raise NoPhotos(f"There is no photo in {places}.", hint=f"Photos end in {', '.join(sorted(SUFFIXES))}.")
    if len(found) > most:
        raise TooManyPhotos(paths[0].name if len(paths) == 1 else "This selection", most)
    return tuple(found.values())


def _in_folder(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise NoPhotos(f"The folder {folder} cannot be read: {(error.strerror or 'unknown').lower()}.") from error
    return [path for path in entries if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
