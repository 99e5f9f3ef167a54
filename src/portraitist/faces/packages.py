"""Detectors and recognisers of the packages `uniface` and `insightface`, which bring and fetch their own models.

Both take BGR. Their models come into our folder; with `offline` nothing is asked of them that might fetch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from portraitist.errors import FetchFailed, MissingModel
from portraitist.faces.face import Face, Find
from portraitist.faces.mesh import five_points
from portraitist.faces.recognisers import aligned, mirrored_mean
from portraitist.types import Box, Embedding, Picture


class UnifaceDetector:
    """RetinaFace of uniface (Yakhyokhuja Valikhujaev, MIT)."""

    name = "uniface"
    doubts = False

    def __init__(self, folder: Path, *, offline: bool) -> None:
        with _uniface(folder, offline) as uniface:
            self._model = uniface.RetinaFace()

    def find(self, picture: Picture) -> list[Find]:
        found = self._model.detect(_bgr(picture))
        return [_find(face.bbox, float(face.confidence), face.landmarks) for face in found]


class UnifaceRecogniser:
    """AdaFace of uniface; weights by their authors' terms."""

    name = "uniface-adaface"

    def __init__(self, folder: Path, *, offline: bool) -> None:
        with _uniface(folder, offline) as uniface:
            self._model = uniface.AdaFace()

    def embed(self, picture: Picture, face: Face) -> Embedding:
        points = five_points(face.mesh).astype(np.float32)
        point = self._model.get_normalized_embedding(_bgr(picture), points)
        return np.asarray(point, np.float64).reshape(-1)

    def steady(self, picture: Picture, face: Face) -> Embedding:
        """As `embed`: the package aligns the face itself and cannot be shown its mirror image."""
        return self.embed(picture, face)


class InsightFace:
    """insightface's `buffalo_l`: SCRFD and ArcFace. Its models are for non-commercial research only."""

    name = "insightface-buffalo_l"
    doubts = False

    def __init__(self, folder: Path, *, offline: bool) -> None:
        home = folder / "insightface"
        if offline and not any(home.rglob("*.onnx")):
            raise _forbidden("insightface", home)
        package = _package("insightface", "insightface.app")
        allowed = ["detection", "recognition"]
        self._app = package.FaceAnalysis(
            "buffalo_l", root=str(home), allowed_modules=allowed, providers=["CPUExecutionProvider"]
        )
        self._app.prepare(ctx_id=-1, det_size=(640, 640))

    def find(self, picture: Picture) -> list[Find]:
        boxes, points = self._app.det_model.detect(_bgr(picture), max_num=0)
        return [_find(box[:4], float(box[4]), five) for box, five in zip(boxes, points, strict=True)]

    def embed(self, picture: Picture, face: Face) -> Embedding:
        """float64 (512,) of length 1."""
        return self._describe(aligned(picture, face))

    def steady(self, picture: Picture, face: Face) -> Embedding:
        """The mean of the face's and of its mirror image's, of length 1."""
        return mirrored_mean(self._describe, aligned(picture, face))

    def _describe(self, view: Picture) -> Embedding:
        found = self._app.models["recognition"].get_feat(_bgr(view))
        point = np.asarray(found, np.float64).reshape(-1)
        return point / max(float(np.linalg.norm(point)), 1e-12)


@contextmanager
def _uniface(folder: Path, offline: bool) -> Iterator[Any]:
    """The package, with its models in our folder while the block lasts: it knows an environment variable only."""
    home = folder / "uniface"
    if offline and not any(home.glob("*.onnx")):
        raise _forbidden("uniface", home)
    package = _package("uniface", "uniface")
    kept = os.environ.get("UNIFACE_CACHE_DIR")
    os.environ["UNIFACE_CACHE_DIR"] = str(home)
    try:
        yield package
    finally:
        if kept is None:
            del os.environ["UNIFACE_CACHE_DIR"]
        else:
            os.environ["UNIFACE_CACHE_DIR"] = kept


def _package(extra: str, module: str) -> ModuleType:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingModel(
            f"The package {extra} is missing ({error}).", hint=f"Run: pip install 'portraitist[{extra}]'"
        ) from error


def _forbidden(name: str, home: Path) -> FetchFailed:
    return FetchFailed(
        f"The models of {name} are not in {home} and PORTRAITIST_OFFLINE forbids fetching.",
        hint=f"Once, with a network, run: PORTRAITIST_OFFLINE=0 portraitist check PHOTOS --faces {name}",
    )


def _bgr(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[..., ::-1])


def _find(corners: Any, score: float, points: Any) -> Find:
    left, top, right, bottom = (float(value) for value in corners)
    return Find(Box(left, top, right - left, bottom - top), score, np.asarray(points, np.float64))
