"""Styles on disk: the library's and a user's own, their previews, and how a new one comes to the shelf.

A style is a folder `styles/<name>` with `style.toml`, perhaps a preview and a LoRA. A user's own stand in the home
folder's library and come first; a preview that was drawn of one of ours stands there too. Draws nothing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import tomli_w

from portraitist.errors import BadFile, BadRequest
from portraitist.files import replacing_folder, write_text
from portraitist.loading import library_folders
from portraitist.recipes import LIBRARY, Style, find, find_each, read_toml
from portraitist.requests import to_data
from portraitist.settings import Settings

TOML = "style.toml"
PREVIEWS = ("preview.jpg", "preview.png", "preview.webp")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def all_styles(settings: Settings) -> tuple[tuple[Style, ...], tuple[BadFile, ...]]:
    """All styles, the photo-like ones first, each part by the alphabet; and what is wrong with those that cannot be
    read."""
    found, broken = find_each(Style, library_folders(settings))
    return tuple(sorted(found, key=lambda style: (not style.photo, style.name))), broken


def one_style(name: str, settings: Settings) -> Style:
    """The style `name`, or that of a TOML file. Raises UnknownName with the known ones, BadFile."""
    return find(Style, name, library_folders(settings))


def folder_of(name: str, settings: Settings) -> Path:
    """Where a user's style `name` lies or would lie. Raises BadRequest for a name that cannot be a folder."""
    if not NAME.fullmatch(name):
        raise BadRequest(
            f"{name!r} cannot be the name of a style.",
            hint="Use up to 40 small letters, digits, dashes and underscores, such as night-train.",
            code="bad_name",
        )
    return library_folders(settings)[0] / "styles" / name


def preview_of(name: str, settings: Settings) -> Path | None:
    """The preview of a style, or None where nothing was drawn; a user's own beats the library's."""
    places = (root / "styles" / name / file for root in (*library_folders(settings), LIBRARY) for file in PREVIEWS)
    return next((place for place in places if place.is_file()), None)


def read_style(file: Path) -> Style:
    """A style out of a file. Raises BadFile that names what is wrong with it."""
    if not file.is_file():
        raise BadFile(f"There is no file {file}.", hint="Give a style.toml, or a name and --prompt.")
    return read_toml(file, Style)


def place_for(name: str, settings: Settings, *, replace: bool) -> Path:
    """The folder of a new style. Raises BadRequest where the name is taken and may not be replaced."""
    folder = folder_of(name, settings)
    if (folder / TOML).is_file() and not replace:
        raise BadRequest(
            f"There is a style {name!r} of yours already.", hint="Take another name, or --replace.", code="name_taken"
        )
    if (LIBRARY / "styles" / name / TOML).is_file() and not replace:
        raise BadRequest(
            f"{name!r} is a style of the library.",
            hint="Take another name; with --replace yours is used in place of it.",
            code="name_taken",
        )
    return folder


def keep(style: Style, settings: Settings, *, beside: Sequence[Path] = (), replace: bool = False) -> Path:
    """Write a style into the user's library, whole or not at all; its folder. `beside` are files that go with it.

    Raises BadRequest where the name is taken, Unwritable or DiskFull.
    """
    folder = place_for(style.name, settings, replace=replace)
    with replacing_folder(folder) as fresh:
        for file in beside:
            shutil.copyfile(file, fresh / file.name)
        write_text(fresh / TOML, to_toml(style))
    return folder


def belongings(file: Path, style: Style) -> tuple[Path, ...]:
    """What lies beside a style's file and belongs to it: its preview, and LoRA files that it names."""
    loras = [style.lora, *(one.lora for one in style.on.values())]
    found = [file.parent / name for name in (*PREVIEWS, *(lora for lora in loras if lora and Path(lora).name == lora))]
    return tuple(path for path in dict.fromkeys(found) if path.is_file())


def to_toml(style: Style) -> str:
    """The style's TOML: what differs from the defaults, tables last."""
    return tomli_w.dumps(_told(style))


def _told(value: Any) -> dict[str, Any]:
    """The keys of a dataclass that are not as they are by default."""
    plain: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for one in fields(value):
        told = getattr(value, one.name)
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if told is None or told == default:
            continue
        if isinstance(told, Mapping):
            tables[one.name] = {key: _told(part) if is_dataclass(part) else to_data(part) for key, part in told.items()}
        else:
            plain[one.name] = to_data(told)
    return plain | tables
