"""Training sets in the layout of kohya's scripts: folders `20_ohwx woman`, a `.txt` with the caption beside a picture.

The number is how often an epoch visits each picture; the words behind it are the caption of pictures that have no
file of their own (https://github.com/kohya-ss/sd-scripts). Knows no metadata.jsonl and decodes no picture.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from portraitist.errors import BadFile, BadRequest
from portraitist.files import make_folder, replacing, write_text
from portraitist.images import SUFFIXES

FOLDER = re.compile(r"(\d+)_(.+)")
SIDECARS = (".txt", ".caption")

_OURS = re.compile(r"(\d{2,})-\d+")
"""The names that we give crops: all crops of one photo begin with its number."""


@dataclass(frozen=True)
class KohyaRow:
    """One picture: its path inside the set's folder, the photo that it was cut from, its caption, its repeats."""

    file: str
    photo: str
    caption: str
    repeats: int = 1


def folder_name(words: str, repeats: int) -> str:
    """`20_ohwx woman`. Raises BadRequest for words or numbers that make no folder."""
    if repeats < 1:
        raise BadRequest(f"{repeats} repeats are too few; kohya's scripts want 1 or more.")
    if not words.strip() or set(words) & set('/\\:*?"<>|'):
        raise BadRequest(
            f"{words!r} cannot stand in a folder's name.", hint="Use a trigger word of letters and digits."
        )
    return f"{repeats}_{words.strip()}"


def write(target: Path, source: Path, rows: Sequence[KohyaRow], words: str, repeats: int) -> Path:
    """Copy the pictures of `rows` out of `source` into `target/<repeats>_<words>` with their captions beside them.

    Returns that folder, which must be new or empty. Raises BadRequest, Unwritable or DiskFull.
    """
    folder = target / folder_name(words, repeats)
    if folder.exists() and any(folder.iterdir()):
        raise BadRequest(f"{folder} holds files already.", hint="Name another folder.", code="file_exists")
    make_folder(folder)
    for row in rows:
        with replacing(folder / Path(row.file).name) as part:
            shutil.copyfile(source / row.file, part)
        write_text((folder / Path(row.file).name).with_suffix(".txt"), row.caption + "\n")
    return folder


def read(folder: Path) -> tuple[KohyaRow, ...]:
    """The pictures of `folder` and of its subfolders `20_words`, in the order of their names; none if there are none.

    A picture without any words, neither its own nor the folder's, has the caption "". Raises BadFile.
    """
    if not folder.is_dir():
        return ()
    places = [folder, *sorted(path for path in folder.iterdir() if path.is_dir() and FOLDER.fullmatch(path.name))]
    rows: list[KohyaRow] = []
    for place in places:
        repeats, _ = _words_of(place)
        for path in sorted(place.iterdir()):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                ours = _OURS.fullmatch(path.stem)
                photo = f"{ours[1]}" if ours else path.name
                photo = photo if place == folder else f"{place.name}/{photo}"
                rows.append(KohyaRow(path.relative_to(folder).as_posix(), photo, caption_of(path) or "", repeats))
    return tuple(rows)


def caption_of(picture: Path) -> str | None:
    """What is written for a picture: the first line of its `.txt` or `.caption`, else the words of its folder, or None.

    Raises BadFile for a sidecar that is no text.
    """
    for end in SIDECARS:
        sidecar = picture.with_suffix(end)
        if sidecar.is_file():
            try:
                lines = sidecar.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise BadFile(f"{sidecar} cannot be read as UTF-8 text.") from error
            return next((line.strip() for line in lines if line.strip()), "")
    return _words_of(picture.parent)[1]


def _words_of(folder: Path) -> tuple[int, str | None]:
    found = FOLDER.fullmatch(folder.resolve().name)
    return (int(found[1]), found[2].strip()) if found else (1, None)
