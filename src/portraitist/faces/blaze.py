"""BlazeFace: boxes and six points of faces, by the short-range and the full-range network together.

Networks: Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", as published in
MediaPipe (Apache-2.0); anchors and decoding follow the paper and the networks' model cards. Knows nothing of who is
in the picture.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portraitist.faces.face import Find
from portraitist.images import crop, fit, resize, size_of
from portraitist.types import Box, Picture, Size

_LONGEST = 1280
"""Pictures are searched at this size at most."""

_SURE = 0.55
"""A find below this score is no face, unless both networks found it."""

_SURE_TOGETHER = 0.4

_SMALL = 1 / 9
"""If no face is at least this share of the longer side, quarters of the picture are searched too."""

FLOOR = 0.3
"""Raw finds below this score (0 … 1) are not even merged."""

_SAME = 0.3
"""Two boxes that overlap (intersection over union) by more show one face."""

_INSIDE = 0.6
"""A box that lies in another by more than this share of itself shows the same face."""


class Blaze:
    """One BlazeFace network. `side` is its input in pixels; `grids` are (cells a side, anchors a cell)."""

    def __init__(self, path: Path, side: int, grids: Sequence[tuple[int, int]], threads: int) -> None:
        from portraitist.faces.tflite import Network

        self.network = Network(path, threads)
        self.side = side
        self.anchors = _anchors(grids)

    def find(self, picture: Picture, floor: float = FLOOR) -> list[Find]:
        """All raw finds with a score of at least `floor`; several for one face."""
        square, scale = letterbox(picture, self.side)
        outputs = self.network(square.astype(np.float32)[None] / 127.5 - 1.0)
        raw = next(value for value in outputs if value.shape[-1] == 16)[0]
        logits = next(value for value in outputs if value.shape[-1] == 1)[0, :, 0]
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64), -50, 50)))
        keep = np.flatnonzero(scores >= floor)
        return [self._decode(raw[index], self.anchors[index], float(scores[index]), scale) for index in keep]

    def _decode(self, raw: NDArray[Any], anchor: NDArray[Any], score: float, scale: float) -> Find:
        values = raw.astype(np.float64).reshape(8, 2)
        pixels = values / scale
        pixels[[0, *range(2, 8)]] += anchor * self.side / scale
        (x, y), (width, height) = pixels[0], pixels[1]
        box = Box(float(x - width / 2), float(y - height / 2), float(width), float(height))
        return Find(box, score, pixels[2:])


def short_range(path: Path, threads: int = 1) -> Blaze:
    """The network for faces within two metres: large faces at any roll."""
    return Blaze(path, 128, ((16, 2), (8, 6)), threads)


def full_range(path: Path, threads: int = 1) -> Blaze:
    """The network for faces within five metres: small faces too."""
    return Blaze(path, 192, ((48, 1),), threads)


def merge(finds: Sequence[Find]) -> list[Find]:
    """One find for each face: overlapping ones are averaged, weighted by score; the best score is kept; best first."""
    left = sorted(finds, key=lambda find: -find.score)
    faces: list[Find] = []
    while left:
        group = [find for find in left if _same(left[0].box, find.box)]
        left = [find for find in left if not any(find is other for other in group)]
        faces.append(_mean(group))
    return faces


def _anchors(grids: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """The centres (anchors, 2) as x, y in 0 … 1: row by row, each cell's anchors together."""
    parts = []
    for cells, each in grids:
        ticks = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(ticks, ticks, indexing="ij")
        parts.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), each, axis=0))
    return np.concatenate(parts)


def letterbox(picture: Picture, side: int) -> tuple[Picture, float]:
    """The picture in the upper left of a black square of `side`, and the scale that was applied."""
    size = size_of(picture)
    scale = side / max(size.width, size.height)
    small = resize(picture, Size(max(1, round(size.width * scale)), max(1, round(size.height * scale))))
    square = np.zeros((side, side, 3), np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square, scale


def _same(first: Box, second: Box) -> bool:
    overlap = first.overlap(second)
    if overlap > _SAME:
        return True
    shared = overlap * (first.area + second.area) / (1.0 + overlap)
    return shared > _INSIDE * min(first.area, second.area)


def _mean(group: Sequence[Find]) -> Find:
    weights = np.array([find.score for find in group])
    weights /= weights.sum()
    boxes = np.array([[find.box.x, find.box.y, find.box.width, find.box.height] for find in group])
    points = np.stack([find.points for find in group])
    x, y, width, height = (float(value) for value in weights @ boxes)
    return Find(Box(x, y, width, height), max(find.score for find in group), np.tensordot(weights, points, 1))


def find_in_tiles(network: Blaze, picture: Picture, floor: float = FLOOR) -> list[Find]:
    """Raw finds in four overlapping quarters of the picture: for small faces that the whole view overlooks."""
    size = size_of(picture)
    width, height = size.width * 0.6, size.height * 0.6
    finds: list[Find] = []
    for left in (0.0, size.width - width):
        for top in (0.0, size.height - height):
            corner = np.array([round(left), round(top)])
            for find in network.find(crop(picture, Box(left, top, width, height)), floor):
                box = Box(find.box.x + corner[0], find.box.y + corner[1], find.box.width, find.box.height)
                finds.append(Find(box, find.score, find.points + corner))
    return finds


class BlazeDetector:
    """Both networks together; points (6, 2): the eyes, nose tip, mouth, the ear on the picture's left and right."""

    name = "blazeface"
    doubts = True

    def __init__(self, full: Blaze, short: Blaze) -> None:
        self._full = full
        self._short = short

    def find(self, picture: Picture) -> list[Find]:
        """The merged finds that one network is sure of, or both find, in pixels of the picture."""
        view, factor = fit(picture, _LONGEST)
        full, short = self._full.find(view), self._short.find(view)
        finds = _sure(full, short)
        longest = max(view.shape[:2])
        if longest > 400 and not any(find.box.width >= _SMALL * longest for find in finds):
            finds = _sure([*full, *find_in_tiles(self._full, view)], short)
        return [Find(find.box.scaled(1 / factor), find.score, find.points / factor) for find in finds]


def _sure(full: Sequence[Find], short: Sequence[Find]) -> list[Find]:
    ours = [find.box for find in full if find.score >= _SURE_TOGETHER]
    theirs = [find.box for find in short if find.score >= _SURE_TOGETHER]
    merged = merge([*full, *short])
    return [find for find in merged if find.score >= _SURE or (_near(find.box, ours) and _near(find.box, theirs))]


def _near(box: Box, others: Sequence[Box]) -> bool:
    return any(box.overlap(other) > 0.4 for other in others)
