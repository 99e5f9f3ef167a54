"""From the file of a photo to those of an ID photo: read, cut, write PNG, JPEG and the sheet, each with its mark."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from portraitist.decoder import Decoder
from portraitist.errors import BadFile
from portraitist.faces import Masker
from portraitist.files import make_folder
from portraitist.finishing.idphoto.cut import Finder, IdCheck, cut_id_photo
from portraitist.finishing.idphoto.formats import Colour, IdFormat, parse_colour
from portraitist.finishing.idphoto.sheet import draw_sheet, lay_out, page_mm, save_pdf
from portraitist.images import MAX_BYTES, MAX_PIXELS, read_bytes, read_png_text, save_jpeg, save_png
from portraitist.marks import Source, source_in
from portraitist.requests import Reason
from portraitist.types import Picture

KEEP, RULE = "keep", "rule"
TEXT = "portraitist-idphoto"
"""The chunk of a PNG that holds the sha256 of the photo that it was cut from."""


@dataclass(frozen=True)
class IdPhotoReport:
    """An ID photo that was written. `fits`: every rule of the format is met; else `checks` and `warnings` say what not.

    `size_mm` and `pixels` are (width, height); `background` is a colour #rrggbb, or None where the photo's own was
    kept; `roll` the degrees that were taken out; `source` the mark in the files (IPTC's term), None for a plain photo.
    """

    file: str
    format: str
    size_mm: tuple[float, float]
    pixels: tuple[int, int]
    dpi: int
    background: str | None
    roll: float
    fits: bool
    checks: tuple[IdCheck, ...]
    warnings: tuple[Reason, ...]
    source: str | None
    files: tuple[str, ...]
    sheet: str | None = None
    copies: int = 0


def make_id_photo(
    path: Path,
    wanted: IdFormat,
    faces: Finder,
    masker: Masker,
    out: Path,
    *,
    background: str = RULE,
    paper: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> IdPhotoReport:
    """Write `<name>-<format>.png` and `.jpg` into `out`, and with `paper` the sheet as PNG and PDF;
    `-2` and so on where another photo's lie there already.

    `background` is `rule` (the format's colour), `keep` or a colour. Raises UnreadablePhoto, PhotoTooLarge, UnfitPhoto
    (nothing is written then), UnknownName for a paper, BadRequest for a colour, Unwritable or DiskFull.
    """
    colour = check_wishes(wanted, background, paper)
    data = read_bytes(path, max_bytes)
    with Decoder() as decoder:
        picture = decoder.decode(data, name=path.name, max_pixels=max_pixels)
    given = source_in(data)
    made = cut_id_photo(picture, wanted, faces, masker, background=colour, name=path.name)
    source = given if given is not None and given.made_by_ai else (given if colour is None else Source.ENHANCED)
    root = make_folder(out)
    stem = _free(root, f"{path.stem}-{wanted.name}", data)
    files = _write(root, stem, made.picture, wanted.dpi, source, data)
    sheet, copies = None, 0
    if paper is not None:
        sheet, copies = f"{stem}-{paper}", len(lay_out(wanted.size_mm, paper).corners)
        files += _write_sheet(root, sheet, draw_sheet(made.picture, wanted, paper), wanted, source)
    return IdPhotoReport(
        files[0], wanted.name, wanted.size_mm, (wanted.size.width, wanted.size.height), wanted.dpi,
        None if colour is None else "#{:02x}{:02x}{:02x}".format(*colour), round(made.cut.roll, 1),
        made.fits, made.checks, (*_refusals(path.name, wanted, given, colour is not None), *made.warnings),
        None if source is None else source.value, files, None if sheet is None else f"{sheet}.pdf", copies,
    )  # fmt: skip


def check_wishes(wanted: IdFormat, background: str, paper: str | None) -> Colour | None:
    """The colour of the background, None to keep the photo's own. Raises BadRequest, UnknownName or UnfitPhoto."""
    if paper is not None:
        lay_out(wanted.size_mm, paper)
    return None if background == KEEP else parse_colour(wanted.background if background == RULE else background)


def _free(root: Path, stem: str, data: bytes) -> str:
    """A name that is not there, or that was cut from this very photo: another photo's is not written over."""
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        files = [root / f"{name}{suffix}" for suffix in (".png", ".jpg")]
        if not any(file.exists() for file in files) or _cut_from(files[0]) == _sum(data):
            return name
        number += 1


def _cut_from(file: Path) -> str | None:
    try:
        return read_png_text(file).get(TEXT)
    except BadFile:
        return None


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(
    root: Path, stem: str, picture: Picture, dpi: int, source: Source | None, data: bytes
) -> tuple[str, ...]:  # fmt: skip
    marked, said = source is not None, source or Source.ENHANCED
    save_png(root / f"{stem}.png", picture, {TEXT: _sum(data)}, made=marked, source=said, dpi=dpi)
    save_jpeg(root / f"{stem}.jpg", picture, quality=95, made=marked, source=said, dpi=dpi)
    return f"{stem}.png", f"{stem}.jpg"


def _write_sheet(root: Path, stem: str, sheet: Picture, wanted: IdFormat, source: Source | None) -> tuple[str, ...]:
    save_png(root / f"{stem}.png", sheet, made=source is not None, source=source or Source.ENHANCED, dpi=wanted.dpi)
    width, height = page_mm(sheet, wanted.dpi)
    title = f"{wanted.title}, {width:.0f} x {height:.0f} mm"
    save_pdf(root / f"{stem}.pdf", sheet, wanted.dpi, title=title, keywords=source.uri if source else "")
    return f"{stem}.png", f"{stem}.pdf"


def _refusals(name: str, wanted: IdFormat, given: Source | None, replaced: bool) -> list[Reason]:
    """What authorities refuse whatever the millimetres are."""
    found = []
    if given is not None and given.made_by_ai:
        message = (
            f"{name} says of itself that AI made it. Authorities refuse generated pictures: "
            "for a document use a photo that a camera took."
        )
        found.append(Reason("made_by_ai", None, None, message))
    if replaced and not wanted.alterable:
        message = (
            f"{wanted.rule} refuses photos that software has altered: stand before a plain background "
            "and use --background keep."
        )
        found.append(Reason("altered", None, None, message))
    return found
