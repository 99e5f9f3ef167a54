"""ID photos of rendered people: cut, measured after the cut, written with their marks, or refused in a sentence."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraitist import cli
from portraitist.errors import UnfitPhoto
from portraitist.faces import Faces, Masker
from portraitist.faces.masks import load_masker
from portraitist.finishing.idphoto.cut import IdPhoto, cut_id_photo
from portraitist.finishing.idphoto.files import make_id_photo
from portraitist.finishing.idphoto.formats import IdFormat, all_formats, find_format
from portraitist.images import fit, read_picture, save_png, to_pil
from portraitist.marks import Source, read_source
from portraitist.settings import load_settings
from portraitist.types import Picture
from tests.people import person

Capture = pytest.CaptureFixture[str]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "idphoto.md"
GREEN = (20, 160, 60)


@pytest.fixture(scope="module")
def masker() -> Masker:
    return load_masker(load_settings().models_folder / "faces", "embedded")


@pytest.fixture(scope="module")
def small() -> IdFormat:
    """A format for the small photos of the tests."""
    return replace(find_format("cn-2inch-small"), dpi=120)


@pytest.fixture(scope="module")
def made(faces: Faces, masker: Masker, small: IdFormat) -> IdPhoto:
    return cut_id_photo(person("a-5"), small, faces, masker, background=GREEN, name="a-5.jpg")


def test_the_photo_has_the_size_the_head_and_the_background_of_its_format(made: IdPhoto, small: IdFormat) -> None:
    assert made.picture.shape == (213, 165, 3)
    assert made.fits and made.warnings == ()
    found = {check.name: check for check in made.checks}
    assert 28 <= found["head"].value <= 33 and 3 <= found["above"].value <= 5
    assert (made.picture[:6, :] == GREEN).all()  # above the hair
    middle = made.picture[90:120, 70:95].astype(int)
    assert (np.abs(middle - GREEN).sum(axis=-1) > 60).all()  # the face is no background


def test_a_tilted_photo_is_made_level(faces: Faces, masker: Masker, small: IdFormat, made: IdPhoto) -> None:
    tilted = np.array(to_pil(person("a-5")).rotate(-14, resample=Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)))
    photo = cut_id_photo(tilted, small, faces, masker, background=GREEN)
    assert photo.cut.roll == pytest.approx(made.cut.roll + 14, abs=3)
    assert next(check for check in photo.checks if check.name == "roll").met


def test_too_little_room_above_is_filled_or_told(faces: Faces, masker: Masker, small: IdFormat) -> None:
    low = person("a-3")[int(_hair_row(faces, masker, "a-3")) - 3 :]
    kept = cut_id_photo(low, small, faces, masker, background=None, name="low.jpg")
    filled = cut_id_photo(low, small, faces, masker, background=GREEN, name="low.jpg")
    assert "cut_above" in {one.code for one in kept.warnings} and not kept.fits
    assert "extended" in {one.code for one in filled.warnings}
    assert (filled.picture[:4] == GREEN).all()


def _hair_row(faces: Faces, masker: Masker, name: str) -> float:
    picture = person(name)
    head = masker.masks(picture, faces.detect(picture)[0]).head
    return float(np.nonzero(head >= 128)[0].min())


def test_a_photo_that_ends_at_the_chin_is_told(faces: Faces, masker: Masker, small: IdFormat) -> None:
    picture = person("a-3")
    chin = int(faces.detect(picture)[0].mesh[152, 1])
    photo = cut_id_photo(picture[: chin + 6], small, faces, masker, background=GREEN, name="chin.jpg")
    assert "cut_below" in {one.code for one in photo.warnings} and not photo.fits


def test_closed_eyes_are_told(faces: Faces, masker: Masker, small: IdFormat) -> None:
    photo = cut_id_photo(person("closed-a"), small, faces, masker, background=GREEN, name="closed.jpg")
    (told,) = [one for one in photo.warnings if one.code == "closed_eyes"]
    assert "closed.jpg" in told.message


@pytest.mark.parametrize(
    ("what", "code"), [("landscape", "no_face"), ("couple", "several_faces"), ("tiny", "too_small")]
)
def test_what_cannot_become_an_id_photo_is_refused(
    what: str, code: str, faces: Faces, masker: Masker, landscape: Path, couple: Path
) -> None:
    pictures: dict[str, Picture] = {
        "landscape": read_picture(landscape), "couple": read_picture(couple), "tiny": fit(person("a-3"), 200)[0],
    }  # fmt: skip
    with pytest.raises(UnfitPhoto) as error:
        cut_id_photo(pictures[what], find_format("us-passport"), faces, masker, background=None, name=what)
    assert error.value.code == code and what in error.value.message
    if what == "tiny":
        assert re.search(r"\d+ pixels high; 300 dpi take \d+", error.value.message)


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture
def own_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A format of the user's own, in a home of the test's own."""
    monkeypatch.setenv("PORTRAITIST_MODELS", str(load_settings().models_folder))
    monkeypatch.setenv("PORTRAITIST_HOME", str(tmp_path / "home"))
    shelf = tmp_path / "home" / "library" / "idphotos"
    shelf.mkdir(parents=True)
    (shelf / "club.toml").write_text(
        'name = "club"\ntitle = "Club card"\ntitle_zh = "会员卡"\ncountry = "XX"\nsize_mm = [35, 45]\ndpi = 120\n'
        'head_mm = [28, 33]\nbackground = "#336699"\nbackground_rule = "blue"\nrule = "the club"\n'
        'sources = ["https://example.org"]\nofficial = true\nread = 2026-01-31\nalterable = false\n'
    )
    return "club"


def test_the_command_writes_marked_files_in_true_size(
    faces: Faces, own_format: str, tmp_path: Path, capsys: Capture
) -> None:
    portrait = save_png(tmp_path / "me.png", person("a-5"))  # marked as made by AI
    out = tmp_path / "out"
    assert call("idphoto", portrait, "--format", own_format, "--sheet", "4x6in", "--out", out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["fits"] and report["copies"] == 8 and report["pixels"] == [165, 213]
    assert {one["code"] for one in report["warnings"]} >= {"made_by_ai", "altered"}
    assert set(report["files"]) == {path.name for path in out.iterdir()}
    for name in ("me-club.png", "me-club.jpg", "me-club-4x6in.png"):
        with Image.open(out / name) as image:
            assert image.info["dpi"] == pytest.approx((120, 120), abs=0.1)
        assert read_source(out / name) is Source.GENERATED
    (box,) = re.findall(rb"/MediaBox\s*\[([^\]]*)\]", (out / "me-club-4x6in.pdf").read_bytes())
    assert [float(value) * 25.4 / 72 for value in box.split()] == pytest.approx([0, 0, 152.4, 101.6], abs=0.3)


def test_the_mark_of_a_plain_photo_says_only_what_was_done(
    faces: Faces, masker: Masker, small: IdFormat, tmp_path: Path
) -> None:
    photo, wanted = save_png(tmp_path / "me.png", person("a-5"), made=False), replace(small, alterable=False)
    new = make_id_photo(photo, wanted, faces, masker, tmp_path / "new")
    assert read_source(tmp_path / "new" / new.file) is Source.ENHANCED
    assert [one.code for one in new.warnings] == ["altered"] and new.source == "algorithmicallyEnhanced"


def test_another_photo_of_the_same_name_is_not_written_over(
    faces: Faces, masker: Masker, small: IdFormat, tmp_path: Path
) -> None:
    photos = [save_png(tmp_path / place / "me.png", person(one)) for place, one in (("a", "a-5"), ("b", "a-4"))]
    made = [make_id_photo(photo, small, faces, masker, tmp_path / "out").file for photo in (*photos, photos[0])]
    assert made[1] == made[0].replace(".png", "-2.png") and made[2] == made[0]
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "moon"), "moon"),
        (("--format", "club", "--background", "blurple"), "blurple"),
        (("--format", "club", "--sheet", "a5"), "a5"),
        (("--format", "club", "--sign"), "certificate"),
        ((), "which format"),
    ],
)
def test_wrong_options_are_named(
    arguments: tuple[str, ...], words: str, faces: Faces, own_format: str, tmp_path: Path, capsys: Capture
) -> None:
    photo = save_png(tmp_path / "me.png", person("a-5"))
    assert call("idphoto", photo, *arguments, "--out", tmp_path / "out", "--json") == 2
    assert words in json.loads(capsys.readouterr().out)["error"]["message"]


def test_the_list_and_the_page_tell_what_the_library_holds(own_format: str, capsys: Capture) -> None:
    assert call("idphoto", "--list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["formats"]
    assert {row["name"] for row in rows} == {one.name for one in all_formats()} | {own_format}
    lines = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| `") and "`--" not in line]
    table = {line.split("|")[1].strip(" `"): line for line in lines}
    for one in all_formats():
        width, height = one.size_mm
        line = table.pop(one.name)
        assert f"{width:g} × {height:g}" in line and one.background in line and one.sources[0] in line
        assert one.head_mm is None or f"{one.head_mm[0]:g}–{one.head_mm[1]:g}" in line
        assert f"{one.size.width} × {one.size.height}" in line
    assert not table
