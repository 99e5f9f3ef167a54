"""What a training is given and what it gives back. Knows no network, no file format and no torch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portraitist.photos.framing import Frame
from portraitist.recipes import Recipe
from portraitist.requests import Warn
from portraitist.types import Picture, Seed, Step


@dataclass(frozen=True)
class TrainingPicture:
    """One photo, cut as by `photos.face_crop`, with its caption (trigger and class word in front).

    `mask` is float32 (height, width): 1 where the person is, 0 on the background, -1 where the picture reaches over the
    photo's edge, which no loss sees; or None: then the whole picture weighs the same.
    `others` are further crops of the same photo (`photos.random_crops`), `other_masks` their masks or nothing; where
    there are none, the training cuts the recipe's number of random crops out of `pixels` itself: as `frame` says, which
    also gives their size, or anywhere.
    """

    name: str
    pixels: Picture
    caption: str
    mask: NDArray[np.float32] | None = None
    others: tuple[Picture, ...] = ()
    other_masks: tuple[NDArray[np.float32], ...] = ()
    frame: Frame | None = None


@dataclass(frozen=True)
class TrainingJob:
    """All that decides the weights of a likeness, beside the base itself.

    The same job on the same base, machine and thread count ends with the same weights, bit for bit, whether it ran at
    a stretch or was stopped and resumed. `folder` takes the checkpoints; with `resume` the training goes on from the
    state that it finds there, and begins anew where there is none. A state is saved each `save_steps` steps, if given,
    and each 20 to 60 seconds. `class_pictures` show others of the sitter's kind, in the base's own size (see
    `training.class_pictures`).
    """

    sitter: str
    pictures: tuple[TrainingPicture, ...]
    recipe: Recipe
    trigger: str
    class_word: str
    folder: Path
    seed: Seed = 42
    resume: bool = False
    save_steps: int | None = None
    class_pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """A likeness as it was after `step` steps, a kohya file; `loss` is the mean since the checkpoint before."""

    file: Path
    step: int
    loss: float


OnCheckpoint = Callable[[Checkpoint], bool]
"""Hears of a checkpoint that was written and says whether the training has done enough."""


def never_enough(point: Checkpoint) -> bool:
    """An `OnCheckpoint` that lets the training run to its end."""
    return False


@dataclass(frozen=True)
class TrainingResult:
    """What came out. `likeness` is the last checkpoint's file; `visits` counts trained pictures (steps x batch).
    `planned` is how many steps there would have been, had nothing ended the training before.

    `loss` holds up to 20 means over equal parts of the training, in order; `seconds` is the time of this run alone;
    `warnings` what a resumed training has to tell.
    """

    likeness: Path
    checkpoints: tuple[Checkpoint, ...]
    steps: int
    visits: int
    seconds: float
    loss: tuple[float, ...] = field(repr=False, default=())
    planned: int = 0
    warnings: tuple[Warn, ...] = ()


@dataclass(frozen=True)
class TrainingStep(Step):
    """The `Step` that `on_step` hears in a training: stage `encode` (photos), then `train`.

    `seconds_left` is None until enough steps ran to say it honestly.
    """

    loss: float | None = None
    seconds_left: float | None = None
