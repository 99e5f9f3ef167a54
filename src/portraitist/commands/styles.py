"""`portraitist styles`: the looks of the library and one's own: list, show, add, check, preview, train."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from portraitist.commands import common
from portraitist.errors import BadFile, BadRequest

if TYPE_CHECKING:
    from portraitist.recipes import Style
    from portraitist.settings import Settings

Base = Annotated[str | None, typer.Option("--base", help="Only styles that this base can draw.")]
Suits = Annotated[str | None, typer.Option("--suits", help="Only styles for woman, man, child or pet.")]
Name = Annotated[str, typer.Argument(help="The style's name, or a TOML file.", show_default=False)]
Replace = Annotated[bool, typer.Option("--replace", help="Put it in place of one of the same name.")]


def register(app: typer.Typer) -> None:
    sub = typer.Typer(no_args_is_help=True, help="List, show, add, check, preview and train styles.")
    for command in (list_, show, add, check, preview, train):
        sub.command(command.__name__.rstrip("_"))(command)
    app.add_typer(sub, name="styles")


def list_(context: typer.Context, suits: Suits = None, base: Base = None, as_json: common.Json = False) -> None:
    """All styles; * marks those with a preview."""
    from portraitist.families.found import find_base
    from portraitist.generation.styled import meant_for
    from portraitist.styling.shelf import all_styles

    settings = common.settings_of(context)
    found, broken = all_styles(settings)
    common.say_broken(broken)
    if suits is not None:
        group = _group(suits)
        found = tuple(style for style in found if group in style.suits)
    if base is not None:
        known = find_base(base, settings, summed=False)
        found = tuple(style for style in found if meant_for(style, known))
    rows = [_row(style, settings) for style in found]
    lines = [
        f"{'*' if row['preview'] else ' '} {row['name']:<20} {'photo  ' if row['photo'] else 'painted'}  "
        f"{row['about']:<15} {row['title']} / {row['title_zh']}"
        for row in rows
    ]
    drawn = sum(row["preview"] is not None for row in rows)
    lines.append(f"{len(rows)} styles, {drawn} with a preview (*). Draw one: portraitist styles preview NAME")
    common.answer({"styles": rows}, "\n".join(lines), as_json)


def show(context: typer.Context, name: Name, as_json: common.Json = False) -> None:
    """One style: its words, for whom, its numbers and its preview."""
    from portraitist.styling.shelf import one_style, to_toml

    settings = common.settings_of(context)
    style = one_style(name, settings)
    row = _row(style, settings)
    shown = row["preview"] or f"none drawn; portraitist styles preview {style.name} draws one"
    common.answer(row, f"{to_toml(style)}\npreview: {shown}", as_json)


def add(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A new name, or a style's TOML file.", show_default=False)],
    prompt: Annotated[str | None, typer.Option("--prompt", help="Words; {sitter} is where the sitter stands.")] = None,
    negative: Annotated[str, typer.Option("--negative", help="What shall not be in the picture.")] = "",
    title: Annotated[str, typer.Option("--title", help="What people read.")] = "",
    title_zh: Annotated[str, typer.Option("--title-zh", help="The same in Chinese.")] = "",
    painted: Annotated[bool, typer.Option("--painted", help="A look that is not photo-like.")] = False,
    suits: Annotated[str | None, typer.Option("--suits", help="Such as woman,child; everybody unless given.")] = None,
    bases: Annotated[list[str] | None, typer.Option("--base", help="Only for this base or family.")] = None,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH")] = None,
    sampler: Annotated[str | None, typer.Option("--sampler")] = None,
    steps: Annotated[int | None, typer.Option("--steps")] = None,
    cfg: Annotated[float | None, typer.Option("--cfg")] = None,
    lora: Annotated[Path | None, typer.Option("--lora", help="A style LoRA; its file is copied to the style.")] = None,
    lora_strength: Annotated[float | None, typer.Option("--lora-strength", help="0.25 unless given.")] = None,
    replace: Replace = False,
    as_json: common.Json = False,
) -> None:
    """Put a style of your own on the shelf, by words or from a TOML file."""
    from portraitist.commands.portrait import parse_size
    from portraitist.recipes import Style
    from portraitist.styling.shelf import belongings, keep, read_style

    settings = common.settings_of(context)
    beside: tuple[Path, ...]
    if prompt is None:
        if not what.endswith(".toml"):
            raise BadRequest(f"What does the style {what!r} say?", hint="Give --prompt '{sitter}, …', or a TOML file.")
        style = read_style(Path(what))
        beside = belongings(Path(what), style)
    else:
        if lora is not None and not lora.is_file():
            raise BadFile(f"There is no file {lora}.", hint="Give the path of a .safetensors file with --lora.")
        groups = tuple(_group(one) for one in suits.split(",")) if suits else Style.suits
        style = Style(
            what, prompt, title, title_zh, negative, not painted, sampler=sampler, steps=steps, cfg=cfg,
            size=parse_size(size), bases=tuple(bases or ()), lora=lora.name if lora else None,
            lora_strength=lora_strength, suits=groups,
        )  # fmt: skip
        beside = (lora,) if lora else ()
    warnings = _checked(style, beside, settings)
    folder = keep(style, settings, beside=beside, replace=replace)
    words = [f"{folder / 'style.toml'}", *warnings, f"Use it: portraitist portrait --sitter NAME --style {style.name}"]
    document = {"style": _row(style, settings), "folder": str(folder), "warnings": warnings}
    common.answer(document, "\n".join(words), as_json)


def check(
    context: typer.Context,
    what: Annotated[list[str] | None, typer.Argument(help="Names or TOML files; all styles unless given.")] = None,
    as_json: common.Json = False,
) -> None:
    """Whether styles are fit for use; ends with 2 where one is not."""
    from portraitist.loading import deny_list, library_folders
    from portraitist.requests import to_data
    from portraitist.styling.check import Tokenizers, check_file, worst

    settings = common.settings_of(context)
    wanted, tokenizers, folders = _wanted(what, settings), Tokenizers(), library_folders(settings)
    denied = deny_list(settings)
    found = [one for file, style in wanted for one in check_file(file, style, folders, tokenizers, denied)]
    lines = [f"{one.style}: {one.level}, {_told(one.place, one.message)}" for one in found]
    checked = f"{len(wanted)} style{'s' if len(wanted) != 1 else ''} checked"
    lines.append(f"{checked}, {len({one.style for one in found})} of them with remarks.")
    document = {"styles": len(wanted), "findings": to_data(found), "fit": not worst(found)}
    common.answer(document, "\n".join(lines), as_json)
    if worst(found):
        raise typer.Exit(2)


def preview(
    context: typer.Context,
    name: Name,
    sitter: Annotated[str | None, typer.Option("--sitter", help="A trained sitter; somebody in words else.")] = None,
    of: Annotated[str | None, typer.Option("--of", help="Who is drawn without a sitter, in words (woman).")] = None,
    base: Annotated[str | None, typer.Option("--base", help="Who draws without a sitter; mini unless given.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 42,
    out: Annotated[Path | None, typer.Option("--out", help="A .jpg file in place of the shelf.")] = None,
    as_json: common.Json = False,
) -> None:
    """Draw a style's preview and put it on the shelf."""
    from portraitist.requests import to_data
    from portraitist.styling.preview import draw_preview
    from portraitist.styling.shelf import one_style

    settings = common.settings_of(context)
    style = one_style(name, settings)
    if sitter is not None and (of is not None or base is not None):
        raise BadRequest(
            "--sitter says who is drawn and on which base; --of and --base are for a preview without one.",
            hint="Leave out --sitter, or the others.",
        )
    if out is not None and out.suffix.lower() not in (".jpg", ".jpeg"):
        raise BadRequest(f"--out {out} is no JPEG.", hint="Give a file that ends in .jpg")
    with common.progress() as on_step:
        made = draw_preview(
            style, settings, sitter=sitter, words=of or "woman", base=base, seed=seed, out=out, on_step=on_step
        )  # fmt: skip
    common.answer(to_data(made) | {"file": str(made.file)}, str(made.file), as_json)


def train(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The new style's name.", show_default=False)],
    pictures: Annotated[list[Path], typer.Argument(help="Pictures in the style: files, folders, archives.")],
    base: Annotated[str, typer.Option("--base", help="The base to train on.")] = "mini",
    recipe: Annotated[str | None, typer.Option("--recipe", help="The one for styles unless given.")] = None,
    trigger: Annotated[str, typer.Option("--trigger", help="The word that will call the style.")] = "sks",
    captioner: Annotated[str, typer.Option("--captioner", help="Who describes the pictures.")] = "auto",
    title: Annotated[str, typer.Option("--title", help="What people read.")] = "",
    title_zh: Annotated[str, typer.Option("--title-zh", help="The same in Chinese.")] = "",
    photo: Annotated[bool, typer.Option("--photo", help="The look is photo-like.")] = False,
    memory: Annotated[str, typer.Option("--memory", help="GPU preset: auto, or gigabytes.")] = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0)] = 42,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped training.")] = False,
    replace: Replace = False,
    as_json: common.Json = False,
) -> None:
    """Learn a style from pictures: a LoRA, its style and a preview on the shelf."""
    from portraitist.commands.train import one_word
    from portraitist.styling.training import StyleTraining, train_style

    settings = common.settings_of(context)
    request = StyleTraining(
        name,
        tuple(map(str, pictures)),
        base,
        recipe,
        one_word(trigger),
        captioner,
        title,
        title_zh,
        photo,
        seed,
        memory,
    )
    with common.progress() as on_step:
        report = train_style(request, settings, replace=replace, resume=resume, on_step=on_step)
    lines = [warning.message for warning in report.warnings]
    lines += [f"{name}: {len(report.captions)} pictures learned in {report.seconds:.0f} s.", f"Style: {report.folder}"]
    lines.append(f"Use it: portraitist portrait --sitter NAME --style {name}")
    common.answer(report, "\n".join(lines), as_json)


def _told(place: str, message: str) -> str:
    """The key or file that a remark is about, and the remark; many name their file themselves."""
    return message if place in message else f"{place}: {message}"


def _row(style: "Style", settings: "Settings") -> dict[str, Any]:
    """A style's keys, and where its preview is."""
    from portraitist.requests import to_data
    from portraitist.styling.shelf import preview_of

    place = preview_of(style.name, settings)
    row: dict[str, Any] = to_data(style)
    return row | {"preview": None if place is None else str(place)}


def _group(word: str) -> Any:
    from portraitist.recipes import GROUPS

    clean = word.strip().lower()
    if clean not in GROUPS:
        raise BadRequest(f"--suits {word!r} is not known.", hint=f"Use one of {', '.join(GROUPS)}.")
    return clean


def _checked(style: "Style", beside: tuple[Path, ...], settings: "Settings") -> list[str]:
    """The remarks about a new style. Raises BadRequest for one that is unfit."""
    from portraitist.loading import deny_list
    from portraitist.styling.check import check_style

    found = check_style(style, [file.parent for file in beside], denied=deny_list(settings))
    errors = [one.message for one in found if one.level == "error"]
    if errors:
        raise BadRequest(f"The style {style.name!r} is unfit. {' '.join(errors)}", code="unfit_style")
    return [one.message for one in found]


def _wanted(what: list[str] | None, settings: "Settings") -> list[tuple[Path, "Style | BadFile"]]:
    """(file, style or why it cannot be read) of the named styles, or of all."""
    from portraitist.loading import library_folders
    from portraitist.recipes import LIBRARY, Style, find, names
    from portraitist.styling.shelf import read_style

    extra = library_folders(settings)
    found: list[tuple[Path, Style | BadFile]] = []
    for name in what or names(Style, extra):
        file = Path(name)
        if not name.endswith(".toml"):
            places = [root / "styles" / name / "style.toml" for root in (*extra, LIBRARY)]
            file = next((place for place in places if place.is_file()), places[-1])
        try:
            found.append((file, read_style(file) if name.endswith(".toml") else find(Style, name, extra)))
        except BadFile as error:
            found.append((file, error))
    return found
