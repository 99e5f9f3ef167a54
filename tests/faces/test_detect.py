"""Finding faces: one face is one face, whatever its size, place and roll."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraitist.errors import MissingModel, UnfitModel
from portraitist.faces import Faces
from portraitist.faces.blaze import Find, merge
from portraitist.faces.tflite import Network
from portraitist.images import read_picture, to_pil
from portraitist.types import Box
from tests.people import PEOPLE, person


@pytest.mark.parametrize("name", [path.stem for path in sorted(PEOPLE.glob("*.jpg"))])
def test_exactly_one_face_where_there_is_one(faces: Faces, name: str) -> None:
    found = faces.detect(person(name))
    assert len(found) == 1
    face = found[0]
    assert 55 < face.box.width < 170 and 0.5 < face.score <= 1
    assert face.mesh.shape == (468, 3) and face.points.shape == (6, 2)
    (left_x, left_y), (right_x, right_y) = face.eyes
    assert left_x < right_x
    for x, y in ((left_x, left_y), (right_x, right_y)):
        assert face.box.x < x < face.box.x + face.box.width and face.box.y < y < face.box.y + face.box.height


def test_nobody_is_nobody(faces: Faces, landscape: Path) -> None:
    assert faces.detect(read_picture(landscape)) == []
    assert faces.detect(np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)) == []


def test_two_faces_are_two_and_the_largest_comes_first(faces: Faces, couple: Path) -> None:
    found = faces.detect(read_picture(couple))
    assert len(found) == 2
    assert found[0].box.area >= found[1].box.area


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
def test_roll_is_measured(faces: Faces, degrees: int) -> None:
    turned = np.array(to_pil(person("a-5")).rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(120, 120, 120)))
    straight, rolled = faces.detect(person("a-5"))[0], faces.detect(turned)[0]
    assert rolled.roll - straight.roll == pytest.approx(degrees, abs=6)


def test_mirroring_turns_yaw_and_roll(faces: Faces) -> None:
    face = faces.detect(person("b-1"))[0]
    mirrored = faces.detect(np.ascontiguousarray(person("b-1")[:, ::-1]))[0]
    assert face.yaw == pytest.approx(-mirrored.yaw, abs=6) and abs(face.yaw) > 5
    assert face.roll == pytest.approx(-mirrored.roll, abs=4)


def test_a_small_face_in_a_wide_picture_is_found(faces: Faces) -> None:
    wide = np.full((700, 1400, 3), 128, np.uint8)
    wide[400:656, 900:1156] = person("a-4")
    found = faces.detect(wide)
    assert len(found) == 1
    assert 900 < found[0].box.centre[0] < 1156


def test_boxes_are_in_pixels_of_a_large_picture(faces: Faces) -> None:
    small = faces.detect(person("a-1"))[0]
    large = np.array(to_pil(person("a-1")).resize((2560, 2560)))
    found = faces.detect(large)[0]
    assert found.box.overlap(small.box.scaled(10)) > 0.8


def test_merge_joins_what_overlaps_and_keeps_the_rest() -> None:
    points = np.zeros((6, 2))
    finds = [
        Find(Box(0, 0, 100, 100), 0.9, points),
        Find(Box(10, 0, 100, 100), 0.6, points + 10),
        Find(Box(20, 20, 30, 30), 0.5, points),
        Find(Box(300, 0, 50, 50), 0.7, points),
    ]
    merged = merge(finds)
    assert [round(find.score, 1) for find in merged] == [0.9, 0.7]
    assert 0 < merged[0].box.x < 10
    assert merged[1].box == finds[3].box


def test_missing_and_damaged_models_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match=r"face_detection_full_range\.tflite") as caught:
        Faces.load(tmp_path)
    assert "portraitist setup" in str(caught.value.hint)
    (tmp_path / "x.tflite").write_bytes(b"not a network")
    with pytest.raises(UnfitModel, match=r"x\.tflite"):
        Network(tmp_path / "x.tflite")


@pytest.mark.parametrize("degrees", [0, 35])
def test_closed_eyes_are_less_open_than_open_ones(faces: Faces, degrees: int) -> None:
    def opening(name: str, mirrored: bool) -> float:
        picture = np.array(to_pil(person(name)).rotate(degrees, Image.Resampling.BICUBIC))
        picture = np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
        return faces.opening(picture, faces.detect(picture)[0])

    for mirrored in (False, True):
        closed, seen = opening("closed-a", mirrored), opening("a-1", mirrored)
        assert 0 <= closed < 0.7 * seen < 0.5
