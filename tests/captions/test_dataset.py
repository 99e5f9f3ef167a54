"""The training set on disk."""

from pathlib import Path

import numpy as np
import pytest

from portraitist.captions.dataset import SetPhoto, read_set, write_set
from portraitist.errors import BadFile


def photo(name: str, value: int) -> SetPhoto:
    return SetPhoto(name, f"ohwx woman, „{name}“", tuple(np.full((8, 8, 3), value + i, np.uint8) for i in range(2)))


def test_a_set_comes_back_as_it_was(tmp_path: Path) -> None:
    photos = [photo("a.jpg", 10), photo("b.jpg", 20)]
    write_set(tmp_path / "set", photos)
    again = read_set(tmp_path / "set")
    assert [(p.name, p.caption) for p in again] == [(p.name, p.caption) for p in photos]
    assert all(
        (x == y).all() for p, q in zip(again, photos, strict=True) for x, y in zip(p.crops, q.crops, strict=True)
    )


def test_an_older_set_leaves_nothing_behind(tmp_path: Path) -> None:
    write_set(tmp_path / "set", [photo("a.jpg", 1), photo("b.jpg", 2)])
    write_set(tmp_path / "set", [photo("c.jpg", 3)])
    assert len(list((tmp_path / "set").iterdir())) == 3


@pytest.mark.parametrize("line", ["{", '{"file_name": "gone.png", "text": "x", "photo": "p"}', '{"text": "x"}', "[]"])
def test_a_damaged_set_is_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "metadata.jsonl").write_text(line)
    with pytest.raises(BadFile, match=r"training set|gone"):
        read_set(tmp_path)
