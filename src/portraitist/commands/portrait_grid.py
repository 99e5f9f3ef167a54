"""`portraitist portrait --grid`: the grid's plan, or the grid, in words or as JSON."""

from pathlib import Path
from typing import TYPE_CHECKING

from portraitist.commands import common
from portraitist.errors import BadRequest

if TYPE_CHECKING:
    from portraitist.generation.grid import Grid
    from portraitist.grids import GridPlan, GridReport
    from portraitist.requests import ChooseRequest, PortraitRequest
    from portraitist.settings import Settings

_SHOWN = 12
"""Cells that a plan tells of in words."""


def read_grid(text: str, again: Path | None, choosing: "ChooseRequest") -> "Grid":
    """The grid. Raises BadRequest, also for options that do not go with one."""
    from portraitist.generation.grid import parse_grid
    from portraitist.requests import ChooseRequest

    if again is not None:
        raise BadRequest("--grid and --again exclude each other.", hint="Leave one of them out.")
    if choosing != ChooseRequest():
        raise BadRequest(
            "--grid shows every picture and chooses none.",
            hint="Leave --budget, --candidates, --keep-rejected and --scorer out.",
        )
    return parse_grid(text)


def answer(
    request: "PortraitRequest",
    grid: "Grid",
    settings: "Settings",
    face_names: str | None,
    out: Path | None,
    *,
    dry_run: bool,
    sign: bool,
    as_json: bool,
) -> None:
    """Draw the grid and answer with its files; with `dry_run` with what would be drawn."""
    from portraitist.grids import draw_portrait_grid, plan_portrait_grid

    if dry_run:
        plan = plan_portrait_grid(request, grid, settings)
        common.answer(plan, _plan_words(plan, grid), as_json)
        return
    signer = common.signer(settings) if sign else None
    faces = common.load_faces(settings, face_names)
    with common.progress() as on_step:
        report = draw_portrait_grid(request, grid, settings, faces, out=out, on_step=on_step)
    files = (*report.sheets, *(cell.portrait.file for cell in report.cells))
    common.sign_files(signer, [Path(report.folder) / file for file in files])
    common.answer(report, _words(report), as_json)


def _plan_words(plan: "GridPlan", grid: "Grid") -> str:
    first = plan.cells[0].request
    axes = (f"{axis.name} ({', '.join(axis.values)})" for axis in plan.axes)
    lines = [" x ".join(axes)]
    lines.append(f"{len(plan.cells)} of {first.sitter} on {first.base_version}, {plan.steps} steps in all")
    for place, cell in list(zip(grid.places(), plan.cells, strict=True))[:_SHOWN]:
        passes = ", then ".join(f"{one.size[0]}x{one.size[1]}, {one.steps} steps" for one in cell.passes)
        lines.append(f"  {grid.told(place)}: {passes}, {cell.request.sampler}, seed {cell.request.seed}")
    lines += ["  … and so on; --json tells of all."] if len(plan.cells) > _SHOWN else []
    lines += [first.prompt or "", *([f"not: {first.negative}"] if first.negative else [])]
    return "\n".join([*lines, *(warning.message for warning in plan.warnings)])


def _words(report: "GridReport") -> str:
    lines = [str(Path(report.folder) / sheet) for sheet in report.sheets]
    lines.append(f"{len(report.cells)} pictures in {Path(report.folder) / 'cells'}")
    return "\n".join([*lines, *(warning.message for warning in report.warnings)])
