"""Whether a style is fit for use: its slots, its words for everybody, its LoRA, its numbers, its length.

Reads TOML and counts tokens; draws nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from portraitist.errors import BadFile, BadRequest, UnknownName
from portraitist.families import vocabulary
from portraitist.families.parts import configs_of
from portraitist.generation.denied import DenyList, denial_of, load_deny_list
from portraitist.generation.prompts import check_asked
from portraitist.generation.samplers import webui_names
from portraitist.generation.styled import CLASS_SLOT, SLOT, SLOTS, meant_for, on_base, worded
from portraitist.recipes import Base, Group, Style, StyleOn, find_all
from portraitist.types import Strict
from portraitist.weights import resolve

CLIP_FAMILY = "sd15"
_SIDE = 8  # pixels of a picture for one of the latents', in every family
_SUBJECTS = ("ohwx woman", "ohwx man", "ohwx girl", "ohwx cat", "ohwx person")
_OF_GROUP: Mapping[Group, str] = {
    "woman": "ohwx woman", "man": "ohwx man", "child": "ohwx girl", "pet": "ohwx cat"
}  # fmt: skip
_SAID = re.compile(r"[\w'-]+")

_FEMALE = (
    "woman", "women", "girl", "girls", "1girl", "lady", "ladies", "female", "feminine", "she", "her", "hers",
    "queen", "princess", "goddess", "bride", "actress", "heroine", "mermaid", "ballerina", "breasts", "cleavage",
)  # fmt: skip
_MALE = (
    "man", "men", "1boy", "gentleman", "gentlemen", "guy", "male", "masculine", "he", "him", "his", "king", "prince",
    "groom", "actor", "beard", "bearded", "moustache", "mustache",
)  # fmt: skip
_YOUNG = ("boy", "boys", "child", "children", "kid", "kids", "baby", "toddler")
_GENDERED = {"woman": _FEMALE, "man": _MALE, "child": _YOUNG}


@dataclass(frozen=True)
class Finding(Strict):
    """Something about a style. An `error` makes it unfit, a `warning` is worth a look; `place` is the key."""

    style: str
    level: Literal["error", "warning"]
    code: str
    place: str
    message: str


class Tokenizers:
    """The tokenizers by their folder, each loaded once; for a check of many styles. `embedded` are the bases that come
    with the package."""

    def __init__(self) -> None:
        self.embedded = tuple(base for base in find_all(Base) if base.source.startswith("package:"))
        self._held: dict[Path, Mapping[str, Any]] = {}

    def of(self, folder: Path) -> Mapping[str, Any]:
        """Those of the base or family in `folder`. Raises MissingModel or UnfitModel."""
        if folder not in self._held:
            self._held[folder] = vocabulary.load_tokenizers(folder)
        return self._held[folder]


def check_file(
    file: Path,
    read: Style | BadFile,
    folders: Sequence[Path] = (),
    tokenizers: Tokenizers | None = None,
    denied: DenyList | None = None,
) -> tuple[Finding, ...]:
    """The findings about a file, also where it could not be read."""
    if isinstance(read, BadFile):
        return (Finding(file.parent.name or str(file), "error", "unreadable", str(file), read.message),)
    return check_style(read, (file.parent, *folders), tokenizers, denied)


def check_style(
    style: Style,
    folders: Sequence[Path] = (),
    tokenizers: Tokenizers | None = None,
    denied: DenyList | None = None,
) -> tuple[Finding, ...]:
    """All findings about a style, errors first. `folders` are where its LoRA may lie, `denied` the deny-list (None: the
    package's)."""
    found = [
        *_slots(style),
        *_syntax(style),
        *_denied(style, denied or load_deny_list()),
        *_gendered(style),
        *_groups(style),
        *_negatives(style),
        *_numbers(style),
        *_loras(style, folders),
        *_lengths(style, tokenizers or Tokenizers()),
        *_titles(style),
    ]
    return tuple(sorted(found, key=lambda finding: finding.level))


def _prompts(style: Style) -> Iterator[tuple[str, str, str]]:
    """(key, prompt, negative) of the style, and of each base that has words of its own."""
    yield "prompt", style.prompt, style.negative
    for name, own in style.on.items():
        if own.prompt is not None or own.negative is not None:
            negative = style.negative if own.negative is None else own.negative
            yield f"on.{name}.prompt", own.prompt or style.prompt, negative


def _parts(style: Style) -> Iterator[tuple[str, Style | StyleOn]]:
    """(how its keys begin, part): the style, and what it says of each base."""
    yield "", style
    yield from ((f"on.{name}.", own) for name, own in style.on.items())


def _slots(style: Style) -> Iterator[Finding]:
    for place, prompt, _ in _prompts(style):
        if SLOT not in prompt:
            text = f"The prompt does not say where the sitter stands: {SLOT} is missing."
            yield Finding(style.name, "error", "no_slot", place, text)
        for slot in SLOTS.findall(prompt):
            if "{" + slot + "}" not in (SLOT, CLASS_SLOT) and slot not in style.words:
                text = f"There are no words for {{{slot}}}: write [words.{slot}]."
                yield Finding(style.name, "error", "unknown_slot", place, text)
    said = " ".join(prompt for _, prompt, _ in _prompts(style))
    for slot in style.words:
        if "{" + slot + "}" not in said:
            yield Finding(style.name, "warning", "unused_words", f"words.{slot}", f"No prompt has the slot {{{slot}}}.")


def _syntax(style: Style) -> Iterator[Finding]:
    """Brackets and `<lora:…>` that cannot be read, as they would be told of when somebody asks for the style."""
    for place, prompt, negative in _prompts(style):
        try:
            check_asked(prompt, negative)
        except BadRequest as error:
            yield Finding(style.name, "error", "bad_prompt", place, error.message)


def _gendered(style: Style) -> Iterator[Finding]:
    """Words of one group in what is said of all."""
    for place, prompt, _ in _prompts(style):
        said = {word.lower() for word in _SAID.findall(prompt)}
        for group, words in _GENDERED.items():
            hit = sorted(said & set(words))
            if hit and set(style.suits) != {group}:
                others = ", ".join(one for one in style.suits if one != group)
                text = f"{hit[0]!r} speaks of a {group}, and the style is for {others} too: use a slot with words."
                yield Finding(style.name, "warning", "gendered", place, text)


def _denied(style: Style, denied: DenyList) -> Iterator[Finding]:
    """What the deny-list refuses, for one group that the style suits or for all."""
    for place, prompt, _ in _prompts(style):
        for group in style.suits:
            who = _OF_GROUP[group]
            found = denial_of(worded(replace(style, prompt=prompt), who).replace(SLOT, who), denied)
            if found is not None:
                text = found.error(f"For a {group} the prompt").message
                yield Finding(style.name, "error", "denied", place, text)


def _groups(style: Style) -> Iterator[Finding]:
    for slot, told in style.words.items():
        missing = [group for group in style.suits if group not in told and "any" not in told]
        if missing:
            text = f"{{{slot}}} says nothing for {', '.join(missing)}: add them, or any."
            yield Finding(style.name, "warning", "group_left_out", f"words.{slot}", text)


def _negatives(style: Style) -> Iterator[Finding]:
    for place, prompt, negative in _prompts(style):
        asked = {part.strip().lower() for part in prompt.split(",")}
        both = sorted(asked & {part.strip().lower() for part in negative.split(",") if part.strip()})
        if both:
            text = f"The negative takes back what the prompt asks for: {', '.join(both)}."
            yield Finding(style.name, "warning", "negative_repeats", place.replace("prompt", "negative"), text)


def _numbers(style: Style) -> Iterator[Finding]:
    for prefix, part in _parts(style):
        limits = (("steps", part.steps, 1, 150), ("cfg", part.cfg, 0, 30), ("strength", part.strength, -2, 2))
        for key, value, low, high in (*limits, ("lora_strength", part.lora_strength, -2, 2)):
            if value is not None and not low <= value <= high:
                text = f"{key} is {value:g}; it must be between {low} and {high}."
                yield Finding(style.name, "error", "bad_number", prefix + key, text)
        if part.size is not None and any(side % _SIDE or not 64 <= side <= 2048 for side in part.size):
            text = f"Both sides of the size are multiples of {_SIDE} from 64 to 2048."
            yield Finding(style.name, "error", "bad_size", prefix + "size", text)
        if part.sampler is not None:
            try:
                webui_names(part.sampler)
            except UnknownName as error:
                yield Finding(style.name, "error", error.code, prefix + "sampler", error.message)


def _loras(style: Style, folders: Sequence[Path]) -> Iterator[Finding]:
    for prefix, part in _parts(style):
        if part.lora is None and part.lora_strength is not None:
            text = "There is a strength and no LoRA."
            yield Finding(style.name, "warning", "no_lora", prefix + "lora_strength", text)
        if part.lora is not None and not part.lora.startswith(("hf:", "civitai:", "modelscope:")):
            ends = (part.lora, f"{part.lora}.safetensors")
            if not any((folder / end).is_file() for folder in (Path(), *folders) for end in ends):
                text = f"The LoRA {part.lora} is not there: put the file beside style.toml."
                yield Finding(style.name, "error", "missing_lora", prefix + "lora", text)


def _lengths(style: Style, tokenizers: Tokenizers) -> Iterator[Finding]:
    """How long the prompt is for whoever needs the most words, by CLIP's tokens and by those of embedded bases."""
    if set(style.bases) != {"mini"}:
        yield from _length(style, "prompt", tokenizers.of(configs_of(CLIP_FAMILY)))
    for base in tokenizers.embedded:
        if base.name in style.on and meant_for(style, base):
            told = on_base(style, base)
            yield from _length(told, f"on.{base.name}.prompt", tokenizers.of(resolve(base.source)))


def _length(style: Style, place: str, tokenizers: Mapping[str, Any]) -> Iterator[Finding]:
    texts = [worded(style, subject).replace(SLOT, subject) for subject in _SUBJECTS]
    readings = [reading for text in texts for reading in vocabulary.read_text(tokenizers, text)]
    longest = max(readings, key=lambda reading: len(reading.ids))
    if len(longest.ids) > longest.room:
        text = f"The prompt has {len(longest.ids)} tokens; the words behind the first {longest.room} count for less."
        yield Finding(style.name, "warning", "long", place, text)


def _titles(style: Style) -> Iterator[Finding]:
    if not style.title:
        yield Finding(style.name, "warning", "no_title", "title", "The style has no title.")
    if not style.suits:
        yield Finding(style.name, "error", "no_group", "suits", "The style suits nobody.")


def worst(findings: Sequence[Finding]) -> bool:
    """Whether a style with these findings is unfit."""
    return any(finding.level == "error" for finding in findings)
