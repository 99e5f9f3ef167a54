"""`portraitist recipes`: the numbers that a training can run with."""

from typing import Annotated, Any

import typer

from portraitist.commands import common


def register(app: typer.Typer) -> None:
    sub = typer.Typer(no_args_is_help=True, help="List and show recipes.")
    sub.command("list")(list_)
    sub.command("show")(show)
    app.add_typer(sub, name="recipes")


def list_(context: typer.Context, as_json: common.Json = False) -> None:
    """All recipes: ours, and your own in the home folder."""
    from portraitist.recipes import Recipe, find_each
    from portraitist.requests import to_data

    found, broken = find_each(Recipe, (common.settings_of(context).home / "library",))
    common.say_broken(broken)
    rows: list[dict[str, Any]] = to_data(found)
    lines = [f"{row['name']:<14} {row['title']}" for row in rows]
    common.answer({"recipes": rows}, "\n".join(lines), as_json)


def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The recipe's name, or a TOML file.", show_default=False)],
    as_json: common.Json = False,
) -> None:
    """One recipe: all its numbers, and whether they make sense."""
    from portraitist.recipes import Recipe, check_recipe, find
    from portraitist.requests import to_data

    recipe = find(Recipe, name, (common.settings_of(context).home / "library",))
    check_recipe(recipe)
    row = to_data(recipe)
    common.answer(row, "\n".join(f"{key}: {'' if value is None else value}" for key, value in row.items()), as_json)
