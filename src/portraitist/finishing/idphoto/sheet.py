"""Sheets to print: one ID photo as often as the paper holds it, with marks to cut along. In millimetres; writes PDF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from portraitist.errors import UnfitPhoto, UnknownName
from portraitist.files import replacing
from portraitist.finishing.idphoto.formats import MM_PER_INCH, IdFormat
from portraitist.images import from_pil, to_pil
from portraitist.types import Picture

PAPERS = {"a4": (210.0, 297.0), "letter": (215.9, 279.4), "10x15cm": (100.0, 150.0), "4x6in": (101.6, 152.4)}
"""Width and height in millimetres, upright."""

MARGINS = {"a4": 5.0, "letter": 5.0, "10x15cm": 1.5, "4x6in": 1.5}
"""Millimetres left free at the edge: office printers need them, photo paper is printed to its edge."""

_GAP, _MARK = 2.0, 0.8
"""Millimetres between photos, and the length of a mark."""

_FOOT, _RULE = 10.0, 50.0
"""Millimetres that a line of words takes below the photos where there is room, and the length of the printed rule."""

_INK = (120, 120, 120)


@dataclass(frozen=True)
class Layout:
    """Millimetres: the paper as it lies, and the upper left corners of the photos."""

    paper: tuple[float, float]
    corners: tuple[tuple[float, float], ...]
    columns: int
    rows: int


def lay_out(size_mm: tuple[float, float], paper: str) -> Layout:
    """As many photos as the paper holds, lying or upright, in the middle of it.

    Raises UnknownName for the paper, UnfitPhoto when not one photo fits.
    """
    if paper not in PAPERS:
        raise UnknownName("paper", paper, PAPERS)
    best = max(
        (_grid(size_mm, turned, MARGINS[paper]) for turned in (PAPERS[paper], PAPERS[paper][::-1])),
        key=lambda one: len(one.corners),
    )
    if not best.corners:
        raise UnfitPhoto(f"{size_mm[0]:g} x {size_mm[1]:g} mm is too large for {paper}.", code="too_large")
    return best


def _grid(size_mm: tuple[float, float], paper: tuple[float, float], margin: float) -> Layout:
    room = [int((paper[i] - 2 * margin + _GAP) // (size_mm[i] + _GAP)) for i in (0, 1)]
    columns, rows = max(0, room[0]), max(0, room[1])
    spans = [count * (size_mm[i] + _GAP) - _GAP for i, count in enumerate((columns, rows))]
    left, top = (paper[0] - spans[0]) / 2, (paper[1] - spans[1]) / 2
    corners = tuple(
        (left + column * (size_mm[0] + _GAP), top + row * (size_mm[1] + _GAP))
        for row in range(rows)
        for column in range(columns)
    )
    return Layout(paper, corners, columns, rows)


def draw_sheet(photo: Picture, wanted: IdFormat, paper: str) -> Picture:
    """The sheet at the format's dpi, white, with marks at the corners of each photo."""
    layout, per_mm = lay_out(wanted.size_mm, paper), wanted.pixels_per_mm
    image = Image.new("RGB", (round(layout.paper[0] * per_mm), round(layout.paper[1] * per_mm)), "white")
    pen, one = ImageDraw.Draw(image), to_pil(photo)
    for left, top in layout.corners:
        x, y = round(left * per_mm), round(top * per_mm)
        image.paste(one, (x, y))
        _corner_marks(pen, (x, y, x + one.width, y + one.height), per_mm)
    _foot(pen, layout, wanted, per_mm)
    return from_pil(image)


def _corner_marks(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], per_mm: float) -> None:
    """Lines that go on from the photo's edges, outside of it."""
    left, top, right, bottom = box
    off, end = max(1, round(0.2 * per_mm)), round((0.2 + _MARK) * per_mm)
    wide = max(1, round(0.1 * per_mm))
    for x, sign in ((left, -1), (right - 1, 1)):
        for y, way in ((top, -1), (bottom - 1, 1)):
            pen.line((x, y + way * off, x, y + way * end), fill=_INK, width=wide)
            pen.line((x + sign * off, y, x + sign * end, y), fill=_INK, width=wide)


def _foot(pen: ImageDraw.ImageDraw, layout: Layout, wanted: IdFormat, per_mm: float) -> None:
    """A rule of 50 mm and how to print, where the paper has room under the photos."""
    lowest = max(top for _, top in layout.corners) + wanted.size_mm[1]
    if layout.paper[1] - lowest < _FOOT:
        return
    y, left = (layout.paper[1] - 5.0) * per_mm, 8.0 * per_mm
    right = left + _RULE * per_mm
    wide = max(1, round(0.15 * per_mm))
    pen.line((left, y, right, y), fill=_INK, width=wide)
    for x in (left, right):
        pen.line((x, y - per_mm, x, y + per_mm), fill=_INK, width=wide)
    width, height = wanted.size_mm
    words = f"50 mm. Print at 100 %, without fitting to the page. {wanted.title}, {width:g} x {height:g} mm"
    pen.text((right + 3 * per_mm, y), words, font=ImageFont.load_default(round(2.6 * per_mm)), fill=_INK, anchor="lm")


def save_pdf(path: Path, sheet: Picture, dpi: int, *, title: str = "", keywords: str = "") -> Path:
    """Write a sheet as a PDF of one page in true size, all or nothing. Raises Unwritable or DiskFull."""
    with replacing(path) as temporary:
        to_pil(sheet).save(
            temporary, format="PDF", resolution=float(dpi), quality=95, subsampling=0, title=title, keywords=keywords,
            producer="Portraitist",
        )  # fmt: skip
    return path


def page_mm(sheet: Picture, dpi: int) -> tuple[float, float]:
    """How large a sheet is on paper."""
    return sheet.shape[1] / dpi * MM_PER_INCH, sheet.shape[0] / dpi * MM_PER_INCH
