"""From a style to a request: the words of the look, the sitter's name in them, the style's own numbers.

What the user gives beats the style, the style beats the recipe, and what is still open the base decides later.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace

from portraitist.errors import BadRequest
from portraitist.recipes import Base, Group, Recipe, Style
from portraitist.requests import PortraitRequest

SLOT = "{sitter}"
CLASS_SLOT = "{class}"
SLOTS = re.compile(r"\{(\w+)\}")

_WOMAN, _MAN = ("woman", "lady"), ("man", "gentleman", "guy")
_CHILD, _NOBODY = ("girl", "boy", "child", "kid", "baby", "toddler"), ("person", "people", "someone", "")


def with_style(
    request: PortraitRequest, style: Style | None, subject: str, base: Base, recipe: Recipe | None = None
) -> PortraitRequest:
    """The request with prompt, negative and numbers filled from `style`. `subject` is trigger and class word.

    A prompt of the user's own gets the subject in front where it does not speak of it. A request that has both a style
    and a prompt was filled before and stays as it is.
    """
    if request.style is not None and request.prompt is not None:
        return request
    style = on_base(style, base) if style is not None else None
    told = style is not None and request.prompt is None
    prompt = worded(style, subject) if style is not None and told else request.prompt or SLOT
    return replace(
        request,
        prompt=_named(prompt, subject),
        negative=_negative(request, style, base),
        size=request.size or (style.size if style else None),
        sampler=request.sampler or (style.sampler if style else None),
        steps=request.steps if request.steps is not None else (style.steps if style else None),
        cfg=request.cfg if request.cfg is not None else (style.cfg if style else None),
        clip_skip=request.clip_skip if request.clip_skip is not None or recipe is None else recipe.clip_skip,
        strength=_strength(request, style, recipe),
    )


def meant_for(style: Style, base: Base) -> bool:
    """Whether a style is for a base: among those that it names, if it names any, and none that cannot draw it."""
    if base.name in style.not_for:
        return False
    return not style.bases or base.name in style.bases or base.family in style.bases


def check_meant(style: Style, base: Base) -> None:
    """Raises BadRequest where the style is not for the base."""
    if not meant_for(style, base):
        raise BadRequest(
            f"The style {style.name!r} is not for the base {base.name}, which cannot draw what it asks for.",
            hint=f"portraitist styles list --base {base.name} names those that are.",
            code="style_not_for_base",
        )


def on_base(style: Style, base: Base) -> Style:
    """The style as it is on a base: with what it says otherwise there, or else on the base's family."""
    own = style.on.get(base.name) or style.on.get(base.family)
    if own is None:
        return style
    told = {one.name: getattr(own, one.name) for one in fields(own)}
    return replace(style, **{name: value for name, value in told.items() if value is not None})


def class_of(subject: str) -> str:
    """The class word of a subject: the last word before the first comma (`ohwx woman`, or `woman, 1girl, red hair`)."""
    words = subject.split(",")[0].split()
    return words[-1].lower() if words else ""


def group_of(class_word: str) -> Group | None:
    """Whose words a sitter of a class gets: a word that is no human being's is a pet's; None for a person."""
    if class_word in _NOBODY:
        return None
    named: tuple[tuple[Group, tuple[str, ...]], ...] = (("woman", _WOMAN), ("man", _MAN), ("child", _CHILD))
    return next((group for group, words in named if class_word in words), "pet")


def worded(style: Style, subject: str) -> str:
    """The style's prompt with all slots filled but `{sitter}`; parts between commas that are empty then are gone."""
    class_word = class_of(subject)
    group = group_of(class_word)

    def fill(slot: re.Match[str]) -> str:
        if slot[0] == SLOT:
            return SLOT
        if slot[0] == CLASS_SLOT:
            return class_word
        told = style.words.get(slot[1], {})
        return (told.get(group) if group is not None else None) or told.get("any", "")

    filled = SLOTS.sub(fill, style.prompt)
    if filled == style.prompt:
        return filled
    parts = (" ".join(part.split()) for part in filled.split(","))
    return ", ".join(part for part in parts if part)


def _named(prompt: str, subject: str) -> str:
    if SLOT in prompt:
        return prompt.replace(SLOT, subject)
    trigger = subject.split()[0] if subject.split() else ""
    return prompt if trigger and trigger in prompt.replace(",", " ").split() else f"{subject}, {prompt}"


def _negative(request: PortraitRequest, style: Style | None, base: Base) -> str | None:
    if request.negative is not None or style is None or not style.negative:
        return request.negative
    return ", ".join(part for part in (style.negative, base.negative) if part)


def _strength(request: PortraitRequest, style: Style | None, recipe: Recipe | None) -> float | None:
    if request.strength is not None:
        return request.strength
    if style is not None and style.strength is not None:
        return style.strength
    return recipe.strength if recipe is not None else None
