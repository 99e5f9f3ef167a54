"""The contact sheet: photos on top, portraits below, a label under each. Pictures in, one picture out.

Knows how a sheet looks. Knows no scores, no requests and no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from portraitist.images import from_pil
from portraitist.show.paper import (
    ACCENT,
    FAINT,
    GAP,
    INK,
    MARGIN,
    PAPER,
    RULE,
    WIDTH,
    font,
    paste,
    printable,
    write,
)
from portraitist.types import Picture

MAX_PHOTOS = 12
MAX_PORTRAITS = 40


@dataclass(frozen=True)
class Frame:
    """One picture of the sheet; `left` is written under it, `right` (a score) at the right end of the same line."""

    picture: Picture
    left: str = ""
    right: str = ""


@dataclass(frozen=True)
class Sheet:
    """What a contact sheet says. Of many pictures the first 12 photos and 40 portraits are shown."""

    title: str
    subtitle: str
    photos: tuple[Frame, ...]
    portraits: tuple[Frame, ...]
    footer: str = ""


@dataclass(frozen=True)
class _Grid:
    columns: int
    cell: int  # width of a cell
    tall: int  # height of its picture
    line: int  # height of its label

    def height(self, count: int) -> int:
        rows = -(-count // self.columns)
        return rows * (self.tall + self.line) + max(0, rows - 1) * GAP


def draw_sheet(sheet: Sheet) -> Picture:
    """uint8 (height, 1600, 3): the sheet, as high as its pictures need."""
    photos, portraits = sheet.photos[:MAX_PHOTOS], sheet.portraits[:MAX_PORTRAITS]
    small = _grid(photos, columns=max(6, min(8, len(photos))), line=34)
    large = _grid(portraits, columns=4 if len(portraits) > 6 else 3, line=52)
    parts = [(title, grid, frames) for title, grid, frames in
             (("PHOTOS", small, photos), ("PORTRAITS", large, portraits)) if frames]  # fmt: skip
    height = MARGIN + 120 + sum(56 + grid.height(len(frames)) + 36 for _, grid, frames in parts) + 70
    image = Image.new("RGB", (WIDTH, height), PAPER)
    pen = ImageDraw.Draw(image)
    write(pen, (MARGIN, MARGIN - 8), printable(sheet.title) or "Portraits", 54, INK, WIDTH - 2 * MARGIN)
    write(pen, (MARGIN, MARGIN + 62), sheet.subtitle, 24, FAINT, WIDTH - 2 * MARGIN)
    top = MARGIN + 120
    for title, grid, frames in parts:
        top = _section(image, pen, top, title, grid, frames)
    write(pen, (MARGIN, height - 62), sheet.footer, 18, FAINT, WIDTH - 2 * MARGIN)
    return from_pil(image)


def _grid(frames: Sequence[Frame], columns: int, line: int) -> _Grid:
    cell = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) // columns
    shapes = [frame.picture.shape[0] / frame.picture.shape[1] for frame in frames] or [1.0]
    return _Grid(columns, cell, round(cell * float(np.clip(max(shapes), 0.66, 1.5))), line)


def _section(
    image: Image.Image, pen: ImageDraw.ImageDraw, top: int, title: str, grid: _Grid, frames: Sequence[Frame]
) -> int:
    pen.line((MARGIN, top, WIDTH - MARGIN, top), fill=RULE, width=2)
    write(pen, (MARGIN, top + 14), title, 18, ACCENT, 400)
    top += 56
    for i, frame in enumerate(frames):
        left = MARGIN + (i % grid.columns) * (grid.cell + GAP)
        upper = top + (i // grid.columns) * (grid.tall + grid.line + GAP)
        paste(image, frame.picture, (left, upper, grid.cell, grid.tall))
        size = 17 if grid.line < 40 else 22
        right = int(pen.textlength(frame.right, font=font(size))) if frame.right else 0
        write(pen, (left + 2, upper + grid.tall + 8), printable(frame.left), size, INK, grid.cell - right - 16)
        write(pen, (left + grid.cell - right - 2, upper + grid.tall + 8), frame.right, size, ACCENT, right + 4)
    return top + grid.height(len(frames)) + 36
