"""What checkpoints drew, as a grid, and their scores, as a curve. Pictures and numbers in; knows no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from portraitist.images import from_pil
from portraitist.requests import Checkpoint
from portraitist.show.paper import ACCENT, FAINT, GAP, INK, MARGIN, PAPER, RULE, WIDTH, paste, printable, write
from portraitist.types import Picture

_LEFT = 230
_HEAD = 44
_MOST = 220


@dataclass(frozen=True)
class Row:
    """One line of the grid: `name` and `number` stand on its left, `chosen` marks it."""

    name: str
    number: str
    pictures: tuple[Picture, ...]
    chosen: bool = False


def draw_trials(rows: Sequence[Row], columns: Sequence[str]) -> Picture:
    """uint8 (height, 1600, 3): a line for each of `rows`, a column for each request. Neither may be empty."""
    cell = min(_MOST, (WIDTH - 2 * MARGIN - _LEFT) // len(columns) - GAP)
    height = 2 * MARGIN + _HEAD + len(rows) * (cell + GAP)
    image = Image.new("RGB", (WIDTH, height), PAPER)
    pen = ImageDraw.Draw(image)
    for number, title in enumerate(columns):
        write(pen, (MARGIN + _LEFT + number * (cell + GAP), MARGIN), printable(title), 18, FAINT, cell)
    for number, row in enumerate(rows):
        top = MARGIN + _HEAD + number * (cell + GAP)
        colour = ACCENT if row.chosen else INK
        pen.line((MARGIN, top - GAP // 2, WIDTH - MARGIN, top - GAP // 2), fill=RULE, width=1)
        write(pen, (MARGIN, top), printable(row.name), 20, colour, _LEFT - GAP)
        write(pen, (MARGIN, top + 30), row.number, 26, colour, _LEFT - GAP)
        write(pen, (MARGIN, top + 66), "chosen" if row.chosen else "", 18, ACCENT, _LEFT - GAP)
        for place, picture in enumerate(row.pictures):
            paste(image, picture, (MARGIN + _LEFT + place * (cell + GAP), top, cell, cell))
    return from_pil(image)


def draw_curve(points: Sequence[Checkpoint]) -> str:
    """An SVG of the scores over the steps, the chosen ones as dots; nothing with fewer than two scores."""
    scored = [(point.step, point.score, point.chosen) for point in points if point.score is not None]
    if len(scored) < 2:
        return ""
    first, last = scored[0][0], scored[-1][0]
    low, high = min(score for _, score, _ in scored), max(score for _, score, _ in scored)

    def place(step: int, score: float) -> tuple[float, float]:
        return 2 + 96 * (step - first) / max(1, last - first), 4 + 32 * (1 - (score - low) / ((high - low) or 1))

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(step, score) for step, score, _ in scored))
    marks = "".join(
        '<line x1="{0:.1f}" x2="{0:.1f}" y1="0" y2="40"/>'.format(place(step, score)[0])
        for step, score, chosen in scored
        if chosen
    )
    return (
        '<svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="score of the checkpoints">'
        f'{marks}<polyline points="{line}"/></svg>'
    )
