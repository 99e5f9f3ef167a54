"""The training set on disk: as an imagefolder, in kohya's layout, and back."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from portraitist.captions import dataset as d
from portraitist.captions import kohya
from portraitist.errors import BadFile, BadRequest, DiskFull
from portraitist.faces.masks import CropMasks
from portraitist.images import save_png
from portraitist.types import Box, Size


def photo(name: str, value: int) -> d.SetPhoto:
    crops = tuple(np.full((8, 8, 3), value + i, np.uint8) for i in range(2))
    return d.SetPhoto(name, f"ohwx woman, „{name}“", crops, ("black_hair", name))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    d.write_set(tmp_path / "set", [photo("a.jpg", 10), photo("b.jpg", 20)])
    return tmp_path / "set"


def test_a_set_comes_back_as_it_was(folder: Path) -> None:
    photos = [photo("a.jpg", 10), photo("b.jpg", 20)]
    again = d.read_set(folder)
    assert [(p.name, p.caption, p.tags) for p in again] == [(p.name, p.caption, p.tags) for p in photos]
    assert all(
        (x == y).all() for p, q in zip(again, photos, strict=True) for x, y in zip(p.crops, q.crops, strict=True)
    )


def test_masks_and_cuttings_come_back_and_outlive_new_captions(tmp_path: Path) -> None:
    parts = [np.full((8, 8), value, np.uint8) for value in (200, 150, 55)]
    cutting = d.Cutting("half", Box(1.5, 2.0, 3.0, 4.0), Size(448, 576))
    given = replace(photo("a.jpg", 10), masks=(CropMasks(*parts), CropMasks(*parts[::-1])), cutting=cutting)
    d.write_set(tmp_path, [given, photo("b.jpg", 20)])
    d.write_rows(tmp_path, d.with_captions(d.read_rows(tmp_path), {"a.jpg": "ohwx woman, hat"}))
    first, second = d.read_set(tmp_path)
    assert first.caption == "ohwx woman, hat" and first.cutting == cutting
    assert second.cutting is None and second.masks == ()
    assert [m.person[0, 0] for m in first.masks] == [200, 55] and first.masks[0].background[3, 3] == 55
    assert first.masks[1].head.shape == (8, 8)
    outside = [replace(row, more={**row.more, "head_mask_file_name": "../x.png"}) for row in d.read_rows(tmp_path)[:1]]
    d.write_rows(tmp_path, outside)
    with pytest.raises(BadFile, match="outside"):
        d.read_set(tmp_path)


def test_a_set_that_is_not_finished_leaves_the_older_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *given: object, **more: object) -> None:
        raise DiskFull(path)

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(d, "write_rows", full)
    with pytest.raises(DiskFull):
        d.write_set(folder, [photo("c.jpg", 3)])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(folder.parent.iterdir()) == [folder]


def test_an_older_set_leaves_nothing_behind(folder: Path) -> None:
    d.write_set(folder, [photo("c.jpg", 3)])
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize(
    "line",
    ["{", '{"file_name": "gone.png", "text": "x", "photo": "p"}', '{"text": "x"}', "[]",
     '{"file_name": "../a.png", "text": "x"}', '{"file_name": "a.png", "text": 3}'],
)  # fmt: skip
def test_a_damaged_set_is_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "metadata.jsonl").write_text(line)
    with pytest.raises(BadFile, match=r"training set|gone|outside"):
        d.read_set(tmp_path)


def test_a_set_of_another_tool_is_read(tmp_path: Path) -> None:
    save_png(tmp_path / "x.png", photo("", 1).crops[0], made=False)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "x.png", "text": "sks dog"}\n\n')
    (read,) = d.read_set(tmp_path)
    assert (read.name, read.caption, read.tags) == ("x.png", "sks dog", ())


def test_new_captions_reach_every_crop_of_their_photo(folder: Path) -> None:
    d.write_rows(folder, d.with_captions(d.read_rows(folder), {"b.jpg": "ohwx woman, red hat"}))
    assert [row.caption for row in d.read_rows(folder)][2:] == ["ohwx woman, red hat"] * 2
    assert [p.caption for p in d.read_set(folder)] == ["ohwx woman, „a.jpg“", "ohwx woman, red hat"]
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    assert rows[0] == {
        "file_name": "01-0.png", "text": "ohwx woman, „a.jpg“", "photo": "a.jpg", "tags": ["black_hair", "a.jpg"],
    }  # fmt: skip


def test_kohyas_layout_there_and_back(folder: Path, tmp_path: Path) -> None:
    rows = [kohya.KohyaRow(row.file, row.photo, row.caption) for row in d.read_rows(folder)]
    written = kohya.write(tmp_path / "k", folder, rows, "ohwx woman", 20)
    assert written.name == "20_ohwx woman"
    assert (written / "02-1.txt").read_text(encoding="utf-8") == "ohwx woman, „b.jpg“\n"
    for place in (tmp_path / "k", written):
        again = d.read_set(place)
        assert [p.caption for p in again] == ["ohwx woman, „a.jpg“", "ohwx woman, „b.jpg“"]
        assert [len(p.crops) for p in again] == [2, 2]
        assert (again[1].crops[1] == 21).all()
    assert {row.repeats for row in kohya.read(tmp_path / "k")} == {20}
    with pytest.raises(BadRequest, match="holds files"):
        kohya.write(tmp_path / "k", folder, rows, "ohwx woman", 20)


def test_what_others_wrote_in_kohyas_layout_is_read(tmp_path: Path) -> None:
    place = tmp_path / "3_zwx dog"
    place.mkdir()
    for name in ("one", "two", "three"):
        save_png(place / f"{name}.png", photo("", 1).crops[0], made=False)
    (place / "one.txt").write_text("\ufeffzwx dog on grass\nsecond line\n", encoding="utf-8")
    (place / "two.caption").write_text("zwx dog, sofa")
    captions = {row.photo: row.caption for row in d.read_rows(place)}
    assert captions == {"one.png": "zwx dog on grass", "two.png": "zwx dog, sofa", "three.png": "zwx dog"}
    (place / "one.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFile, match=r"one\.txt"):
        d.read_rows(place)
    assert kohya.caption_of(tmp_path / "lonely.png") is None


@pytest.mark.parametrize(("words", "repeats"), [("", 2), ("<sks> woman", 2), ("a/b", 2), ("ohwx", 0)])
def test_impossible_folder_names_are_refused(words: str, repeats: int) -> None:
    with pytest.raises(BadRequest):
        kohya.folder_name(words, repeats)


def test_an_empty_folder_is_no_set(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "gone"):
        with pytest.raises(BadFile, match="no training set"):
            d.read_rows(place)
