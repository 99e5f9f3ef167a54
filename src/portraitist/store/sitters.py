"""Sitters on disk: one folder each below the home folder, plain files, every write whole or not at all.

    <home>/sitters/<name>/
        sitter.json      who it is: kind, trigger, class word, base
        photos/          the accepted photos, pixel for pixel, without metadata (scrub.py)
        set/             crops and metadata.jsonl (a Hugging Face imagefolder)
        training/        checkpoints; gone when the training is done
        faces.json       embeddings of the photos, and what the score is measured against
        <name>.safetensors, <name>.json, <name>.png      the likeness, its sidecar, its preview
        portraits/, contact.jpg, index.html, report.json what `--out` would hold too

Knows files and names. Knows no rules, no pictures' contents and no models. `delete` leaves nothing behind.
"""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from portraitist.decoder import Decoder
from portraitist.errors import BadFile, BadRequest, UnknownName
from portraitist.files import make_folder, replacing, replacing_folder, write_bytes, write_error, write_text
from portraitist.scrub import scrub

NAME = re.compile(r"[\w][\w .-]{0,63}", re.UNICODE)
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names that Windows keeps for devices
DELETED = ".deleted-"


class SitterRecord(BaseModel):
    """What `sitter.json` holds. `photos` and `base` are empty until the sitter was trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int = 1
    name: str
    kind: str = "person"
    trigger: str
    class_word: str
    base: str = ""
    recipe: str | None = None
    created: str
    photos: int = 0
    captioner: str = ""
    tag_rules: str = "ours"
    keep_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SitterFolder:
    """The places of one sitter. Making this value touches no disk."""

    name: str
    root: Path

    @property
    def record(self) -> Path:
        return self.root / "sitter.json"

    @property
    def photos(self) -> Path:
        return self.root / "photos"

    @property
    def set(self) -> Path:
        return self.root / "set"

    @property
    def training(self) -> Path:
        return self.root / "training"

    @property
    def likeness(self) -> Path:
        return self.root / f"{self.name}.safetensors"

    @property
    def faces(self) -> Path:
        return self.root / "faces.json"

    @property
    def portraits(self) -> Path:
        return self.root / "portraits"

    @property
    def report(self) -> Path:
        return self.root / "report.json"


def check_name(name: str) -> str:
    """The name as it is stored (NFC, no blanks around), or BadRequest: it becomes a folder on any system."""
    clean = unicodedata.normalize("NFC", name).strip()
    if not NAME.fullmatch(clean) or clean.endswith(".") or RESERVED.fullmatch(clean):
        raise BadRequest(
            f"{name!r} cannot be the name of a sitter.",
            hint="Use 1 to 64 letters, digits, blanks, dots, dashes or underscores, and begin with a letter or digit.",
            code="bad_name",
        )
    return clean


class SitterStore:
    """All sitters of one home folder."""

    def __init__(self, home: Path) -> None:
        self.root = home / "sitters"

    def folder(self, name: str) -> SitterFolder:
        """Where the sitter `name` lives or would live. Raises BadRequest for a name that cannot be a folder."""
        clean = check_name(name)
        return SitterFolder(clean, self.root / clean)

    def names(self) -> tuple[str, ...]:
        """Names of all sitters, sorted."""
        if not self.root.is_dir():
            return ()
        return tuple(
            sorted(p.parent.name for p in self.root.glob("*/sitter.json") if not p.parent.name.startswith("."))
        )

    def exists(self, name: str) -> bool:
        return self.folder(name).record.is_file()

    def create(self, record: SitterRecord) -> SitterFolder:
        """Write `sitter.json` (again: a later training of the same name replaces it) and return the folder."""
        folder = self.folder(record.name)
        make_folder(folder.root).chmod(0o700)  # photos of a person: for the owner only
        write_text(folder.record, record.model_dump_json(indent=2) + "\n")
        return folder

    def load(self, name: str) -> tuple[SitterRecord, SitterFolder]:
        """The record of a sitter. Raises UnknownName with the names there are, BadFile for a broken record."""
        folder = self.folder(name)
        if not folder.record.is_file():
            known = self.names()
            train = f"Train one: portraitist train PHOTOS --sitter '{folder.name}'."
            raise UnknownName("sitter", folder.name, hint=f"Known are: {', '.join(known)}. {train}" if known else train)
        try:
            return SitterRecord.model_validate_json(folder.record.read_text(encoding="utf-8")), folder
        except (ValidationError, UnicodeDecodeError) as error:
            raise BadFile(f"{folder.record} is damaged.", hint="Restore it from an export, or train again.") from error

    def keep_photos(self, folder: SitterFolder, photos: Sequence[Path]) -> None:
        """Copy the photos into the sitter's folder, in place of older ones, without place, date and other metadata.

        Pixels stay as they are. Photos that lie there already may be among them. All are replaced at once, so that a
        crash leaves no mixture of old and new ones.
        """
        make_folder(folder.root).chmod(0o700)
        copies = {}
        with Decoder() as decoder:
            for number, path in enumerate(photos, 1):
                data, name = scrub(path.read_bytes(), _numbered(number, path), decoder.decode)
                copies[name] = data
        with replacing_folder(folder.photos) as fresh:
            for name, data in copies.items():
                write_bytes(fresh / name, data)

    def report(self, name: str) -> dict[str, Any] | None:
        """The stored `report.json` of a sitter, or None when it was never finished."""
        _, folder = self.load(name)
        if not folder.report.is_file():
            return None
        report: dict[str, Any] = json.loads(folder.report.read_text(encoding="utf-8"))
        return report

    def delete(self, name: str) -> int:
        """Remove a sitter to the last byte and return how many bytes that were.

        The folder is renamed first, so a sitter is there whole or not at all; what a crash left of an earlier
        deletion goes too.
        """
        _, folder = self.load(name)
        size = _size(folder.root)
        try:
            folder.root.rename(self.root / f"{DELETED}{uuid.uuid4().hex}")
            for left in self.root.glob(f"{DELETED}*"):
                shutil.rmtree(left)
        except OSError as error:
            raise write_error(folder.root, error) from error
        return size

    def export(self, name: str, file: Path) -> Path:
        """All files of a sitter as one zip at `file` (which must not exist yet)."""
        _, folder = self.load(name)
        if file.exists():
            raise BadRequest(f"{file} exists already.", hint="Name another file.", code="file_exists")
        with replacing(file) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(p for p in folder.root.rglob("*") if p.is_file()):
                archive.write(path, Path(folder.name) / path.relative_to(folder.root))
        return file


def _numbered(number: int, path: Path) -> str:
    return f"{number:02d}-{re.sub(r'^[0-9]{2}-', '', path.name)}"


def _size(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
