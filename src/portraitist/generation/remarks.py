"""What is worth telling about a request before its pictures are drawn, and stops nothing.

Knows prompts and what a base says of words; draws nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from portraitist.families.base import Model
from portraitist.families.reading import Unread
from portraitist.generation.hires import advice
from portraitist.generation.prompts import clean, parse
from portraitist.generation.room import at_once
from portraitist.requests import PortraitRequest, Warn

_REPEATED = 1 / 3
"""Of the prompt's tags: where the negative has as many of them, it works against the prompt."""

_WORDS, _TOKENS = 3, 12
"""Unread words that are shown, and tokens of each."""


def remarks(request: PortraitRequest, model: Model) -> tuple[Warn, ...]:
    """The warnings about a complete request, in the order of how much they change."""
    return (*_language(request, model), *_repeats(request), *_size(request, model))


def idle(request: PortraitRequest, asked: PortraitRequest, count: int) -> tuple[Warn, ...]:
    """The warning about a batch that a complete request does without, or of which some pictures are computed for
    nothing where `count` are made at most; `asked` is as it was before."""
    batch = at_once(request)
    if at_once(asked) > batch:
        return (Warn("batch", "A processor draws one picture at a time, whatever the batch says."),)
    lost = -count % batch
    if not lost:
        return ()
    told = f"Batches of {batch} are filled up for {count} pictures: {lost} are computed for nothing."
    return (Warn("batch", told),)


def tags(prompt: str) -> tuple[str, ...]:
    """What stands between the commas of a prompt, each once: small letters, no weights, brackets and LoRAs, spaces for
    underscores. Raises BadRequest that names the column."""
    said = "".join("," if span.new_chunk else span.text for span in parse(clean(prompt)))
    parts = (" ".join(re.split(r"[\s_]+", part)).strip().lower() for part in said.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def _language(request: PortraitRequest, model: Model) -> Iterator[Warn]:
    for text, where in ((request.prompt, "prompt"), (request.negative, "negative prompt")):
        found = model.unread(" ".join(span.text for span in parse(text or "")))
        if found:
            shown = "; ".join(_in_tokens(one) for one in found[:_WORDS]) + ("; …" if len(found) > _WORDS else "")
            yield Warn(
                "unread_language",
                f"The text encoder of {model.base.name} does not know this language in the {where}; it reads only "
                f"pieces of letters: {shown}. Say it in a language that it knows, English for one.",
            )


def _in_tokens(one: Unread) -> str:
    more = " …" if len(one.tokens) > _TOKENS else ""
    return f"{one.word} is {' '.join(one.tokens[:_TOKENS])}{more}"


def _repeats(request: PortraitRequest) -> Iterator[Warn]:
    asked, taken = tags(request.prompt or ""), tags(request.negative or "")
    both = [tag for tag in asked if tag in taken]
    if both and len(both) >= _REPEATED * len(asked):
        yield Warn(
            "negative_repeats",
            f"The negative prompt repeats {len(both)} of the prompt's {len(asked)} tags and takes them back: "
            f"{', '.join(both)}. Leave in it only what shall not be in the picture.",
        )


def _size(request: PortraitRequest, model: Model) -> Iterator[Warn]:
    told = advice(request, model.base.size, model.multiple)
    if told:
        yield Warn("large", told)
