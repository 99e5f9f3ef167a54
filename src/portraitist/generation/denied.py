"""The deny-list: prompts that are refused before anything is drawn, and why. Draws nothing, reads no settings.

The list is data (`library/deny/*.toml`). A list of words hinders accidents and casual misuse, not a person with the
source code; it is no filter of pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portraitist.errors import BadFile, Denied
from portraitist.generation.disguises import (
    any_of,
    is_chinese,
    loose_pattern,
    pattern,
    plain,
    readings,
    split_camels,
    together,
)
from portraitist.generation.prompts import parse
from portraitist.recipes import LIBRARY, read_toml
from portraitist.requests import PortraitRequest
from portraitist.types import Strict

SHELF = "deny"
MINOR = "minor"
"""The group of words that ages below 18 belong to as well."""

_YOUNG = (
    r"(?:1[0-7]|\d|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    r"seventeen)"
)
_AGE = re.compile(
    rf"(?<= )(?:{_YOUNG} ?(?:yo|y o|(?:years?|yrs?|y) ?old)|\d+ (?:months?|weeks?|days?) old|aged? (?:of )?{_YOUNG})"
    r"(?= )"
)
_CHINESE_AGE = re.compile(
    r"(?<![\d一二三四五六七八九十百])(?:1[0-7]|\d|[一二两兩三四五六七八九]|十[一二三四五六七]?)\s?(?:周|週)?[岁歲]"
)


@dataclass(frozen=True)
class Rule(Strict):
    """Refuses a prompt with one of the groups `words`, beside one of the groups `beside` if there are any.

    `says` is what it asks for, `always` holds even where the deny-list is switched off.
    """

    says: str
    words: tuple[str, ...]
    beside: tuple[str, ...] = ()
    always: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Allowed(Strict):
    """What is taken out before words are looked for."""

    phrases: tuple[str, ...] = ()


@dataclass(frozen=True)
class DenyFile(Strict):
    """A file of the shelf: rules and groups of words by their names."""

    title: str = ""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allowed: Allowed = Allowed()


@dataclass(frozen=True)
class Denial:
    """Why a text is refused: the rule, and the words that it goes by, the ones of `beside` last."""

    name: str
    rule: Rule
    words: tuple[str, ...]

    def error(self, what: str = "The prompt") -> Denied:
        """The error that says it."""
        told = " beside ".join(repr(word) for word in self.words)
        message = f"{what} is refused for {told} (rule {self.name}: {self.rule.says})."
        return Denied(message, hint=self.rule.hint or "Take these words out.")


class DenyList:
    """The rules that hold: those of `ours`, and what files of a user `own` add to them."""

    def __init__(self, ours: DenyFile, own: Sequence[DenyFile] = (), *, switched_off: bool = False) -> None:
        """`switched_off` keeps the rules that hold always. Raises BadFile for a rule of words that no file has."""
        files = (*own, ours)  # the last rule of a name holds
        rules = {name: rule for file in files for name, rule in file.rules.items()}
        self.rules = {name: rule for name, rule in rules.items() if rule.always or not switched_off}
        groups: dict[str, list[str]] = {}
        for file in files:
            for name, words in file.words.items():
                groups.setdefault(name, []).extend(words)
        missing = {one for rule in rules.values() for one in (*rule.words, *rule.beside)} - groups.keys()
        if missing:
            raise BadFile(f"A rule of the deny-list speaks of words {sorted(missing)[0]!r} that no file has.")
        self._groups = {name: _Group(name, words) for name, words in groups.items()}
        self._allowed = any_of((loose_pattern(one) for file in files for one in file.allowed.phrases), whole=False)
        self._always_allowed = any_of(map(loose_pattern, ours.allowed.phrases), whole=False)

    def denial(self, text: str) -> Denial | None:
        """Why a text is refused, or None; `text` has no syntax of prompts. A user's phrases excuse no rule that holds
        always."""
        if self._first(self.rules, _Seen(text)) is None:
            return None  # nearly always; what is allowed is slow to take out
        always = {name: rule for name, rule in self.rules.items() if rule.always}
        strict = self._first(always, _Seen(text, self._always_allowed))
        return strict or self._first(self.rules, _Seen(text, self._allowed))

    def _first(self, rules: Mapping[str, Rule], seen: _Seen) -> Denial | None:
        for name, rule in rules.items():
            words = next(self._found(seen, rule.words), None)
            beside = next(self._found(seen, rule.beside), None) if rule.beside else ""
            if words is not None and beside is not None:
                return Denial(name, rule, (words, beside) if beside else (words,))
        return None

    def _found(self, seen: _Seen, groups: Iterable[str]) -> Iterator[str]:
        return (found for one in groups if (found := self._groups[one].first(seen)) is not None)


class _Seen:
    """A text in all its readings, without what is `allowed`."""

    def __init__(self, text: str, allowed: re.Pattern[str] | None = None) -> None:
        taken = allowed or any_of((), whole=False)
        bare = sorted({taken.sub(" , ", plain(one)) for one in (text, split_camels(text))})
        self.readings = tuple(dict.fromkeys(one for text in bare for one in readings(text)))
        self.chinese = tuple(dict.fromkeys(taken.sub(" , ", together(one)) for one in bare))


class _Group:
    """Words that belong together, ready to be looked for."""

    def __init__(self, name: str, words: Sequence[str]) -> None:
        self._words = any_of((pattern(word) for word in words if not is_chinese(word)), whole=True)
        self._signs = any_of((re.escape(plain(word)) for word in words if is_chinese(word)), whole=False)
        self._ages = name == MINOR

    def first(self, seen: _Seen) -> str | None:
        """The first of the words in a text, as it is read."""
        for texts, look in ((seen.readings, self._words), (seen.chinese, self._signs)):
            for text in texts:
                if found := look.search(text):
                    return found[0]
        if not self._ages:
            return None
        ages = [_AGE.search(text) for text in seen.readings] + [_CHINESE_AGE.search(text) for text in seen.chinese]
        return next((found[0] for found in ages if found), None)


def load_deny_list(extra: Sequence[Path] = (), *, switched_off: bool = False) -> DenyList:
    """The package's list and those of a user's own library (`extra`), which add words, phrases and rules to ours and
    replace none. Raises BadFile."""
    (ours,) = (read_toml(place, DenyFile) for place in (LIBRARY / SHELF).glob("*.toml"))
    own = [read_toml(place, DenyFile) for root in extra for place in sorted((root / SHELF).glob("*.toml"))]
    return DenyList(ours, own, switched_off=switched_off)


def refuse(request: PortraitRequest, subject: str, denied: DenyList) -> None:
    """Raises Denied where the words of a request are refused, those of its style and its sitter filled in.

    `subject` is the sitter's trigger and class word, looked at also where the prompt does not say them. The negative
    is looked at only where guidance below 1 draws it.
    """
    beside = [subject, *(Path(use.name).stem for use in request.loras)]
    if request.cfg is not None and request.cfg < 1:
        beside += _texts(request.negative or "")
    found = denial_of(request.prompt or "", denied, beside)
    if found is not None:
        raise found.error()


def denial_of(prompt: str, denied: DenyList, beside: Sequence[str] = ()) -> Denial | None:
    """Why a prompt, and what is told beside it, is refused; or None. Raises BadRequest for one that cannot be read."""
    found = (denied.denial(", ".join([text, *beside])) for text in _texts(prompt))
    return next((one for one in found if one is not None), None)


def _texts(prompt: str) -> tuple[str, ...]:
    """A prompt without its syntax. Brackets may part a word or two words: both are readings."""
    spans = ["," if span.new_chunk else span.text for span in parse(prompt)]
    return tuple(dict.fromkeys(("".join(spans), " ".join(spans))))
