"""Enlarges pictures: with Lanczos, which adds no detail and is called so, or with a network, tile by tile.

Knows no faces; which networks there are is said in `networks`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from portraitist.errors import BadRequest
from portraitist.finishing.networks import UPSCALERS, Network, load_network
from portraitist.images import MAX_PIXELS, from_tensor, resize, size_of, to_tensor
from portraitist.types import Picture, Size

LANCZOS = "lanczos"
MIN_SCALE, MAX_SCALE = 1.0, 4.0
TILE, MARGIN = 256, 24
"""Pixels of a tile's side and of what it sees around itself; what one costs is measured by benchmarks/finishing.py."""


def check_size(size: Size, scale: float) -> Size:
    """`size` times `scale`. Raises BadRequest for a scale outside of 1 … 4 and for more pixels than are read again."""
    if not MIN_SCALE <= scale <= MAX_SCALE:
        raise BadRequest(f"The scale is {scale:g}; it must be between {MIN_SCALE:g} and {MAX_SCALE:g}.")
    wide, tall = round(size.width * scale), round(size.height * scale)
    if wide * tall > MAX_PIXELS:
        raise BadRequest(
            f"{size} times {scale:g} is {wide}x{tall}, {wide * tall / 1e6:.0f} megapixels; at most "
            f"{MAX_PIXELS / 1e6:.0f} are made.",
            hint="Enlarge it less.",
        )
    return Size(wide, tall)


def upscale(picture: Picture, size: Size, name: str = LANCZOS, *, models: Path | None = None) -> Picture:
    """The picture at `size` pixels, by Lanczos or by the network `name` out of `models` (the folder of models).

    A network enlarges by its own factor, as often as it takes; Lanczos brings what comes out to `size`.
    Raises what `networks.load_network` raises.
    """
    if name.lower() == LANCZOS:
        return resize(picture, size)
    return enlarge(picture, size, load_network(models or Path(), UPSCALERS, name))


def enlarge(picture: Picture, size: Size, network: Network) -> Picture:
    """The picture at `size` pixels by a loaded network."""
    made = tiled(picture, network)
    while network.scale > 1 and (made.shape[1] < size.width or made.shape[0] < size.height):
        made = tiled(made, network)
    return resize(made, size)


def tiled(picture: Picture, network: Network, tile: int = TILE, margin: int = MARGIN) -> Picture:
    """The picture through the network, tile by tile: each sees `margin` pixels more, and only its middle is kept."""
    whole, scale = size_of(picture), network.scale
    made = np.empty((whole.height * scale, whole.width * scale, 3), np.uint8)
    for top in range(0, whole.height, tile):
        for left in range(0, whole.width, tile):
            bottom, right = min(top + tile, whole.height), min(left + tile, whole.width)
            y, x = max(0, top - margin), max(0, left - margin)
            view = picture[y : bottom + margin, x : right + margin]
            out = from_tensor(network(to_tensor([view]).add(1.0).div(2.0)).mul(2.0).sub(1.0))[0]
            rows = slice((top - y) * scale, (bottom - y) * scale)
            columns = slice((left - x) * scale, (right - x) * scale)
            made[top * scale : bottom * scale, left * scale : right * scale] = out[rows, columns]
    return made
