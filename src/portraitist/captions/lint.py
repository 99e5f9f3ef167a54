"""What is wrong with the captions of a set: empty, twice the same, too long, naming the looks, without the trigger.

Knows rules and words; how long a caption is to a base's text encoder is told by whoever calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from portraitist.captions.tags import TagRules, decide, spelled

STOP = frozenset(
    (
        "a", "an", "the", "this", "that", "his", "her", "their", "its", "with", "without", "and", "or", "of", "in",
        "on", "at", "to", "by", "is", "are", "was", "who", "has", "have", "having", "wearing", "while", "for", "from",
        "as",
    )
)  # fmt: skip
"""Words that belong to no tag; a sentence is read in the pieces between them."""

LONGEST_TAG = 3
"""Words in a row that are looked up as one tag."""


@dataclass(frozen=True)
class Finding:
    """One thing to mend: the photos it is about, a code and a sentence."""

    code: str
    photos: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Length:
    """How many tokens a caption has and how many the text encoder reads at once."""

    tokens: int
    room: int


def lint(
    captions: Mapping[str, str],
    trigger: str,
    class_word: str,
    rules: TagRules,
    length: Callable[[str], Length] | None = None,
) -> tuple[Finding, ...]:
    """The findings, photo by photo: `empty`, `no_trigger`, `too_long`, `names_looks`, then `duplicate` over all."""
    found = [
        one for photo, text in captions.items() for one in _of_one(photo, text, trigger, class_word, rules, length)
    ]
    return (*found, *_duplicates(captions))


def looks_named(text: str, trigger: str, class_word: str, rules: TagRules) -> tuple[str, ...]:
    """The words of a caption that say who the sitter is, in its own spelling, by the rules' `remove`."""
    named: dict[str, None] = {}
    own = {trigger.lower(), class_word.lower()}
    for part in re.split(r"[,.;:]", text):
        words = [word for word in part.split() if word.lower() not in own]
        if not set(map(str.lower, words)) & STOP and _removed(" ".join(words), rules):
            named[" ".join(words)] = None
        elif len(words) > LONGEST_TAG or set(map(str.lower, words)) & STOP:
            named |= dict.fromkeys(_in_sentence(words, rules))
    return tuple(named)


def _of_one(
    photo: str, text: str, trigger: str, class_word: str, rules: TagRules, length: Callable[[str], Length] | None
) -> Iterator[Finding]:
    if not text.strip():
        yield Finding("empty", (photo,), "The caption is empty.")
        return
    if trigger.lower() not in re.findall(r"[^\s,.;:]+", text.lower()):
        yield Finding("no_trigger", (photo,), f"The caption lacks the trigger {trigger!r}.")
    size = length(text) if length is not None else None
    if size is not None and size.tokens > size.room:
        yield Finding("too_long", (photo,), f"The caption has {size.tokens} tokens; the encoder reads {size.room}.")
    looks = looks_named(text, trigger, class_word, rules)
    if looks:
        said = ", ".join(f"'{one}'" for one in looks)
        yield Finding("names_looks", (photo,), f"It says how the sitter looks ({said}); the trigger learns less.")


def _duplicates(captions: Mapping[str, str]) -> Iterator[Finding]:
    alike: dict[str, list[str]] = {}
    for photo, text in captions.items():
        alike.setdefault(" ".join(text.lower().split()), []).append(photo)
    for text, photos in alike.items():
        if text and len(photos) > 1:
            yield Finding("duplicate", tuple(photos), f"{len(photos)} photos have the same caption.")


def _in_sentence(words: list[str], rules: TagRules) -> Iterator[str]:
    """The shortest runs of words between stop words that the rules remove."""
    place = 0
    while place < len(words):
        for size in range(1, min(LONGEST_TAG, len(words) - place) + 1):
            run = words[place : place + size]
            if not set(map(str.lower, run)) & STOP and _removed(" ".join(run), rules):
                yield " ".join(run)
                place += size
                break
        else:
            place += 1


def _removed(words: str, rules: TagRules) -> bool:
    return bool(spelled(words)) and not decide(words, rules).kept
