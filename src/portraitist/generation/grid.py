"""X/Y/Z grids: one request drawn with every value of one setting beside every value of another. Pure; draws nothing.

`cfg=4,7,10;steps=10,20` are three columns and two rows; a third setting makes one sheet for each of its values. How
values are written follows the X/Y/Z plot of AUTOMATIC1111's WebUI: ranges (`1-5`, `1-9 (+2)`, `4-10 [3]`), search and
replace in the prompt (`prompt=red,blue`: the first is looked for), quotes around what has a comma.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from portraitist.errors import BadRequest
from portraitist.requests import PortraitRequest
from portraitist.types import LoraUse

MAX_AXES = 3
MAX_CELLS = 100

PROMPT = "prompt"
LORA = "lora:"

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
_RANGE = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})\s*(?:\(\s*({_NUMBER})\s*\)|\[\s*(\d+)\s*\])?")
_ALIASES = {
    "cfg_scale": "cfg", "prompt_s/r": PROMPT, "prompt_sr": PROMPT, "styles": "style", "denoising": "hires_denoise",
    "hires._upscaler": "hires_upscaler", "hires._steps": "hires_steps", "clipskip": "clip_skip",
}  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """A setting by its name in `PortraitRequest` (or `lora:NAME`, its strength), its values, and how they are shown."""

    name: str
    values: tuple[Any, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """The axes X, Y and Z, as many as were asked for."""

    axes: tuple[Axis, ...]

    def places(self) -> Iterator[tuple[int, ...]]:
        """Of each cell the number of its value on each axis, in the order in which they are read: along X first."""
        for place in product(*(range(len(axis.values)) for axis in reversed(self.axes))):
            yield place[::-1]

    def labels(self, place: tuple[int, ...]) -> tuple[str, ...]:
        """The values of a cell, as they are shown."""
        return tuple(axis.labels[number] for axis, number in zip(self.axes, place, strict=True))

    def told(self, place: tuple[int, ...]) -> str:
        """The cell in words: `cfg 4, steps 10`."""
        named = zip(self.axes, self.labels(place), strict=True)
        return ", ".join(f"{axis.name} {label}" for axis, label in named)


def parse_grid(text: str) -> Grid:
    """Read a grid. Raises BadRequest that names the column."""
    axes: list[Axis] = []
    for part, column in _split(text, ";", 1):
        axis = _axis(part, column)
        if axis.name in [one.name for one in axes]:
            raise _bad(column, f"{axis.name} stands twice", "Give each setting once, with all its values.")
        axes.append(axis)
        if len(axes) > MAX_AXES:
            raise _bad(column, f"a grid has at most {MAX_AXES} settings", "Draw two grids.")
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > MAX_CELLS:
        sizes = " x ".join(str(len(axis.values)) for axis in axes)
        raise BadRequest(f"The grid has {sizes} = {count} pictures; at most {MAX_CELLS} go.", hint="Take fewer values.")
    return Grid(tuple(axes))


def check_count(request: PortraitRequest) -> None:
    """Raises BadRequest for a request of several pictures."""
    if request.count != 1:
        raise BadRequest(f"A grid draws one picture for each cell, not {request.count}.", hint="Leave -n out.")


def with_settings(request: PortraitRequest, grid: Grid, place: tuple[int, ...]) -> PortraitRequest:
    """The request with a cell's settings, but for its words and LoRAs, which come when the style is filled in."""
    told = {axis.name: axis.values[number] for axis, number in zip(grid.axes, place, strict=True)}
    told = {name: value for name, value in told.items() if name != PROMPT and not name.startswith(LORA)}
    if "style" in told and request.prompt is not None:
        raise BadRequest("A grid of styles has no prompt of its own.", hint="Leave --prompt out.")
    return replace(request, **told)


def with_words(request: PortraitRequest, grid: Grid, place: tuple[int, ...]) -> PortraitRequest:
    """The filled-in request with a cell's words in place of those that are looked for, in the negative too.

    Raises BadRequest where these stand in neither.
    """
    for axis, number in zip(grid.axes, place, strict=True):
        if axis.name != PROMPT:
            continue
        sought, word = str(axis.values[0]), str(axis.values[number])
        prompt, negative = request.prompt or "", request.negative
        if sought not in prompt and sought not in (negative or ""):
            raise BadRequest(
                f"The grid looks for {sought!r}, which is not in the prompt: {prompt}",
                hint="The first value of prompt= is what the others take the place of.",
            )
        negative = negative.replace(sought, word) if negative is not None else None
        request = replace(request, prompt=prompt.replace(sought, word), negative=negative)
    return request


def lora_strengths(grid: Grid, place: tuple[int, ...]) -> Mapping[str, float]:
    """A cell's strengths of LoRAs by their names."""
    named = zip(grid.axes, place, strict=True)
    return {axis.name.removeprefix(LORA): axis.values[number] for axis, number in named if axis.name.startswith(LORA)}


def is_named(use: LoraUse, name: str) -> bool:
    """Whether a LoRA is the one that an axis names: by its name, or by that of its file."""
    return name in (use.name, Path(use.name).stem)


def _axis(part: str, column: int) -> Axis:
    name, equals, told = part.partition("=")
    clean = re.sub(r"[\s-]+", "_", name.strip().lower())
    kind, read = _ALIASES.get(clean, clean), _KINDS.get(_ALIASES.get(clean, clean), _real)
    if kind.startswith(LORA):
        kind = LORA + name.strip()[len(LORA) :].strip()
        if kind == LORA:
            raise _bad(column, "lora: names no LoRA", "Write lora:NAME=0.3,0.6.")
    elif kind not in _KINDS:
        known = f"{', '.join(_KINDS)}, lora:NAME"
        raise _bad(column, f"{name.strip()!r} is no setting of a grid", f"Known are: {known}.")
    if not equals:
        raise _bad(column, f"{name.strip()} has no values", f"Write them after =, such as {kind}=…,….")
    values: list[Any] = []
    for item, place in _split(told, ",", column + len(name) + 1):
        for value in _values(item, place, kind, read):
            if value in values:
                raise _bad(place, f"{_shown(value)} stands twice", "Give each value once.")
            values.append(value)
            if len(values) > MAX_CELLS:
                raise _bad(place, f"more than {MAX_CELLS} values", "Take fewer values.")
    return Axis(kind, tuple(values), tuple(map(_shown, values)))


def _split(text: str, sign: str, column: int) -> Iterator[tuple[str, int]]:
    """The parts between signs that do not stand in quotes, each with the column where it begins."""
    start, quoted = 0, False
    for place, letter in enumerate(text + sign):
        if letter == '"' and place < len(text):
            quoted = not quoted
        if letter != sign or (quoted and place < len(text)):
            continue
        part = text[start:place]
        begins = column + start + len(part) - len(part.lstrip())
        if quoted:
            raise _bad(begins + part.lstrip().find('"'), "the quotes are not closed", 'Close them with ".')
        if not part.strip():
            raise _bad(begins, "something is missing here", "Write it as cfg=4,7,10;steps=10,20.")
        yield part.strip(), begins
        start = place + 1


def _values(item: str, column: int, kind: str, read: Callable[[str], Any]) -> Iterator[Any]:
    """One value, or those of a range. Raises BadRequest."""
    if found := _RANGE.fullmatch(item) if read in (_whole, _real) else None:
        yield from _range(found, read is _whole, column)
        return
    try:
        yield read(item.strip('"') if item.startswith('"') else item)
    except ValueError as error:
        raise _bad(column, f"{item!r} is no {kind}", f"Write {_LIKE.get(read, 'words')}.") from error


def _range(found: re.Match[str], whole: bool, column: int) -> list[Any]:
    """The numbers of `1-5`, `1-9 (+2)` (steps of so much) or `4-10 [3]` (so many), the last one included."""
    first, last = float(found[1]), float(found[2])
    if found[4] is not None:
        count = int(found[4])
        if not 2 <= count <= MAX_CELLS:
            raise _bad(column, f"a range of {count} values", f"Write 2 to {MAX_CELLS} in the brackets.")
        step = (last - first) / (count - 1)
    else:
        step = float(found[3]) if found[3] is not None else (1.0 if last >= first else -1.0)
        if step == 0 or (last - first) / step < 0:
            raise _bad(column, f"{found[0]!r} never gets to {found[2]}", "Write a step towards the end, such as (+2).")
        count = int((last - first) / step + 1e-9) + 1
    if count > MAX_CELLS:
        raise _bad(column, f"{found[0]!r} has {count} values", f"At most {MAX_CELLS} pictures go.")
    numbers = [round(first + step * number, 6) for number in range(count)]
    return list(dict.fromkeys(round(number) for number in numbers)) if whole else numbers


def _whole(text: str) -> int:
    return int(text)


def _real(text: str) -> float:
    if re.fullmatch(_NUMBER, text) is None:
        raise ValueError(text)
    return float(text)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,4})\s*[x×X]\s*(\d{2,4})", text)
    if found is None:
        raise ValueError(text)
    return int(found[1]), int(found[2])


_KINDS: Mapping[str, Callable[[str], Any]] = {
    "cfg": _real, "steps": _whole, "sampler": str, "seed": _whole, "size": _size, "strength": _real,
    "clip_skip": _whole, "style": str, PROMPT: str, "hires_scale": _real, "hires_upscaler": str,
    "hires_denoise": _real, "hires_steps": _whole,
}  # fmt: skip

_LIKE: Mapping[Callable[[str], Any], str] = {
    _whole: "a whole number or a range such as 1-5",
    _real: "a number or a range such as 4-10 [3]",
    _size: "width and height, such as 256x384",
}


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "x".join(str(side) for side in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bad(column: int, what: str, hint: str) -> BadRequest:
    return BadRequest(f"Column {column} of the grid: {what}.", hint=hint)
