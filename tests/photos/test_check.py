"""Verdicts: each bad photo gets its code, a number and a sentence; good ones pass."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from portraitist.errors import NoPhotos
from portraitist.faces import Faces
from portraitist.images import fit, save_jpeg, save_png, to_pil
from portraitist.photos import CheckedPhoto, Limits, PhotoCheck, check_photos, find_photos
from tests.people import person


def codes(photo: CheckedPhoto) -> list[str]:
    return [reason.code for reason in photo.reasons]


def only(check: PhotoCheck) -> CheckedPhoto:
    assert len(check.photos) == 1
    return check.photos[0]


def test_good_photos_are_accepted(faces: Faces, sitter: list[Path]) -> None:
    check = check_photos(sitter, faces)
    assert [photo.accepted for photo in check.photos] == [True] * len(sitter)
    assert all(photo.distance is not None and photo.distance < 0.6 for photo in check.photos)
    assert [warning.code for warning in check.warnings] == ["no_measure"]


def test_no_face(faces: Faces, landscape: Path) -> None:
    photo = only(check_photos([landscape], faces))
    assert codes(photo) == ["no_face"] and photo.reasons[0].value == 0
    assert "landscape.png" in photo.reasons[0].message


def test_two_faces_are_refused_unless_one_is_pointed_at(faces: Faces, couple: Path) -> None:
    photo = only(check_photos([couple], faces))
    assert codes(photo) == ["several_faces"]
    assert photo.reasons[0].limit == 4.0 and 1.0 <= float(photo.reasons[0].value or 0) < 4.0
    right = only(check_photos([couple], faces, point=(0.75, 0.45)))
    assert right.accepted and right.face is not None and right.face.box.x > 256
    assert codes(only(check_photos([couple], faces, point=(0.5, 0.98)))) == ["no_face"]


def test_a_far_smaller_second_face_does_not_matter(faces: Faces, tmp_path: Path) -> None:
    picture = np.array(to_pil(person("a-1")).resize((768, 768)))
    extra, _ = fit(person("a-4"), 200)
    wide = np.concatenate([picture, np.full((768, 200, 3), 200, np.uint8)], axis=1)
    wide[100 : 100 + len(extra), 768:] = extra
    path = save_png(tmp_path / "host-and-guest.png", wide, made=False)
    photo = only(check_photos([path], faces))
    assert photo.accepted and photo.face is not None and photo.face.box.x < 600


def test_too_small(faces: Faces, tmp_path: Path) -> None:
    path = save_png(tmp_path / "tiny.png", fit(person("a-3"), 128)[0], made=False)
    photo = only(check_photos([path], faces))
    assert "too_small" in codes(photo)
    assert photo.reasons[0].limit == 64.0 and float(photo.reasons[0].value or 99) < 64.0


def test_blurred(faces: Faces, tmp_path: Path) -> None:
    soft = np.array(to_pil(person("a-1")).filter(ImageFilter.GaussianBlur(5)))
    photo = only(check_photos([save_png(tmp_path / "soft.png", soft, made=False)], faces))
    assert codes(photo) == ["blurred"]
    assert float(photo.reasons[0].value or 0) > float(photo.reasons[0].limit or 1)


def test_cut_off(faces: Faces, tmp_path: Path) -> None:
    picture = person("a-1")
    face = faces.detect(picture)[0]
    cut = np.ascontiguousarray(picture[:, round(face.box.x + 0.33 * face.box.width) :])
    photo = only(check_photos([save_png(tmp_path / "cut.png", cut, made=False)], faces))
    assert set(codes(photo)) & {"cut_off", "no_face"}


def test_duplicates_keep_the_larger(faces: Faces, sitter: list[Path], tmp_path: Path) -> None:
    picture = person("a-1")
    smaller = save_jpeg(tmp_path / "small.jpg", fit(picture, 200)[0], made=False)
    check = check_photos([smaller, *sitter], faces)
    assert codes(check.photos[0]) == ["duplicate"]
    assert "a-1.jpg" in check.photos[0].reasons[0].message
    assert all(photo.accepted for photo in check.photos[1:])


def test_a_stranger_among_the_photos_is_found(faces: Faces, sitter: list[Path], stranger: list[Path]) -> None:
    check = check_photos([*sitter, stranger[0]], faces)
    assert codes(check.photos[-1]) == ["other_person"]
    assert len(check.accepted) == len(sitter)


def test_photos_of_an_earlier_time_weigh_in(faces: Faces, sitter: list[Path], stranger: list[Path]) -> None:
    check = check_photos([sitter[0], sitter[3], stranger[0]], faces, known=[*sitter[1:], *sitter[4:]])
    assert [codes(photo) for photo in check.photos] == [[], ["duplicate"], ["other_person"]]


def test_keep_all_turns_reasons_into_warnings(faces: Faces, landscape: Path, tmp_path: Path) -> None:
    tiny = save_png(tmp_path / "tiny.png", fit(person("a-3"), 128)[0], made=False)
    check = check_photos([tiny, landscape], faces, keep_all=True)
    assert [photo.accepted for photo in check.photos] == [True, False]
    assert "too_small" in [warning.code for warning in check.warnings]


@pytest.mark.parametrize("kind", ["text", "empty", "truncated"])
def test_files_that_are_no_pictures(faces: Faces, tmp_path: Path, kind: str) -> None:
    whole = save_jpeg(tmp_path / "whole.jpg", np.array(to_pil(person("a-1")).resize((900, 900)))).read_bytes()
    data = {"text": b"Dear diary,", "empty": b"", "truncated": whole[: len(whole) // 2]}[kind]
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    photo = only(check_photos([path], faces))
    assert codes(photo) == ["unreadable"] and "bad.jpg" in photo.reasons[0].message


def test_too_large(faces: Faces, sitter: list[Path]) -> None:
    photo = only(check_photos(sitter[:1], faces, limits=Limits(pixels=1000)))
    assert codes(photo) == ["too_large"]


def test_exif_orientation_is_applied_before_looking(faces: Faces, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 3
    to_pil(np.rot90(person("a-1"), 2)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    photo = only(check_photos([tmp_path / "turned.jpg"], faces))
    assert photo.accepted and photo.face is not None and abs(photo.face.roll) < 15


def test_folders_and_files_each_once(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", ".hidden.png", "notes.txt", "c.webp"):
        (tmp_path / name).write_bytes(b"")
    found = find_photos([tmp_path / "c.webp", tmp_path])
    assert [path.name for path in found] == ["c.webp", "a.png", "b.JPG"]
    assert find_photos([tmp_path / "notes.txt"]) == (tmp_path / "notes.txt",)


def test_nothing_to_look_at_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoPhotos, match="no photo"):
        find_photos([tmp_path])
    with pytest.raises(NoPhotos, match="gone"):
        find_photos([tmp_path / "gone"])
