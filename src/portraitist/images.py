"""Pictures in and out: safe decoding, orientation, resize, crop, tensors, PNG and JPEG. The one image convention.

Between stages a picture is `uint8 (height, width, 3) RGB`; in networks a float tensor `(batch, 3, height, width)` in
[-1, 1]. Nothing here knows what a picture shows.
"""

import io
import json
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from portraitist.errors import BadFile, PhotoTooLarge, UnreadablePhoto
from portraitist.files import replacing
from portraitist.marks import Source, xmp
from portraitist.types import Box, Mask, Picture, Size

if TYPE_CHECKING:
    import torch

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "GIF")  # JPEG stands for MPO too
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif"})
_HEIC = frozenset({b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypheim", b"ftypheis", b"ftypmif1", b"ftypmsf1"})
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 80_000_000
MAX_TEXT = 1_000_000
_STRIP = 256
# What Pillow's decoders raise on broken files
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, ArithmeticError, RuntimeError,
    struct.error,
)  # fmt: skip


def read_picture(path: Path, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a photo: checked against the limits before it is decoded, turned upright by EXIF, sRGB, alpha on white.

    Raises UnreadablePhoto (no picture, truncated, unknown format, no permission) or PhotoTooLarge.
    """
    return decode(read_bytes(path, max_bytes), name=path.name, max_pixels=max_pixels)


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a photo's file. Raises PhotoTooLarge before reading, UnreadablePhoto for what cannot be opened."""
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device might never end
            raise UnreadablePhoto(f"{path.name} is no file.")
        size = path.stat().st_size
        if size > max_bytes:
            raise PhotoTooLarge(f"{path.name} has {size / 2**20:.0f} MiB; at most {max_bytes / 2**20:.0f} are read.")
        return path.read_bytes()
    except OSError as error:
        raise UnreadablePhoto(f"{path.name} cannot be opened: {(error.strerror or 'unknown').lower()}.") from error


def decode(data: bytes, *, name: str = "the picture", max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode the bytes of a picture; see `read_picture`."""
    size, strips = decode_strips(data, name=name, max_pixels=max_pixels)
    return _joined(size, strips)


def decode_strips(
    data: bytes, *, name: str = "the picture", max_pixels: int = MAX_PIXELS
) -> tuple[Size, Iterator[Picture]]:
    """The size of a picture and its rows from above, some hundred at a time; for `decode`, and where memory is short.

    What `read_picture` refuses is refused here, or at the latest by the strips.
    """
    if not data:
        raise UnreadablePhoto(f"{name} is empty.")
    with _refusing(name, max_pixels):
        image = Image.open(io.BytesIO(data), formats=_formats(data))
        if image.width * image.height > max_pixels:
            pixels = image.width * image.height / 1e6
            raise PhotoTooLarge(f"{name} has {pixels:.0f} megapixels; at most {max_pixels / 1e6:.0f} are read.")
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    return Size(image.width, image.height), _checked(_strips(image), name, max_pixels)


@contextmanager
def _refusing(name: str, max_pixels: int) -> Iterator[None]:
    """What Pillow raises over the bytes of a picture, as an error of ours."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow: odd EXIF, large pictures; the limits are ours
            yield
    except UnidentifiedImageError as error:
        raise UnreadablePhoto(f"{name} is not a picture that can be read.") from error
    except Image.DecompressionBombError as error:
        raise PhotoTooLarge(f"{name} has far more than {max_pixels / 1e6:.0f} megapixels.") from error
    except _DAMAGE as error:
        raise UnreadablePhoto(f"{name} is damaged or cut short.") from error


def _checked(strips: Iterator[Picture], name: str, max_pixels: int) -> Iterator[Picture]:
    while True:
        with _refusing(name, max_pixels):
            strip = next(strips, None)
        if strip is None:
            return
        yield strip


def _joined(size: Size, strips: Iterator[Picture]) -> Picture:
    pixels, top = np.empty((size.height, size.width, 3), np.uint8), 0
    for strip in strips:
        pixels[top : top + len(strip)] = strip
        top += len(strip)
    return pixels


def beyond_pixels(data: bytes) -> tuple[bool, int]:
    """Whether a picture has parts that one sees through, and how many pictures its animation has (1: it is none): what
    `decode` leaves out. Known of PNG, WebP and GIF; of others nothing is said."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "WEBP", "GIF")) as image:
            frames = int(getattr(image, "n_frames", 1))
            clear = image.has_transparency_data
            shades = image.convert("RGBA").getchannel("A").histogram() if clear else []
    except (*_DAMAGE, Image.DecompressionBombError):
        return False, 1
    return any(shades[:255]), frames


def _formats(data: bytes) -> tuple[str, ...]:
    """Who may try to read these bytes. HEIC (the phones' format) takes a library that Pillow has to be told of."""
    if data[4:12] not in _HEIC:
        return FORMATS
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False)
    return ("HEIF", "AVIF")


def from_pil(image: Image.Image) -> Picture:
    """The picture of a Pillow image, upright and RGB."""
    upright = ImageOps.exif_transpose(image)
    return _joined(Size(upright.width, upright.height), _strips(upright))


def to_pil(picture: Picture) -> Image.Image:
    """A Pillow image of a picture."""
    return Image.fromarray(picture, mode=None)


def _strips(image: Image.Image) -> Iterator[Picture]:
    """The rows of an image as sRGB: whole, Pillow would hold several copies of a large picture at once."""
    convert = _to_rgb(image)
    for top in range(0, image.height, _STRIP):
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
        yield np.asarray(convert(strip), dtype=np.uint8)


def _to_rgb(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """How parts of this image become sRGB; alpha lies on white."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_wide(image)
    if image.mode in ("RGBA", "LA", "PA") or (image.mode == "P" and "transparency" in image.info):
        return _on_white
    return _to_srgb(image)


def _on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")


def _from_wide(whole: Image.Image) -> Callable[[Image.Image], Image.Image]:
    top = 65535.0 if float(np.max(np.array(whole.getextrema(), dtype=np.float64))) > 255 else 255.0

    def convert(image: Image.Image) -> Image.Image:
        values = np.asarray(image, dtype=np.float64)
        return Image.fromarray(np.clip(values / top * 255.0, 0, 255).astype(np.uint8)).convert("RGB")

    return convert


def _to_srgb(whole: Image.Image) -> Callable[[Image.Image], Image.Image]:
    profile = whole.info.get("icc_profile")
    if profile and whole.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            turn = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), whole.mode, "RGB")
            return partial(_turned, turn)
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile is no reason to lose the photo
    return lambda image: image if image.mode == "RGB" else image.convert("RGB")


def _turned(turn: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    return ImageCms.applyTransform(image, turn) or image


def size_of(picture: Picture) -> Size:
    """Width and height of a picture."""
    return Size(picture.shape[1], picture.shape[0])


def resize(picture: Picture, size: Size) -> Picture:
    """Resize with Lanczos (with its low-pass when shrinking).

    Shrinking by six or more begins with a box filter down to three times the size, for speed; Pillow documents that gap
    as hardly to be told from the long way.
    """
    if size == size_of(picture):
        return picture
    return np.array(to_pil(picture).resize((size.width, size.height), Image.Resampling.LANCZOS, reducing_gap=3.0))


def fit(picture: Picture, longest: int) -> tuple[Picture, float]:
    """Shrink so that the longer side is at most `longest`; the factor that was applied, at most 1."""
    factor = min(1.0, longest / max(picture.shape[:2]))
    if factor == 1.0:
        return picture, 1.0
    size = Size(max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    return resize(picture, size), factor


def crop(picture: Picture, box: Box) -> Picture:
    """The part of a picture in `box`, rounded to whole pixels; what reaches over the edge repeats the edge's pixels."""
    left, top = round(box.x), round(box.y)
    columns = np.clip(np.arange(left, left + max(1, round(box.width))), 0, picture.shape[1] - 1)
    rows = np.clip(np.arange(top, top + max(1, round(box.height))), 0, picture.shape[0] - 1)
    return np.ascontiguousarray(picture[rows[:, None], columns[None, :]])


def transform(picture: Picture, matrix: np.ndarray, size: Size) -> Picture:
    """Resample by an affine map: `matrix` (2, 3) takes output pixels (x, y, 1) to input pixels. Edges repeat.

    Shrinking by more than two is done in two steps, so that nothing flickers.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    source, matrix = picture, np.array(matrix, dtype=np.float64)
    if scale > 1.5:
        source, factor = fit(picture, max(1, round(max(picture.shape[:2]) / scale)))
        matrix = matrix * factor
    padding = _reach(matrix, size, size_of(source))
    if padding:
        source = np.pad(source, ((padding, padding), (padding, padding), (0, 0)), mode="edge")
        matrix[:, 2] += padding
    values = tuple(float(value) for value in matrix.reshape(-1))
    turned = to_pil(source).transform(
        (size.width, size.height), Image.Transform.AFFINE, values, Image.Resampling.BICUBIC
    )
    return np.array(turned)


def _reach(matrix: np.ndarray, size: Size, source: Size) -> int:
    corners = np.array([[0, 0, 1], [size.width, 0, 1], [0, size.height, 1], [size.width, size.height, 1]]).T
    x, y = matrix @ corners
    over = max(-x.min(), -y.min(), x.max() - source.width, y.max() - source.height, 0.0)
    return int(np.ceil(min(over, 2.0 * max(source.width, source.height)))) + 2 if over > 0 else 0


def to_tensor(pictures: Sequence[Picture]) -> "torch.Tensor":
    """float32 (batch, 3, height, width) in [-1, 1] of pictures of one size."""
    import torch

    batch = torch.from_numpy(np.stack(pictures))
    return batch.permute(0, 3, 1, 2).to(torch.float32).div(127.5).sub(1.0).contiguous()


def from_tensor(batch: "torch.Tensor") -> list[Picture]:
    """The pictures of a float tensor (batch, 3, height, width) in [-1, 1]; values outside are cut."""
    values = batch.detach().float().clamp(-1.0, 1.0).add(1.0).mul(127.5).round()
    arrays = values.to("cpu").permute(0, 2, 3, 1).contiguous().numpy().astype(np.uint8)
    return list(arrays)


def save_png(
    path: Path,
    picture: Picture,
    text: Mapping[str, str] | None = None,
    *,
    made: bool = True,
    source: Source = Source.GENERATED,
    dpi: int | None = None,
) -> Path:
    """Write a picture as PNG with text chunks, all or nothing; `made` marks it in XMP as what `source` says.

    `dpi` says how large it is on paper. Raises Unwritable or DiskFull.
    """
    chunks = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        if value.isascii():
            chunks.add_text(key, value)
        else:
            chunks.add_itxt(key, value)
    if made:
        chunks.add_itxt("XML:com.adobe.xmp", xmp(source))
    density = {"dpi": (dpi, dpi)} if dpi else {}
    with replacing(path) as temporary:
        to_pil(picture).save(temporary, format="PNG", pnginfo=chunks, **density)
    return path


def save_mask(path: Path, mask: Mask) -> Path:
    """Write a mask as a grey PNG, all or nothing. Raises Unwritable or DiskFull."""
    with replacing(path) as temporary:
        Image.fromarray(mask).save(temporary, format="PNG")
    return path


def save_jpeg(
    path: Path,
    picture: Picture,
    *,
    quality: int = 92,
    made: bool = True,
    source: Source = Source.GENERATED,
    dpi: int | None = None,
) -> Path:
    """Write a picture as JPEG, all or nothing; the rest as in `save_png`. Raises Unwritable or DiskFull."""
    mark = {"xmp": xmp(source).encode()} if made else {}
    density = {"dpi": (dpi, dpi)} if dpi else {}
    with replacing(path) as temporary:
        to_pil(picture).save(temporary, format="JPEG", quality=quality, subsampling=0, **mark, **density)
    return path


def read_png_text(path: Path) -> dict[str, str]:
    """The text chunks of a PNG. Raises BadFile if it is no PNG or cannot be read."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()  # chunks may follow the pixels
            found = getattr(image, "text", {})
    except FileNotFoundError as error:
        raise BadFile(f"There is no file {path}.", hint="Check the path.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadFile(f"{path} is not a PNG that can be read.") from error
    return {key: str(value) for key, value in found.items() if len(value) <= MAX_TEXT}


def read_request(path: Path) -> dict[str, object]:
    """The request inside a portrait (chunk `portraitist`). Raises BadFile if there is none."""
    text = read_png_text(path).get("portraitist")
    try:
        value = json.loads(text) if text is not None else None
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise BadFile(
            f"{path} carries no request.", hint="Only a PNG of this studio that nobody re-saved can be made again."
        )
    return value
