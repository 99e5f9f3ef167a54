"""The benchmark of styles counts a portrait only where all of the style's tags are seen."""

from argparse import Namespace
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from benchmarks import common, styles
from benchmarks.common import Pictures
from mini.tags import TAGS
from portraitist.recipes import Base, find
from portraitist.types import Picture

MINI = find(Base, "mini")


class Seeing:
    """A tagger that sees what the picture's first pixel says: 0 nothing, 1 neon lights, 2 those outdoors."""

    def scores(self, pictures: Sequence[Picture], batch: int = 16) -> list[Mapping[str, float]]:
        seen = ((), ("neon_lights",), ("neon_lights", "outdoors"))
        return [{tag: float(tag in seen[picture[0, 0, 0]]) for tag in TAGS} for picture in pictures]


def test_all_tags_of_a_style_must_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "load_tagger", lambda *_: Seeing())
    pictures = tuple(np.full((4, 4, 3), value, np.uint8) for value in (2, 2, 1, 0))
    columns = {"style": np.zeros(4, int), "number": np.arange(4)}
    drawn = Pictures(pictures, columns, {"styles": ["neon-night"]})
    first, *rest = styles.measure(drawn, Namespace(device="cpu", base=None, styles=[]))
    assert (first["what"], first["value"], first["kept"], first["portraits"]) == ("neon-night", 0.5, False, 4)
    assert first["tags"] == "neon_lights 75%, outdoors 50%"
    assert {row["what"]: row["value"] for row in rest}["styles at 0.85 or above"] == 0


def test_styles_of_other_bases_are_not_drawn() -> None:
    names = {style.name for style in styles.drawn_by(MINI)}
    assert len(names) >= 40 and "studio" in names and "hanfu" not in names
    assert [style.prompt.split(", ")[1] for style in styles.drawn_by(MINI, ["oil"])] == ["solo"], "in mini's own words"


def test_people_in_words_are_of_both_genders_and_measuring_sitters() -> None:
    subjects = [one.subject.split(",")[0] for one in styles.told(16)]
    assert {"woman", "man"} <= set(subjects)
    assert styles.told(16) == styles.told(16) and styles.FIRST >= 1_000_000
