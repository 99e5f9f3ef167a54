"""Hostile uploads, drawn from a seed: damaged photos, bombs, wrong names, polyglots, archives that reach outside."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

SHARES = {"flips": 34, "header": 20, "cut": 18, "spliced": 8, "bomb": 3, "named": 6, "polyglot": 6, "archive": 5}
"""Parts of a hundred."""

FORMATS: Mapping[str, tuple[str, dict[str, object]]] = {
    "jpg": ("JPEG", {"quality": 88}),
    "progressive.jpg": ("JPEG", {"quality": 88, "progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"quality": 80}),
    "lossless.webp": ("WEBP", {"lossless": True}),
    "avif": ("AVIF", {"quality": 60, "speed": 9}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tif": ("TIFF", {"compression": "tiff_lzw"}),
}
SCRIPT = b"<html><body><script>alert(document.cookie)</script></body></html>"
FOREIGN = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><rect width="9" height="9"/></svg>',
    "html": SCRIPT,
    "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99999 99999\n(/etc/passwd) (r) file\n",
    "elf": b"\x7fELF\x02\x01\x01" + bytes(57),
    "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "empty": b"",
    "zeros": bytes(100_000),
}


@dataclass(frozen=True)
class Upload:
    """A file as it is sent: the kind of mischief, its name and bytes."""

    kind: str
    name: str
    data: bytes


def seeds(heic: Path) -> dict[str, bytes]:
    """Good photos by name, in every format, with EXIF (a place too) and a colour profile where the format has them."""
    rows, columns = np.mgrid[0:480, 0:640]
    noise = np.random.default_rng(0).normal(0, 6, (480, 640, 3))
    waves = np.stack([rows / 2, columns / 3, 128 + 90 * np.sin(columns / 17) * np.cos(rows / 23)], axis=-1)
    image = Image.fromarray((waves + noise).clip(0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    exif.get_ifd(0x8825)[1] = "N"
    found = {"phone.heic": heic.read_bytes()}
    for end, (kind, options) in FORMATS.items():
        buffer = io.BytesIO()
        more = {} if end in ("gif", "bmp") else {"exif": exif}
        image.save(buffer, kind, **options, **more)
        found[f"photo.{end}"] = buffer.getvalue()
    large = io.BytesIO()
    image.resize((4000, 3000)).save(large, "JPEG", quality=85)
    return {**found, "large.jpg": large.getvalue()}


def uploads(count: int, seed: int, heic: Path, outside: Path) -> Sequence[Callable[[], Upload]]:
    """`count` uploads, made when called; the same for a seed. Archives try to write into `outside`."""
    draw = random.Random(seed)
    good = seeds(heic)
    kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
    return [_later(kinds[number % 100], good, draw.getrandbits(48), outside) for number in range(count)]


def _later(kind: str, good: Mapping[str, bytes], seed: int, outside: Path) -> Callable[[], Upload]:
    def make() -> Upload:
        draw = random.Random(seed)
        name = draw.choice(sorted(good))
        if kind == "archive":
            return archive(draw, good, outside)
        if kind == "bomb":
            return bomb(draw)
        return Upload(kind, *MAKERS[kind](draw, name, good[name]))

    return make


def flips(draw: random.Random, name: str, data: bytes, first: int = 0, last: int | None = None) -> tuple[str, bytes]:
    """1 to 64 bytes replaced by others."""
    broken = bytearray(data)
    end = min(len(data), last or len(data))
    for _ in range(draw.choice((1, 2, 4, 8, 64))):
        broken[draw.randrange(first, end)] = draw.randrange(256)
    return name, bytes(broken)


def header(draw: random.Random, name: str, data: bytes) -> tuple[str, bytes]:
    """Flips in the first 600 bytes, where sizes, tables and offsets are."""
    return flips(draw, name, data, 2, 600)


def cut(draw: random.Random, name: str, data: bytes) -> tuple[str, bytes]:
    """Cut short anywhere, sometimes filled up with zeros."""
    end = draw.randrange(len(data))
    return name, data[:end] + bytes(draw.choice((0, len(data) - end)))


def spliced(draw: random.Random, name: str, data: bytes) -> tuple[str, bytes]:
    """A piece taken out, doubled or moved elsewhere."""
    start = draw.randrange(len(data))
    piece = data[start : start + draw.randrange(1, 4000)]
    place = draw.randrange(len(data))
    return name, data[:place] + piece * draw.choice((0, 1, 3)) + data[place + draw.choice((0, len(piece))) :]


def named(draw: random.Random, name: str, data: bytes) -> tuple[str, bytes]:
    """A photo under another format's name, or what is no photo under a photo's name."""
    end = draw.choice(("jpg", "png", "webp", "heic", "avif", "gif", "zip", "tar.gz"))
    return f"photo.{end}", draw.choice([data, *FOREIGN.values()])


def polyglot(draw: random.Random, name: str, data: bytes) -> tuple[str, bytes]:
    """Two files in one: a photo with an archive, a page or a script behind, before or inside it."""
    hidden = io.BytesIO()
    with zipfile.ZipFile(hidden, "w") as held:
        held.writestr("index.html", SCRIPT)
    other = draw.choice((hidden.getvalue(), SCRIPT, FOREIGN["pdf"], b"<?php system($_GET['c']); ?>"))
    way = draw.choice(("behind", "before", "inside"))
    if way == "behind":
        return name, data + other
    if way == "before":
        return name, other + data
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Comment", SCRIPT.decode())
    chunks.add(b"iCCP", b"icc\0\0" + zlib.compress(other))
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG", pnginfo=chunks)
    return "photo.png", buffer.getvalue()


MAKERS: Mapping[str, Callable[[random.Random, str, bytes], tuple[str, bytes]]] = {
    "flips": flips, "header": header, "cut": cut, "spliced": spliced, "named": named, "polyglot": polyglot,
}  # fmt: skip


def bomb(draw: random.Random) -> Upload:
    """Little to send, much to decode: huge sizes in headers, and chunks that unpack to hundreds of megabytes."""
    side = draw.choice((9_100, 20_000, 60_000, 2**31 - 1))
    kind = draw.choice(("png", "text", "profile", "gif", "bmp", "jpeg", "rows"))
    if kind == "png":
        return Upload("bomb", "bomb.png", _png(side, side, zlib.compress(bytes(2_000_000), 9)))
    if kind == "rows":  # the pixels are all there
        packed = zlib.compressobj(9)
        wide = draw.choice((10_000, 30_000))
        rows = b"".join(packed.compress(bytes(1 + wide * 3)) for _ in range(4_000)) + packed.flush()
        return Upload("bomb", "bomb.png", _png(wide, 9_000, rows))
    if kind in ("text", "profile"):
        packed_text = zlib.compress(bytes(draw.choice((10, 100)) * 10**6), 9)
        head = b"zTXtComment\0\0" if kind == "text" else b"iCCPicc\0\0"
        return Upload("bomb", "bomb.png", _png(8, 8, zlib.compress(bytes(200)), (head[:4], head[4:] + packed_text)))
    if kind == "gif":
        small = struct.pack("<2H", min(side, 65_535), min(side, 65_535))
        frame = b",\0\0\0\0" + small + b"\0\2\2\x4c\x01\0;"
        return Upload("bomb", "bomb.gif", b"GIF89a" + small + b"\xf0\0\0" + bytes(6) + frame)
    if kind == "bmp":
        head = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54, 0, 54, 40, side, side, 1, 24, 0, 0, 1, 1, 0, 0)
        return Upload("bomb", "bomb.bmp", head + bytes(1000))
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">2H", min(side, 65_500), min(side, 65_500))
    return Upload("bomb", "bomb.jpg", bytes(data))


def _png(width: int, height: int, packed: bytes, *more: tuple[bytes, bytes]) -> bytes:
    chunks = [(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)), *more, (b"IDAT", packed), (b"IEND", b"")]
    parts = [struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
             for kind, body in chunks]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def archive(draw: random.Random, good: Mapping[str, bytes], outside: Path) -> Upload:
    """A zip or tar: with names that lead outside, links, bombs, damage, or photos that are damaged themselves."""
    way = draw.choice(("outside", "outside", "links", "bomb", "header", "many", "damaged", "damaged", "inner"))
    files = {f"{number}.jpg": good["photo.jpg"] for number in range(3)}
    if way == "outside":
        files = dict.fromkeys(_escapes(outside), good["photo.jpg"])
    if way == "many":
        files = {f"{number}.jpg": b"" for number in range(700)}
    if way == "bomb":
        files = {"bomb.jpg": bytes(90_000_000), "notes.txt": bytes(90_000_000)}
    if way == "inner":
        files = dict(flips(draw, f"{number}-{name}", good[name]) for number, name in enumerate(good))
    tarred = way in ("links", "header") or draw.random() < 0.5
    data = _tar(files, way, outside) if tarred else _zip(files)
    name = "photos.tar.gz" if tarred else "photos.zip"
    if way == "damaged":
        return Upload("archive", *draw.choice((flips, cut, spliced))(draw, name, data))
    return Upload("archive", name, data)


def _escapes(outside: Path) -> Sequence[str]:
    up = "../" * 12
    plain = outside.as_posix().lstrip("/")
    return (
        f"{up}{plain}/up.jpg", f"/{plain}/absolute.jpg", f"..\\..\\{outside.name}\\windows.jpg",
        f"a/../../../{outside.name}/middle.jpg", "C:\\windows\\drive.jpg", "nul.jpg", "a\0b.jpg", "x" * 300 + ".jpg",
    )  # fmt: skip


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as held:
        for name, data in files.items():
            held.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _tar(files: Mapping[str, bytes], way: str, outside: Path) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as packed:
        if way == "header":  # a header of an entry that is as long as two gigabytes
            entry = tarfile.TarInfo("pax")
            entry.type, entry.size = tarfile.XHDTYPE, 2**31
            packed.write(entry.tobuf() + bytes(100_000))
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as held:
            if way == "links":
                for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
                    link = tarfile.TarInfo("link.jpg")
                    link.type, link.linkname = kind, str(outside / "link.jpg")
                    held.addfile(link)
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                held.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
