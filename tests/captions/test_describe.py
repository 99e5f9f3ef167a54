"""Who describes the photos: what the facts say of rendered people, and when `auto` believes a tagger."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from portraitist.captions import describe as d
from portraitist.captions.facts import FactsCaptioner, framing_of
from portraitist.captions.named import choose_captioner
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
    assert choose_captioner("auto", SURE, [CROP]).name == "tagger"
    assert choose_captioner("auto", UNSURE, [CROP]).name == "facts"
    assert choose_captioner("auto", None, [CROP]).name == "facts"


def test_what_the_user_chooses_is_taken() -> None:
    assert choose_captioner("tagger", UNSURE, [CROP]).name == "tagger"
    assert choose_captioner("none", SURE, [CROP]).name == "none"
    with pytest.raises(BadRequest, match="poet"):
        choose_captioner("poet", SURE, [CROP])
    with pytest.raises(UnfitModel, match="tagger"):
        choose_captioner("tagger", None, [CROP])


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
    facts = FactsCaptioner()
    assert tag in facts.describe(found[0], CROP, replace(level, **angles)).tags
    assert tag not in facts.describe(found[0], CROP, level).tags


def test_facts_tell_light_and_greyness(found: tuple[Picture, Face]) -> None:
    picture, face = found
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert "monochrome" in FactsCaptioner().describe(grey, CROP, face).tags
    lit = picture.copy()
    lit[:, : round(face.box.centre[0])] //= 3
    tags = FactsCaptioner().describe(lit, CROP, face).tags
    assert "side_light" in tags and "monochrome" not in tags


def beside(picture: Picture, face: Face) -> tuple[Picture, Face]:
    """The photo with as much again on its left."""
    width = picture.shape[1]
    moved = replace(face.box, x=face.box.x + width)
    return np.pad(picture, ((0, 0), (width, 0), (0, 0))), replace(face, box=moved)


def test_facts_tell_an_even_background_and_its_colour(found: tuple[Picture, Face]) -> None:
    picture, face = beside(*found)
    head = np.zeros(picture.shape[:2], bool)
    head[:, round(face.box.x - 0.5 * face.box.width) : round(face.box.x + 1.5 * face.box.width)] = True
    colours = {"white": (250, 250, 250), "blue": (40, 60, 200), "black": (5, 5, 5), "grey": (120, 122, 119)}
    for tag, colour in colours.items():
        plain = np.where(head[..., None], picture, np.uint8(colour)).astype(np.uint8)
        assert {"simple_background", f"{tag}_background"} <= set(FactsCaptioner().describe(plain, CROP, face).tags)
        words = FactsCaptioner("facts-words", words=True).describe(plain, CROP, face).sentence
        assert f"in front of a {tag} background" in words
    noise = np.random.default_rng(0).integers(0, 256, picture.shape, dtype=np.uint8)
    busy = np.where(head[..., None], picture, noise)
    assert not any("background" in tag for tag in FactsCaptioner().describe(busy, CROP, face).tags)


def test_facts_tell_dim_light_and_framing(found: tuple[Picture, Face]) -> None:
    picture, face = found
    assert "dim_light" in FactsCaptioner().describe(picture // 6, CROP, face).tags
    assert "dim_light" not in FactsCaptioner().describe(picture, CROP, face).tags
    wide = np.pad(picture, ((0, 4 * picture.shape[0]), (0, 0), (0, 0)))
    assert framing_of(wide, face) == "upper_body"
    told = FactsCaptioner(framing=True).describe(wide, CROP, face).tags
    assert told[-1] == "upper_body" and "upper_body" not in FactsCaptioner().describe(wide, CROP, face).tags
