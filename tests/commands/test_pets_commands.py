"""A pet goes the whole way of a photo, on a base of a few kilobytes."""

import json
from pathlib import Path

import pytest

from benchmarks.pets_draw import draw
from portraitist.faces import Faces
from portraitist.images import fit, save_jpeg
from tests.commands.calling import call
from tests.commands.tiny_home import home, own_home

Capture = pytest.CaptureFixture[str]
__all__ = ["home", "own_home"]


def test_a_pet_goes_the_whole_way(faces: Faces, tmp_path: Path, capsys: Capture) -> None:
    for number in range(4):
        save_jpeg(tmp_path / f"{number}.jpg", fit(draw(number, 3).picture, 320)[0], made=False)
    assert call("check", tmp_path, "--kind", "pet", "--json") == 0
    photos = json.loads(capsys.readouterr().out)["photos"]
    assert all(photo["face"] is None and photo["subject"][2] > 64 for photo in photos)
    arguments = ("--kind", "pet", "--class", "cat", "--base", "tiny", "--portraits", "0", "--json")
    assert call("train", tmp_path, "--sitter", "tom", *arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["likeness"]["score"] is None and "pet" in report["likeness"]["reason"]
    assert set(report["captions"].values()) == {"ohwx cat"} and report["held_out"] == []
    assert call("portrait", "--sitter", "tom", "--prompt", "smile", "-n", "1", "--out", tmp_path / "made") == 0
    assert len(list((tmp_path / "made").glob("*.png"))) == 1
