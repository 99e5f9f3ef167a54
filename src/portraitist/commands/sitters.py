"""`portraitist sitters`: who is known here; show, export and delete."""

from pathlib import Path
from typing import Annotated, Any

import typer

from portraitist.commands import common
from portraitist.errors import BadFile, BadRequest

Name = Annotated[str, typer.Argument(help="The sitter's name.", show_default=False)]


def register(app: typer.Typer) -> None:
    sub = typer.Typer(no_args_is_help=True, help="List, show, export and delete sitters.")
    for command in (list_, show, export, delete):
        sub.command(command.__name__.rstrip("_"))(command)
    app.add_typer(sub, name="sitters")


def list_(context: typer.Context, as_json: common.Json = False) -> None:
    """All sitters."""
    from portraitist.store.sitters import SitterStore

    store = SitterStore(common.settings_of(context).home)
    rows, broken = [], []
    for name in store.names():
        try:
            rows.append(_row(store.load(name)))
        except BadFile as error:
            broken.append(error)
    common.say_broken(broken)
    words = "\n".join(f"{row['name']:<24} {row['photos']} photos on {row['base']}" for row in rows)
    common.answer({"sitters": rows}, words or ("" if broken else "There is no sitter yet."), as_json)


def show(context: typer.Context, name: Name, as_json: common.Json = False) -> None:
    """One sitter: where it is, what it was trained with, how alike it is."""
    from portraitist.store.sitters import SitterStore

    store = SitterStore(common.settings_of(context).home)
    record, folder = store.load(name)
    row = _row((record, folder)) | {"folder": str(folder.root), "report": store.report(name)}
    likeness = (row["report"] or {}).get("likeness", {})
    words = [f"{record.name}: {record.trigger} {record.class_word}, {record.photos} photos, base {record.base}"]
    words += [f"likeness {likeness['score']:.2f}"] if likeness.get("score") is not None else []
    common.answer(row, "\n".join([*words, str(folder.root)]), as_json)


def export(
    context: typer.Context,
    name: Name,
    out: Annotated[Path | None, typer.Option("--out", help="The zip file; default NAME.zip here.")] = None,
    as_json: common.Json = False,
) -> None:
    """Everything about a sitter as one zip: photos, training set, likeness, portraits, reports."""
    from portraitist.store.sitters import SitterStore

    store = SitterStore(common.settings_of(context).home)
    file = store.export(name, out if out is not None else Path(f"{store.folder(name).name}.zip"))
    common.answer({"file": str(file), "bytes": file.stat().st_size}, str(file), as_json)


def delete(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: common.Json = False,
) -> None:
    """Delete a sitter to the last byte: photos, training set, likeness, faces, portraits, reports."""
    from portraitist.store.sitters import SitterStore

    store = SitterStore(common.settings_of(context).home)
    record, _ = store.load(name)
    if not yes:
        if as_json:
            raise BadRequest("Deleting needs --yes.", hint=f"portraitist sitters delete '{record.name}' --yes --json")
        typer.confirm(f"Delete {record.name!r} and everything made of it?", abort=True, err=True)
    size = store.delete(name)
    common.answer({"deleted": record.name, "bytes": size}, f"{record.name} is gone ({size} bytes).", as_json)


def _row(loaded: Any) -> dict[str, Any]:
    record, folder = loaded
    row: dict[str, Any] = record.model_dump()
    return row | {"trained": folder.likeness.is_file()}
