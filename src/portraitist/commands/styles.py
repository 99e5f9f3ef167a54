"""`portraitist styles`: the looks of the library."""

from typing import Annotated, Any

import typer

from portraitist.commands import common


def register(app: typer.Typer) -> None:
    sub = typer.Typer(no_args_is_help=True, help="List and show styles.")
    sub.command("list")(list_)
    sub.command("show")(show)
    app.add_typer(sub, name="styles")


def list_(context: typer.Context, as_json: common.Json = False) -> None:
    """All styles."""
    from portraitist.recipes import Style, find, names
    from portraitist.requests import to_data

    extra = (common.settings_of(context).home / "library",)
    found = [find(Style, name, extra) for name in names(Style, extra)]
    rows: list[dict[str, Any]] = [to_data(style) for style in sorted(found, key=lambda s: (not s.photo, s.name))]
    lines = [
        f"{row['name']:<18} {'photo  ' if row['photo'] else 'painted'}  {row['title']} / {row['title_zh']}"
        for row in rows
    ]
    common.answer({"styles": rows}, "\n".join(lines), as_json)


def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The style's name.", show_default=False)],
    as_json: common.Json = False,
) -> None:
    """One style: its words and numbers."""
    from portraitist.recipes import Style, find
    from portraitist.requests import to_data

    style = find(Style, name, (common.settings_of(context).home / "library",))
    row = to_data(style)
    common.answer(
        row, "\n".join(f"{key}: {value}" for key, value in row.items() if value not in (None, [], "")), as_json
    )
