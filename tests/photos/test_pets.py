"""Pets and things: the subject's box is found or given, faces do not matter, one shot counts once."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.pets_draw import Drawn, draw
from portraitist.images import fit, save_jpeg, save_png, size_of
from portraitist.photos import check_pets, subject_crops
from portraitist.photos.pets import box_of
from portraitist.photos.subject import find_subject
from portraitist.types import Box, Size


@pytest.fixture(scope="module")
def animals() -> list[Drawn]:
    """A cat, a dog, a rabbit and a bird, each on another ground."""
    return [draw(number, 3) for number in range(4)]


def codes(check: object) -> list[list[str]]:
    return [[reason.code for reason in photo.reasons] for photo in check.photos]  # type: ignore[attr-defined]


def test_the_box_is_found(animals: list[Drawn]) -> None:
    for one in animals:
        found = find_subject(one.picture)
        assert found is not None and found.box.overlap(one.box) > 0.7 and 0.35 < found.clear <= 1


def test_a_point_says_which(animals: list[Drawn]) -> None:
    first, second = (fit(one.picture, 480)[0] for one in (animals[0], animals[0]))
    pair = np.concatenate([first, second[:, ::-1]], axis=1)
    boxes = [find_subject(pair, (x, 0.55 * pair.shape[0])) for x in (240.0, 720.0)]
    assert boxes[0] is not None and boxes[1] is not None
    assert boxes[0].box.centre[0] < 480 < boxes[1].box.centre[0]


def test_photos_of_a_pet_are_judged_without_faces(animals: list[Drawn], tmp_path: Path) -> None:
    files = [save_jpeg(tmp_path / f"{i}.jpg", fit(one.picture, 480)[0], made=False) for i, one in enumerate(animals)]
    files.append(save_jpeg(tmp_path / "again.jpg", fit(animals[0].picture, 300)[0], made=False))
    plain = np.random.default_rng(0).normal(128, 6, (300, 400, 3)).clip(0, 255).astype(np.uint8)
    files.append(save_png(tmp_path / "nothing.png", plain, made=False))
    (tmp_path / "text.jpg").write_text("Dear diary,")
    check = check_pets([*files, tmp_path / "text.jpg"])
    assert codes(check) == [[], [], [], [], ["duplicate"], ["no_subject"], ["unreadable"]]
    assert check.enough and check.warnings == ()
    box = check.report.photos[1].subject
    assert box is not None and Box(*box).overlap(animals[1].box.scaled(0.5)) > 0.7
    assert check.report.photos[0].face is None
    assert codes(check_pets(files[:1], known=files[:1])) == [["duplicate"]]


def test_a_box_by_hand_wins(animals: list[Drawn], tmp_path: Path) -> None:
    files = [save_png(tmp_path / f"{i}.png", one.picture, made=False) for i, one in enumerate(animals[:2])]
    check = check_pets(files, crops={"": (0.25, 0.5, 0.5, 0.25), "1.png": (10, 20, 30, 20)})
    assert check.photos[0].subject == Box(240, 360, 480, 180)
    assert codes(check)[1] == ["too_small"] and check.photos[1].reasons[0].value == 30
    assert box_of((900, 700, 500, 500), Size(960, 720)) == Box(900, 700, 60, 20)
    assert box_of((2000, 10, 50, 50), Size(960, 720)) is None
    assert [warning.code for warning in check.warnings] == ["too_few_photos"]


def test_crops_hold_the_subject_and_are_repeatable(animals: list[Drawn]) -> None:
    one = animals[0]
    crops = subject_crops(one.picture, one.box, Size(64, 64), count=4, seed=5)
    assert [size_of(crop.picture) for crop in crops] == [Size(64, 64)] * 4
    again = subject_crops(one.picture, one.box, Size(64, 64), count=4, seed=5)
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(crops, again, strict=True))
    assert not np.array_equal(crops[1].picture, crops[2].picture)
    middle = np.array(one.box.centre)
    for crop in crops:
        start, end = crop.matrix[:, 2], crop.matrix @ np.array([64, 64, 1])
        assert (start >= -1e-6).all() and (end <= np.array([960, 720]) + 1e-6).all()
        assert (start < middle).all() and (middle < end).all()
    calm = crops[0].matrix
    start, end = calm[:, 2], calm @ np.array([64, 64, 1])
    assert Box(*start, *(end - start)).overlap(one.box) > 0.3
