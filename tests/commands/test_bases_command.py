"""`bases` from outside: what is listed, what a path is, and fetching from a hub that is a folder here."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.calling import call
from tests.fake_hub import COMMIT, FakeHub, open_for, serve

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def there(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with the tiny base, and a home whose library names it."""
    (tmp_path / "hub" / "maker").mkdir(parents=True)
    (tmp_path / "hub" / "maker" / "film").symlink_to(tiny_base)
    shelf = tmp_path / "home" / "library" / "bases"
    shelf.mkdir(parents=True)
    (shelf / "film.toml").write_text(
        'name = "film"\nfamily = "sd15"\nsource = "hf:maker/film"\nversion = "film-1"\nsize = [64, 64]\n'
        'recipe = "portrait"\nlicence = "MIT"\nmegabytes = 1\nfiles = ["model_index.json", "unet/*"]\n'
    )
    monkeypatch.setenv("PORTRAITIST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PORTRAITIST_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("PORTRAITIST_OFFLINE", raising=False)
    with serve(tmp_path / "hub") as served:
        open_for(monkeypatch, served)
        yield served


def told(capsys: Capture) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_base_is_listed_fetched_once_and_held_to_what_came(there: FakeHub, tmp_path: Path, capsys: Capture) -> None:
    assert call("bases", "list", "--json") == 0
    rows = {row["name"]: row for row in told(capsys)["bases"]}  # type: ignore[attr-defined]
    assert rows["mini"]["present"] and not rows["film"]["present"] and rows["film"]["licence"] == "MIT"
    assert call("bases", "info", "film", "--json") == 0
    before = told(capsys)
    assert not before["present"] and before["sha256"] == "" and "first is written down" in str(before["held_to"])
    assert call("bases", "pull", "film") == 0
    said = capsys.readouterr()
    assert "licence MIT" in said.err and "1 MB" in said.err and f"revision: {COMMIT}" in said.out
    asked = len(there.asked)
    assert call("bases", "pull", "film", "--json") == 0 and len(there.asked) == asked
    after = told(capsys)
    assert after["present"] and after["held_to"] == "the commit and sums of the first fetch" and after["bytes"]
    assert call("bases", "info", "film", "--check", "--json") == 0
    assert told(capsys)["checked"] == len(after["files"])  # type: ignore[arg-type]
    weights = tmp_path / "models" / "bases" / "film" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert call("bases", "info", "film", "--check") == 3
    assert "not what was fetched" in capsys.readouterr().err


def test_offline_and_what_is_not_there(there: FakeHub, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("PORTRAITIST_OFFLINE", "1")
    assert call("bases", "pull", "film") == 3
    assert "PORTRAITIST_OFFLINE forbids fetching" in capsys.readouterr().err and there.asked == []
    assert call("bases", "info", "nobody") == 2
    assert "film, mini" in capsys.readouterr().err
    assert call("bases", "info", "mini", "--check") == 3
    assert "No sums of mini" in capsys.readouterr().err


def test_a_path_is_told_by_what_is_in_it(there: FakeHub, tiny_base: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "inner").symlink_to(tiny_base)
    assert call("bases", "info", tmp_path / "outer", "--json") == 0
    facts = told(capsys)
    assert (facts["family"], facts["size"], facts["name"]) == ("sd15", [64, 64], "inner") and facts["present"]
    assert facts["version"] == f"inner-{str(facts['sha256'])[:10]}" and "not known" in str(facts["licence"])
