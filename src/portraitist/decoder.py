"""Photos from outside, decoded in a child process of small means (`limited.py`); pixels come back through a pipe.

The same pictures and the same refusals as `images.decode`, and two more: what takes too long, and what crashes the
decoding library or needs more memory than it may have. Nothing here knows what a picture shows.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from portraitist import images
from portraitist.errors import PhotoTooLarge, UnreadablePhoto
from portraitist.images import MAX_BYTES, MAX_PIXELS, read_bytes
from portraitist.limited import ChildDied, Header, Limited, Means, Parts
from portraitist.types import Picture

Refusal = UnreadablePhoto | PhotoTooLarge


class Decoder:
    """A child that decodes; started at the first picture, used for many. Close it, or use it in a `with` block."""

    def __init__(self, means: Means | None = None) -> None:
        self.child = Limited("portraitist.decoder:answer", means)

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.child.close()

    def read(self, path: Path, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> Picture:
        """As `images.read_picture`. Raises UnreadablePhoto or PhotoTooLarge."""
        return self.decode(read_bytes(path, max_bytes), name=path.name, max_pixels=max_pixels)

    def decode(self, data: bytes, *, name: str = "the picture", max_pixels: int = MAX_PIXELS) -> Picture:
        """As `images.decode`. Raises UnreadablePhoto or PhotoTooLarge."""
        wanted = {"name": name, "max_pixels": max_pixels}
        try:
            found, pixels = self.child.call(wanted, data, most=3 * max_pixels)
        except ChildDied as died:
            raise UnreadablePhoto(f"{name} was given up: decoding it {died.reason}.") from died
        height, width = int(found.get("height", 0)), int(found.get("width", 0))
        if min(height, width) < 1 or 3 * height * width != len(pixels):
            raise UnreadablePhoto(f"{name} was given up: decoding it made no picture.")
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)

    def read_ahead(
        self, paths: Sequence[Path], *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
    ) -> Iterator[Picture | Refusal]:
        """The pictures of `paths` in order, or why one is none; the next is decoded while the caller has this one."""
        with ThreadPoolExecutor(1) as helper:
            coming: Future[Picture | Refusal] | None = None
            for path in [*paths, None]:
                ready = coming
                coming = helper.submit(self._tried, path, max_bytes, max_pixels) if path is not None else None
                if ready is not None:
                    yield ready.result()

    def _tried(self, path: Path, max_bytes: int, max_pixels: int) -> Picture | Refusal:
        try:
            return self.read(path, max_bytes=max_bytes, max_pixels=max_pixels)
        except (UnreadablePhoto, PhotoTooLarge) as error:
            return error


def answer(header: Header, data: bytes) -> tuple[dict[str, Any], Parts]:
    """What the child does with a picture's bytes. The pixels go as they come, never whole."""
    size, strips = images.decode_strips(data, name=header["name"], max_pixels=header["max_pixels"])
    first = next(strips)  # a refusal can still be told
    parts = (np.ascontiguousarray(strip).reshape(-1).data for strip in chain((first,), strips))
    return {"height": size.height, "width": size.width}, Parts(3 * size.area, parts)
