"""What a sitter's folder keeps: every pixel, and nothing of who took the photo, where and when."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from portraitist.errors import UnreadablePhoto
from portraitist.images import decode
from portraitist.scrub import scrub

SECRET = b"48.8584"
HEIC = Path(__file__).parent / "data" / "turned.heic"


def picture(seed: int = 0) -> Image.Image:
    rows, columns = np.mgrid[0:40, 0:56]
    noise = np.random.default_rng(seed).integers(0, 60, (40, 56, 3))
    return Image.fromarray((np.stack([rows * 4, columns * 3, rows + columns], -1) + noise).astype(np.uint8))


def exif(orientation: int = 1) -> Image.Exif:
    found = Image.Exif()
    found[0x0112], found[0x013B], found[0x010E] = orientation, "Anna Photographer", SECRET.decode()
    found.get_ifd(0x8825)[2] = (48.0, 51.0, 30.24)
    return found


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def everything(kind: str, orientation: int) -> bytes:
    xmp = b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", SECRET.decode())
        return encoded(picture(), "PNG", pnginfo=text, exif=exif(orientation))
    options = {"comment": SECRET} if kind == "JPEG" else {}
    return encoded(picture(), kind, exif=exif(orientation), xmp=xmp, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pixels_stay_and_metadata_goes(kind: str, orientation: int) -> None:
    data = everything(kind, orientation)
    clean, name = scrub(data, f"me.{kind.lower()}")
    assert SECRET in data and b"Photographer" in data
    assert SECRET not in clean and b"Photographer" not in clean
    np.testing.assert_array_equal(decode(clean), decode(data))
    with Image.open(io.BytesIO(clean)) as left:
        assert set(left.getexif()) <= {0x0112}
        assert name.endswith({"JPEG": ".jpeg", "PNG": ".png", "WEBP": ".png"}[kind]) and left.format in ("JPEG", "PNG")


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": 0}])
def test_all_kinds_of_jpeg(options: dict[str, object]) -> None:
    data = encoded(picture(), "JPEG", quality=90, exif=exif(6), **options)
    clean, _ = scrub(data, "a.jpg")
    assert b"Photographer" not in clean
    np.testing.assert_array_equal(decode(clean), decode(data))


def test_cmyk_and_colour_profiles_keep_their_meaning() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for image in (picture().convert("CMYK"), picture()):
        data = encoded(image, "JPEG", icc_profile=profile if image.mode == "RGB" else None, exif=exif())
        clean, _ = scrub(data, "a.jpg")
        np.testing.assert_array_equal(decode(clean), decode(data))
        assert (b"ICC_PROFILE" in clean) == (b"ICC_PROFILE" in data)


def test_what_hangs_on_behind_a_picture_is_cut() -> None:
    first = encoded(picture(0), "JPEG")
    data = first + encoded(picture(1), "JPEG", exif=exif()) + b"MotionPhoto_Data" + SECRET
    clean, _ = scrub(data, "a.jpg")
    assert clean == first


def test_a_phone_photo_becomes_png() -> None:
    clean, name = scrub(HEIC.read_bytes(), "IMG_1.HEIC")
    assert name == "IMG_1.png"
    np.testing.assert_array_equal(decode(clean), decode(HEIC.read_bytes()))


def test_twice_is_once_and_a_plain_file_stays() -> None:
    plain = encoded(picture(), "JPEG")
    assert scrub(plain, "a.jpg") == (plain, "a.jpg")
    clean, name = scrub(everything("JPEG", 6), "a.jpg")
    assert scrub(clean, name) == (clean, name)


def test_a_name_that_lies_is_put_right() -> None:
    assert scrub(encoded(picture(), "JPEG"), "a.png")[1] == "a.jpg"
    assert scrub(encoded(picture(), "PNG"), "a.jpg")[1] == "a.png"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_broken_files_are_unreadable(kind: str) -> None:
    data = everything(kind, 6)
    for cut in (3, 20, len(data) // 3, len(data) // 2):
        with pytest.raises(UnreadablePhoto, match=r"me\.jpg"):
            scrub(data[:cut], "me.jpg")
