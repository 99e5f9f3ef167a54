"""Masks on rendered people: the person is found, alone, and the head ends at the chin."""

import numpy as np
import pytest

from portraitist import weights
from portraitist.faces import Faces, Masker, Masks
from portraitist.faces.masks import load_masker, masks_of, on_white
from portraitist.images import size_of
from portraitist.settings import load_settings
from portraitist.types import Picture
from tests.people import person


@pytest.fixture(scope="module")
def masker() -> Masker:
    folder = load_settings().models_folder / "faces"
    if weights.missing_files(folder):
        pytest.skip(f"no face models in {folder}: run portraitist setup")
    return load_masker(folder, "embedded")


def masks_for(picture: Picture, faces: Faces, masker: Masker) -> Masks:
    return masker.masks(picture, faces.detect(picture)[0])


@pytest.mark.parametrize("name", ["a-1", "a-3", "a-4", "a-5", "b-1", "b-2"])
def test_the_face_is_the_person_and_the_corners_are_not(name: str, faces: Faces, masker: Masker) -> None:
    picture = person(name)
    face = faces.detect(picture)[0]
    masks = masker.masks(picture, face)
    assert masks.person.shape == masks.head.shape == picture.shape[:2]
    points = face.mesh[:, :2].round().astype(int).clip(0, [size_of(picture).width - 1, size_of(picture).height - 1])
    assert np.mean(masks.person[points[:, 1], points[:, 0]] > 200) > 0.97
    assert masks.person[:12, :12].max() < 30 and masks.person[:12, -12:].max() < 30
    assert np.all(masks.head <= masks.person)


def test_the_head_ends_at_the_chin_and_has_the_hair(faces: Faces, masker: Masker) -> None:
    picture = person("b-1")
    face = faces.detect(picture)[0]
    head = masker.masks(picture, face).head > 128
    chin, forehead = face.mesh[152, 1], face.mesh[10, 1]
    rows = np.flatnonzero(head.any(axis=1))
    assert rows.max() < chin + 0.12 * (chin - forehead)
    assert rows.min() < forehead - 0.1 * (chin - forehead), "the hair above the forehead"


def test_of_two_people_only_the_one_with_the_face_is_masked(faces: Faces) -> None:
    picture = np.concatenate([person("a-3"), person("b-2")], axis=1)
    face = min(faces.detect(picture), key=lambda found: found.box.x)
    people = np.full(picture.shape[:2], 255, np.uint8)
    people[:, 244:268] = 0
    masks = masks_of(people, face.mesh)
    assert masks.person[:, :200].min() == 255 and masks.person[:, 300:].max() == 0


def test_on_white_keeps_the_head_and_nothing_else(faces: Faces, masker: Masker) -> None:
    picture = person("a-3")
    masks = masks_for(picture, faces, masker)
    white = on_white(picture, masks.head)
    assert np.array_equal(white[masks.head == 255], picture[masks.head == 255])
    assert np.all(white[masks.head == 0] == 255)
    assert 0.05 < np.mean(masks.head > 128) < 0.6
