"""The training set on disk: crops and `metadata.jsonl`, which Hugging Face's `imagefolder` and other trainers read.

Knows no photo and no model: it writes what it is given and reads it back. Sets in kohya's layout are read too
(`kohya.py`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portraitist.captions import kohya
from portraitist.errors import BadFile
from portraitist.files import make_folder, write_text
from portraitist.images import read_picture, save_png
from portraitist.types import Picture

METADATA = "metadata.jsonl"


@dataclass(frozen=True)
class SetPhoto:
    """One photo of a training set: its crops (the calm one first) and the caption that they share.

    `tags` is what its describer said before the rules; nothing where it said a sentence, or was not asked.
    """

    name: str
    caption: str
    crops: tuple[Picture, ...]
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetRow:
    """One picture file of a set as its metadata tells of it; the picture itself is not read."""

    file: str
    photo: str
    caption: str
    tags: tuple[str, ...] = ()


def write_set(folder: Path, photos: Sequence[SetPhoto]) -> Path:
    """Write a set into `folder`, in place of an older one. Raises Unwritable or DiskFull.

    `metadata.jsonl` is written last, so a set that has one is whole.
    """
    if folder.exists():
        shutil.rmtree(folder)
    make_folder(folder)
    rows = []
    for number, photo in enumerate(photos, 1):
        for place, crop in enumerate(photo.crops):
            file = f"{number:02d}-{place}.png"
            save_png(folder / file, crop, made=False)
            rows.append(SetRow(file, photo.name, photo.caption, photo.tags))
    return write_rows(folder, rows)


def write_rows(folder: Path, rows: Sequence[SetRow]) -> Path:
    """Write the captions of a set whose pictures are there. Raises Unwritable or DiskFull."""
    values = [{"file_name": r.file, "text": r.caption, "photo": r.photo, "tags": list(r.tags)} for r in rows]
    return write_text(folder / METADATA, "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))


def read_rows(folder: Path) -> tuple[SetRow, ...]:
    """The captions of a set: ours, any `imagefolder` with a `text`, or kohya's layout. Raises BadFile."""
    if not (folder / METADATA).is_file():
        found = kohya.read(folder)
        if not found:
            raise BadFile(f"{folder} holds no training set.", hint="Train again from the photos.")
        return tuple(SetRow(one.file, one.photo, one.caption) for one in found)
    try:
        lines = (folder / METADATA).read_text(encoding="utf-8").splitlines()
        rows = tuple(_row(json.loads(line)) for line in lines if line.strip())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFile(f"{folder} holds no whole training set.", hint="Train again from the photos.") from error
    if any(not (folder / row.file).resolve().is_relative_to(folder.resolve()) for row in rows):
        raise BadFile(f"{folder / METADATA} names files outside its folder.")
    return rows


def read_set(folder: Path) -> tuple[SetPhoto, ...]:
    """Read a set with its pictures. Raises BadFile when it is not there or damaged."""
    grouped: dict[str, tuple[SetRow, list[Picture]]] = {}
    for row in read_rows(folder):
        _, crops = grouped.setdefault(row.photo, (row, []))
        crops.append(read_picture(folder / row.file))
    return tuple(SetPhoto(name, row.caption, tuple(crops), row.tags) for name, (row, crops) in grouped.items())


def captions_of(rows: Sequence[SetRow]) -> dict[str, SetRow]:
    """The first row of each photo; all crops of a photo share its caption."""
    found: dict[str, SetRow] = {}
    for row in rows:
        found.setdefault(row.photo, row)
    return found


def with_captions(rows: Sequence[SetRow], captions: Mapping[str, str]) -> tuple[SetRow, ...]:
    """The rows with new captions for the photos that `captions` names."""
    return tuple(SetRow(r.file, r.photo, captions.get(r.photo, r.caption), r.tags) for r in rows)


def _row(value: Any) -> SetRow:
    file, caption = value["file_name"], value["text"]
    photo, tags = value.get("photo") or file, value.get("tags") or []
    if not all(isinstance(text, str) for text in (file, caption, photo, *tags)):
        raise TypeError("not text")
    return SetRow(file, photo, caption, tuple(tags))
