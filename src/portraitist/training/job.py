"""What a training is given and what it gives back. Knows no network, no file format and no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portraitist.recipes import Recipe


@dataclass(frozen=True)
class TrainingPicture:
    """One square or upright crop of a photo, as it came out of `photos.crops`, with its caption.

    `pixels` is uint8 (height, width, 3) RGB. `face` is float32 (height, width) in 0-1, 1 where the face is, or None:
    then the whole picture weighs the same.
    """

    name: str
    pixels: NDArray[np.uint8]
    caption: str
    face: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class TrainingJob:
    """All that decides the weights of a likeness, beside the base itself.

    The same job on the same base, machine and thread count ends with the same weights, bit for bit, whether it ran at
    a stretch or was stopped and resumed.
    """

    sitter: str
    pictures: tuple[TrainingPicture, ...]
    recipe: Recipe
    trigger: str
    class_word: str
    folder: Path  # checkpoints are kept here: `state.safetensors`, `step-000400.safetensors`, ...
    seed: int = 42
    resume: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """A likeness as it was after `step` steps: a kohya file with alpha and full metadata."""

    file: Path
    step: int
    loss: float


@dataclass(frozen=True)
class TrainingResult:
    """What came out. `likeness` is the last checkpoint's file; `visits` counts trained pictures (steps x batch)."""

    likeness: Path
    checkpoints: tuple[Checkpoint, ...]
    steps: int
    visits: int
    seconds: float
    loss: float  # mean over the last tenth of the steps
    losses: tuple[float, ...] = field(repr=False, default=())


@dataclass(frozen=True)
class TrainingStep:
    """What `on_step` hears after each step (and before the first: step 0, while the photos are encoded)."""

    step: int
    steps: int
    loss: float | None
    seconds: float  # since the start of this run
    seconds_left: float | None  # None until enough steps ran to say so honestly


OnStep = Callable[[TrainingStep], None]
