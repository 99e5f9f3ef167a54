"""The rules of tags: which stay in a training caption, and how trigger, class word and tags become one line.

Knows Danbooru's spelling (`long_hair`) and the rules file of the library. Knows neither pictures nor taggers.
The rule itself (strip what is identity, so that the trigger absorbs it) is FaceChain's; the list and the code are ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ConfigDict

from portraitist.recipes import LIBRARY, read_toml


class _Strict:
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Patterns(_Strict):
    """Four ways to name tags."""

    equal: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()

    def match(self, tag: str) -> str | None:
        """The pattern that knows `tag`, in words, or None."""
        if tag in self.equal:
            return f"equals '{tag}'"
        for part in self.prefix:
            if tag.startswith(part):
                return f"begins with '{part}'"
        for part in self.suffix:
            if tag.endswith(part):
                return f"ends in '{part}'"
        for part in self.contains:
            if part in tag:
                return f"contains '{part}'"
        return None


@dataclass(frozen=True)
class TagRules(_Strict):
    """The rules file; an unknown key in it is an error."""

    keep: Patterns
    remove: Patterns
    constant: Patterns
    count: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TagDecision:
    """What the rules do with one tag, and which line of them decided."""

    tag: str
    kept: bool
    because: str


def load_rules() -> TagRules:
    """The rules that the library ships. Raises BadFile when somebody broke the file."""
    return read_toml(LIBRARY / "rules" / "tags.toml", TagRules)


def spelled(tag: str) -> str:
    """`Long hair ` → `long_hair`: the one spelling in which tags are compared."""
    return "_".join(tag.strip().lower().replace("_", " ").split())


def decide(tag: str, rules: TagRules) -> TagDecision:
    """Whether `tag` is circumstance (kept) or identity (removed)."""
    name = spelled(tag)
    kept = rules.keep.match(name)
    if kept:
        return TagDecision(name, True, f"keep: {kept}")
    removed = rules.remove.match(name)
    if removed:
        return TagDecision(name, False, f"remove: {removed}")
    return TagDecision(name, True, "no rule knows it, so it is circumstance")


def split(
    tags: Iterable[str], rules: TagRules, constant: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(circumstance, identity), each in the given order, without repeats. `constant` (see below) counts as identity."""
    decisions = [decide(tag, rules) for tag in dict.fromkeys(spelled(tag) for tag in tags) if tag]
    kept = tuple(d.tag for d in decisions if d.kept and d.tag not in constant)
    return kept, tuple(d.tag for d in decisions if d.tag not in kept)


def constant_tags(tag_lists: Sequence[Sequence[str]], rules: TagRules) -> tuple[str, ...]:
    """Tags of the rules' `constant` part that stand on every photo of a set: a bald head, a beard."""
    if not tag_lists:
        return ()
    everywhere = set.intersection(*({spelled(tag) for tag in tags} for tags in tag_lists))
    return tuple(sorted(tag for tag in everywhere if rules.constant.match(tag)))


def subject(trigger: str, class_word: str) -> str:
    """`ohwx woman`: the words that stand for the sitter, in captions and in prompts."""
    return f"{trigger} {class_word}".strip()


def count_tag(class_word: str, rules: TagRules) -> str:
    """`1girl` or `1boy`, or nothing where the class word does not say."""
    return rules.count.get(class_word, "")


def caption(tags: Iterable[str], trigger: str, class_word: str, rules: TagRules, constant: Collection[str] = ()) -> str:
    """One training caption: `ohwx woman, 1girl, solo, smile, red shirt`. Identity is gone, underscores are spaces."""
    kept, _ = split(tags, rules, constant)
    return ", ".join([subject(trigger, class_word), *(tag.replace("_", " ") for tag in kept)])


def words_prompt(identity: Sequence[str], circumstance: Sequence[str], class_word: str, rules: TagRules) -> str:
    """What words alone can say of a sitter: class, count, identity tags, then circumstance. No trigger word."""
    parts = [class_word, count_tag(class_word, rules), *identity, *circumstance]
    return ", ".join(dict.fromkeys(part.replace("_", " ") for part in parts if part))


def common(tag_lists: Sequence[Sequence[str]], share: float = 0.5) -> tuple[str, ...]:
    """Tags that stand in more than `share` (0–1) of the lists, most frequent first, ties by first sight."""
    seen: dict[str, int] = {}
    for tags in tag_lists:
        for tag in dict.fromkeys(tags):
            seen[tag] = seen.get(tag, 0) + 1
    frequent = [tag for tag, times in seen.items() if times > share * len(tag_lists)]
    return tuple(sorted(frequent, key=lambda tag: -seen[tag]))
