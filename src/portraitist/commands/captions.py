"""`portraitist captions`: look at the captions of a sitter's training set, change them, check them, take them away."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portraitist.commands import common
from portraitist.errors import BadRequest

if TYPE_CHECKING:
    from portraitist.captions.dataset import SetRow
    from portraitist.store.sitters import SitterFolder, SitterRecord

Name = Annotated[str, typer.Argument(help="The sitter's name.", show_default=False)]
Photo = Annotated[str | None, typer.Argument(help="A photo by name or number; all unless given.", show_default=False)]
Text = Annotated[str | None, typer.Option("--text", help="The whole caption of PHOTO.")]
Add = Annotated[list[str] | None, typer.Option("--add", help="A tag to put at the end.")]
Remove = Annotated[list[str] | None, typer.Option("--remove", help="A tag to take out.")]
Replace = Annotated[list[str] | None, typer.Option("--replace", metavar="OLD=NEW", help="A tag in place of another.")]


def register(app: typer.Typer) -> None:
    sub = typer.Typer(no_args_is_help=True, help="Show, edit, check and export the captions of a training set.")
    for command in (show, edit, lint, export, models):
        sub.command(command.__name__)(command)
    app.add_typer(sub, name="captions")


def show(context: typer.Context, name: Name, as_json: common.Json = False) -> None:
    """The caption of each photo in a sitter's training set."""
    from portraitist.captions.dataset import captions_of

    record, folder, rows = _load(context, name)
    photos = [{"photo": p, "text": r.caption, "tags": list(r.tags)} for p, r in captions_of(rows).items()]
    document = {"sitter": record.name, "captioner": record.captioner, "tag_rules": record.tag_rules, "photos": photos}
    words = "\n".join(f"{number:>3}  {one['photo']}\n     {one['text']}" for number, one in enumerate(photos, 1))
    common.answer(document | {"folder": str(folder.set)}, words, as_json)


def edit(
    context: typer.Context,
    name: Name,
    photo: Photo = None,
    text: Text = None,
    add: Add = None,
    remove: Remove = None,
    replace: Replace = None,
    as_json: common.Json = False,
) -> None:
    """Change captions by options, or all of them in $EDITOR; then train with --captioner written."""
    from portraitist.captions.dataset import captions_of, with_captions, write_rows
    from portraitist.captions.edit import changed, find_photo

    record, folder, rows = _load(context, name)
    before = {key: row.caption for key, row in captions_of(rows).items()}
    chosen = [find_photo(before, photo)] if photo is not None else list(before)
    if text is not None and photo is None:
        raise BadRequest("--text wants a photo.", hint=f"portraitist captions edit '{record.name}' 1 --text '…'")
    pairs = [_pair(one) for one in replace or ()]
    if text is None and not (add or remove or pairs):
        after = _in_editor({key: before[key] for key in chosen}, as_json)
    else:
        texts = {key: before[key] if text is None else " ".join(text.split()) for key in chosen}
        after = {key: changed(texts[key], add or (), remove or (), pairs) for key in chosen}
    new = {key: caption for key, caption in after.items() if caption != before[key]}
    if new:
        write_rows(folder.set, with_captions(rows, new))
    lines = [f"{key}\n     {caption}" for key, caption in new.items()] or ["Nothing changed."]
    if new:
        lines.append(f"To train with them: portraitist train --sitter '{record.name}' --captioner written "
                     f"--class {record.class_word} --trigger '{record.trigger}' --base {record.base}")  # fmt: skip
    common.answer({"sitter": record.name, "changed": new}, "\n".join(lines), as_json)


def lint(
    context: typer.Context,
    name: Name,
    base: Annotated[str | None, typer.Option("--base", help="Whose text encoder; the sitter's unless given.")] = None,
    as_json: common.Json = False,
) -> None:
    """Find captions that are empty, alike, too long, name the looks or lack the trigger; then the exit code is 2."""
    from portraitist.captions.dataset import captions_of
    from portraitist.captions.lint import Length
    from portraitist.captions.lint import lint as lint_captions
    from portraitist.captions.tags import load_rules
    from portraitist.families.found import find_base, place_of
    from portraitist.families.vocabulary import load_tokenizers, read_text

    settings = common.settings_of(context)
    record, _, rows = _load(context, name)
    extra = (settings.home / "library",)
    rules = load_rules(record.tag_rules, extra, keep=record.keep_tags, remove=record.remove_tags)
    tokenizers = load_tokenizers(place_of(find_base(base or record.base, settings, summed=False), settings))

    def length(text: str) -> Length:
        # of several text encoders the one with the least room left
        worst = max(read_text(tokenizers, text), key=lambda one: len(one.ids) - one.room)
        return Length(len(worst.ids), worst.room)

    captions = {photo: row.caption for photo, row in captions_of(rows).items()}
    found = lint_captions(captions, record.trigger, record.class_word, rules, length)
    document = [{"code": one.code, "photos": list(one.photos), "message": one.message} for one in found]
    lines = [f"{', '.join(one.photos)}: {one.message}" for one in found] or [f"{len(captions)} captions are in order."]
    common.answer({"sitter": record.name, "findings": document}, "\n".join(lines), as_json)
    if found:
        raise typer.Exit(2)


def export(
    context: typer.Context,
    name: Name,
    out: Annotated[Path, typer.Option("--out", help="The folder to write into.", show_default=False)],
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="How often an epoch visits each picture.")] = 20,
    as_json: common.Json = False,
) -> None:
    """Write a sitter's training set in kohya's layout: a folder such as `20_ohwx woman`, a .txt beside each picture."""
    from portraitist.captions import kohya
    from portraitist.captions.tags import subject

    record, folder, rows = _load(context, name)
    pictures = [kohya.KohyaRow(row.file, row.photo, row.caption) for row in rows]
    written = kohya.write(out, folder.set, pictures, subject(record.trigger, record.class_word), repeats)
    common.answer({"folder": str(written), "pictures": len(pictures)}, str(written), as_json)


def models(context: typer.Context, as_json: common.Json = False) -> None:
    """The captioners there are, their licences, and whether their models are fetched."""
    from portraitist import hub
    from portraitist.captions import named

    settings = common.settings_of(context)
    extra = (settings.home / "library",)
    rows: list[dict[str, object]] = []
    for name in named.captioners(extra):
        model = named.find_model(name, extra)
        if model is None:
            rows.append({"name": name, "title": "comes with the package", "fetched": True})
            continue
        folder = settings.models_folder / "captioners" / model.name
        fetched = model.source.startswith("file:") or hub.read_record(folder) is not None
        rows.append({"name": name, "title": model.title, "source": model.source, "licence": model.licence,
                     "megabytes": model.megabytes, "fetched": fetched})  # fmt: skip
    words = "\n".join(
        f"{row['name']!s:<18} {row['title']}"
        + (f" ({row['source']}, {row['megabytes']} MB, {row['licence']})" if "source" in row else "")
        for row in rows
    )
    common.answer({"captioners": rows}, words, as_json)


def _load(context: typer.Context, name: str) -> "tuple[SitterRecord, SitterFolder, tuple[SetRow, ...]]":
    from portraitist.captions.dataset import read_rows
    from portraitist.store.sitters import SitterStore

    record, folder = SitterStore(common.settings_of(context).home).load(name)
    return record, folder, read_rows(folder.set)


def _pair(text: str) -> tuple[str, str]:
    old, sign, new = text.partition("=")
    if not sign or not old.strip():
        raise BadRequest(f"--replace {text!r} is not OLD=NEW.", hint="Such as --replace 'red shirt=blue shirt'")
    return old, new


def _in_editor(captions: Mapping[str, str], as_json: bool) -> dict[str, str]:
    """The captions as somebody leaves them in an editor."""
    from portraitist.captions.edit import as_text, from_text

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if as_json or not sys.stdin.isatty():
        raise BadRequest("There is nothing to change.", hint="Use --text, --add, --remove or --replace.")
    with tempfile.TemporaryDirectory(prefix="portraitist-") as place:
        file = Path(place) / "captions.txt"
        file.write_text(as_text(captions), encoding="utf-8")
        command = [*shlex.split(editor or "vi"), str(file)]
        try:
            done = subprocess.run(command, check=False)
        except OSError as error:
            raise BadRequest(f"The editor {command[0]!r} cannot be started.", hint="Set EDITOR.") from error
        if done.returncode != 0:
            raise BadRequest("The editor ended with an error; nothing was changed.")
        return from_text(file.read_text(encoding="utf-8"), captions)
