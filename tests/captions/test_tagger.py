"""The tagger says a score for each of its tags, whatever the picture's size, and refuses what is no tagger."""

from pathlib import Path

import numpy as np
import pytest

from portraitist.captions.tagger import SIDE, Tagger, chosen, square
from portraitist.errors import MissingModel, UnfitModel


@pytest.fixture(scope="module")
def tagger(tiny_base: Path) -> Tagger:
    return Tagger.load(tiny_base / "tagger")


def picture(width: int, height: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_scores_lie_between_0_and_1_for_every_tag(tagger: Tagger) -> None:
    rows = tagger.scores([picture(64, 64), picture(300, 200)])
    assert [tuple(row) for row in rows] == [tagger.names] * 2
    assert "black_hair" in tagger.names
    assert all(0 <= score <= 1 for row in rows for score in row.values())


def test_a_pictures_scores_do_not_depend_on_its_company(tagger: Tagger) -> None:
    alone = tagger.scores([picture(256, 256, 5)])[0]
    among = tagger.scores([picture(256, 256, seed) for seed in range(6)], batch=4)[5]
    assert list(alone.values()) == pytest.approx(list(among.values()), abs=1e-5)


def test_tags_are_those_from_the_threshold_on_surest_first() -> None:
    assert chosen({"hat": 0.5, "smile": 0.9, "solo": 0.49}) == ("smile", "hat")
    assert chosen({"hat": 0.5, "solo": 0.49}, threshold=0.6) == ()


def test_a_tall_picture_is_shown_whole_between_repeated_edges() -> None:
    tall = np.zeros((300, 100, 3), np.uint8)
    tall[:, 0], tall[:, -1] = (255, 0, 0), (0, 0, 255)
    seen = square(tall)
    assert seen.shape == (SIDE, SIDE, 3)
    assert seen[10, 2].tolist() == [255, 0, 0]
    assert seen[10, -3].tolist() == [0, 0, 255]


def test_a_missing_tagger_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match=r"no config\.json"):
        Tagger.load(tmp_path)


def test_a_damaged_tagger_is_refused(tmp_path: Path, tiny_base: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny_base / "tagger" / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00nonsense")
    with pytest.raises(UnfitModel, match="cannot be loaded"):
        Tagger.load(tmp_path)
