"""Which words of a text a tokenizer has no tokens for, only pieces of their letters. Knows no family and no network.

A byte-level vocabulary takes every text, so nothing fails where it does not know a language: the words come apart into
bytes, and the picture shows something else. That shows in the count of tokens: a vocabulary that knows a language
needs at most one for a Chinese sign, and clearly fewer than one for each letter of an alphabet. Words in Latin letters
are left out: a name with accents comes apart in the same way as a language that is not known.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from portraitist.types import Strict

_SPELLED = 0.75
"""From so many tokens for each letter of an alphabet on a word is spelled. CLIP's tokenizer takes 0.2 to 0.5 for words
of an English prompt, 1 to 2 for Russian, Arabic, Thai, Hindi and Greek ones."""

_SHORTEST = 3
"""Letters of an alphabet; fewer are a unit or a formula."""

_SPACES = "▁Ġ"
"""How tokenizers write the space before a word."""


@dataclass(frozen=True)
class Unread(Strict):
    """A word, and the tokens that it falls into."""

    word: str
    tokens: tuple[str, ...]


def unread(tokenizer: Any, text: str) -> tuple[Unread, ...]:
    """The words of `text` that the tokenizer cannot read, each once, in their order."""
    runs = ("".join(run) for is_word, run in groupby(text, _in_a_word) if is_word)
    words = (word for word in dict.fromkeys(runs) if 2 * sum(map(_is_latin, word)) < len(word))
    found = ((word, tokenizer.tokenize(word)) for word in words)
    return tuple(
        Unread(word, _shown(tokens)) for word, tokens in found if _falls_apart(word, tokens, tokenizer.unk_token)
    )


def _in_a_word(letter: str) -> bool:
    """Letters, and the marks that some scripts put around them."""
    return unicodedata.category(letter)[0] in "LM"


def _is_latin(letter: str) -> bool:
    return letter.isascii() or "LATIN" in unicodedata.name(letter, "")


def _falls_apart(word: str, tokens: list[str], unknown: str | None) -> bool:
    """Whether the tokens are pieces. Some vocabularies say "unknown" with the mark of the end: no word has that."""
    told = _shown(tokens)
    if unknown in told:
        return True
    if any(unicodedata.east_asian_width(letter) in "WF" for letter in word):
        return len(told) > len(word)
    return len(word) >= _SHORTEST and len(told) >= _SPELLED * len(word)


def _shown(tokens: list[str]) -> tuple[str, ...]:
    """The tokens without what says where words begin and end."""
    bare = (token.removesuffix("</w>").lstrip(_SPACES) for token in tokens)
    return tuple(token for token in bare if token)
