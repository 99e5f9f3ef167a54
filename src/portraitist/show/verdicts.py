"""The sheet of a check: every photo with its verdict, the face's box and landmarks, and what speaks against it.

Pictures and plain values in, one picture out. Knows no faces, no limits and no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from portraitist.images import fit, from_pil
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
    wrap,
    write,
)
from portraitist.types import Box, Landmarks, Picture

COLUMNS = 4
MOST = 120
"""So many photos are drawn; the sheet says how many more there are."""

_CELL = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
_KEPT = 720
_ROOM = 4.0
"""Widths of the face that are shown around it."""

_LINE, _MOST_LINES, _NOTE_LINES = 22, 5, 3
_GOOD, _BAD = "#3c7a4b", "#b0382b"
_DOT = (120, 235, 160)


@dataclass(frozen=True)
class Card:
    """One photo of the sheet: `picture` upright, or None if it could not be read; `box` and `points` (n, 2) in its
    pixels; `numbers` is a line under the name, `reasons` are sentences."""

    name: str
    accepted: bool
    picture: Picture | None = None
    box: Box | None = None
    points: Landmarks | None = None
    numbers: str = ""
    reasons: tuple[str, ...] = ()


def framed(card: Card) -> Card:
    """The card with the part of its picture around the face, and no more pixels than the sheet needs."""
    if card.picture is None:
        return card
    picture, corner = card.picture, np.zeros(2)
    if card.box is not None:
        tall, wide = picture.shape[:2]
        side = _ROOM * max(card.box.width, card.box.height)
        start = np.clip(np.array(card.box.centre) - side / 2, 0.0, np.maximum(0.0, np.array([wide, tall]) - side))
        corner = np.round(start)
        end = np.minimum(corner + round(side), [wide, tall])
        picture = picture[int(corner[1]) : int(end[1]), int(corner[0]) : int(end[0])]
    picture, factor = fit(np.ascontiguousarray(picture), _KEPT)
    box, points = card.box, card.points
    if box is not None:
        box = Box(box.x - corner[0], box.y - corner[1], box.width, box.height).scaled(factor)
    if points is not None:
        points = (points[:, :2] - corner) * factor
    return replace(card, picture=picture, box=box, points=points)


def draw_verdicts(title: str, subtitle: str, cards: Sequence[Card], notes: Sequence[str] = ()) -> Picture:
    """uint8 (height, 1600, 3): the sheet, as high as its cards need."""
    shown = cards[:MOST]
    rows = [shown[start : start + COLUMNS] for start in range(0, len(shown), COLUMNS)]
    heights = [_height(row) for row in rows]
    wrapped = [wrap(printable(note), 20, WIDTH - 2 * MARGIN - 24, _NOTE_LINES) for note in notes]
    if len(cards) > MOST:
        wrapped.append([f"{len(cards) - MOST} more photos are not drawn."])
    foot = sum(len(lines) * 28 + 8 for lines in wrapped)
    image = Image.new("RGB", (WIDTH, MARGIN + 120 + sum(heights) + foot + 2 * MARGIN), PAPER)
    pen = ImageDraw.Draw(image)
    write(pen, (MARGIN, MARGIN - 8), printable(title) or "Photos", 54, INK, WIDTH - 2 * MARGIN)
    write(pen, (MARGIN, MARGIN + 62), printable(subtitle), 24, FAINT, WIDTH - 2 * MARGIN)
    top = MARGIN + 120
    for row, height in zip(rows, heights, strict=True):
        for column, card in enumerate(row):
            _draw(image, pen, card, (MARGIN + column * (_CELL + GAP), top, _CELL, _tall(row)))
        top += height
    _write_notes(pen, top, wrapped)
    return from_pil(image)


def _tall(row: Sequence[Card]) -> int:
    """Height of the pictures of a row."""
    shapes = [card.picture.shape[0] / card.picture.shape[1] for card in row if card.picture is not None] or [0.66]
    return round(_CELL * float(np.clip(max(shapes), 0.66, 1.34)))


def _height(row: Sequence[Card]) -> int:
    lines = max(sum(len(part) for part in _lines(card)) for card in row)
    return _tall(row) + 86 + lines * _LINE + 28


def _lines(card: Card) -> list[list[str]]:
    most = max(1, _MOST_LINES - max(0, len(card.reasons) - 1))
    return [wrap(printable(reason), 17, _CELL - 18, most) for reason in card.reasons[:3]]


def _draw(image: Image.Image, pen: ImageDraw.ImageDraw, card: Card, cell: tuple[int, int, int, int]) -> None:
    left, top, width, tall = cell
    colour = _GOOD if card.accepted else _BAD
    if card.picture is None:
        pen.rounded_rectangle((left, top, left + width, top + tall), 12, fill=RULE)
        write(pen, (left + width // 2 - 60, top + tall // 2 - 12), "no picture", 24, FAINT, width)
    else:
        x, y, factor = paste(image, card.picture, cell)
        _draw_face(image, card, (x, y), factor, colour)
    _badge(pen, (left, top + tall + 12), "accepted" if card.accepted else "rejected", colour)
    write(pen, (left + 100, top + tall + 13), printable(card.name), 19, INK, width - 104)
    write(pen, (left + 2, top + tall + 44), printable(card.numbers), 16, FAINT, width - 4)
    y = top + tall + (72 if card.numbers else 46)
    for part in _lines(card):
        pen.line((left + 3, y + 3, left + 3, y + len(part) * _LINE - 3), fill=colour, width=3)
        for line in part:
            write(pen, (left + 14, y), line, 17, INK, width - 16)
            y += _LINE


def _draw_face(image: Image.Image, card: Card, corner: tuple[int, int], factor: float, colour: str) -> None:
    """Box and landmarks, drawn at four times the size so that they are smooth; nothing beyond the picture's edge."""
    if card.picture is None or card.box is None:
        return
    size = (round(card.picture.shape[1] * factor), round(card.picture.shape[0] * factor))
    fine = Image.new("RGBA", (size[0] * 4, size[1] * 4), (0, 0, 0, 0))
    pen = ImageDraw.Draw(fine)
    scale = factor * 4
    if card.points is not None:
        radius = float(np.clip(card.box.width * scale / 220, 1.5, 4.5))
        for x, y in card.points[:, :2] * scale:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*_DOT, 190))
    box = card.box.scaled(scale)
    pen.rounded_rectangle((box.x, box.y, box.x + box.width, box.y + box.height), 24, outline=colour, width=11)
    small = fine.resize(size, Image.Resampling.LANCZOS)
    image.paste(small.convert("RGB"), corner, small.getchannel("A"))


def _badge(pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: str) -> None:
    x, y = place
    pen.rounded_rectangle((x, y, x + 88, y + 26), 13, fill=colour)
    pen.text((x + 44, y + 13), text, font=font(16), fill="white", anchor="mm")


def _write_notes(pen: ImageDraw.ImageDraw, top: int, notes: Sequence[Sequence[str]]) -> None:
    if notes:
        pen.line((MARGIN, top, WIDTH - MARGIN, top), fill=RULE, width=2)
    top += 18
    for lines in notes:
        pen.ellipse((MARGIN, top + 9, MARGIN + 8, top + 17), fill=ACCENT)
        for line in lines:
            write(pen, (MARGIN + 24, top), line, 20, INK, WIDTH - 2 * MARGIN - 24)
            top += 28
        top += 8
