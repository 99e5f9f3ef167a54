"""A broken file of the user's hides nothing else and goes nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portraitist.store.sitters import SitterRecord, SitterStore
from tests.commands.calling import call

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PORTRAITIST_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("shelf", "file", "known"), [("styles", "night/style.toml", "ink"), ("recipes", "night.toml", "fast"),
                                 ("bases", "night.toml", "mini")],
)  # fmt: skip
def test_a_list_goes_round_a_broken_file(home: Path, capsys: Capture, shelf: str, file: str, known: str) -> None:
    broken = home / "library" / shelf / file
    broken.parent.mkdir(parents=True)
    broken.write_text("half of = a")
    assert call(shelf, "list", "--json") == 0
    said = capsys.readouterr()
    assert known in [row["name"] for row in json.loads(said.out)[shelf]]
    assert said.err.count(str(broken)) == 1 and "cannot be read as TOML" in said.err
    if shelf == "styles":
        assert call("styles", "check", "night") == 2
        assert capsys.readouterr().out.count(str(broken)) == 1


def test_damaged_sitters_hide_no_other_and_are_not_exported(home: Path, capsys: Capture) -> None:
    store = SitterStore(home)
    for name in ("anna", "tom"):
        folder = store.create(SitterRecord(name=name, trigger="ohwx", class_word="woman", base="mini", created=""))
    (home / "sitters" / "anna" / "sitter.json").write_text("{half")
    assert call("sitters", "list") == 0
    said = capsys.readouterr()
    assert "tom" in said.out and "anna" in said.err and "damaged" in said.err
    folder.likeness.write_bytes(b"half a header")
    assert call("export", "tom", "--to", "webui", home / "webui") == 3
    assert "tom.safetensors" in capsys.readouterr().err and not (home / "webui").exists()
