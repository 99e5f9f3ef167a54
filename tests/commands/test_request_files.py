"""A request from a file: what options say comes before it, and a file that is none is told."""

from pathlib import Path

import pytest

from portraitist.commands.portrait import read_asked
from portraitist.errors import BadFile, BadRequest


def test_options_come_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'sitter = "anna"\nprompt = "smile"\nsteps = 9\nsize = [64, 128]\n', encoding="utf-8"
    )
    asked = read_asked(tmp_path / "a.toml", {"steps": 4, "cfg": None, "seed": 7})
    assert (asked.sitter, asked.prompt, asked.steps, asked.seed, asked.size) == ("anna", "smile", 4, 7, (64, 128))
    assert asked.count == 4 and asked.cfg is None


def test_a_file_that_is_no_request_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("steps = ")
    (tmp_path / "b.json").write_text('{"stepz": 4}')
    with pytest.raises(BadFile, match="cannot be read as a request"):
        read_asked(tmp_path / "a.toml", {"sitter": "anna"})
    (tmp_path / "d.json").write_text("[1]")
    with pytest.raises(BadFile, match="no names with values"):
        read_asked(tmp_path / "d.json", {"sitter": "anna"})
    (tmp_path / "c.toml").write_bytes(b"\x89PNG")
    with pytest.raises(BadFile, match="is no text"):
        read_asked(tmp_path / "c.toml", {"sitter": "anna"})
    with pytest.raises(BadFile, match=r"There is no file .*none\.toml"):
        read_asked(tmp_path / "none.toml", {"sitter": "anna"})
    with pytest.raises(BadRequest, match="'stepz' is not known"):
        read_asked(tmp_path / "b.json", {"sitter": "anna"})
    with pytest.raises(BadRequest, match="Whose portrait"):
        read_asked(None, {})
    with pytest.raises(BadRequest, match="exclude each other"):
        read_asked(None, {"sitter": "anna", "style": "ink", "prompt": "smile"})
