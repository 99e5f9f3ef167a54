"""Framing: shapes, places and sizes of crops, as numbers."""

import pytest

from portraitist.photos.framing import (
    FRAMINGS,
    Frame,
    buckets,
    choose_bucket,
    crop_boxes,
    enlarged,
    shown,
    wide_box,
)
from portraitist.types import Box, Size

HEAD, HALF, FULL = FRAMINGS["head"], FRAMINGS["half"], FRAMINGS["full"]
FACE = Box(950, 500, 100, 90)
LARGE = Size(2000, 3000)
SQUARE = Size(512, 512)


def test_the_head_is_framed_as_the_reference_does() -> None:
    frame = Frame(FACE, HEAD, SQUARE)
    boxes = crop_boxes(frame, LARGE, count=200, seed=3)
    shares = [FACE.width / box.width for box in boxes]
    heights = [(FACE.centre[1] - box.y) / box.height for box in boxes]
    assert 0.35 <= min(shares) < 0.37 and 0.43 < max(shares) <= 0.45
    assert 0.35 <= min(heights) < 0.37 and 0.48 < max(heights) <= 0.50
    assert all(box.centre[0] == pytest.approx(FACE.centre[0]) for box in boxes)


@pytest.mark.parametrize("size", [SQUARE, Size(448, 576), Size(576, 448)])
@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
@pytest.mark.parametrize("whole", [LARGE, Size(1100, 700), Size(1060, 3000)])
def test_crops_stay_inside_and_keep_the_face_and_the_shape(framing, size, whole) -> None:  # type: ignore[no-untyped-def]
    wide = wide_box(FACE, whole, framing, size)
    assert wide.x >= 0 and wide.y >= 0
    assert wide.x + wide.width <= whole.width + 1e-6 and wide.y + wide.height <= whole.height + 1e-6
    inner = Size(round(wide.width), round(wide.height))
    face = Box(FACE.x - wide.x, FACE.y - wide.y, FACE.width, FACE.height)
    for box in crop_boxes(Frame(face, framing, size), inner, count=20, seed=1):
        assert box.width / box.height == pytest.approx(size.width / size.height)
        assert box.x >= -1e-6 and box.x + box.width <= inner.width + 1e-6
        assert box.y >= -1e-6 and box.y + box.height <= inner.height + 1e-6
        assert box.x <= face.x and face.x + face.width <= box.x + box.width
        assert box.y <= face.y and face.y + face.height <= box.y + box.height


def test_the_wide_picture_costs_no_crop_its_place() -> None:
    """Crops of the wide picture are those of the whole photo."""
    for face in (FACE, Box(20, 100, 100, 100), Box(1880, 2800, 100, 100)):
        wide = wide_box(face, LARGE, HALF, SQUARE)
        moved = Box(face.x - wide.x, face.y - wide.y, face.width, face.height)
        direct = crop_boxes(Frame(face, HALF, SQUARE), LARGE, count=10, seed=2)
        through = crop_boxes(Frame(moved, HALF, SQUARE), Size(round(wide.width), round(wide.height)), count=10, seed=2)
        for one, other in zip(direct, through, strict=True):
            assert (other.x + wide.x, other.y + wide.y) == pytest.approx((one.x, one.y), abs=1.0)


def test_same_seed_same_crops_and_the_count_does_not_matter() -> None:
    frame = Frame(FACE, FULL, SQUARE)
    many = crop_boxes(frame, LARGE, count=6, seed=4)
    assert crop_boxes(frame, LARGE, count=3, seed=4) == many[:3] and len(set(many)) == 6
    assert crop_boxes(frame, LARGE, count=3, seed=5)[1:] != many[1:3]


def test_wider_framings_show_more() -> None:
    heights = [crop_boxes(Frame(FACE, f, Size(448, 576)), LARGE, count=1, seed=0)[0].height for f in FRAMINGS.values()]
    assert heights[1] > 1.5 * heights[0] and heights[2] > 1.8 * heights[1]
    assert heights[2] > 10 * FACE.height, "a standing figure"


def test_buckets_have_sides_of_64_and_no_more_pixels_than_the_base_knows() -> None:
    shapes = buckets(SQUARE)
    assert shapes[0] == SQUARE and {Size(448, 576), Size(576, 448), Size(384, 640)} <= set(shapes)
    assert all(size.width % 64 == 0 and size.height % 64 == 0 and size.area <= SQUARE.area for size in shapes)
    assert all(0.5 <= size.width / size.height <= 2 for size in shapes)
    assert len(buckets(Size(1024, 1024))) > len(shapes)


def test_a_small_base_has_the_shapes_that_it_lists() -> None:
    native = Size(256, 256)
    assert buckets(native, ((256, 384), (384, 256))) == (native, Size(256, 384), Size(384, 256))
    assert buckets(native) == (native,)


def test_the_shape_follows_the_framing_and_the_photo() -> None:
    shapes = buckets(SQUARE)
    assert choose_bucket(FACE, LARGE, HEAD, shapes) == SQUARE
    assert choose_bucket(FACE, LARGE, HALF, shapes) == Size(448, 576)
    tall = choose_bucket(FACE, LARGE, FULL, shapes)
    assert tall.height >= 1.6 * tall.width
    flat = Size(2000, 640)  # the photo ends below the chin
    assert choose_bucket(FACE, flat, HALF, shapes).height <= 512
    assert choose_bucket(Box(10, 500, 100, 100), Size(120, 3000), HEAD, shapes).width < 512


def test_what_is_enlarged_and_what_is_missing_is_known() -> None:
    assert enlarged(Frame(FACE, HEAD, SQUARE), LARGE) == pytest.approx(512 / 252.4, rel=0.01)
    assert enlarged(Frame(FACE.scaled(4), HEAD, SQUARE), Size(8000, 12000)) < 0.6
    assert shown(Frame(FACE, FULL, Size(384, 640)), LARGE) == 1.0
    assert shown(Frame(Box(100, 100, 300, 300), FULL, Size(384, 640)), Size(600, 900)) < 0.3
