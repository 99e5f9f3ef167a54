"""Pictures in and out: what is safe, what is upright, what survives."""

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraitist import images
from portraitist.errors import BadFile, PhotoTooLarge, UnreadablePhoto
from portraitist.types import Box, Picture, Size


@pytest.fixture
def picture() -> Picture:
    rows, columns = np.mgrid[0:48, 0:64]
    return np.stack([rows * 5, columns * 4, (rows + columns) * 2], axis=-1).astype(np.uint8)


def encoded(picture: Picture, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_decode_reads_the_usual_formats(picture: Picture, kind: str) -> None:
    found = images.decode(encoded(picture, kind))
    assert found.shape == picture.shape and found.dtype == np.uint8
    assert np.abs(found.astype(int) - picture).mean() < 6


def test_orientation_is_applied(picture: Picture) -> None:
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    found = images.decode(encoded(picture, "PNG", exif=exif))
    assert np.array_equal(found, np.rot90(picture, -1))


def test_alpha_lies_on_white() -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(clear, "RGBA").save(buffer, "PNG")
    assert images.decode(buffer.getvalue()).min() == 255


def test_sixteen_bits_become_eight() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), 32896, np.uint16)).save(buffer, "PNG")
    assert set(np.unique(images.decode(buffer.getvalue()))) == {128}


HEIC = Path(__file__).parent / "data" / "turned.heic"


def test_a_phone_photo_is_read_and_turned_by_its_exif() -> None:
    picture = images.read_picture(HEIC)
    assert picture.shape == (64, 48, 3)
    for place, colour in (((2, 2), (200, 30, 30)), ((2, -3), (30, 180, 30)), ((-3, 2), (30, 30, 200))):
        assert np.abs(picture[place].astype(int) - colour).max() < 12


def test_a_damaged_phone_photo_never_escapes_the_tree() -> None:
    random, data = np.random.default_rng(0), np.frombuffer(HEIC.read_bytes(), np.uint8)
    with pytest.raises(UnreadablePhoto, match=r"half\.heic"):
        images.decode(data[: len(data) // 2].tobytes(), name="half.heic")
    for _ in range(200):
        broken = data.copy()
        places = random.integers(12, len(data), 6)
        broken[places] = random.integers(0, 256, 6)
        try:
            picture = images.decode(broken.tobytes())
        except (UnreadablePhoto, PhotoTooLarge):
            continue
        assert picture.ndim == 3


@pytest.mark.parametrize(
    "data",
    [b"", b"this is a text", b"\xff\xd8\xff\xe0 not much of a JPEG", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftypheic"],
)
def test_what_is_no_picture_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadablePhoto, match=r"cat\.jpg"):
        images.decode(data, name="cat.jpg")


def test_a_text_is_told_from_a_damaged_picture() -> None:
    with pytest.raises(UnreadablePhoto, match="is not a picture"):
        images.decode(b"Dear diary, this is a text.", name="cat.jpg")


def test_two_pictures_in_one_file_show_the_first(picture: Picture) -> None:
    second = Image.fromarray(picture[::-1].copy())
    data = encoded(picture, "MPO", save_all=True, append_images=[second])
    np.testing.assert_array_equal(images.decode(data), images.decode(encoded(picture, "JPEG")))


def test_a_truncated_jpeg_is_unreadable(picture: Picture) -> None:
    data = encoded(np.tile(picture, (8, 8, 1)), "JPEG")
    with pytest.raises(UnreadablePhoto, match="cut short"):
        images.decode(data[: len(data) // 2], name="half.jpg")


def test_random_damage_never_escapes_the_tree(picture: Picture) -> None:
    random = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        data = np.frombuffer(encoded(picture, kind), np.uint8)
        for _ in range(60):
            broken = data.copy()
            broken[random.integers(0, len(broken), 8)] = random.integers(0, 256, 8)
            with suppress(UnreadablePhoto, PhotoTooLarge):
                images.decode(broken[: random.integers(4, len(broken))].tobytes(), max_pixels=10**6)


def test_limits_hold_before_decoding(tmp_path: Path, picture: Picture) -> None:
    path = tmp_path / "big.png"
    path.write_bytes(encoded(picture, "PNG"))
    with pytest.raises(PhotoTooLarge, match="megapixels"):
        images.read_picture(path, max_pixels=1000)
    with pytest.raises(PhotoTooLarge, match="MiB"):
        images.read_picture(path, max_bytes=10)


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePhoto, match=r"gone\.jpg"):
        images.read_picture(tmp_path / "gone.jpg")


def test_tensors_and_back(picture: Picture) -> None:
    batch = images.to_tensor([picture, picture])
    assert batch.shape == (2, 3, 48, 64) and batch.min() >= -1 and batch.max() <= 1
    assert np.array_equal(images.from_tensor(batch)[1], picture)


def test_crop_repeats_the_edge(picture: Picture) -> None:
    found = images.crop(picture, Box(-2, -2, 4, 4))
    assert np.array_equal(found[:3, :3], np.broadcast_to(picture[0, 0], (3, 3, 3)))
    assert np.array_equal(found[3, 3], picture[1, 1])


def test_transform_moves_and_scales(picture: Picture) -> None:
    moved = images.transform(picture, np.array([[1.0, 0, 10], [0, 1.0, 5]]), Size(20, 20))
    assert np.array_equal(moved, picture[5:25, 10:30])
    outside = images.transform(picture, np.array([[1.0, 0, -10], [0, 1.0, 0]]), Size(10, 10))
    assert np.array_equal(outside[:, 0], outside[:, 5])
    half = images.transform(picture, np.array([[4.0, 0, 0], [0, 4.0, 0]]), Size(16, 12))
    assert abs(float(half.mean()) - float(picture.mean())) < 3


def test_png_carries_text_and_its_mark(tmp_path: Path, picture: Picture) -> None:
    path = images.save_png(
        tmp_path / "p.png", picture, {"parameters": "a prompt", "portraitist": '{"seed": 1, "s": "é"}'}
    )
    text = images.read_png_text(path)
    assert text["parameters"] == "a prompt"
    assert "trainedAlgorithmicMedia" in text["XML:com.adobe.xmp"]
    assert images.read_request(path) == {"seed": 1, "s": "é"}
    assert np.array_equal(images.read_picture(path), picture)
    assert "trainedAlgorithmicMedia" in images.save_jpeg(tmp_path / "p.jpg", picture).read_bytes().decode("latin-1")


def test_the_users_own_pictures_are_not_marked(tmp_path: Path, picture: Picture) -> None:
    assert "XML:com.adobe.xmp" not in images.read_png_text(images.save_png(tmp_path / "p.png", picture, made=False))


def test_a_png_without_request_is_refused(tmp_path: Path, picture: Picture) -> None:
    path = images.save_png(tmp_path / "p.png", picture)
    with pytest.raises(BadFile, match="no request"):
        images.read_request(path)
    with pytest.raises(BadFile, match="not a PNG"):
        images.read_request(Path(__file__))
