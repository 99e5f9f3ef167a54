"""The rules of tags: which stay in a training caption, and how trigger, class word and tags become one line.

Knows Danbooru's spelling (`long_hair`) and the rule sets of the library. Knows neither pictures nor taggers.
The rule itself (strip what is identity, so that the trigger absorbs it) is FaceChain's; `facechain` is its list word
for word, the other lists and the code are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from portraitist.captions.describe import Description
from portraitist.errors import BadRequest
from portraitist.recipes import find_on, names_on
from portraitist.types import Strict

SHELF = "rules"


@dataclass(frozen=True)
class Patterns(Strict):
    """Five ways to name tags; `unless` names what contains the first word and not the second."""

    equal: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    unless: Mapping[str, str] = field(default_factory=dict)

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
        for part, other in self.unless.items():
            if part in tag and other not in tag:
                return f"contains '{part}' and not '{other}'"
        return None


@dataclass(frozen=True)
class TagRules(Strict):
    """A rule set: `library/rules/<name>.toml`; an unknown key in it is an error.

    `constant` names what counts as identity where it stands on every photo, `count` the count tag of a class word.
    `always_keep` and `always_remove` are the user's own and beat all else; `*` in them stands for any letters.
    """

    name: str
    title: str = ""
    keep: Patterns = Patterns()
    remove: Patterns = Patterns()
    constant: Patterns = Patterns()
    count: Mapping[str, str] = field(default_factory=dict)
    always_keep: tuple[str, ...] = ()
    always_remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TagDecision:
    """What the rules do with one tag, and which line of them decided."""

    tag: str
    kept: bool
    because: str


def load_rules(
    name: str = "ours", extra: Sequence[Path] = (), *, keep: Iterable[str] = (), remove: Iterable[str] = ()
) -> TagRules:
    """A rule set by name, with the user's own tags; `extra` are folders of a user's own library.

    Raises UnknownName, BadFile for a broken file, BadRequest for a tag that is both kept and removed.
    """
    rules = find_on(SHELF, TagRules, name, extra, called="tag rules")
    kept = (*rules.always_keep, *(spelled(tag) for tag in keep))
    removed = (*rules.always_remove, *(spelled(tag) for tag in remove))
    both = sorted(set(kept) & set(removed))
    if both:
        raise BadRequest(f"The tag {both[0]!r} cannot be both kept and removed.", hint="Leave one of the two out.")
    return replace(rules, always_keep=kept, always_remove=removed)


def rule_sets(extra: Sequence[Path] = ()) -> tuple[str, ...]:
    """The names of all rule sets."""
    return names_on(SHELF, extra)


def spelled(tag: str) -> str:
    """`Long hair ` → `long_hair`: the one spelling in which tags are compared."""
    return "_".join(tag.strip().lower().replace("_", " ").split())


def decide(tag: str, rules: TagRules, constant: Collection[str] = ()) -> TagDecision:
    """Whether `tag` is circumstance (kept) or identity (removed). `constant` (see below) counts as identity."""
    name = spelled(tag)
    for pattern in rules.always_keep:
        if fnmatchcase(name, pattern):
            return TagDecision(name, True, f"always keep: '{pattern}'")
    for pattern in rules.always_remove:
        if fnmatchcase(name, pattern):
            return TagDecision(name, False, f"always remove: '{pattern}'")
    if name in constant:
        return TagDecision(name, False, f"{rules.name}, constant: on every photo")
    kept = rules.keep.match(name)
    if kept:
        return TagDecision(name, True, f"{rules.name}, keep: {kept}")
    removed = rules.remove.match(name)
    if removed:
        return TagDecision(name, False, f"{rules.name}, remove: {removed}")
    return TagDecision(name, True, f"{rules.name}: no rule knows it, so it is circumstance")


def split(
    tags: Iterable[str], rules: TagRules, constant: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(circumstance, identity), each in the given order, without repeats."""
    names = [name for name in dict.fromkeys(spelled(tag) for tag in tags) if name]
    decisions = [decide(name, rules, constant) for name in names]
    return tuple(d.tag for d in decisions if d.kept), tuple(d.tag for d in decisions if not d.kept)


@dataclass(frozen=True, slots=True)
class ExplainedTag:
    """What becomes of one tag of a set: kept or removed, by which rule, on how many of the `photos`."""

    tag: str
    kept: bool
    because: str
    times: int
    photos: int


def explain(tag_lists: Sequence[Sequence[str]], rules: TagRules) -> tuple[ExplainedTag, ...]:
    """Every tag of a set, the removed ones first, then by how often it occurs, then by the alphabet."""
    named = [dict.fromkeys(name for name in map(spelled, tags) if name) for tags in tag_lists]
    constant = constant_tags([tuple(names) for names in named], rules)
    times = Counter(name for names in named for name in names)
    decisions = [decide(name, rules, constant) for name in times]
    explained = [ExplainedTag(d.tag, d.kept, d.because, times[d.tag], len(tag_lists)) for d in decisions]
    return tuple(sorted(explained, key=lambda one: (one.kept, -one.times, one.tag)))


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


def caption(told: Description, trigger: str, class_word: str, rules: TagRules, constant: Collection[str] = ()) -> str:
    """One training caption: `ohwx woman, 1girl, solo, smile, red shirt`. Identity is gone, underscores are spaces.

    A sentence is not pruned: it stands behind trigger and class word as it is.
    """
    if told.sentence:
        return f"{subject(trigger, class_word)}, {told.sentence}"
    kept, _ = split(told.tags, rules, constant)
    return ", ".join([subject(trigger, class_word), *(spoken(tag) for tag in kept)])


def spoken(tag: str) -> str:
    """`long_hair` → `long hair`; faces made of signs (`^_^`, `o_o`) stay as they are."""
    return tag if len(tag) <= 3 else tag.replace("_", " ")


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
