"""Whether a word is fit to call a sitter: one token, and none that the base has a meaning for. Knows no tokenizer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from portraitist.captions.tags import TagRules, spelled

RARE = 0.95
"""From this share of a vocabulary's order on a token is rare enough: `ohwx` is at 0.971 of CLIP's, `sks` at 0.974."""

SMALL = 10_000
"""A vocabulary below this size was made for one base: every whole word in it is one that its captions used."""

RESERVED = ("ohwx", "sks")
"""Words that are in mini's vocabulary so that a sitter can have them."""

COMMON = (
    "photo",
    "person",
    "people",
    "lady",
    "guy",
    "girl",
    "boy",
    "woman",
    "man",
    "cat",
    "dog",
    "baby",
    "child",
    "me",
)


class Read(Protocol):
    """What is needed of a reading; see `families.vocabulary`."""

    @property
    def tokenizer(self) -> str: ...
    @property
    def tokens(self) -> tuple[str, ...]: ...
    @property
    def ids(self) -> tuple[int, ...]: ...
    @property
    def vocabulary(self) -> int: ...


@dataclass(frozen=True)
class TriggerWarning:
    """Why a word is a poor trigger."""

    code: str
    message: str


def judge(word: str, readings: Sequence[Read], rules: TagRules) -> tuple[TriggerWarning, ...]:
    """The warnings about `word`: `several_tokens`, `common_word`; none for a good trigger."""
    warnings = []
    for one in readings:
        if len(one.tokens) != 1:
            pieces = " · ".join(one.tokens) or "nothing"
            warnings.append(
                TriggerWarning(
                    "several_tokens",
                    f"{word!r} is {len(one.tokens)} tokens to {one.tokenizer} ({pieces}); "
                    "parts that other words share are learned less cleanly.",
                )
            )
    if _is_common(word, readings, (*COMMON, *rules.keep.equal, *rules.remove.equal)):
        warnings.append(
            TriggerWarning("common_word", f"{word!r} has a meaning for the base already; the likeness mixes with it.")
        )
    return tuple(warnings)


def _is_common(word: str, readings: Sequence[Read], known: Collection[str]) -> bool:
    name = spelled(word)
    if name in RESERVED:
        return False
    if name in known:
        return True
    return any(len(one.ids) == 1 and (one.vocabulary < SMALL or one.ids[0] < RARE * one.vocabulary) for one in readings)
