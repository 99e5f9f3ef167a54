"""`portraitist tags`: what the rules do with the tags of a sitter's training set, and why."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from portraitist.commands import common
from portraitist.errors import BadRequest

if TYPE_CHECKING:
    from portraitist.captions.tags import ExplainedTag, TagRules
    from portraitist.settings import Settings

Name = Annotated[str | None, typer.Argument(help="The sitter's name.", show_default=False)]
Rules = Annotated[str | None, typer.Option("--tag-rules", help="Other rules than those of the last training.")]
Given = Annotated[str | None, typer.Option("--tags", help="Tags of your own, with commas, in place of a sitter's.")]


def register(app: typer.Typer) -> None:
    sub = typer.Typer(no_args_is_help=True, help="Say which tags stay in captions, and why.")
    sub.command("explain")(explain)
    sub.command("rules")(rules_)
    app.add_typer(sub, name="tags")


def explain(
    context: typer.Context,
    name: Name = None,
    tags: Given = None,
    tag_rules: Rules = None,
    keep_tags: Annotated[list[str] | None, typer.Option("--keep-tag", help="Always keep this tag.")] = None,
    remove_tags: Annotated[list[str] | None, typer.Option("--remove-tag", help="Always remove this tag.")] = None,
    as_json: common.Json = False,
) -> None:
    """Each tag of a sitter's photos: kept or removed, by which rule, and on how many photos it stands."""
    from portraitist.captions.tags import explain as explain_tags

    if (name is None) == (tags is None):
        raise BadRequest("Name a sitter, or give --tags.", hint="portraitist tags explain anna")
    settings = common.settings_of(context)
    lists, rules = _of_sitter(settings, name, tag_rules, keep_tags, remove_tags)
    if tags is not None:
        lists = [tags.split(",")]
    explained = explain_tags(lists, rules)
    document = {"sitter": name, "rules": rules.name, "photos": len(lists), "tags": [_row(one) for one in explained]}
    lines = [
        f"{'kept   ' if one.kept else 'removed'}  {one.tag:<28} {one.times} of {one.photos}  {one.because}"
        for one in explained
    ]
    common.answer(document, "\n".join(lines) or "The captions of this set hold no tags.", as_json)


def rules_(context: typer.Context, as_json: common.Json = False) -> None:
    """The rule sets there are."""
    from portraitist.captions.tags import load_rules, rule_sets

    extra = (common.settings_of(context).home / "library",)
    rows = [{"name": name, "title": load_rules(name, extra).title} for name in rule_sets(extra)]
    common.answer({"rules": rows}, "\n".join(f"{row['name']:<12} {row['title']}" for row in rows), as_json)


def _of_sitter(
    settings: "Settings", name: str | None, wanted: str | None, keep: list[str] | None, remove: list[str] | None
) -> "tuple[list[list[str]], TagRules]":
    """The tags of each photo, and the rules: those of the options, else those that the sitter was trained with."""
    from portraitist.captions.dataset import captions_of, read_rows
    from portraitist.captions.tags import load_rules
    from portraitist.store.sitters import SitterStore

    extra = (settings.home / "library",)
    if name is None:
        return [], load_rules(wanted or "ours", extra, keep=keep or (), remove=remove or ())
    record, folder = SitterStore(settings.home).load(name)
    rows = captions_of(read_rows(folder.set)).values()
    # a set that was described in words, or by hand, has no tags but those of its captions
    lists = [list(row.tags) or row.caption.split(",")[1:] for row in rows]
    rules = load_rules(
        wanted or record.tag_rules, extra, keep=record.keep_tags if keep is None else keep,
        remove=record.remove_tags if remove is None else remove,
    )  # fmt: skip
    return lists, rules


def _row(one: "ExplainedTag") -> dict[str, Any]:
    return {"tag": one.tag, "kept": one.kept, "because": one.because, "photos": one.times, "of": one.photos}
