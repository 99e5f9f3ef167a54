"""`portraitist bases`: the models that likenesses are trained on; which are here, and what a file is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from portraitist.commands import common

if TYPE_CHECKING:
    from portraitist.families.about import BaseFacts

Name = Annotated[str, typer.Argument(help="The base's name.", show_default=False)]


def register(app: typer.Typer) -> None:
    sub = typer.Typer(no_args_is_help=True, help="List, describe and fetch bases.")
    sub.command("list")(list_)
    sub.command("info")(info)
    sub.command("pull")(pull)
    app.add_typer(sub, name="bases")


def list_(context: typer.Context, as_json: common.Json = False) -> None:
    """All bases: ours, and your own in the home folder."""
    from portraitist.families.about import list_bases

    rows, broken = list_bases(common.settings_of(context))
    common.say_broken(broken)
    lines = [
        f"{row.name:<12} {row.family:<5} {row.size[0]}x{row.size[1]:<5} "
        f"{'here' if row.present else f'{row.megabytes} MB to fetch':<17} {row.licence}"
        for row in rows
    ]
    common.answer({"bases": [_document(row) for row in rows]}, "\n".join(lines), as_json)


def info(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME|PATH", help="A base's name, a folder or a file.", show_default=False)
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Compare each file with its sum of the fetch; takes a minute.")
    ] = False,
    as_json: common.Json = False,
) -> None:
    """One base: family, size, licence, sums, and whether it is here. The family is found by what is in a file."""
    from portraitist.families.about import check_sums, tell_base

    settings = common.settings_of(context)
    facts = tell_base(name, settings)
    checked = check_sums(name, settings) if check else None
    document = {**_document(facts), "checked": checked}
    words = _words(facts) + (f"\nchecked: {checked} files are as they were fetched" if checked is not None else "")
    common.answer(document, words, as_json)


def pull(context: typer.Context, name: Name, as_json: common.Json = False) -> None:
    """Fetch a base now, so that later nothing needs a network. What was broken off goes on where it stopped."""
    from portraitist.families.about import pull_base
    from portraitist.families.found import find_base

    settings = common.settings_of(context)
    base = find_base(name, settings, summed=False)
    common.say(f"{base.title or base.name}: licence {base.licence or 'not stated'}")
    with common.progress() as on_step:
        facts = pull_base(name, settings, on_step)
    common.answer(_document(facts), _words(facts), as_json)


def _document(facts: BaseFacts) -> dict[str, object]:
    from portraitist.requests import to_data

    data: dict[str, object] = to_data(facts)
    return data


def _words(facts: BaseFacts) -> str:
    rows = {
        "name": facts.name,
        "title": facts.title,
        "family": facts.family,
        "size": f"{facts.size[0]}x{facts.size[1]}",
        "licence": facts.licence,
        "version": facts.version,
        "recipe": facts.recipe,
        "source": facts.source,
        "revision": facts.revision,
        "held to": facts.held_to,
        "here": f"yes, {facts.bytes / 2**20:.0f} MiB in {facts.place}" if facts.present else _how(facts),
        "sha256": facts.sha256,
    }
    return "\n".join(f"{key}: {value}" for key, value in rows.items() if value)


def _how(facts: BaseFacts) -> str:
    if facts.source.startswith("hf:"):
        return f"no: portraitist bases pull {facts.name} fetches {facts.megabytes} MB"
    return f"no: nothing lies at {facts.place}"
