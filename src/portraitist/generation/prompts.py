"""Prompts as people write them, made ready for a text encoder. Knows no network.

Plain words for now: brackets are not weights, they stay as they are. `<lora:name:1>` is taken out, because a text
encoder would read it as ten words.
"""

import re

from portraitist.errors import BadRequest

MAX_LETTERS = 4000

_LORA = re.compile(r"<(?:lora|lyco|hypernet):[^<>]*>", re.IGNORECASE)


def clean(prompt: str) -> str:
    """One line, single spaces, no empty parts between commas, no `<lora:…>`. Raises BadRequest if it is too long."""
    if len(prompt) > MAX_LETTERS:
        raise BadRequest(f"The prompt has {len(prompt)} letters; at most {MAX_LETTERS} are taken.")
    parts = (" ".join(part.split()) for part in _LORA.sub("", prompt).split(","))
    return ", ".join(part for part in parts if part)
