"""Who describes the photos: what the facts say of rendered people, and when `auto` believes a tagger."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from portraitist.captions import describe as d
from portraitist.captions.tagger import Tagger
from portraitist.errors import BadRequest, UnfitModel
from portraitist.faces import Face, Faces
from portraitist.types import Picture
from tests.people import faces, person

__all__ = ["faces"]
CROP = np.zeros((8, 8, 3), np.uint8)


class SureTagger(Tagger):
    """Says the same of every picture."""

    def __init__(self, scores: dict[str, float]) -> None:
        super().__init__(None, tuple(scores))
        self.fixed = scores

    def scores(self, pictures: Sequence[Picture], batch: int = 16) -> list[dict[str, float]]:
        return [self.fixed for _ in pictures]


SURE = SureTagger({"1girl": 0.99, "smile": 0.97, "hat": 0.01, "portrait": 0.99})
UNSURE = SureTagger({"1girl": 0.6, "smile": 0.4, "hat": 0.3, "portrait": 0.99})


def test_auto_believes_a_sure_tagger_only() -> None:
    assert d.choose_captioner("auto", SURE, [CROP]).name == "tagger"
    assert d.choose_captioner("auto", UNSURE, [CROP]).name == "facts"
    assert d.choose_captioner("auto", None, [CROP]).name == "facts"


def test_what_the_user_chooses_is_taken() -> None:
    assert d.choose_captioner("tagger", UNSURE, [CROP]).name == "tagger"
    assert d.choose_captioner("none", SURE, [CROP]).name == "none"
    with pytest.raises(BadRequest, match="poet"):
        d.choose_captioner("poet", SURE, [CROP])
    with pytest.raises(UnfitModel, match="tagger"):
        d.choose_captioner("tagger", None, [CROP])


@pytest.fixture(scope="session")
def found(faces: Faces) -> tuple[Picture, Face]:
    picture = person("a-1")
    return picture, faces.detect(picture)[0]


def test_tagger_says_the_surest_first_and_leaves_framing_out(found: tuple[Picture, Face]) -> None:
    assert d.TaggerCaptioner(SURE).describe(*found[:1], CROP, found[1]).tags == ("1girl", "smile")


@pytest.mark.parametrize(
    ("angles", "tag"),
    [({"yaw": 30.0}, "facing_right"), ({"yaw": -30.0}, "facing_left"), ({"pitch": 20.0}, "looking_up"),
     ({"pitch": -20.0}, "looking_down"), ({"roll": -15.0}, "head_tilt")],
)  # fmt: skip
def test_facts_tell_the_pose(found: tuple[Picture, Face], angles: dict[str, float], tag: str) -> None:
    level = replace(found[1], yaw=0.0, pitch=0.0, roll=0.0)
    facts = d.FactsCaptioner()
    assert tag in facts.describe(found[0], CROP, replace(level, **angles)).tags
    assert tag not in facts.describe(found[0], CROP, level).tags


def test_facts_tell_light_and_greyness(found: tuple[Picture, Face]) -> None:
    picture, face = found
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert "monochrome" in d.FactsCaptioner().describe(grey, CROP, face).tags
    lit = picture.copy()
    lit[:, : round(face.box.centre[0])] //= 3
    tags = d.FactsCaptioner().describe(lit, CROP, face).tags
    assert "side_light" in tags and "monochrome" not in tags
