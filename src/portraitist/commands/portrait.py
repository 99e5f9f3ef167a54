"""`portraitist portrait`: portraits of a trained sitter, or one of them again."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from portraitist.commands import common, portrait_grid
from portraitist.commands import portrait_options as options
from portraitist.errors import BadFile, BadRequest

if TYPE_CHECKING:
    from portraitist.requests import ChooseRequest, FinishRequest, PortraitReport, PortraitRequest, PortraitsReport
    from portraitist.settings import Settings
    from portraitist.types import LoraUse


_WRITE = "Write TOML, or JSON into a .json."
_SHOWN = 12
"""Candidates that were not kept, that are told of in words."""


def register(app: typer.Typer) -> None:
    app.command("portrait")(portrait)


def portrait(
    context: typer.Context,
    sitter: options.Sitter = None,
    style: options.Style = None,
    prompt: options.Prompt = None,
    negative: options.Negative = None,
    count: options.Count = None,
    seed: options.Seed = None,
    size: options.Size = None,
    sampler: options.Sampler = None,
    steps: options.Steps = None,
    cfg: options.Cfg = None,
    strength: options.Strength = None,
    hires_scale: options.HiresScale = None,
    hires_upscaler: options.HiresUpscaler = None,
    hires_denoise: options.HiresDenoise = None,
    hires_steps: options.HiresSteps = None,
    file: options.RequestFile = None,
    again: options.Again = None,
    grid: options.Grid = None,
    dry_run: options.DryRun = False,
    budget: options.Budget = None,
    candidates: options.Candidates = None,
    batch: options.Batch = None,
    keep_rejected: options.KeepRejected = False,
    scorers: options.Scorers = None,
    sign: common.Sign = False,
    finish: options.Finish = None,
    loras: options.Loras = None,
    face_names: common.FaceNames = None,
    out: options.Out = None,
    as_json: common.Json = False,
) -> None:
    """Make portraits of a sitter in a style or by your own words."""
    given = {
        "sitter": sitter, "style": style, "prompt": prompt, "negative": negative, "count": count, "seed": seed,
        "size": parse_size(size), "sampler": sampler, "steps": steps, "cfg": cfg, "strength": strength,
        "hires_scale": hires_scale, "hires_upscaler": hires_upscaler, "hires_denoise": hires_denoise,
        "hires_steps": hires_steps, "batch": parse_batch(batch), "finish": _finishing(finish), "loras": _loras(loras),
    }  # fmt: skip
    settings, choosing = common.settings_of(context), _choosing(budget, candidates, keep_rejected, scorers)
    if grid is not None:
        cells, one = portrait_grid.read_grid(grid, again, choosing), read_asked(file, given, count=1)
        portrait_grid.answer(one, cells, settings, face_names, out, dry_run=dry_run, sign=sign, as_json=as_json)
    elif (request := _request(again, file, given, dry_run, (budget, candidates, keep_rejected, scorers))) and dry_run:
        _tell_plan(request, choosing, settings, as_json)
    else:
        _answer(request, again, choosing, settings, face_names, out, sign=sign, as_json=as_json)


def _request(
    again: Path | None, file: Path | None, given: Mapping[str, object], dry_run: bool, choosing: tuple[object, ...]
) -> "PortraitRequest | None":
    """What is asked for; None with `again`, whose own request says everything.

    Raises BadRequest for options beside --again, which would be left out in silence.
    """
    if again is None:
        return read_asked(file, given)
    names = {"count": "-n", "loras": "--lora"}
    told = [names.get(name, f"--{name.replace('_', '-')}") for name, value in given.items() if value is not None]
    told += ["--request"] if file is not None else []
    told += ["--dry-run"] if dry_run else []
    called = ("--budget", "--candidates", "--keep-rejected", "--scorer")
    told += [name for name, value in zip(called, choosing, strict=True) if value]
    if told:
        raise BadRequest(
            f"--again makes a portrait as it was; {', '.join(told)} cannot go with it.",
            hint="Leave that out, or ask for a new portrait without --again.",
        )
    return None


def _choosing(
    budget: int | None, candidates: int | None, keep_rejected: bool, scorers: list[str] | None
) -> "ChooseRequest":
    from portraitist.requests import ChooseRequest

    return ChooseRequest(budget, candidates, keep_rejected, tuple(scorers or ()))


def _files(report: "PortraitsReport") -> list[Path]:
    made = (*report.portraits, *report.rejected)
    return [Path(report.folder) / one.file for one in made if one.file]


def _loras(given: list[str] | None) -> "list[LoraUse] | None":
    """`NAME` or `NAME:0.6`, each."""
    if not given:
        return None
    from portraitist.types import LoraUse

    uses = []
    for one in given:
        found = re.fullmatch(r"(.+?)(?::([+-]?(?:\d+\.?\d*|\.\d+)))?", one)
        if found is None or found[1].startswith(":"):
            raise BadRequest(
                f"--lora {one!r} names no LoRA.", hint="Give its name and strength, such as --lora ink:0.6"
            )
        uses.append(LoraUse(found[1], float(found[2]) if found[2] else None))
    return uses


def _finishing(steps: str | None) -> "FinishRequest | None":
    if steps is None:
        return None
    from portraitist.finishing.asking import parse
    from portraitist.requests import FinishRequest

    return FinishRequest(parse(steps))


def read_asked(file: Path | None, given: Mapping[str, object], *, count: int = 4) -> "PortraitRequest":
    """The request in a file (TOML or JSON, the names of `PortraitRequest`), with what was `given` in its place, and of
    `count` pictures unless somebody says so.

    Raises BadFile or BadRequest.
    """
    from portraitist.requests import PortraitRequest, from_data

    asked = {"count": count, **(_read(file) if file is not None else {})}
    asked |= {name: value for name, value in given.items() if value is not None}
    if asked.get("sitter") is None:
        raise BadRequest("Whose portrait?", hint="Name a sitter with --sitter, or a portrait with --again.")
    if asked.get("style") is not None and asked.get("prompt") is not None:
        raise BadRequest("--style and --prompt exclude each other.", hint="Leave one of them out.")
    return from_data(PortraitRequest, asked)


def _read(file: Path) -> dict[str, object]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadFile(f"There is no file {file}.", hint="Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{file} is no text that can be read as a request.", hint=_WRITE) from error
    try:
        found = json.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise BadFile(f"{file} cannot be read as a request: {error}.", hint=_WRITE) from error
    if not isinstance(found, dict):
        raise BadFile(f"{file} cannot be read as a request: it holds no names with values.", hint=_WRITE)
    return found


def _answer(
    request: "PortraitRequest | None",
    again: Path | None,
    choosing: "ChooseRequest",
    settings: "Settings",
    face_names: str | None,
    out: Path | None,
    *,
    sign: bool,
    as_json: bool,
) -> None:
    signer = common.signer(settings) if sign else None
    report = _make(request, again, choosing, settings, face_names, out)
    common.sign_files(signer, _files(report))
    common.answer(report, _words(report), as_json)


def _make(
    request: "PortraitRequest | None",
    again: Path | None,
    choosing: "ChooseRequest",
    settings: "Settings",
    face_names: str | None,
    out: Path | None,
) -> "PortraitsReport":
    from portraitist.portraying import portrait_again, portrait_sitter

    faces = common.load_faces(settings, face_names)
    with common.progress() as on_step:
        if again is not None:
            return portrait_again(again, settings, faces, out=out, on_step=on_step)
        assert request is not None
        return portrait_sitter(request, settings, faces, out=out, choosing=choosing, on_step=on_step)


def _tell_plan(request: "PortraitRequest", choosing: "ChooseRequest", settings: "Settings", as_json: bool) -> None:
    from portraitist.portraying import plan_portraits
    from portraitist.selecting import make_plan

    told = plan_portraits(request, settings, choosing=choosing)
    full = told.request
    lines = [
        f"{full.count} of {full.sitter} on {full.base_version}, {full.sampler}, cfg {full.cfg:g}",
        f"{full.prompt}",
    ]
    if full.negative:
        lines.append(f"not: {full.negative}")
    for number, one in enumerate(told.passes, 1):
        how = f", enlarged by {one.upscaler}, from step {one.of - one.steps} of {one.of}" if one.upscaler else ""
        lines.append(f"pass {number}: {one.size[0]}x{one.size[1]}, {one.steps} steps{how}")
    if full.batch != 1:
        lines.append(f"{full.batch} at a time")
    made = make_plan(request.count, choosing, settings.choosing)
    if made.most > made.keep:
        usual = f"at most {made.most}, until {made.keep} are good"
        lines.append(f"candidates: {f'{made.most}, the best {made.keep} are kept' if made.all_made else usual}")
    lines.append(f"seeds: {', '.join(str(seed) for seed in told.seeds)}")
    lines += [warning.message for warning in told.warnings]
    common.answer(told, "\n".join(lines), as_json)


def parse_batch(text: str | None) -> int | str | None:
    """A number, or auto. Raises BadRequest."""
    if text is None or text.strip().lower() == "auto":
        return text and "auto"
    if not text.strip().isdecimal():
        raise BadRequest(f"--batch {text!r} is no number.", hint="Give how many pictures at a time, or auto.")
    return int(text)


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
    lines += [f"  {one.file}: {note.message}" for one in report.portraits for note in one.finished]
    if report.rejected:
        lines.append(f"{len(report.rejected)} not kept:")
        lines += [f"  seed {one.seed}: {one.reasons[0].message}" for one in report.rejected[:_SHOWN]]
        lines += ["  … and so on; --json tells of all."] if len(report.rejected) > _SHOWN else []
    return "\n".join([*lines, *(warning.message for warning in report.warnings)])


def _told(one: "PortraitReport") -> str:
    if one.faces != 1 and one.likeness is None and one.distance is None and not one.reasons:
        return ""
    if one.faces != 1:
        return f"{one.faces} faces"
    return f"likeness {one.likeness:.2f}" if one.likeness is not None else f"distance {one.distance or 0:.2f}"
