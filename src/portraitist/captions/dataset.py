"""The training set on disk: pictures, masks and `metadata.jsonl`, which Hugging Face's `imagefolder` reads.

Knows no photo and no model: it writes what it is given and reads it back. Sets in kohya's layout are read too
(`kohya.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from portraitist.captions import kohya
from portraitist.errors import BadFile
from portraitist.faces.masks import CropMasks
from portraitist.files import make_folder, replacing_folder, write_text
from portraitist.images import read_picture, save_mask, save_png
from portraitist.types import Box, Picture, Size

METADATA = "metadata.jsonl"
_MASKS = ("person", "head", "background")


@dataclass(frozen=True)
class Cutting:
    """How a training cuts crops of `size` out of a wide picture: around the `face`, as the named framing says."""

    framing: str
    face: Box
    size: Size


@dataclass(frozen=True)
class SetPhoto:
    """One photo of a training set: its crops (the calm one first) and the caption that they share.

    `tags` is what its describer said before the rules; nothing where it said a sentence, or was not asked. `masks` are
    the crops', or empty. With `cutting` there is one wide picture in place of crops.
    """

    name: str
    caption: str
    crops: tuple[Picture, ...]
    tags: tuple[str, ...] = ()
    masks: tuple[CropMasks, ...] = ()
    cutting: Cutting | None = None


@dataclass(frozen=True)
class SetRow:
    """One picture file of a set as its metadata tells of it; the picture itself is not read. `more` is what else its
    line says: masks and cutting, or another tool's columns."""

    file: str
    photo: str
    caption: str
    tags: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


def write_set(folder: Path, photos: Sequence[SetPhoto]) -> Path:
    """Write a set as `folder`, in place of an older one. Raises Unwritable or DiskFull.

    It is written beside and takes the old one's place when it is whole; whatever stops it leaves the old one.
    """
    with replacing_folder(folder) as fresh:
        rows = []
        for number, photo in enumerate(photos, 1):
            for place, crop in enumerate(photo.crops):
                file = f"{number:02d}-{place}.png"
                save_png(fresh / file, crop, made=False)
                more = _save_masks(fresh, f"{number:02d}-{place}", photo.masks[place]) if photo.masks else {}
                more |= {"cutting": asdict(photo.cutting)} if photo.cutting is not None else {}
                rows.append(SetRow(file, photo.name, photo.caption, photo.tags, more))
        write_rows(fresh, rows)
    return folder / METADATA


def write_rows(folder: Path, rows: Sequence[SetRow]) -> Path:
    """Write the captions of a set whose pictures are there. Raises Unwritable or DiskFull."""
    values = [
        {"file_name": row.file, "text": row.caption, "photo": row.photo, "tags": list(row.tags), **row.more}
        for row in rows
    ]
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
    for row in rows:
        _within(folder, row.file)
    return rows


def read_set(folder: Path) -> tuple[SetPhoto, ...]:
    """Read a set with its pictures. Raises BadFile when it is not there or damaged."""
    found: dict[str, SetPhoto] = {}
    for row in read_rows(folder):
        before = found.get(row.photo, SetPhoto(row.photo, row.caption, (), row.tags, cutting=_cutting(row)))
        crops = (*before.crops, read_picture(folder / row.file))
        found[row.photo] = replace(before, crops=crops, masks=(*before.masks, *_read_masks(folder, row)))
    return tuple(found.values())


def _save_masks(folder: Path, name: str, masks: CropMasks) -> dict[str, Any]:
    """Write the masks of a picture into `masks/`; their columns, which `imagefolder` reads as pictures too."""
    make_folder(folder / "masks")
    files = {part: f"masks/{name}-{part}.png" for part in _MASKS}
    for part, file in files.items():
        save_mask(folder / file, getattr(masks, part))
    return {_column(part): file for part, file in files.items()}


def _column(part: str) -> str:
    return f"{part}_mask_file_name"


def _read_masks(folder: Path, row: SetRow) -> tuple[CropMasks, ...]:
    files = [row.more.get(_column(part)) for part in _MASKS]
    if None in files:
        return ()
    return (CropMasks(*(read_picture(_within(folder, str(file)))[..., 0] for file in files)),)


def _within(folder: Path, file: str) -> Path:
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadFile(f"{folder / METADATA} names files outside its folder.")
    return path


def _cutting(row: SetRow) -> Cutting | None:
    told = row.more.get("cutting")
    try:
        return Cutting(str(told["framing"]), Box(**told["face"]), Size(**told["size"])) if told else None
    except (KeyError, TypeError) as error:
        raise BadFile(f"The set does not say how {row.file} is cut.", hint="Train again from the photos.") from error


def captions_of(rows: Sequence[SetRow]) -> dict[str, SetRow]:
    """The first row of each photo; all crops of a photo share its caption."""
    found: dict[str, SetRow] = {}
    for row in rows:
        found.setdefault(row.photo, row)
    return found


def with_captions(rows: Sequence[SetRow], captions: Mapping[str, str]) -> tuple[SetRow, ...]:
    """The rows with new captions for the photos that `captions` names."""
    return tuple(replace(row, caption=captions.get(row.photo, row.caption)) for row in rows)


def _row(value: Any) -> SetRow:
    file, caption = value["file_name"], value["text"]
    photo, tags = value.get("photo") or file, value.get("tags") or []
    if not all(isinstance(text, str) for text in (file, caption, photo, *tags)):
        raise TypeError("not text")
    more = {key: told for key, told in value.items() if key not in ("file_name", "text", "photo", "tags")}
    return SetRow(file, photo, caption, tuple(tags), more)
