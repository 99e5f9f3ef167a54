"""Sitters on disk: safe names, whole writes, deletion to the last byte."""

import os
import zipfile
from pathlib import Path

import pytest

from portraitist.errors import BadFile, BadRequest, UnknownName
from portraitist.store.sitters import SitterRecord, SitterStore, check_name


def make(store: SitterStore, name: str = "anna") -> None:
    folder = store.create(SitterRecord(name=name, trigger="ohwx", class_word="woman", created="2026-01-01T00:00:00Z"))
    folder.photos.mkdir()
    (folder.photos / "1.jpg").write_bytes(b"12345")


@pytest.mark.parametrize(
    "name", ["", " ", "../x", "a/b", "a\\b", ".hidden", "con", "LPT1", "nul.txt", "x" * 65, "a\nb", "end."]
)
def test_names_that_cannot_be_folders_are_refused(name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        check_name(name)
    assert caught.value.code == "bad_name" and caught.value.hint


def test_names_of_any_script_are_taken() -> None:
    assert check_name(" 小明 ") == "小明"
    assert check_name("Zoe\u0308") == "Zoë"


def test_create_load_list(tmp_path: Path) -> None:
    store = SitterStore(tmp_path)
    assert store.names() == ()
    make(store, "b")
    make(store, "a")
    assert store.names() == ("a", "b")
    assert store.load("a")[0].class_word == "woman"
    if os.name == "posix":
        assert store.folder("a").root.stat().st_mode & 0o077 == 0


def test_unknown_sitter_is_told_with_the_known_ones(tmp_path: Path) -> None:
    store = SitterStore(tmp_path)
    make(store)
    with pytest.raises(UnknownName) as caught:
        store.load("bob")
    assert caught.value.code == "unknown_sitter" and "anna" in str(caught.value.hint)


def test_damaged_record_is_told(tmp_path: Path) -> None:
    store = SitterStore(tmp_path)
    make(store)
    store.folder("anna").record.write_text("{")
    with pytest.raises(BadFile, match="damaged"):
        store.load("anna")


def test_delete_leaves_nothing_even_of_a_crashed_deletion(tmp_path: Path) -> None:
    store = SitterStore(tmp_path)
    make(store)
    (store.root / ".deleted-left").mkdir()
    assert store.delete("anna") > 5
    assert list(store.root.iterdir()) == []


def test_export_holds_every_file_and_never_overwrites(tmp_path: Path) -> None:
    store = SitterStore(tmp_path)
    make(store)
    file = store.export("anna", tmp_path / "out" / "anna.zip")
    with zipfile.ZipFile(file) as archive:
        assert sorted(archive.namelist()) == ["anna/photos/1.jpg", "anna/sitter.json"]
    with pytest.raises(BadRequest, match="exists"):
        store.export("anna", file)
