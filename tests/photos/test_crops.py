"""Crops: of one size, upright, seeded, inside the photo where it can be."""

import numpy as np
import pytest
from PIL import Image

from portraitist.faces import Faces
from portraitist.images import to_pil
from portraitist.photos import face_crop, random_crops
from portraitist.types import Size
from tests.people import person


def test_crops_have_the_wanted_size_and_hold_the_face(faces: Faces) -> None:
    picture = person("a-4")
    face = faces.detect(picture)[0]
    for size in (Size(128, 128), Size(128, 192), Size(192, 128)):
        crops = random_crops(picture, face, size, count=4, seed=1)
        assert len(crops) == 4
        for crop in crops:
            assert crop.picture.shape == (size.height, size.width, 3)
            assert len(faces.detect(np.array(to_pil(crop.picture).resize((2 * size.width, 2 * size.height))))) == 1


def test_same_seed_same_crops_and_the_count_does_not_matter(faces: Faces) -> None:
    picture = person("closed-a")
    face = faces.detect(picture)[0]
    few = random_crops(picture, face, Size(96, 96), count=2, seed=5)
    many = random_crops(picture, face, Size(96, 96), count=5, seed=5)
    other = random_crops(picture, face, Size(96, 96), count=2, seed=6)
    assert np.array_equal(few[1].picture, many[1].picture)
    assert not np.array_equal(few[1].picture, other[1].picture)
    assert np.array_equal(few[0].picture, face_crop(picture, face, Size(96, 96)).picture)


@pytest.mark.parametrize("degrees", [-35, 35])
def test_a_rolled_face_comes_out_upright(faces: Faces, degrees: int) -> None:
    picture = np.array(to_pil(person("a-5")).rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90)))
    face = faces.detect(picture)[0]
    assert abs(face.roll) > 25
    upright = faces.detect(face_crop(picture, face, Size(256, 256)).picture)[0]
    assert abs(upright.roll) < 8


def test_crops_stay_inside_the_photo(faces: Faces) -> None:
    picture = person("a-1")
    face = faces.detect(picture)[0]
    for crop in random_crops(picture, face, Size(128, 128), count=6, seed=3):
        corners = crop.matrix @ np.array([[0, 0, 1], [128, 128, 1]]).T
        assert corners.min() > -1e-6 and corners.max() < 256 + 1e-6
