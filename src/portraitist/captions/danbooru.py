"""Taggers with Danbooru's words: WD14 and DeepDanbooru as ONNX files, WD14 as safetensors too, each from a folder.

Scores of general tags only: what rates a picture or names a character of fiction is no description of a sitter. All
three learned from drawings; on photographs they are useful and not exact. Knows no hub and no rules.
"""

from __future__ import annotations

import ast
import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portraitist.captions.eyes import letterbox, read_eyes
from portraitist.captions.tags import spelled
from portraitist.devices import Device
from portraitist.errors import MissingModel, UnfitModel
from portraitist.types import Picture

GENERAL = "0"
"""The category of general tags in WD14's `selected_tags.csv` (4 = characters, 9 = ratings)."""

INSTALL = "pip install 'portraitist[captioners]'"


@dataclass(frozen=True)
class DanbooruTagger:
    """A loaded network: `names` in the order of its answers, None for what is left out; `run` gives the scores."""

    names: tuple[str | None, ...]
    run: Callable[[Picture], NDArray[np.float32]]

    def scores(self, pictures: Sequence[Picture], batch: int = 16) -> list[dict[str, float]]:
        """Tag → score 0 … 1 of each picture, of any size; one at a time, whatever `batch` says."""
        return [
            {name: float(score) for name, score in zip(self.names, self.run(picture), strict=True) if name is not None}
            for picture in pictures
        ]


def load_wd14(folder: Path) -> DanbooruTagger:
    """WD14: `model.onnx` (blue first, 0 … 255, on white) and `selected_tags.csv`. Raises MissingModel or UnfitModel."""
    session, side = _session(folder / "model.onnx")
    names = _from_csv(folder / "selected_tags.csv")

    def run(picture: Picture) -> NDArray[np.float32]:
        seen = letterbox(picture, side, white=True)[..., ::-1]
        return _answer(session, seen.astype(np.float32), len(names))

    return DanbooruTagger(names, run)


def load_deepdanbooru(folder: Path) -> DanbooruTagger:
    """DeepDanbooru: `deepdanbooru.onnx` (red first, 0 … 1, edges repeated) with its tags inside. Raises as above."""
    session, side = _session(folder / "deepdanbooru.onnx")
    try:
        stored = ast.literal_eval(session.get_modelmeta().custom_metadata_map["tags"])
        names = tuple(_general(str(name)) for name in stored)
    except (KeyError, ValueError, SyntaxError, TypeError) as error:
        raise UnfitModel(f"{folder / 'deepdanbooru.onnx'} does not name its tags.") from error

    def run(picture: Picture) -> NDArray[np.float32]:
        seen = letterbox(picture, side, white=False)
        return _answer(session, seen.astype(np.float32) / np.float32(255), len(names))

    return DanbooruTagger(names, run)


def load_wd14_safetensors(folder: Path, device: Device) -> DanbooruTagger:
    """WD14's network in transformers' form (blue first, on white); `id2label` names its tags. Raises as above."""
    import torch

    from portraitist.captions.tagger import Tagger

    tagger, eyes = Tagger.load(folder, str(device.device)), read_eyes(folder)

    def run(picture: Picture) -> NDArray[np.float32]:
        seen = letterbox(picture, eyes.side, white=True)[..., ::-1]
        with torch.no_grad():
            logits = tagger.logits(torch.from_numpy(eyes.see(np.ascontiguousarray(seen))))
        return np.asarray(logits.float().sigmoid().cpu().numpy()[0], np.float32)

    return DanbooruTagger(tuple(_general(name) for name in tagger.names), run)


def _session(path: Path) -> tuple[Any, int]:
    """The ONNX session and the side of the square that it wants."""
    if not path.is_file():
        raise MissingModel(f"The captioner has no {path.name}, looked for in {path.parent}.")
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        raise MissingModel("This captioner needs onnxruntime.", hint=f"Run: {INSTALL}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        side = int(session.get_inputs()[0].shape[1])
    except (state.Fail, state.InvalidProtobuf, state.InvalidGraph, state.NoSuchFile, state.NotImplemented) as error:
        raise UnfitModel(f"{path} cannot be loaded.", hint="Delete its folder and fetch it again.") from error
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise UnfitModel(f"{path} is no tagger: it wants no square of known size.") from error
    return session, side


def _answer(session: Any, seen: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    (scores,) = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(seen[None])})
    if scores.shape != (1, count):
        raise UnfitModel(f"The tagger answers {scores.shape[-1]} scores and has {count} tags.")
    return np.asarray(scores[0], np.float32)


def _from_csv(path: Path) -> tuple[str | None, ...]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return tuple(spelled(row["name"]) if row["category"] == GENERAL else None for row in csv.DictReader(file))
    except FileNotFoundError as error:
        raise MissingModel(f"The captioner has no {path.name}, looked for in {path.parent}.") from error
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise UnfitModel(f"{path} is no table of tags.") from error


def _general(name: str) -> str | None:
    return None if name.startswith(("rating:", "character:", "system:")) else spelled(name)
