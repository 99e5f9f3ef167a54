"""X/Y/Z grids of a trained sitter's portraits: every cell a portrait as any other, beside a sheet that shows all.

Knows the order and the files. Nothing is ranked or left out: a grid is there to compare. How a grid is written is said
in `generation.grid`, how a sheet looks in `show.grid`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from portraitist.enlarging import with_upscaler
from portraitist.faces import Faces
from portraitist.families.base import Model
from portraitist.files import make_folder
from portraitist.finisher import Finisher, portrait_finisher
from portraitist.finishing.steps import checked
from portraitist.fusing import is_drawn
from portraitist.generation.denied import DenyList, refuse
from portraitist.generation.generate import complete
from portraitist.generation.grid import Grid, check_count, is_named, lora_strengths, with_settings, with_words
from portraitist.generation.hires import plan
from portraitist.generation.prompts import check_asked
from portraitist.generation.remarks import idle, remarks
from portraitist.generation.room import with_room
from portraitist.generation.styled import check_meant
from portraitist.images import fit, save_png
from portraitist.loading import deny_list
from portraitist.measure import FaceRecord, read_record
from portraitist.models import Models
from portraitist.portraying import base_of, faces_of, filled_in, style_of, with_loras
from portraitist.recipes import Style
from portraitist.requests import FinishRequest, PassReport, PortraitReport, PortraitRequest, Warn, to_json
from portraitist.settings import Settings
from portraitist.show.grid import GridSheet, Header, draw_grid, factor
from portraitist.sitting import Sitting, make_each, sit, with_others
from portraitist.store.sitters import SitterFolder, SitterRecord, SitterStore
from portraitist.types import LoraUse, OnStep, Picture, Size, Step, Strict, no_progress

CELLS = "cells"
TEXT = "portraitist-grid"
"""The chunk of a sheet's PNG that holds what was asked for."""


@dataclass(frozen=True)
class GridAxis(Strict):
    """A setting of the grid and its values, as they are shown."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class GridCell(Strict):
    """A picture that is planned: its values along X, Y and Z, its complete request, and what it takes."""

    values: tuple[str, ...]
    request: PortraitRequest
    passes: tuple[PassReport, ...]


@dataclass(frozen=True)
class GridPlan(Strict):
    """The document of `portrait --grid --dry-run`; `steps` are the sampler's, of all pictures."""

    axes: tuple[GridAxis, ...]
    cells: tuple[GridCell, ...]
    steps: int
    warnings: tuple[Warn, ...] = ()


@dataclass(frozen=True)
class GridPortrait(Strict):
    """A picture of the grid; its file is named from the folder of the report."""

    values: tuple[str, ...]
    portrait: PortraitReport


@dataclass(frozen=True)
class GridReport(Strict):
    """The document of `portrait --grid`: the sheets, one for each value of Z, and the pictures, along X first."""

    folder: str
    sheets: tuple[str, ...]
    axes: tuple[GridAxis, ...]
    cells: tuple[GridPortrait, ...]
    warnings: tuple[Warn, ...] = ()


@dataclass(frozen=True)
class _Cell:
    """A cell and what draws it."""

    told: str
    planned: GridCell
    sitting: Sitting
    photo: bool
    warnings: tuple[Warn, ...] = ()


@dataclass(frozen=True)
class _Studio:
    """What all cells share."""

    settings: Settings
    record: SitterRecord
    model: Model
    sitting: Sitting
    denied: DenyList
    models: Models


def plan_portrait_grid(
    request: PortraitRequest, grid: Grid, settings: Settings, *, models: Models | None = None
) -> GridPlan:
    """What `draw_portrait_grid` would draw; nothing is drawn or written. Raises what it would raise before it draws."""
    _check(request)
    record, folder = SitterStore(settings.home).load(request.sitter)
    studio = _open(request, record, folder, read_record(folder.faces), settings, models or Models())
    return _planned(grid, _cells(request, grid, studio), studio.model)


def draw_portrait_grid(
    request: PortraitRequest,
    grid: Grid,
    settings: Settings,
    faces: Faces,
    *,
    out: Path | None = None,
    on_step: OnStep = no_progress,
    models: Models | None = None,
) -> GridReport:
    """Draw a portrait for each cell, all of the request's seed unless the grid has seeds, and the sheets.

    They go into `out`, or into a folder of their own among the sitter's portraits. All cells are checked before the
    first is drawn. Raises BadRequest for a request of several pictures, and what `portraying.portrait_sitter` raises.
    """
    _check(request)
    models = models or Models()
    with models.turn():
        return _draw_all(request, grid, settings, faces, out, on_step, models)


def _draw_all(
    request: PortraitRequest, grid: Grid, settings: Settings, faces: Faces, out: Path | None, on_step: OnStep,
    models: Models,
) -> GridReport:  # fmt: skip
    """The cells one after the other, and a sheet as soon as its own are there."""
    record, folder = SitterStore(settings.home).load(request.sitter)
    studio = _open(request, record, folder, faces_of(folder, faces), settings, models)
    cells = _finished(_cells(request, grid, studio), studio, faces, folder)
    planned = _planned(grid, cells, studio.model)
    root = make_folder(out if out is not None else folder.portraits / _folder_name(grid, planned))
    made, sheets = [], []
    per_sheet = len(cells) // (len(grid.axes[2].values) if len(grid.axes) > 2 else 1)
    small = factor([Size(*cell.planned.passes[-1].size) for cell in cells], *_shape(grid))
    for first in range(0, len(cells), per_sheet):
        shown = []
        for number, cell in enumerate(cells[first : first + per_sheet], first):
            on_inner = _Within(on_step, Step("grid", number, len(cells), cell.told))
            report, pixels = _draw(
                cell, f"{CELLS}/{number + 1:02d}_{_slug(cell.told)}.png", root, studio, faces, on_inner
            )
            made.append(GridPortrait(cell.planned.values, report))
            shown.append(fit(pixels, max(1, round(max(cell.planned.passes[-1].size) * small)))[0])
        name = "grid.png" if per_sheet == len(cells) else f"grid-{first // per_sheet + 1}.png"
        save_png(root / name, draw_grid(_sheet(grid, cells[first], shown)), {TEXT: to_json(_asked(request, grid))})
        sheets.append(name)
    on_step(Step("grid", len(cells), len(cells)))
    return GridReport(str(root), tuple(sheets), planned.axes, tuple(made), planned.warnings)


def _check(request: PortraitRequest) -> None:
    """What is wrong with all cells alike, before anything is loaded."""
    check_count(request)
    check_asked(request.prompt, request.negative)
    if request.finish is not None:
        checked(request.finish)


def _open(
    request: PortraitRequest, record: SitterRecord, folder: SitterFolder, faces: FaceRecord, settings: Settings,
    models: Models,
) -> _Studio:  # fmt: skip
    """The base, loaded once for all cells, and the sitter before it."""
    model = models.base(base_of(request, record, settings), settings)
    return _Studio(settings, record, model, sit(folder, record, model, faces), deny_list(settings), models)


def _cells(request: PortraitRequest, grid: Grid, studio: _Studio) -> list[_Cell]:
    """All cells, complete and checked."""
    held: dict[tuple[str | None, ...], Sitting] = {}  # each file is read once, whatever its strength
    cells = []
    for place in grid.places():
        filled, files, style = _asked_for(request, grid, place, studio)
        key = tuple(use.sha256 for use in filled.loras)
        if key not in held:
            held[key] = with_others(studio.sitting, filled.loras, files, studio.model)
        filled, enlarge = with_upscaler(filled, studio.settings, studio.models)
        full = complete(filled, studio.model)
        loras = [studio.sitting.lora, *(lora for lora, _ in held[key].others)]
        room = with_room(full, filled, studio.model, loras)
        full = replace(full, tiles=room.tiles, batch=room.batch)
        passes = (PassReport((one.size.width, one.size.height), one.steps, one.of, one.upscaler)
                  for one in plan(full, studio.model.multiple))  # fmt: skip
        planned = GridCell(grid.labels(place), full, tuple(passes))
        sitting = replace(_weighed_sitting(held[key], filled.loras), enlarge=enlarge)
        told = (*room.told, *idle(full, filled, 1))
        cells.append(_Cell(grid.told(place), planned, sitting, style.photo if style else True, told))
    return cells


def _asked_for(
    request: PortraitRequest, grid: Grid, place: tuple[int, ...], studio: _Studio
) -> tuple[PortraitRequest, list[Path], Style | None]:
    """A cell's request, filled in and looked through, the files of its LoRAs and its style.

    A LoRA that the grid names and nobody else comes beside the others.
    """
    base, settings = studio.model.base, studio.settings
    asked = with_settings(request, grid, place)
    style = style_of(asked, settings)
    if style is not None:
        check_meant(style, base)
    filled = with_words(filled_in(asked, studio.sitting, studio.record, style, base, settings), grid, place)
    refuse(filled, studio.sitting.subject, studio.denied)
    ready, files = with_loras(filled, style, base, settings)
    strengths = lora_strengths(grid, place)
    new = [LoraUse(name) for name in strengths if not any(is_named(use, name) for use in ready.loras)]
    if new:
        filled = replace(filled, loras=(*filled.loras, *new))
        refuse(filled, studio.sitting.subject, studio.denied)
        ready, files = with_loras(filled, style, base, settings)
    loras = (_weighed(use, strengths) for use in ready.loras)
    return replace(ready, loras=tuple(loras)), files, style


def _weighed_sitting(sitting: Sitting, uses: Sequence[LoraUse]) -> Sitting:
    """The sitting with the LoRAs that it has, at the strengths of `uses`."""
    loras = zip(sitting.others, uses, strict=True)
    return replace(
        sitting, others=tuple((lora, 1.0 if use.strength is None else use.strength) for (lora, _), use in loras)
    )


def _weighed(use: LoraUse, strengths: Mapping[str, float]) -> LoraUse:
    """The LoRA with the cell's strength, if the grid has one for it."""
    told = [strength for name, strength in strengths.items() if is_named(use, name)]
    return replace(use, strength=told[0]) if told else use


def _finished(cells: Sequence[_Cell], studio: _Studio, faces: Faces, folder: SitterFolder) -> list[_Cell]:
    """The cells with what their pictures go through once they are drawn; loaded once for photos, once for drawings."""
    finishers: dict[bool, tuple[FinishRequest | None, Finisher | None]] = {}
    ready = []
    for cell in cells:
        asked = cell.planned.request
        drawn = not cell.photo if asked.style is not None else is_drawn(None, asked.prompt)
        if drawn not in finishers:
            finishers[drawn] = portrait_finisher(
                asked.finish, studio.settings, faces, folder, drawn=drawn, models=studio.models
            )
        pinned, finisher = finishers[drawn]
        planned = replace(cell.planned, request=replace(asked, finish=pinned))
        ready.append(replace(cell, planned=planned, sitting=replace(cell.sitting, finisher=finisher)))
    return ready


def _planned(grid: Grid, cells: Sequence[_Cell], model: Model) -> GridPlan:
    told = [one for cell in cells for one in (*cell.warnings, *remarks(cell.planned.request, model))]
    steps = sum(one.steps for cell in cells for one in cell.planned.passes)
    axes = tuple(GridAxis(axis.name, axis.labels) for axis in grid.axes)
    return GridPlan(axes, tuple(cell.planned for cell in cells), steps, tuple(dict.fromkeys(told)))


def _draw(
    cell: _Cell, file: str, root: Path, studio: _Studio, faces: Faces, on_step: OnStep
) -> tuple[PortraitReport, Picture]:
    """Draw a cell and write it."""
    (made,) = make_each(
        cell.planned.request, cell.sitting, studio.model, faces, photo=cell.photo, on_step=on_step
    )  # fmt: skip
    save_png(root / file, made.pixels, made.text)
    return replace(made.report, file=file), made.pixels


def _sheet(grid: Grid, first: _Cell, shown: Sequence[Picture]) -> GridSheet:
    """The sheet that begins with a cell."""
    asked = first.planned.request
    named = {axis.name for axis in grid.axes}
    title = [asked.sitter]
    title += [asked.style or asked.prompt or ""] if not named & {"style", "prompt"} else []
    title += [f"seed {asked.seed}"] if "seed" not in named else []
    headers = [Header(axis.name, axis.labels) for axis in grid.axes]
    note = f"{headers[2].name} {first.planned.values[2]}".replace("_", " ") if len(headers) > 2 else ""
    return GridSheet(" · ".join(title), note, headers[0], headers[1] if len(headers) > 1 else None, tuple(shown))


def _shape(grid: Grid) -> tuple[int, int]:
    """Columns and rows of a sheet."""
    counts = [len(axis.values) for axis in grid.axes]
    return counts[0], counts[1] if len(counts) > 1 else 1


def _asked(request: PortraitRequest, grid: Grid) -> Mapping[str, object]:
    """What a sheet was made from."""
    return {"request": request, "grid": {axis.name: axis.values for axis in grid.axes}}


def _folder_name(grid: Grid, planned: GridPlan) -> str:
    """A name for the same grid of the same request, and for no other."""
    told = hashlib.sha256(to_json(planned.cells).encode()).hexdigest()[:8]
    return f"grid-{_slug('-'.join(axis.name for axis in grid.axes))}-{told}"


def _slug(told: str) -> str:
    """Words for the name of a file."""
    return re.sub(r"[^\w.+=]+", "-", told.replace(", ", "_")).strip("-_.")[:60]


class _Within:
    """Tells the grid's own step whenever a picture's is told, so that a hook can still cancel."""

    def __init__(self, on_step: OnStep, step: Step) -> None:
        self._on_step, self._step = on_step, step

    def __call__(self, step: Step) -> None:
        self._on_step(self._step)
