"""What is told of a request, and what is refused, at every door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portraitist.errors import Denied
from portraitist.faces import Faces
from portraitist.images import read_picture, read_request, save_png
from portraitist.portraying import portrait_sitter
from portraitist.requests import PortraitRequest, from_data, to_json
from portraitist.settings import load_settings
from tests.commands.calling import call
from tests.commands.drawn_sitter import put_sitter
from tests.commands.tiny_home import home, own_home

Capture = pytest.CaptureFixture[str]
__all__ = ["home", "own_home"]


@pytest.fixture(scope="module", autouse=True)
def sitters(home: Path, tiny_base: Path, faces: Faces) -> None:
    put_sitter(home, tiny_base, faces, "mia")
    put_sitter(home, tiny_base, faces, "tim", "boy")


def asked(capsys: Capture, *options: object, sitter: str = "mia") -> tuple[int, dict[str, object]]:
    code = call("portrait", "--sitter", sitter, *options, "--json")
    return code, json.loads(capsys.readouterr().out)


def test_warnings_are_told_before_and_after_the_picture(tmp_path: Path, capsys: Capture) -> None:
    words = ("--prompt", "ohwx woman, smile, 微笑", "--negative", "(smile:1.2)", "--size", "128x128", "-n", "1")
    _, plan = asked(capsys, *words, "--dry-run")
    code, made = asked(capsys, *words, "--out", tmp_path)
    told = [{"unread_language", "negative_repeats", "large"} & {one["code"] for one in answer["warnings"]}  # type: ignore[attr-defined]
            for answer in (plan, made)]  # fmt: skip
    assert code == 0 and told == [{"unread_language", "negative_repeats", "large"}] * 2
    assert call("portrait", "--sitter", "mia", *words, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "微笑 is å ¾ ® ç ¬ ĳ" in said and "takes them back: smile" in said


def test_refused_words_leave_nothing_behind(home: Path, tmp_path: Path, capsys: Capture) -> None:
    out, file = tmp_path / "made", tmp_path / "asked.toml"
    file.write_text('sitter = "mia"\nprompt = "(n4ked:1.2) on a sofa"\n')
    for options in (("--prompt", "ohwx woman, n u d e"), ("--request", file), ("--request", file, "--dry-run"),
                    ("--prompt", "smile", "--lora", "nude")):  # fmt: skip
        code, answer = asked(capsys, *options, "--out", out)
        assert code == 2 and answer["error"]["code"] == "denied", options  # type: ignore[index]
    code, answer = asked(capsys, "--prompt", "ohwx in a bikini", "--out", out, sitter="tim")
    assert "'bikini' beside 'boy'" in answer["error"]["message"]  # type: ignore[index]
    assert not out.exists() and not (home / "sitters" / "mia" / "portraits").exists()


def test_the_negative_and_a_child_at_school_are_drawn(tmp_path: Path, capsys: Capture) -> None:
    code, _ = asked(
        capsys,
        "--prompt",
        "school uniform, smile",
        "--negative",
        "nsfw, nude",
        "-n",
        "1",
        "--out",
        tmp_path,
        sitter="tim",
    )
    assert code == 0 and len(list(tmp_path.glob("*.png"))) == 1


def test_a_picture_of_refused_words_is_not_made_again(tmp_path: Path, capsys: Capture) -> None:
    _, answer = asked(capsys, "--prompt", "ohwx woman, smile", "-n", "1", "--out", tmp_path)
    file = tmp_path / answer["portraits"][0]["file"]  # type: ignore[index]
    request = from_data(PortraitRequest, read_request(file))
    text = to_json(request).replace("smile", "topless")
    save_png(tmp_path / "other.png", read_picture(file), {"portraitist": text})
    assert call("portrait", "--again", tmp_path / "other.png", "--out", tmp_path / "again", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "denied" and not (tmp_path / "again").exists()


def test_the_function_refuses_too_and_a_setting_switches_it_off(
    home: Path, tmp_path: Path, faces: Faces, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    request = PortraitRequest("mia", prompt="ohwx woman, topless")
    with pytest.raises(Denied, match="'topless'"):
        portrait_sitter(request, load_settings(), faces, out=tmp_path / "made")
    (home / "portraitist.toml").write_text("deny_list = false\n")
    try:
        assert asked(capsys, "--prompt", "ohwx woman, topless", "--dry-run")[0] == 0
        assert asked(capsys, "--prompt", "ohwx, topless", "--dry-run", sitter="tim")[0] == 2
    finally:
        (home / "portraitist.toml").unlink()


def test_a_refused_style_is_unfit_undrawn_and_stops_a_training(home: Path, tmp_path: Path, capsys: Capture) -> None:
    call("styles", "add", "pool", "--prompt", "{sitter} in a bikini", "--title", "Pool", "--json")
    assert "For a child the prompt is refused for 'bikini' beside 'girl'" in capsys.readouterr().out
    assert call("styles", "add", "pool", "--prompt", "{sitter} in a bikini", "--title", "Pool", "--suits", "woman") == 0
    place = home / "library" / "styles" / "pool" / "style.toml"
    place.write_text(place.read_text().replace("bikini", "bikini, nude") + "shown = true\n")
    capsys.readouterr()
    try:
        assert asked(capsys, "--style", "pool", "--dry-run")[1]["error"]["code"] == "denied"  # type: ignore[index]
        assert call("styles", "check", "pool", "--json") == 2
        assert json.loads(capsys.readouterr().out)["findings"][0]["code"] == "denied"
        assert call("styles", "preview", "pool", "--base", "tiny", "--out", tmp_path / "p.jpg", "--json") == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "denied"
        assert call("train", tmp_path, "--sitter", "zoe", "--base", "tiny", "--json") == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "denied"
    finally:
        place.unlink()
