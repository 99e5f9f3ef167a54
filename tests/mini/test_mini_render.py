"""`python -m mini.render` writes pictures with their truth, and says in a sentence what it cannot draw."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from mini import people, render
from mini.tags import LOOKS, TAGS

if TYPE_CHECKING:
    from pathlib import Path

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="the renderer is built with g++")


def call(out: Path, *more: str) -> int:
    return render.main(["--identity", "1000007", "--count", "2", "--seed", "3", "--out", str(out), *more])


@needs_compiler
def test_pictures_and_truth_are_written_and_come_again(tmp_path: Path) -> None:
    assert call(tmp_path / "a") == 0
    assert call(tmp_path / "b", "--count", "1") == 0
    document = json.loads((tmp_path / "a" / "truth.json").read_text())
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["000.png", "001.png", "truth.json"]
    first, second = document["pictures"]
    assert first["file"] == "000.png"
    assert set(first) == {"file", "identity", "circumstance", "look", "tags", "caption", "landmarks"}
    assert first["identity"] == second["identity"] != {}
    assert first["circumstance"] != second["circumstance"]
    assert first["look"] == "photo"
    assert set(first["tags"]) <= set(TAGS)
    assert "solo" in first["tags"]
    assert all(0 <= x <= 256 and 0 <= y <= 256 for x, y in first["landmarks"].values())
    with Image.open(tmp_path / "a" / "000.png") as one, Image.open(tmp_path / "b" / "000.png") as again:
        assert one.size == (256, 256)
        assert np.array_equal(np.asarray(one), np.asarray(again))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--look", "crayon"], "--look 'crayon' is not known"),
        (["--count", "0"], "--count is 0"),
        (["--identity", "-4"], "--identity is -4"),
        (["--size", "100x100"], "--size '100x100'"),
        (["--device", "tpu"], "--device 'tpu'"),
    ],
)
def test_a_bad_call_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert call(tmp_path / "out", *more) == 2
    written = capsys.readouterr().err
    assert said in written
    assert written.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("")
    assert call(tmp_path / "out") == 2
    assert "is a file" in capsys.readouterr().err


def test_identity_alone_fixes_identity_and_the_seed_the_rest() -> None:
    drawn = people.draw(np.array([7, 7, 8]), np.array([1, 2, 1]))
    n = len(people.IDENTITY)
    assert np.array_equal(drawn.values[0, :n], drawn.values[1, :n])
    assert not np.array_equal(drawn.values[0, :n], drawn.values[2, :n])
    assert not np.array_equal(drawn.values[0, n:], drawn.values[1, n:])
    assert not np.array_equal(drawn.values[0, n:], drawn.values[2, n:])


def test_each_picture_may_have_a_look_of_its_own() -> None:
    identities, seeds, looks = np.arange(6), np.arange(6) + 3, np.array([0, 1, 0, 5, 7, 1])
    drawn = render.draw_in(identities, seeds, looks)
    assert np.array_equal(drawn.look, looks)
    for i, look in enumerate(looks):
        alone = people.draw(identities[i : i + 1], seeds[i : i + 1], LOOKS[look])
        assert np.array_equal(drawn.values[i], alone.values[0])
        assert np.array_equal(drawn.scene[i], alone.scene[0])
