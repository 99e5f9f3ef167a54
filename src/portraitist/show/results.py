"""Writes what people look at: `report.json`, `contact.jpg`, `index.html` and the likeness's preview."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from portraitist import __version__
from portraitist.files import replacing, write_text
from portraitist.images import save_jpeg
from portraitist.recipes import Style, find_all
from portraitist.requests import Report, to_json
from portraitist.show.page import draw_page
from portraitist.show.sheet import Frame, Sheet, draw_sheet
from portraitist.show.words import FOOTER, label, summary
from portraitist.types import Picture


@dataclass(frozen=True)
class Shown:
    """The pictures of a report: photos as (file name, picture, held out), portraits in the report's order; `choosing`
    is what checkpoints drew, where one was chosen."""

    photos: tuple[tuple[str, Picture, bool], ...]
    portraits: tuple[Picture, ...]
    choosing: Picture | None = None


def write_results(root: Path, report: Report, shown: Shown, *, best: str | None) -> None:
    """Write the files into `root`, where the report's portraits lie already; `report.json` comes last.

    `best` is the portrait (its file in the report) that becomes the preview. Raises Unwritable or DiskFull.
    """
    titles = style_titles()
    save_jpeg(root / "contact.jpg", draw_sheet(_sheet(report, shown, titles)))
    if shown.choosing is not None:
        save_jpeg(root / "choosing.jpg", shown.choosing)
    else:
        (root / "choosing.jpg").unlink(missing_ok=True)  # an earlier training's
    if best is not None:
        with replacing(root / f"{report.sitter}.png") as part:
            shutil.copyfile(root / best, part)
    else:
        (root / f"{report.sitter}.png").unlink(missing_ok=True)  # an earlier likeness's
    write_text(root / "index.html", draw_page(report, shown.photos, titles))
    write_text(root / "report.json", to_json(report, indent=2) + "\n")


def style_titles() -> dict[str, str]:
    """Name → title of the library's styles."""
    return {style.name: style.title or style.name for style in find_all(Style)}


def versions() -> dict[str, str]:
    """What the results were made with."""
    packages = ("torch", "diffusers", "transformers", "peft")
    return {"portraitist": __version__, "python": platform.python_version()} | {
        name: metadata.version(name) for name in packages
    }


def _sheet(report: Report, shown: Shown, titles: dict[str, str]) -> Sheet:
    photos = [Frame(picture, name, "unseen" if held_out else "") for name, picture, held_out in shown.photos]
    return Sheet(report.sitter, summary(report), tuple(photos), _portraits(report, shown.portraits, titles), FOOTER)


def _portraits(report: Report, pictures: Sequence[Picture], titles: dict[str, str]) -> tuple[Frame, ...]:
    pairs = zip(report.portraits, pictures, strict=True)
    return tuple(Frame(pixels, titles.get(one.style or "", one.style or "prompt"), label(one)) for one, pixels in pairs)
