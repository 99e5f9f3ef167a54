"""The yardsticks measure what they say: pairs, F1, areas, the judge, and pictures that travel between machines."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import base, common, renderer, tagger
from benchmarks.judge import Judge, auc, distances
from mini import people
from mini.tags import TAGS
from portraitist.errors import MissingModel
from portraitist.faces import Faces
from portraitist.images import read_picture

SOURCES = Path(__file__).resolve().parents[2] / "src"


def test_the_judge_knows_a_sitter_from_a_stranger(faces: Faces, sitter: list[Path], stranger: list[Path]) -> None:
    judge = Judge.load(faces=faces)
    rows = judge.embed([read_picture(path) for path in (*sitter, *stranger)])
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(len(rows)))
    mine, theirs = rows[: len(sitter)], rows[len(sitter) :]
    same = [distances(mine[i], mine[k]) for i in range(len(mine)) for k in range(i)]
    other = [distances(one, two) for one in mine for two in theirs]
    assert np.median(same) < np.median(other)


def test_the_judge_says_nothing_without_exactly_one_face(faces: Faces, sitter: list[Path]) -> None:
    one = read_picture(sitter[0])
    rows = Judge.load(faces=faces).embed(
        [np.full((128, 128, 3), 90, np.uint8), np.concatenate([one, one], axis=1), one]
    )
    assert np.isnan(rows[:2]).all()
    assert not np.isnan(rows[2]).any()


def test_a_missing_judge_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match=r"no judge\.json"):
        Judge.load(tmp_path)


def test_no_source_knows_the_benchmarks() -> None:
    files = list(SOURCES.rglob("*.py"))
    assert len(files) > 40
    assert [
        path.name for path in files if "import benchmarks" in (text := path.read_text()) or "from benchmarks" in text
    ] == []


def test_the_area_counts_pairs_in_the_right_order() -> None:
    assert auc(np.array([0.1, 0.2]), np.array([0.3, 0.15])) == pytest.approx(0.75)
    assert auc(np.array([0.5]), np.array([0.5])) == pytest.approx(0.5)
    assert auc(np.array([]), np.array([0.5])) is None


def test_pairs_are_of_one_group_and_leave_out_what_has_no_face() -> None:
    places = np.array([[0.0], [1.0], [5.0], [np.nan], [9.0]])
    same, other = renderer.pairs(places, np.array([7, 7, 8, 8, 9]), np.array([1, 1, 1, 1, 2]))
    assert same.tolist() == [1.0]
    assert sorted(other.tolist()) == [4.0, 5.0]


def test_f1_counts_only_tags_that_enough_pictures_have() -> None:
    truth, said = np.zeros((20, len(TAGS)), bool), np.zeros((20, len(TAGS)), bool)
    truth[:10, 0], said[5:15, 0] = True, True
    truth[:9, 1], said[:9, 1] = True, True
    assert tagger.f1_of(said, truth) == {TAGS[0]: pytest.approx(0.5)}


def test_couples_are_alike_and_strangers() -> None:
    sitters, alike, looks = base.couples(60)
    assert len(set(sitters) | set(alike)) == 120
    assert min(sitters) >= people.MEASURING
    one, two = people.draw(sitters, sitters), people.draw(alike, alike)
    for name in ("gender", "age", "skin", "hair"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert len(set(looks.tolist())) > 3


def test_pictures_travel_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smooth = [np.full((32, 24, 3), 40 * i, np.uint8) for i in range(5)]
    drawn = common.Pictures(tuple(smooth), {"identity": np.arange(5)}, {"speed": 3.5})
    assert len(common.save_pictures(drawn, tmp_path / "p.npz")) == 1
    monkeypatch.setattr(common, "PART", 1200)
    assert len(common.save_pictures(drawn, tmp_path / "p.npz")) > 1
    again = common.load_pictures(tmp_path / "p.npz")
    assert again.facts == {"speed": 3.5}
    assert again.columns["identity"].tolist() == [0, 1, 2, 3, 4]
    assert all(np.abs(one.astype(int) - two).max() <= 2 for one, two in zip(again.pictures, smooth, strict=True))
    monkeypatch.undo()
    common.save_pictures(drawn, tmp_path / "p.npz")
    assert len(common.load_pictures(tmp_path / "p.npz")) == 5


def test_parts_are_measured_one_by_one(tmp_path: Path) -> None:
    given = Namespace(out=tmp_path / "t.json", seed=4)
    common.finish_parts("test", given, {"rules": [common.note("old", 1)], "speed": [common.note("slow", 2)]})
    common.finish_parts("test", Namespace(out=given.out, seed=5), {"rules": [common.note("new", 3)]}, "quiet")
    written = json.loads(given.out.read_text())
    assert [(row["part"], row["what"]) for row in written["rows"]] == [("rules", "new"), ("speed", "slow")]
    assert [written["parts"][part]["seed"] for part in ("rules", "speed")] == [5, 4]
    assert [written["parts"][part]["note"] for part in ("rules", "speed")] == ["quiet", ""]


def test_the_table_is_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [common.bar("faces", 0.979, 0.98), common.bar("nothing", None, 0.5), common.note("pictures", 12)]
    common.finish("test", Namespace(out=tmp_path / "deep" / "t.json", seed=4), rows, "a machine", weights="mini-0")
    written = json.loads((tmp_path / "deep" / "t.json").read_text())
    assert [written[key] for key in ("name", "machine", "seed", "weights")] == ["test", "a machine", 4, "mini-0"]
    assert [row["kept"] for row in written["rows"]] == [False, False, None]
    assert "faces" in capsys.readouterr().out
