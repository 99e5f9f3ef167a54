"""One photo cut as asked: framings, masks, white, borders, and what is told about it."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from portraitist.faces import Face, Faces, Masks
from portraitist.faces.masks import masks_of
from portraitist.images import resize, size_of, to_pil
from portraitist.photos import CutPhoto, CutPlan, cut_photo, random_crops
from portraitist.photos.framing import FRAMINGS, crop_boxes
from portraitist.recipes import Framing
from portraitist.types import Picture, Size
from tests.people import person

NATIVE = Size(128, 128)


class Middle:
    """The middle third of every picture is a person, the head is what is round its face."""

    name = "middle"

    def masks(self, picture: Picture, face: Face) -> Masks:
        people = np.zeros(picture.shape[:2], np.uint8)
        people[:, picture.shape[1] // 3 : 2 * picture.shape[1] // 3] = 255
        return masks_of(people, face.mesh)


@pytest.fixture(scope="module")
def sample(faces: Faces) -> tuple[Picture, Face]:
    """A person in the middle of a large photo, small enough for every framing."""
    picture = np.pad(person("a-3"), ((200, 800), (400, 400), (0, 0)), mode="edge")
    return picture, faces.detect(picture)[0]


def cut(sample: tuple[Picture, Face], framing: Framing, *shapes: Size, white: bool = False) -> CutPhoto:
    return cut_photo("a.jpg", *sample, CutPlan(framing, shapes or (NATIVE,), 3, True, white), Middle(), seed=4)


def test_close_crops_are_the_random_crops_with_masks(sample: tuple[Picture, Face]) -> None:
    done = cut(sample, "close")
    crops = random_crops(*sample, NATIVE, count=3, seed=4)
    assert len(done.masks) == 3 and done.frame is None
    assert all(np.array_equal(one, crop.picture) for one, crop in zip(done.pictures, crops, strict=True))
    assert all(np.array_equal(m.background, 255 - m.person) for m in done.masks)


@pytest.mark.parametrize("framing", ["head", "half", "full"])
def test_a_wide_picture_holds_the_face_where_its_frame_says(
    framing: Framing, sample: tuple[Picture, Face], faces: Faces
) -> None:
    done = cut(sample, framing, NATIVE, Size(128, 192))
    assert done.frame is not None and len(done.pictures) == 1
    assert done.masks[0].person.shape == done.pictures[0].shape[:2]
    scale = 512 / min(done.pictures[0].shape[:2])
    large = resize(done.pictures[0], Size(*(round(side * scale) for side in done.pictures[0].shape[1::-1])))
    found = faces.detect(large)[0].box
    assert found.overlap(done.frame.face.scaled(scale)) > 0.6
    assert done.calm.shape[:2] == (done.frame.size.height, done.frame.size.width)
    assert done.frame.size == (NATIVE if framing == "head" else Size(128, 192))
    assert not [warning for warning in done.warnings if warning.code == "framed_closer"]
    assert done.tags == {"head": ("portrait",), "half": ("upper_body",), "full": ("full_body",)}[framing]


def test_a_tight_photo_is_told_for_a_wide_framing(faces: Faces) -> None:
    picture = person("a-1")
    told = {w.code for w in cut((picture, faces.detect(picture)[0]), "full").warnings}
    assert "framed_closer" in told and "enlarged" not in told
    tags = cut((picture, faces.detect(picture)[0]), "full").tags
    assert tags == ("close-up",), "no caption says full body of a head"


def test_enlarging_is_told_with_its_factor_and_its_name(sample: tuple[Picture, Face]) -> None:
    (warning,) = [w for w in cut(sample, "head", Size(512, 512)).warnings if w.code == "enlarged"]
    factor = 512 / (2.54 * max(sample[1].box.width, sample[1].box.height))
    assert f"{factor:.1f} times (Lanczos)" in warning.message and "a.jpg" in warning.message


def test_white_keeps_the_head_of_heads_and_the_person_of_the_rest(sample: tuple[Picture, Face]) -> None:
    head, half = cut(sample, "head", white=True), cut(sample, "half", white=True)
    assert np.all(head.pictures[0][head.masks[0].head == 0] == 255)
    assert np.all(half.pictures[0][half.masks[0].person == 0] == 255)
    bottom = half.pictures[0][-5:, half.pictures[0].shape[1] // 2]
    assert not np.all(bottom == 255), "the body is there"
    assert np.all(head.pictures[0][-5:] == 255), "and with heads it is not"


@pytest.mark.parametrize("degrees", [-25, 25])
def test_a_turned_photo_stays_a_photo(faces: Faces, degrees: int) -> None:
    """What no photo shows is in no mask, and there is little of it; turned-back faces are upright."""
    picture = np.array(to_pil(person("b-2")).resize((512, 512)).rotate(-degrees, Image.Resampling.BICUBIC))
    picture = picture[80:-80, 80:-80]
    face = faces.detect(picture)[0]
    done = cut((picture, face), "half")
    masks = done.masks[0]
    outside = 255 - masks.person.astype(int) - masks.background
    assert outside.min() >= 0 and np.mean(outside > 128) < 0.25
    assert np.all(masks.head[outside == 255] == 0)
    upright = faces.detect(np.array(to_pil(done.calm).resize((512, 512))))[0]
    assert abs(upright.roll) < 8


def test_crops_of_the_wide_picture_are_sharp_enough(sample: tuple[Picture, Face]) -> None:
    """It has as many pixels as the tightest crop needs, where the photo has them."""
    large = resize(sample[0], Size(2 * sample[0].shape[1], 2 * sample[0].shape[0]))
    frame = cut((large, _doubled(sample[1])), "head").frame
    assert frame is not None
    whole = size_of(cut((large, _doubled(sample[1])), "head").pictures[0])
    widths = [box.width for box in crop_boxes(frame, whole, count=20, seed=1)]
    assert 0.97 * NATIVE.width < min(widths) < 1.2 * NATIVE.width
    assert max(widths) < 1.05 * NATIVE.width * FRAMINGS["head"].side[1] / FRAMINGS["head"].side[0]


def _doubled(face: Face) -> Face:
    return replace(face, box=face.box.scaled(2), mesh=face.mesh * 2, points=face.points * 2, eyes=face.eyes * 2)
