"""The formats of ID photos: `library/idphotos/<name>.toml`. Knows their numbers, and no picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from portraitist.errors import BadFile, BadRequest
from portraitist.recipes import find_on, names_on
from portraitist.types import Size, Strict

Range = tuple[float, float]
Colour = tuple[int, int, int]

MM_PER_INCH = 25.4
COLOURS = {
    "white": "#ffffff", "blue": "#438edb", "lightblue": "#cfe3f5", "red": "#d8222b", "grey": "#e3e3e3",
    "gray": "#e3e3e3", "cream": "#f5f0e1",
}  # fmt: skip
"""Colours by name; blue and red are those that Chinese studios paste, 67 142 219 and 216 34 43."""

_SHELF = "idphotos"


@dataclass(frozen=True)
class IdFormat(Strict):
    """What an ID photo has to be. Lengths are millimetres on paper.

    `head_mm`: from the chin to the top of the head, which is that of the hair or of the skull (`top`);
    `eyes_mm`: from the lower edge to the eyes; `above_mm`: from the top of the hair to the upper edge;
    `face_width_mm`: of the face without hair. `background` is what a replaced background becomes, `background_rule`
    what the authority says of it; `alterable` is false where the rule refuses photos that software has altered.
    `rule` names the authority, `sources` the pages that were read on `read`; `official` says whether the first of them
    is an authority's own.
    """

    name: str
    title: str
    title_zh: str
    country: str
    size_mm: tuple[float, float]
    background: str
    background_rule: str
    rule: str
    sources: tuple[str, ...]
    read: date
    official: bool
    dpi: int = 300
    top: Literal["hair", "skull"] = "hair"
    head_mm: Range | None = None
    eyes_mm: Range | None = None
    above_mm: Range | None = None
    face_width_mm: Range | None = None
    alterable: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        given = [self.head_mm, self.eyes_mm, self.above_mm, self.face_width_mm]
        if self.head_mm is None and self.face_width_mm is None:
            raise BadFile(f"ID photo format {self.name!r}: head_mm or face_width_mm has to say how large the head is.")
        if any(low > high or low < 0 for low, high in (one for one in given if one)) or min(self.size_mm) <= 0:
            raise BadFile(f"ID photo format {self.name!r}: a range runs from the smaller number to the larger.")
        if not 72 <= self.dpi <= 1200:
            raise BadFile(f"ID photo format {self.name!r}: dpi must lie between 72 and 1200.")
        parse_colour(self.background)

    @property
    def pixels_per_mm(self) -> float:
        return self.dpi / MM_PER_INCH

    @property
    def size(self) -> Size:
        """Pixels at the format's dpi."""
        width, height = self.size_mm
        return Size(round(width * self.pixels_per_mm), round(height * self.pixels_per_mm))


def find_format(name: str, extra: Sequence[Path] = ()) -> IdFormat:
    """The format called `name`; a user's own (`idphotos/<name>.toml` in an `extra` folder) comes first.

    Raises UnknownName with the names that there are, or BadFile.
    """
    return find_on(_SHELF, IdFormat, name, extra, called="ID photo format")


def all_formats(extra: Sequence[Path] = ()) -> tuple[IdFormat, ...]:
    """All formats by name."""
    return tuple(find_format(name, extra) for name in names_on(_SHELF, extra))


def parse_colour(text: str) -> Colour:
    """Red, green and blue of `#rrggbb` or of a name in `COLOURS`. Raises BadRequest."""
    code = COLOURS.get(text.strip().lower(), text.strip())
    if re.fullmatch(r"#?[0-9a-fA-F]{6}", code) is None:
        raise BadRequest(
            f"{text!r} is no colour.", hint=f"Give #rrggbb, or one of {', '.join(COLOURS)}; keep leaves it as it is."
        )
    number = int(code.removeprefix("#"), 16)
    return number >> 16, number >> 8 & 255, number & 255
