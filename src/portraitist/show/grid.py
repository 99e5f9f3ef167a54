"""The sheet of an X/Y/Z grid: pictures in columns and rows, each line with its setting and value. Pictures in, one out.

Knows how the sheet looks. Knows no requests and no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from portraitist.images import from_pil, to_pil
from portraitist.show.paper import ACCENT, FAINT, GAP, INK, MARGIN, PAPER, font, printable, wrap, write
from portraitist.types import Picture, Size

MAX_SIDE = 8192
"""Pixels of a sheet; pictures are made smaller where they do not fit."""

_NARROWEST = 150
"""Pixels of a column, so that its label can be read over a small picture."""

_LINES = 3
_LABELS = (420, 320)
"""Pixels that labels take at most: of the rows on the left, of title and columns above."""


@dataclass(frozen=True)
class Header:
    """The values of one setting along an edge of the sheet."""

    name: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class GridSheet:
    """Pictures row by row; a grid of one setting has no `rows`. `title` and `note` stand above, `note` in colour."""

    title: str
    note: str
    columns: Header
    rows: Header | None
    pictures: tuple[Picture, ...]


def factor(sizes: Sequence[Size], columns: int, rows: int) -> float:
    """By how much, at most 1, pictures of these sizes are made smaller so that the sheet has at most 8192 pixels."""
    width, height = max(size.width for size in sizes), max(size.height for size in sizes)
    across, down = ((MAX_SIDE - 2 * MARGIN - one) for one in _LABELS)
    return min(1.0, (across / columns - GAP) / width, (down / rows - GAP) / height)


def draw_grid(sheet: GridSheet) -> Picture:
    """uint8 (height, width, 3): the sheet; pictures keep their pixels and their sizes beside each other."""
    columns, rows = len(sheet.columns.labels), len(sheet.rows.labels) if sheet.rows else 1
    narrowest = min(_NARROWEST, (MAX_SIDE - 2 * MARGIN - _LABELS[0]) // columns - GAP)
    widest = max(narrowest, *(picture.shape[1] for picture in sheet.pictures))
    tallest = max(picture.shape[0] for picture in sheet.pictures)
    size = max(17, min(40, widest // 9))
    left = _left(sheet.rows, size, widest)
    heads = [_lines(label, number, size, widest) for number, label in enumerate(sheet.columns.labels, 1)]
    top = MARGIN + 2 * size + _height(heads, size)
    wide = 2 * MARGIN + left + columns * (widest + GAP) - GAP
    image = Image.new("RGB", (wide, top + rows * (tallest + GAP) - GAP + MARGIN), PAPER)
    pen = ImageDraw.Draw(image)
    room = wide - 2 * MARGIN
    note = int(pen.textlength(sheet.note, font=font(size))) + GAP if sheet.note else 0
    write(pen, (MARGIN, MARGIN // 2), sheet.note, size, ACCENT, room)
    write(pen, (MARGIN + note, MARGIN // 2), printable(sheet.title), size, FAINT, max(0, room - note))
    for number, lines in enumerate(heads):
        place = MARGIN + left + number * (widest + GAP)
        _label(pen, (place, top - _height(heads, size)), sheet.columns.name, lines, size, widest)
    for number in range(rows):
        upper = top + number * (tallest + GAP)
        if sheet.rows is not None:
            lines = _lines(sheet.rows.labels[number], number + 1, size, left - GAP)
            _label(pen, (MARGIN, upper), sheet.rows.name, lines, size, left - GAP)
        for place, picture in enumerate(sheet.pictures[number * columns : (number + 1) * columns]):
            image.paste(to_pil(picture), (MARGIN + left + place * (widest + GAP), upper))
    return from_pil(image)


def _left(rows: Header | None, size: int, widest: int) -> int:
    """Width of the labels of the rows with the gap behind them."""
    if rows is None:
        return 0
    needed = max(font(size).getlength(printable(text)) for text in (*rows.labels, rows.name))
    return int(min(max(needed, 60), max(160, min(_LABELS[0] - GAP, widest)))) + GAP


def _lines(label: str, number: int, size: int, width: int) -> list[str]:
    """A value in lines; one that the font cannot print by its number."""
    shown = printable(label)
    return wrap(shown if len(shown) == len(label.strip()) else f"value {number}", size, width, _LINES) or ["(nothing)"]


def _height(heads: Sequence[Sequence[str]], size: int) -> int:
    return round(size * (0.9 + 1.25 * max(len(lines) for lines in heads) + 0.5))


def _label(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], name: str, lines: Sequence[str], size: int, width: int
) -> None:
    """The setting, small, above its value."""
    write(pen, place, printable(name).replace("_", " "), max(14, round(size * 0.7)), FAINT, width)
    for number, line in enumerate(lines):
        write(pen, (place[0], place[1] + round(size * (0.9 + 1.25 * number))), line, size, INK, width)
