"""Stronger detectors by name, as ONNX files: YuNet, SCRFD, RetinaFace. Boxes and five points; nothing of identity.

YuNet: Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector"; SCRFD: Guo et al. 2021, "Sample and Computation
Redistribution for Efficient Face Detection"; RetinaFace: Deng et al. 2019, "Single-stage Dense Face Localisation in the
Wild". What their outputs mean is said in the papers and the publishers' examples. Points are the eyes, the nose tip and
the corners of the mouth, left first.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portraitist.errors import UnfitModel
from portraitist.faces.blaze import letterbox, merge
from portraitist.faces.face import Find
from portraitist.faces.onnx import OnnxNetwork
from portraitist.types import Box, Picture

_SIDE = 640
_STRIDES = (8, 16, 32)
Array = NDArray[np.float64]


class OnnxDetector:
    """What the three have in common: a square of `side` pixels in, candidates out, one find for each face.

    `floor` is the lowest score of a face.
    """

    name = ""
    doubts = False
    floor = 0.6

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._network = OnnxNetwork(path, threads)
        self.side = next((size for size in self._network.shape[2:] if size), _SIDE)

    def find(self, picture: Picture) -> list[Find]:
        square, scale = letterbox(picture, self.side)
        outputs = self._network(self._input(square.astype(np.float32)).transpose(2, 0, 1)[None])
        try:
            scores, corners, points = self._decode([np.asarray(value, np.float64) for value in outputs])
        except (ValueError, IndexError, KeyError) as error:
            raise UnfitModel(f"The outputs of the face model are not those of {self.name}.") from error
        keep = np.flatnonzero(scores >= self.floor)
        return merge([_find(float(scores[i]), corners[i] / scale, points[i] / scale) for i in keep])

    def _input(self, square: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's values (side, side, 3) of an RGB square 0 … 255."""
        raise NotImplementedError

    def _decode(self, outputs: Sequence[Array]) -> tuple[Array, Array, Array]:
        """Scores (n,), corners (n, 4) as left, top, right, bottom and points (n, 5, 2), in pixels of the square."""
        raise NotImplementedError


class YuNet(OnnxDetector):
    """Twelve outputs: class, object, box and points at three strides; BGR 0 … 255 in."""

    name = "yunet"

    def _input(self, square: NDArray[np.float32]) -> NDArray[np.float32]:
        return square[..., ::-1]

    def _decode(self, outputs: Sequence[Array]) -> tuple[Array, Array, Array]:
        by_name = {name: value[0] for name, value in zip(self._network.names, outputs, strict=True)}
        parts = []
        for stride in _STRIDES:
            kinds, things, boxes, raw = (by_name[f"{what}_{stride}"] for what in ("cls", "obj", "bbox", "kps"))
            cells = _cells(self.side, stride, 1)
            scores = np.sqrt(np.clip(kinds[:, 0], 0, 1) * np.clip(things[:, 0], 0, 1))
            middle, half = (cells + boxes[:, :2]) * stride, np.exp(boxes[:, 2:4]) * stride / 2
            points = (raw.reshape(-1, 5, 2) + cells[:, None]) * stride
            parts.append((scores, np.concatenate([middle - half, middle + half], 1), points))
        return _joined(parts)


class Scrfd(OnnxDetector):
    """Nine outputs: scores, boxes and points at three strides, two anchors a cell; RGB around 0 in."""

    name = "scrfd"
    floor = 0.5

    def _input(self, square: NDArray[np.float32]) -> NDArray[np.float32]:
        return (square - 127.5) / 128.0

    def _decode(self, outputs: Sequence[Array]) -> tuple[Array, Array, Array]:
        flat = [value.reshape(-1, value.shape[-1]) for value in outputs]
        parts = []
        for number, stride in enumerate(_STRIDES):
            scores, sides, raw = flat[number][:, 0], flat[number + 3] * stride, flat[number + 6] * stride
            middle = _cells(self.side, stride, 2) * stride
            corners = np.concatenate([middle - sides[:, :2], middle + sides[:, 2:4]], 1)
            parts.append((scores, corners, raw.reshape(-1, 5, 2) + middle[:, None]))
        return _joined(parts)


class RetinaFace(OnnxDetector):
    """Three outputs: boxes, classes and points against prior boxes of two sizes a cell; BGR less its mean in."""

    name = "retinaface"
    _sizes = ((16, 32), (64, 128), (256, 512))
    _spread = (0.1, 0.2)

    def _input(self, square: NDArray[np.float32]) -> NDArray[np.float32]:
        return square[..., ::-1] - np.array([104.0, 117.0, 123.0], np.float32)

    def _decode(self, outputs: Sequence[Array]) -> tuple[Array, Array, Array]:
        boxes, kinds, raw = (next(value[0] for value in outputs if value.shape[-1] == n) for n in (4, 2, 10))
        middles = [(_cells(self.side, stride, 2) + 0.5) * stride for stride in _STRIDES]
        each = [np.tile(size, len(m) // 2) for size, m in zip(self._sizes, middles, strict=True)]
        middle, size = np.concatenate(middles), np.concatenate(each)[:, None].astype(np.float64)
        near, far = self._spread
        centre, half = middle + boxes[:, :2] * near * size, size * np.exp(boxes[:, 2:] * far) / 2
        points = middle[:, None] + raw.reshape(-1, 5, 2) * near * size[:, None]
        return kinds[:, 1], np.concatenate([centre - half, centre + half], 1), points


def _cells(side: int, stride: int, each: int) -> Array:
    """(cells x each, 2): column and row of every cell, row by row."""
    count = -(-side // stride)
    return np.array([(x, y) for y, x, _ in product(range(count), range(count), range(each))], np.float64)


def _joined(parts: Sequence[tuple[Array, Array, Array]]) -> tuple[Array, Array, Array]:
    scores, corners, points = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return scores, corners, points


def _find(score: float, corners: Array, points: Array) -> Find:
    left, top, right, bottom = (float(value) for value in corners)
    return Find(Box(left, top, right - left, bottom - top), score, points)
