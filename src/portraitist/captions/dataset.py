"""The training set on disk: crops and `metadata.jsonl`, which Hugging Face's `imagefolder` and other trainers read.

Knows no photo and no model: it writes what it is given and reads it back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from portraitist.errors import BadFile
from portraitist.files import make_folder, write_text
from portraitist.images import read_picture, save_png
from portraitist.types import Picture

METADATA = "metadata.jsonl"


@dataclass(frozen=True)
class SetPhoto:
    """One photo of a training set: its crops (the calm one first) and the caption that they share."""

    name: str
    caption: str
    crops: tuple[Picture, ...]


def write_set(folder: Path, photos: Sequence[SetPhoto]) -> Path:
    """Write a set into `folder`, in place of an older one. Raises Unwritable or DiskFull.

    `metadata.jsonl` is written last, so a set that has one is whole.
    """
    if folder.exists():
        shutil.rmtree(folder)
    make_folder(folder)
    lines = []
    for number, photo in enumerate(photos, 1):
        for place, crop in enumerate(photo.crops):
            file = f"{number:02d}-{place}.png"
            save_png(folder / file, crop, made=False)
            lines.append(
                json.dumps({"file_name": file, "text": photo.caption, "photo": photo.name}, ensure_ascii=False)
            )
    return write_text(folder / METADATA, "\n".join(lines) + "\n")


def read_set(folder: Path) -> tuple[SetPhoto, ...]:
    """Read a set that `write_set` wrote. Raises BadFile when it is not there or damaged."""
    grouped: dict[str, tuple[str, list[Picture]]] = {}
    try:
        for line in (folder / METADATA).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            _, crops = grouped.setdefault(row["photo"], (row["text"], []))
            crops.append(read_picture(folder / row["file_name"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFile(f"{folder} holds no whole training set.", hint="Train again from the photos.") from error
    return tuple(SetPhoto(name, caption, tuple(crops)) for name, (caption, crops) in grouped.items())
