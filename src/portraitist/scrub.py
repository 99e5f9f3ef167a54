"""Photos without what cameras and programs write beside the picture: place, date, owner, thumbnails, edits, motion.

What a sitter's folder keeps has been through here. Pixels stay as they were, to the last bit: of JPEG and PNG only the
picture's own parts are kept, colour profile and orientation among them; any other format becomes PNG.
"""

import io
import struct
from collections.abc import Callable, Iterator
from typing import Protocol
from zlib import crc32

import numpy as np
from PIL import Image

from portraitist import images
from portraitist.images import to_pil
from portraitist.types import Picture

_ANY = 10**12  # pixels: whoever keeps a photo has judged its size
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN, _END, _APP2, _COMMENT = 0xDA, 0xD9, 0xE2, 0xFE
_APPS_KEPT = frozenset({0xE0, 0xEE})  # JFIF, and Adobe's word on how colours are meant
_CHUNKS_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"IDAT", b"IEND"})


class Decode(Protocol):
    """Bytes to pixels, as `images.decode` or `Decoder.decode`."""

    def __call__(self, data: bytes, *, name: str, max_pixels: int) -> Picture: ...


def scrub(data: bytes, name: str, decode: Decode = images.decode) -> tuple[bytes, str]:
    """The bytes of the picture alone, and the name with the suffix that they need now.

    Raises UnreadablePhoto or PhotoTooLarge, as `images.decode` does.
    """
    whole = decode(data, name=name, max_pixels=_ANY)
    stem = name.rpartition(".")[0] or name
    for start, parts, suffixes in ((_JPEG, _jpeg_parts, (".jpg", ".jpeg")), (_PNG, _png_parts, (".png",))):
        if (
            data.startswith(start)
            and (clean := _tried(parts, data))
            and np.array_equal(decode(clean, name=name, max_pixels=_ANY), whole)
        ):
            return clean, name if name.lower().endswith(suffixes) else f"{stem}{suffixes[0]}"
    buffer = io.BytesIO()
    to_pil(whole).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue(), f"{stem}.png"


def _tried(parts: Callable[[bytes], Iterator[bytes]], data: bytes) -> bytes:
    """The joined parts, or nothing for a layout that we do not know: then pixels matter more than bytes."""
    try:
        return b"".join(parts(data))
    except (struct.error, IndexError, OSError):
        return b""


def _orientation(data: bytes) -> int:
    with Image.open(io.BytesIO(data)) as image:
        return int(image.getexif().get(0x0112, 1))


def _exif(orientation: int) -> bytes:
    """EXIF that says how to turn the picture and nothing else."""
    entry = struct.pack(">HHIHxx", 0x0112, 3, 1, orientation)
    return b"MM\x00\x2a\x00\x00\x00\x08" + struct.pack(">H", 1) + entry + b"\x00\x00\x00\x00"


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    """The first picture's segments, without those of its makers. What follows its end is not read."""
    yield _JPEG
    orientation = _orientation(data)
    if orientation != 1:
        body = b"Exif\x00\x00" + _exif(orientation)
        yield b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    at = 2
    while True:
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        marker = data[at + 1]
        if data[at] != 0xFF or marker == _END:
            yield b"\xff\xd9"
            return
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if _kept(marker, data[at + 4 : end]):
            yield data[at:end]
        at = end
        if marker == _START_OF_SCAN:
            end = _end_of_scan(data, at)
            yield data[at:end]
            at = end


def _kept(marker: int, body: bytes) -> bool:
    if marker == _APP2:
        return body.startswith(b"ICC_PROFILE\x00")
    return marker in _APPS_KEPT or not (0xE0 <= marker <= 0xEF or marker == _COMMENT)


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the coded pixels that begin at `at` end: at the first marker that is no restart and no stuffed byte."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise IndexError("a scan without an end")
        if data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7:
            at += 2
        elif data[at + 1] == 0xFF:
            at += 1
        else:
            return at


def _png_parts(data: bytes) -> Iterator[bytes]:
    yield _PNG
    orientation, at = _orientation(data), len(_PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT" and orientation != 1:
            yield _chunk(b"eXIf", _exif(orientation))
            orientation = 1
        if kind in _CHUNKS_KEPT:
            yield data[at : at + 12 + length]
        at += 12 + length
        if kind == b"IEND":
            return


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc32(kind + body))
