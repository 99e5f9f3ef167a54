"""`portraitist portrait`: portraits of a trained sitter, or one of them again."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portraitist.commands import common
from portraitist.errors import BadRequest

if TYPE_CHECKING:
    from portraitist.requests import PortraitReport, PortraitsReport


def register(app: typer.Typer) -> None:
    app.command("portrait")(portrait)


def portrait(
    context: typer.Context,
    sitter: Annotated[str | None, typer.Option("--sitter", help="The sitter's name.", show_default=False)] = None,
    style: Annotated[str | None, typer.Option("--style", help="A look; see portraitist styles list.")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="Your own words in place of a style.")] = None,
    negative: Annotated[str | None, typer.Option("--negative", help="What shall not be in the picture.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many.")] = 4,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The first picture's seed.")] = 42,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH", help="Such as 256x384.")] = None,
    sampler: Annotated[str | None, typer.Option("--sampler")] = None,
    steps: Annotated[int | None, typer.Option("--steps")] = None,
    cfg: Annotated[float | None, typer.Option("--cfg", help="How closely the words are followed.")] = None,
    strength: Annotated[float | None, typer.Option("--strength", help="Of the likeness; 1 is as trained.")] = None,
    again: Annotated[Path | None, typer.Option("--again", metavar="FILE.png", help="Make this portrait again.")] = None,
    budget: Annotated[
        int | None, typer.Option("--budget", min=1, help="Make at most so many until -n are good (3 x n; for one: 1).")
    ] = None,
    candidates: Annotated[
        int | None, typer.Option("--candidates", min=1, help="Make exactly so many and keep the best -n.")
    ] = None,
    keep_rejected: Annotated[
        bool, typer.Option("--keep-rejected", help="Write what was not kept into the folder rejected.")
    ] = False,
    scorers: Annotated[
        list[str] | None, typer.Option("--scorer", metavar="NAME", help="A learned scorer that helps to choose.")
    ] = None,
    face_names: common.FaceNames = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the portraits.")] = None,
    as_json: common.Json = False,
) -> None:
    """Make portraits of a sitter in a style or by your own words."""
    from portraitist.portraying import portrait_again, portrait_sitter
    from portraitist.requests import ChooseRequest, PortraitRequest

    _check_options(sitter, again, style, prompt)
    settings = common.settings_of(context)
    faces = common.load_faces(settings, face_names)
    with common.progress() as on_step:
        if again is not None:
            report = portrait_again(again, settings, faces, out=out, on_step=on_step)
        else:
            request = PortraitRequest(
                sitter=sitter or "", style=style, prompt=prompt, negative=negative, count=count, seed=seed,
                size=parse_size(size), sampler=sampler, steps=steps, cfg=cfg, strength=strength,
            )  # fmt: skip
            choosing = ChooseRequest(budget, candidates, keep_rejected, tuple(scorers or ()))
            report = portrait_sitter(request, settings, faces, out=out, choosing=choosing, on_step=on_step)
    common.answer(report, _words(report), as_json)


def _check_options(sitter: str | None, again: Path | None, style: str | None, prompt: str | None) -> None:
    if again is None and sitter is None:
        raise BadRequest("Whose portrait?", hint="Name a sitter with --sitter, or a portrait with --again.")
    if style is not None and prompt is not None:
        raise BadRequest("--style and --prompt exclude each other.", hint="Leave one of them out.")


def parse_size(text: str | None) -> tuple[int, int] | None:
    """(width, height) of `WxH`. Raises BadRequest."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{2,4})[x×X](\d{2,4})", text.strip())
    if found is None:
        raise BadRequest(f"--size {text!r} is no size.", hint="Give width and height, such as --size 256x384")
    return int(found[1]), int(found[2])


def _words(report: "PortraitsReport") -> str:
    lines = [f"{Path(report.folder) / one.file}  {_told(one)}" for one in report.portraits]
    if report.rejected:
        lines.append(f"{len(report.rejected)} not kept:")
        lines += [f"  seed {one.seed}: {one.reasons[0].message}" for one in report.rejected]
    return "\n".join([*lines, *(warning.message for warning in report.warnings)])


def _told(one: "PortraitReport") -> str:
    if one.faces != 1 and one.likeness is None and one.distance is None and not one.reasons:
        return ""
    if one.faces != 1:
        return f"{one.faces} faces"
    return f"likeness {one.likeness:.2f}" if one.likeness is not None else f"distance {one.distance or 0:.2f}"
