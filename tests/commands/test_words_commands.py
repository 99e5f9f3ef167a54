"""`captions`, `tags` and `trigger` from outside, on a training set of two photos."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from portraitist.captions.dataset import SetPhoto, read_rows, write_set
from portraitist.faces import Faces
from portraitist.settings import load_settings
from portraitist.store.sitters import SitterRecord, SitterStore
from tests.commands.calling import call
from tests.tiny_captioners import make

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / "library" / "bases").mkdir(parents=True)
    (home / "library" / "bases" / "tiny.toml").write_text(
        f'name = "tiny"\nfamily = "sd15"\nsource = "file:{tiny_base}"\nversion = "1"\nsize = [64, 64]\n'
        'recipe = "short"\n'
    )
    (home / "library" / "recipes").mkdir()
    (home / "library" / "recipes" / "short.toml").write_text(
        'name = "short"\nrank = 2\nvisits_per_photo = 1\ncrops_per_photo = 1\ncheckpoints = 1\n'
    )
    record = SitterRecord(name="anna", trigger="ohwx", class_word="woman", base="tiny", created="now", captioner="wd14")
    folder = SitterStore(home).create(record.model_copy(update={"keep_tags": ("scar",)}))
    crop = np.zeros((8, 8, 3), np.uint8)
    write_set(
        folder.set,
        [
            SetPhoto("a.jpg", "ohwx woman, smile, scar", (crop, crop), ("black_hair", "smile", "scar")),
            SetPhoto("b.jpg", "ohwx woman, hat", (crop,), ("black_hair", "hat")),
        ],
    )
    monkeypatch.setenv("PORTRAITIST_HOME", str(home))
    return home


def captions(home: Path) -> list[str]:
    return [row.caption for row in read_rows(home / "sitters" / "anna" / "set")]


def test_captions_are_shown(home: Path, capsys: Capture) -> None:
    assert call("captions", "show", "anna", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["text"] for one in shown["photos"]] == ["ohwx woman, smile, scar", "ohwx woman, hat"]
    assert shown["captioner"] == "wd14"
    assert call("captions", "show", "anna") == 0
    assert "b.jpg" in capsys.readouterr().out


def test_captions_are_edited_by_options_and_in_an_editor(
    home: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("captions", "edit", "anna", "--add", "indoors", "--remove", "scar", "--json") == 0
    assert captions(home) == ["ohwx woman, smile, indoors"] * 2 + ["ohwx woman, hat, indoors"]
    assert call("captions", "edit", "anna", "2", "--text", "ohwx woman, red hat") == 0
    assert "--captioner written" in capsys.readouterr().out
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import sys, pathlib as p\nf = p.Path(sys.argv[1])\nf.write_text(f.read_text().replace('red', 'blue'))\n"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {editor}")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert call("captions", "edit", "anna") == 0
    assert captions(home)[2] == "ohwx woman, blue hat"


def test_lint_ends_with_2_when_something_is_to_mend(home: Path, capsys: Capture) -> None:
    assert call("captions", "lint", "anna") == 0
    assert "in order" in capsys.readouterr().out
    assert call("captions", "edit", "anna", "1", "--text", "woman, blue eyes, " + "smile " * 90) == 0
    capsys.readouterr()
    assert call("captions", "lint", "anna", "--json") == 2
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [one["code"] for one in found] == ["no_trigger", "too_long", "names_looks"]
    assert all(one["photos"] == ["a.jpg"] for one in found)


def test_kohyas_layout_is_written(home: Path, tmp_path: Path) -> None:
    assert call("captions", "export", "anna", "--out", tmp_path / "k", "--repeats", 7) == 0
    names = sorted(path.name for path in (tmp_path / "k" / "7_ohwx woman").iterdir())
    assert names == ["01-0.png", "01-0.txt", "01-1.png", "01-1.txt", "02-0.png", "02-0.txt"]


def test_tags_are_explained_by_the_rules_of_the_training(home: Path, capsys: Capture) -> None:
    assert call("tags", "explain", "anna", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    rows = {row["tag"]: row for row in told["tags"]}
    assert rows["black_hair"] == {
        "tag": "black_hair", "kept": False, "because": "ours, remove: ends in '_hair'", "photos": 2, "of": 2,
    }  # fmt: skip
    assert rows["scar"]["kept"] and rows["scar"]["because"] == "always keep: 'scar'"
    assert call("tags", "explain", "anna", "--tag-rules", "lesson", "--json") == 0
    assert not {row["tag"]: row for row in json.loads(capsys.readouterr().out)["tags"]}["hat"]["kept"]
    assert call("tags", "explain", "--tags", "black hair, smile", "--keep-tag", "black*") == 0
    assert "always keep" in capsys.readouterr().out
    assert call("tags", "rules") == 0
    assert "facechain" in capsys.readouterr().out


def test_a_trigger_is_shown_as_tokens(home: Path, capsys: Capture) -> None:
    assert call("trigger", "<sks>", "--base", "tiny", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["readings"][0]["tokens"] == ["<", "sks", ">"]
    assert [one["code"] for one in told["warnings"]] == ["several_tokens"]
    assert call("trigger", "ohwx", "--base", "tiny") == 0
    assert "good trigger" in capsys.readouterr().out


def test_captioners_are_listed_with_their_licences(home: Path, capsys: Capture) -> None:
    assert call("captions", "models", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["captioners"]}
    assert rows["florence2"]["licence"] == "MIT" and not rows["florence2"]["fetched"]
    assert rows["facts"]["fetched"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("captions", "show", "nobody"), "nobody"),
        (("captions", "edit", "anna"), "nothing to change"),
        (("captions", "edit", "anna", "--text", "x"), "wants a photo"),
        (("captions", "edit", "anna", "c.jpg", "--add", "x"), "c.jpg"),
        (("captions", "edit", "anna", "--replace", "x"), "OLD=NEW"),
        (("tags", "explain"), "Name a sitter"),
        (("tags", "explain", "anna", "--tag-rules", "poem"), "poem"),
        (("trigger", "two words"), "two words"),
        (("trigger", "ohwx", "--base", "huge"), "huge"),
        (("train", "x.jpg", "--sitter", "b", "--tag-rules", "poem"), "poem"),
        (("train", "x.jpg", "--sitter", "b", "--keep-tag", "hat", "--remove-tag", "hat"), "hat"),
    ],
)
def test_bad_input_is_one_sentence(home: Path, capsys: Capture, arguments: tuple[str, ...], words: str) -> None:
    (home.parent / "x.jpg").write_bytes(b"x")
    given = [str(home.parent / "x.jpg") if a == "x.jpg" else a for a in arguments]
    assert call(*given) == 2
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said


def test_a_training_takes_captioner_rules_and_what_was_edited(
    home: Path, faces: Faces, sitter: list[Path], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTRAITIST_MODELS", str(load_settings(tmp_path).models_folder))
    (home / "library" / "captioners").mkdir()
    weights = make("wd14-safetensors", tmp_path / "weights")
    own = f'name = "own"\narchitecture = "wd14-safetensors"\nsource = "file:{weights}"\nthreshold = 0.0\n'
    (home / "library" / "captioners" / "own.toml").write_text(own)
    told = ("--sitter", "eva", "--class", "woman", "--base", "tiny", "--portraits", 0, "--json")
    capsys.readouterr()
    rules = ("--tag-rules", "lesson", "--keep-tag", "black_*", "--remove-tag", "smile")
    assert call("train", *sitter, *told, "--captioner", "own", *rules, "--only-captions") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["versions"]["captioner"] == "own"
    for text in report["captions"].values():
        assert text.startswith("ohwx woman, ") and "black hair" in text and "1girl" in text
        assert "hat" not in text and "smile" not in text and "general" not in text
    assert call("tags", "explain", "eva", "--json") == 0
    explained = {row["tag"]: row for row in json.loads(capsys.readouterr().out)["tags"]}
    assert explained["hat"]["because"].startswith("lesson") and explained["smile"]["because"].startswith("always")

    first = next(iter(report["captions"]))
    assert report["training"] is None and not (home / "sitters" / "eva" / "eva.safetensors").exists()
    assert call("captions", "edit", "eva", first, "--text", "in the rain") == 0
    capsys.readouterr()
    assert call("train", *told, "--captioner", "written") == 0
    again = json.loads(capsys.readouterr().out)["captions"]
    assert (home / "sitters" / "eva" / "eva.safetensors").is_file()
    assert sorted(again.values()) == sorted({**report["captions"], first: "ohwx woman, in the rain"}.values())


def test_a_folder_in_kohyas_layout_trains_with_its_own_words(
    home: Path, faces: Faces, sitter: list[Path], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTRAITIST_MODELS", str(load_settings(tmp_path).models_folder))
    place = tmp_path / "20_ohwx woman"
    place.mkdir()
    for photo in sitter:
        (place / photo.name).write_bytes(photo.read_bytes())
    (place / f"{sitter[0].stem}.txt").write_text("ohwx woman at sea")
    arguments = ("--sitter", "kim", "--class", "woman", "--base", "tiny", "--only-captions", "--captioner", "written")
    capsys.readouterr()
    assert call("train", place, *arguments, "--json") == 0
    captions_ = json.loads(capsys.readouterr().out)["captions"]
    assert captions_.pop(sitter[0].name) == "ohwx woman at sea"
    assert set(captions_.values()) == {"ohwx woman"}
