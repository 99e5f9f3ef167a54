"""From a style to a request: the words of the look, the sitter's name in them, the style's own numbers.

What the user gives beats the style, the style beats the recipe, and what is still open the base decides later.
"""

from __future__ import annotations

from dataclasses import replace

from portraitist.recipes import Base, Recipe, Style
from portraitist.requests import PortraitRequest

SLOT = "{sitter}"


def with_style(
    request: PortraitRequest, style: Style | None, subject: str, base: Base, recipe: Recipe | None = None
) -> PortraitRequest:
    """The request with prompt, negative and numbers filled from `style`. `subject` is trigger and class word.

    A prompt of the user's own gets the subject in front where it does not speak of it. A request that has both a style
    and a prompt was filled before and stays as it is.
    """
    if request.style is not None and request.prompt is not None:
        return request
    prompt = style.prompt if style is not None and request.prompt is None else request.prompt or SLOT
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
