"""`check`, `setup` and `doctor` from outside: documents, exit codes, nothing half-written."""

import json
from pathlib import Path

import pytest

from portraitist import api
from portraitist.commands.check import parse_point
from portraitist.errors import BadRequest
from portraitist.faces import Faces
from portraitist.images import save_jpeg, to_pil
from portraitist.settings import load_settings
from tests.commands.calling import call
from tests.people import person

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAITIST_MODELS", str(load_settings().models_folder))
    monkeypatch.setenv("PORTRAITIST_HOME", str(tmp_path / "home"))


def test_good_photos_end_with_0(faces: Faces, sitter: list[Path], capsys: Capture) -> None:
    assert call("check", *sitter[:3], "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [photo["verdict"] for photo in document["photos"]] == ["accepted"] * 3
    assert set(document["photos"][0]["face"]) == {"box", "yaw", "pitch", "roll", "distance"}


def test_a_folder_of_two_good_photos_ends_with_2_and_still_answers(
    faces: Faces, sitter: list[Path], tmp_path: Path, capsys: Capture
) -> None:
    for path in sitter[:2]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "zz.jpg").write_text("no picture")
    assert call("check", tmp_path, "--json") == 2
    document = json.loads(capsys.readouterr().out)
    assert [photo["verdict"] for photo in document["photos"]] == ["accepted", "accepted", "rejected"]
    assert document["warnings"][0]["code"] == "too_few_photos"
    assert call("check", tmp_path) == 2
    said = capsys.readouterr().out
    assert "2 of 3 photos are accepted" in said and "zz.jpg" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gone",), "gone"),
        (("{tmp}",), "no photo"),
        (("{tmp}", "--face", "left"), "left"),
        (("{tmp}", "--kind", "teapot"), "teapot"),
        (("{tmp}", "--kind", "pet", "--crop", "1,2,3"), "1,2,3"),
        (("{tmp}", "--crop", "1,2,3,4"), "--crop is for pets"),
        (("{tmp}", "--faces", "yolo"), "yolo"),
        (("{tmp}", "--sitter", "Nobody"), "Nobody"),
        (("{tmp}", "--out", "{tmp}/file/out"), "file"),
    ],
)
def test_bad_input_is_one_sentence(
    faces: Faces, tmp_path: Path, capsys: Capture, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "file").write_text("")
    assert call("check", *(argument.replace("{tmp}", str(tmp_path)) for argument in arguments)) == 2
    said = capsys.readouterr()
    assert words in said.err and "Traceback" not in said.err and said.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_out_holds_the_report_and_the_crops(faces: Faces, sitter: list[Path], tmp_path: Path, capsys: Capture) -> None:
    assert call("check", *sitter[:3], "--out", tmp_path / "out") == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["01-a-1.jpg", "02-a-3.jpg", "03-a-4.jpg", "check.jpg", "check.json"]
    assert len(json.loads((tmp_path / "out" / "check.json").read_text())["photos"]) == 3


def test_missing_models_end_with_3_and_name_the_command(
    sitter: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("PORTRAITIST_MODELS", str(tmp_path / "none"))
    assert call("check", *sitter) == 3
    assert "portraitist setup" in capsys.readouterr().err
    monkeypatch.setenv("PORTRAITIST_OFFLINE", "1")
    assert call("setup", "--json") == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "fetch_failed"
    assert call("doctor") == 3
    assert "portraitist setup" in capsys.readouterr().out


def test_setup_finds_everything_there(faces: Faces, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAITIST_OFFLINE", "1")
    assert call("setup", "--json") == 0
    assert json.loads(capsys.readouterr().out)["fetched"] == []


def test_doctor_looks_at_the_parts(faces: Faces, capsys: Capture) -> None:
    assert call("doctor", "--json") in (0, 3, 4)
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["torch"]["ok"] and checks["face models"]["ok"] and checks["device"]["found"]
    assert all(check["mend"] for check in checks.values() if not check["ok"])


def test_the_function_takes_paths_and_pictures(faces: Faces, sitter: list[Path], tmp_path: Path) -> None:
    report = api.check([sitter[0], str(sitter[1]), to_pil(person("a-4"))])
    assert [photo.verdict for photo in report.photos] == ["accepted"] * 3
    import portraitist

    assert portraitist.check is api.check
    assert not api.check([save_jpeg(tmp_path / "x.jpg", person("a-1"))]).enough


def test_points() -> None:
    assert parse_point(None) is None
    assert parse_point("0.5,0.25") == (0.5, 0.25)
    for text in ("", "1", "1,2,3", "nan,1", "-1,2"):
        with pytest.raises(BadRequest):
            parse_point(text)
