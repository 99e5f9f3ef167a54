"""Finishing steps from words, as they stand on a command line. Knows the grammar; what a step can do says `steps`."""

from __future__ import annotations

import re
from math import isfinite

from portraitist.errors import BadRequest, PortraitistError, UnknownName
from portraitist.finishing.steps import STEPS, checked
from portraitist.requests import FinishRequest, FinishStep


def parse(text: str) -> tuple[FinishStep, ...]:
    """Steps of words such as `retouch:0.5,upscale:scale=2:name=lanczos`, complete: a number is the strength, `\\,` is a
    comma that separates nothing.

    Raises UnknownName, BadRequest and what else `steps.checked` raises, each with the column.
    """
    steps: list[FinishStep] = []
    start = 1
    for whole in re.split(r"(?<!\\),", text):
        column = start + len(whole) - len(whole.lstrip())
        start += len(whole) + 1
        try:
            step = _step(whole.strip().replace("\\,", ","))
            steps += checked(FinishRequest((step,)))
        except PortraitistError as error:
            error.message = f"{error.message.removesuffix('.')} (column {column} of the steps)."
            error.args = (error.message,)
            raise
    return tuple(steps)


def _step(word: str) -> FinishStep:
    name, *parts = word.split(":")
    if not name:
        raise BadRequest("No step is named.", hint=f"Name one of {', '.join(STEPS)}, such as retouch:0.5,upscale")
    if name not in STEPS:
        raise UnknownName("finishing step", name, STEPS)
    strength, settings, last = STEPS[name].strength, dict[str, str | float](), ""
    for part in parts:
        key, sign, value = part.partition("=")
        if sign:
            settings[key], last = _number(value), key
        elif isinstance(number := _number(part), float):
            strength = number
        elif last:  # a path may have a colon in it
            settings[last] = f"{settings[last]}:{part}"
        else:
            raise BadRequest(
                f"{part!r} in {word!r} is neither a strength nor a setting.",
                hint="Write a number from 0 to 1, or key=value: retouch:0.5:teeth=0",
            )
    return FinishStep(name, strength, settings)


def _number(text: str) -> str | float:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if isfinite(value) else text
