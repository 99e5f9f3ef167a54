"""How captioners' networks want to see a picture. Pillow and numpy only, so no image library of theirs is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from portraitist.errors import UnfitModel
from portraitist.images import crop, resize, size_of, to_pil
from portraitist.types import Box, Picture, Size

CONFIGS = ("preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class Eyes:
    """A square of `side` pixels, each channel brought to `mean` and `std`; a network makes `tokens` of it."""

    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    tokens: int | None = None

    def see(self, picture: Picture) -> NDArray[np.float32]:
        """float32 (1, 3, side, side). The picture is squeezed into the square, as these networks were trained."""
        seen = np.asarray(to_pil(picture).resize((self.side, self.side), Image.Resampling.BICUBIC), np.float32) / 255.0
        values = (seen - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)


def read_eyes(folder: Path) -> Eyes:
    """The eyes that a model's `preprocessor_config.json` (or the newer `processor_config.json`) tells of.

    Raises UnfitModel where there is none, or one that says nothing of size, mean and std.
    """
    for name in CONFIGS:
        if (folder / name).is_file():
            try:
                values = json.loads((folder / name).read_text(encoding="utf-8"))
                return _eyes(values.get("image_processor", values))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise UnfitModel(f"{folder / name} does not say how to show a picture.") from error
    raise UnfitModel(f"{folder} has no {CONFIGS[0]}.", hint="Fetch the captioner again.")


def _eyes(values: dict[str, Any]) -> Eyes:
    size = values["size"]
    side = int(size if isinstance(size, int) else size.get("height") or size["shortest_edge"])
    mean, std = ((float(c[0]), float(c[1]), float(c[2])) for c in (values["image_mean"], values["image_std"]))
    tokens = values.get("image_seq_length")
    return Eyes(side, mean, std, int(tokens) if tokens else None)


def letterbox(picture: Picture, side: int, *, white: bool) -> Picture:
    """The whole picture in a square of `side` pixels, on white or between its own repeated edges."""
    size = size_of(picture)
    longest = max(size.width, size.height)
    left, top = (longest - size.width) // 2, (longest - size.height) // 2
    if white:
        square = np.full((longest, longest, 3), 255, np.uint8)
        square[top : top + size.height, left : left + size.width] = picture
    else:
        square = crop(picture, Box(-left, -top, longest, longest))
    return resize(square, Size(side, side))
