"""`portraitist finish`: pictures taken through a list of finishing steps."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portraitist.commands import common

if TYPE_CHECKING:
    from portraitist.requests import FinishReport


_SOME_FAILED = 2


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
    sign: common.Sign = False,
    face_names: common.FaceNames = None,
    as_json: common.Json = False,
) -> None:
    """Finish pictures: fuse, restore, retouch, set upright, another background, enlarge, stylise.

    Exit code 2: some of several pictures could not be finished; the others were.
    """
    from portraitist.finisher import finish_files
    from portraitist.finishing.asking import parse
    from portraitist.requests import FinishRequest

    request = FinishRequest(parse(steps), seed, sitter)
    settings = common.settings_of(context)
    signer = common.signer(settings) if sign else None
    faces = common.load_faces(settings, face_names)
    with common.progress() as on_step:
        report = finish_files(files, request, settings, faces, out=out, stages=stages, on_step=on_step)
    for done in report.files:
        common.sign_files(signer, [Path(one) for one in (done.file, *done.stages)], Path(done.source))
    common.answer(report, _words(report), as_json)
    if report.failed:
        raise typer.Exit(_SOME_FAILED)


def _words(report: "FinishReport") -> str:
    lines = []
    for one in report.files:
        lines.append(f"{one.file}  {one.width}x{one.height}")
        lines += [f"  {note.step}: {note.message}" for note in one.notes]
    lines += [f"Not finished: {one.message}" for one in report.failed]
    return "\n".join(lines)
