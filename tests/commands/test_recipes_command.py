"""`recipes` from outside: what is listed, and what of a recipe of one's own is refused."""

import json
from pathlib import Path

import pytest

from portraitist import cli

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAITIST_HOME", str(tmp_path / "home"))


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


def test_recipes_are_listed_and_told_from_senseless_ones(tmp_path: Path, capsys: Capture) -> None:
    assert call("recipes", "list", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["recipes"]}
    assert {"mini", "portrait", "fast", "style", "pet", "facechain", "facechain-32", "kohya-colab"} <= rows.keys()
    assert rows["facechain"]["rank"] == 4 and rows["facechain"]["title"]
    assert call("recipes", "show", "facechain") == 0
    assert "rank: 4\n" in capsys.readouterr().out
    mine = tmp_path / "mine.toml"
    mine.write_text('name = "mine"\noptimizer = "prodigy"\ntext_learning_rate = 0.5\n')
    assert call("recipes", "show", mine) == 2
    assert "text_learning_rate" in capsys.readouterr().err
    mine.write_text('name = "mine"\noptimiser = "prodigy"\n')
    assert call("recipes", "show", mine) == 2
    assert "optimiser" in capsys.readouterr().err
