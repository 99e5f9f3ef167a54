"""Learned scorers that help to choose, by name: BRISQUE by way of OpenCV, and heads on CLIP out of a folder.

None is needed and none comes with the studio. A scorer is whatever has a name and marks pictures from 0 to 1. Who is in
the picture, is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from portraitist.captions.eyes import Eyes, read_eyes
from portraitist.devices import Device, choose_device
from portraitist.errors import BadRequest, MissingModel, UnfitModel
from portraitist.images import crop, size_of
from portraitist.settings import Settings
from portraitist.types import Box, Picture

SHELF = "scorers"
BRISQUE = "brisque"
BRISQUE_FILES = ("brisque_model_live.yml", "brisque_range_live.yml")


class Scorer(Protocol):
    """Marks pictures, 0 … 1, the better the higher; the same picture gets the same mark each time."""

    @property
    def name(self) -> str: ...

    def score(self, pictures: Sequence[Picture]) -> list[float]: ...


def load_scorers(names: Sequence[str], settings: Settings) -> tuple[Scorer, ...]:
    """The scorers of these names, in their order: `brisque`, a folder `scorers/<name>` below the folder of models, or
    the path of such a folder.

    Raises MissingModel with what to install or where to put it, UnfitModel, BadRequest for a name that is given twice.
    """
    if len(set(names)) < len(names):
        raise BadRequest("A scorer is named twice.", hint="Its weight is set in portraitist.toml, under [choosing].")
    return tuple(_load(name, settings) for name in names)


def _load(name: str, settings: Settings) -> Scorer:
    if name == BRISQUE:
        return load_brisque(settings.models_folder / SHELF / BRISQUE)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = settings.models_folder / SHELF / Path(name).name
    if not folder.is_dir():
        raise MissingModel(
            f"There is no scorer named {name!r}.",
            hint=f"Use {BRISQUE}, or put config.json, preprocessor_config.json, model.safetensors and head.safetensors "
            f"into {folder}; see docs/choosing.md.",
        )
    return load_aesthetic(folder, choose_device(settings.device))


@dataclass(frozen=True)
class Brisque:
    """BRISQUE, a statistic of natural scenes that tells blur, noise and compression: Mittal, Moorthy and Bovik,
    "No-Reference Image Quality Assessment in the Spatial Domain", 2012; as OpenCV's module `quality` measures it.

    Its own scale has 0 for the best and 100 for the worst.
    """

    measure: Any
    name: str = BRISQUE

    def score(self, pictures: Sequence[Picture]) -> list[float]:
        values = [self.measure.compute(np.ascontiguousarray(picture[..., ::-1]))[0] for picture in pictures]
        return [float(np.clip(1.0 - value / 100.0, 0.0, 1.0)) for value in values]


def load_brisque(folder: Path) -> Brisque:
    """The scorer, with OpenCV's two files in `folder`. Raises MissingModel without the files or OpenCV's contrib
    modules, UnfitModel for other files."""
    for name in BRISQUE_FILES:
        if not (folder / name).is_file():
            raise MissingModel(
                f"The scorer 'brisque' has no {name} in {folder}.",
                hint="Take it from modules/quality/samples of github.com/opencv/opencv_contrib (Apache-2.0).",
            )
    hint = "Run: pip install 'portraitist[brisque]'"
    try:
        import cv2
    except ImportError as error:
        raise MissingModel("The scorer 'brisque' needs OpenCV.", hint=hint) from error
    if not hasattr(cv2, "quality"):
        raise MissingModel("The OpenCV here lacks the contrib modules, which the scorer 'brisque' needs.", hint=hint)
    try:
        return Brisque(cv2.quality.QualityBRISQUE_create(*(str(folder / name) for name in BRISQUE_FILES)))
    except cv2.error as error:
        raise UnfitModel(f"The files of 'brisque' in {folder} cannot be read.", hint="Take them anew.") from error


@dataclass(frozen=True)
class Aesthetic:
    """Linear layers on CLIP's normalised picture embedding, as LAION's aesthetic predictors are: they were trained to
    give the mean mark, 1 … 10, that people gave a picture."""

    name: str
    network: Any
    head: Any
    eyes: Eyes

    def score(self, pictures: Sequence[Picture]) -> list[float]:
        """The mark divided by 10."""
        import torch

        seen = np.concatenate([self.eyes.see(_middle(picture)) for picture in pictures])
        with torch.no_grad():
            pixels = torch.from_numpy(seen).to(self.network.device, self.network.dtype)
            embedded = self.network(pixel_values=pixels).image_embeds.float()
            marks = self.head(embedded / embedded.norm(dim=-1, keepdim=True))[:, 0]
        return [float(mark) for mark in (marks / 10.0).clamp(0.0, 1.0)]


def load_aesthetic(folder: Path, device: Device) -> Aesthetic:
    """A CLIP vision model with projection in `folder` (config.json, preprocessor_config.json, model.safetensors) and
    its head: `head.safetensors`, weights and biases of linear layers, whatever they are called, in the order of their
    numbers.

    Raises MissingModel for a file that is not there, UnfitModel for one that does not fit.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    for name in ("config.json", "preprocessor_config.json", "model.safetensors", "head.safetensors"):
        if not (folder / name).is_file():
            raise MissingModel(f"The scorer {folder} has no {name}.", hint="See docs/choosing.md for what it needs.")
    eyes = read_eyes(folder)
    transformers.utils.logging.disable_progress_bar()
    try:
        network = transformers.CLIPVisionModelWithProjection.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
        head = _read_head(folder / "head.safetensors", int(network.config.projection_dim))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnfitModel(
            f"The scorer {folder} cannot be loaded: {reason}", hint="See docs/choosing.md for what it needs."
        ) from error
    network.requires_grad_(False).eval().to(device.device)
    return Aesthetic(folder.name, network, head.to(device.device), eyes)


def _read_head(file: Path, width: int) -> Any:
    """The linear layers of `file` in a row, from `width` numbers to one. Raises ValueError for others."""
    import torch
    from safetensors.torch import load_file

    stored = load_file(file)
    names = sorted((name.removesuffix(".weight") for name in stored if name.endswith(".weight")), key=_number)
    if not names and set(stored) >= {"weight", "bias"}:
        names, stored = [""], {".weight": stored["weight"], ".bias": stored["bias"]}
    layers = []
    for name in names:
        weight, bias = stored[f"{name}.weight"].float(), stored[f"{name}.bias"].float()
        if weight.ndim != 2 or weight.shape[1] != width:
            raise ValueError(f"{name or 'the head'} does not take {width} numbers.")
        layer = torch.nn.Linear(width, weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers.append(layer)
        width = weight.shape[0]
    if width != 1 or not layers:
        raise ValueError("the head does not end in one number.")
    return torch.nn.Sequential(*layers).requires_grad_(False).eval()


def _number(name: str) -> tuple[int, str]:
    """`layers.10` after `layers.2`."""
    digits = "".join(letter for letter in name.rpartition(".")[2] if letter.isdigit())
    return (int(digits) if digits else 0), name


def _middle(picture: Picture) -> Picture:
    """The square in the middle, as CLIP was trained."""
    size = size_of(picture)
    side = min(size.width, size.height)
    return crop(picture, Box((size.width - side) // 2, (size.height - side) // 2, side, side))
