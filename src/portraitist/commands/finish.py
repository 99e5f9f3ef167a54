"""`portraitist finish`: pictures taken through a list of finishing steps."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portraitist.commands import common

if TYPE_CHECKING:
    from portraitist.requests import FinishReport


def register(app: typer.Typer) -> None:
    app.command("finish")(finish)


def finish(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Pictures.", show_default=False)],
    steps: Annotated[
        str,
        typer.Option(
            "--steps",
            help="In order, with strength and settings: fuse, restore, retouch:0.5, pose, "
            "background:colour=white, upscale:scale=2, stylise:style=pencil.",
        ),
    ],
    sitter: Annotated[str | None, typer.Option("--sitter", help="Whose photos fuse takes.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is random, such as grain.")] = 42,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; else beside each picture.")] = None,
    stages: Annotated[Path | None, typer.Option("--stages", help="Folder for the picture after each step.")] = None,
    face_names: common.FaceNames = None,
    as_json: common.Json = False,
) -> None:
    """Finish pictures: fuse, restore, retouch, set upright, another background, enlarge, stylise."""
    from portraitist.finisher import finish_files
    from portraitist.finishing.steps import parse
    from portraitist.requests import FinishRequest

    request = FinishRequest(parse(steps), seed, sitter)
    settings = common.settings_of(context)
    faces = common.load_faces(settings, face_names)
    with common.progress() as on_step:
        report = finish_files(files, request, settings, faces, out=out, stages=stages, on_step=on_step)
    common.answer(report, _words(report), as_json)


def _words(report: "FinishReport") -> str:
    lines = []
    for one in report.files:
        lines.append(f"{one.file}  {one.width}x{one.height}")
        lines += [f"  {note.step}: {note.message}" for note in one.notes]
    return "\n".join(lines)
