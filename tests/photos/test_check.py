"""Verdicts: each bad photo gets its code, a number and a sentence; good ones pass."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from portraitist.errors import NoPhotos
from portraitist.faces import Face, Faces
from portraitist.images import fit, save_jpeg, save_png, to_pil
from portraitist.photos import CheckedPhoto, Limits, PhotoCheck, check_photos, find_photos
from portraitist.photos.duplicates import Hashes, Shot, find_duplicates
from tests.people import PEOPLE, person


def person_at(name: str, side: int) -> np.ndarray:
    return np.array(to_pil(person(name)).resize((side, side), Image.Resampling.LANCZOS))


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


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_photo_without_exif_is_turned_upright_by_its_face(faces: Faces, tmp_path: Path, turns: int) -> None:
    lying = np.ascontiguousarray(np.rot90(person("a-4"), -turns))
    photo = only(check_photos([save_png(tmp_path / "lying.png", lying, made=False)], faces))
    assert photo.turns == turns and photo.verdict.turned == 360 - 90 * turns
    assert photo.face is not None and abs(photo.face.roll) < 5
    np.testing.assert_array_equal(photo.upright(lying), person("a-4"))


def test_in_company_the_sitter_is_the_one_that_the_other_photos_show(
    faces: Faces, sitter: list[Path], tmp_path: Path
) -> None:
    both = np.concatenate([person_at("b-2", 512), person_at("a-5", 512)], axis=1)
    pair = save_png(tmp_path / "pair.png", both, made=False)
    assert codes(only(check_photos([pair], faces))) == ["several_faces"]
    check = check_photos([*sitter[:3], pair], faces)
    photo = check.photos[-1]
    assert photo.accepted and photo.face is not None and photo.face.box.x > 512
    assert "company" in [warning.code for warning in check.warnings]


def test_copies_of_a_strangers_photo_do_not_outvote_the_sitter(
    faces: Faces, sitter: list[Path], stranger: list[Path], tmp_path: Path
) -> None:
    copies = [save_jpeg(tmp_path / f"copy-{i}.jpg", person_at("b-1", 256 + 16 * i), made=False) for i in range(5)]
    check = check_photos([*copies, *sitter], faces)
    assert all("other_person" in codes(photo) for photo in check.photos[:5])
    assert all(photo.accepted for photo in check.photos[5:])


def test_of_two_copies_as_large_the_first_stays() -> None:
    hashes, face = Hashes(np.zeros(64, bool), np.ones(64, bool)), np.zeros(128)
    shots = [Shot(f"{width}", hashes, hashes, face, width) for width in (100.0, 100.5, 140.0, 139.0)]
    assert list(find_duplicates(shots[:2], [], Limits())) == [1]
    assert sorted(find_duplicates(shots, [], Limits())) == [0, 1, 3]
    assert sorted(find_duplicates(shots[:2], shots[1:2], Limits())) == [0, 1]


def test_a_mirrored_copy_is_a_duplicate(faces: Faces, sitter: list[Path], tmp_path: Path) -> None:
    mirrored = np.ascontiguousarray(person_at("a-4", 200)[:, ::-1])
    photo = check_photos([*sitter, save_jpeg(tmp_path / "m.jpg", mirrored, made=False)], faces).photos[-1]
    assert codes(photo) == ["duplicate"] and "mirrored" in photo.reasons[0].message


def test_closed_eyes_are_found_by_what_is_usual_for_the_sitter(faces: Faces, sitter: list[Path]) -> None:
    closed = PEOPLE / "closed-a.jpg"
    photo = check_photos([*sitter, closed], faces).photos[-1]
    assert codes(photo) == ["closed_eyes"] and float(photo.reasons[0].value or 1) < float(photo.reasons[0].limit or 0)
    alone = check_photos([closed], faces)
    assert only(alone).accepted and "closed_eyes" in [warning.code for warning in alone.warnings]


class Nodding:
    """Faces whose pitch is off: by 7 degrees as a rule, and lowered in pictures of 200 lines."""

    def __init__(self, faces: Faces, lowered: float) -> None:
        self.lowered = lowered
        self.embed, self.opening, self._detect = faces.embed, faces.opening, faces.detect

    def detect(self, picture: np.ndarray) -> list[Face]:
        pitch = self.lowered if picture.shape[0] == 200 else 7.0
        return [replace(face, pitch=pitch) for face in self._detect(picture)]


@pytest.mark.parametrize(("lowered", "found"), [(-14.0, ["pitched"]), (-10.0, []), (27.0, []), (33.0, ["pitched"])])
def test_pitch_is_judged_by_what_is_usual_for_the_sitter(
    faces: Faces, sitter: list[Path], tmp_path: Path, lowered: float, found: list[str]
) -> None:
    one = save_png(tmp_path / "one.png", person_at("a-4", 200), made=False)
    limits = Limits(hash_bits=-1, face_hash_bits=-1)  # moved so that it is no duplicate
    assert codes(check_photos([*sitter, one], Nodding(faces, lowered), limits=limits).photos[-1]) == found
    alone = [] if abs(lowered) < 20 else ["pitched"]
    assert codes(only(check_photos([one], Nodding(faces, lowered), limits=limits))) == alone


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("dark", lambda x, noise: x * 0.08),
        ("over_exposed", lambda x, noise: x * 3.5),
        ("noisy", lambda x, noise: x + 30 * noise),
    ],
)
def test_bad_light_is_told(
    faces: Faces, tmp_path: Path, code: str, spoil: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> None:
    picture = person_at("a-4", 512).astype(np.float64)
    noise = np.random.default_rng(3).normal(size=picture.shape)
    bad = spoil(picture, noise).clip(0, 255).astype(np.uint8)
    found = only(check_photos([save_png(tmp_path / "bad.png", bad, made=False)], faces))
    assert code in codes(found)
    reason = next(reason for reason in found.reasons if reason.code == code)
    assert reason.value is not None and reason.limit is not None and reason.value != reason.limit


def test_eyes_behind_dark_glasses_are_told(faces: Faces, tmp_path: Path) -> None:
    image = to_pil(person_at("a-4", 512))
    eyes = faces.detect(np.asarray(image))[0].eyes
    reach = 0.42 * float(np.linalg.norm(eyes[1] - eyes[0]))
    for x, y in eyes:
        ImageDraw.Draw(image).ellipse((x - reach, y - reach * 0.8, x + reach, y + reach * 0.8), fill=(14, 14, 16))
    path = tmp_path / "dark.png"
    image.save(path)
    assert "occluded" in codes(only(check_photos([path], faces)))


def test_what_all_photos_share_is_told(faces: Faces, sitter: list[Path], tmp_path: Path) -> None:
    whole, (first, *_) = check_photos(sitter, faces), sitter
    assert not {"one_light", "one_outfit"} & {warning.code for warning in whole.warnings}
    alike = [first]
    for number, shift in enumerate((10, 22), 1):  # moved so that they are no duplicates for the check's limits
        alike.append(save_jpeg(tmp_path / f"{number}.jpg", np.roll(person("a-1"), shift, axis=1), made=False))
    limits = Limits(hash_bits=-1, face_hash_bits=-1)
    found = {warning.code for warning in check_photos(alike, faces, limits=limits).warnings}
    assert {"one_pose", "one_light"} <= found


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
