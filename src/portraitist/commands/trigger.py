"""`portraitist trigger`: how a base reads a word, and whether it is fit to call a sitter."""

from typing import Annotated

import typer

from portraitist.commands import common


def register(app: typer.Typer) -> None:
    app.command("trigger")(trigger)


def trigger(
    context: typer.Context,
    word: Annotated[str, typer.Argument(help="The word, such as ohwx or '<sks>'.", show_default=False)],
    base: Annotated[str, typer.Option("--base", help="The base that shall learn it.")] = "mini",
    as_json: common.Json = False,
) -> None:
    """Show the tokens of a trigger word on a base, and warn when it is several tokens or a common word."""
    from portraitist.captions.tags import load_rules
    from portraitist.captions.trigger import judge
    from portraitist.commands.train import one_word
    from portraitist.families.found import find_base, place_of
    from portraitist.families.vocabulary import load_tokenizers, read_text

    settings = common.settings_of(context)
    clean = one_word(word)
    readings = read_text(load_tokenizers(place_of(find_base(base, settings, summed=False), settings)), clean)
    warnings = judge(clean, readings, load_rules())
    document = {
        "word": clean,
        "base": base,
        "readings": [{"tokenizer": one.tokenizer, "tokens": one.tokens, "ids": one.ids} for one in readings],
        "warnings": [{"code": one.code, "message": one.message} for one in warnings],
    }
    lines = [f"{one.tokenizer}: {' · '.join(one.tokens)} ({', '.join(map(str, one.ids))})" for one in readings]
    lines += [one.message for one in warnings] or [f"{clean!r} is one token and no common word: a good trigger."]
    common.answer(document, "\n".join(lines), as_json)
