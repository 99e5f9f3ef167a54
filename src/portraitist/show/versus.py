"""The page of a blind comparison: one HTML file with its pictures inside, that asks and counts by a script of its own.

It loads nothing and sends nothing: its security policy allows no other script and no connection at all. Which of the
two a picture belongs to, stands in its data, not on the page, until the result is shown.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from string import Template

from portraitist.images import fit, to_pil
from portraitist.recipes import LIBRARY
from portraitist.types import Picture, Seed

LONGEST, SMALL = 768, 280
"""Pixels of the longer side of a portrait and of a sitter's photo on the page."""


@dataclass(frozen=True)
class Versus:
    """A pair as it is shown; `left` is `a` or `b`."""

    name: str
    a: Picture
    b: Picture
    left: str


def draw_versus(
    names: tuple[str, str], pairs: Sequence[Versus], photos: Sequence[Picture], questions: Sequence[str], seed: Seed
) -> str:
    """The page of `pairs` of the two called `names`; `photos` of the sitter stand beside the question of likeness."""
    drawn = [{"name": one.name, "left": one.left, "a": _inline(one.a, LONGEST), "b": _inline(one.b, LONGEST)}
             for one in pairs]  # fmt: skip
    data = {
        "a": names[0], "b": names[1], "seed": seed, "questions": list(questions), "pairs": drawn,
        "photos": [_inline(photo, SMALL) for photo in photos],
    }  # fmt: skip
    data["id"] = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
    script = (LIBRARY / "page" / "compare.js").read_text(encoding="utf-8")
    template = Template((LIBRARY / "page" / "compare.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape("Which is better? – Portraitist"),
        script_hash="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        script=script,
        data=json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
    )


def _inline(picture: Picture, longest: int) -> str:
    """The picture as a JPEG in a data address; smaller ones are not enlarged, and no words travel along."""
    small = fit(picture, longest)[0] if max(picture.shape[:2]) > longest else picture
    buffer = io.BytesIO()
    to_pil(small).save(buffer, format="JPEG", quality=90, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
