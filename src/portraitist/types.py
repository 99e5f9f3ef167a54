"""The small frozen values that every room shares. Units are in the names; nothing here reads files or loads models."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""uint8 (height, width, 3) RGB, upright. The one image convention between stages."""

Mask = NDArray[np.uint8]
"""uint8 (height, width), 0 = outside, 255 = inside."""

Landmarks = NDArray[np.float64]
"""float64 (points, 2 or 3) in pixels of the picture: x to the right, y down, z towards the viewer negative."""

Embedding = NDArray[np.float64]
"""float64 (dimensions,); a face in the space of a recogniser."""

Seed = int
"""0 … 2**63 − 1."""

MAX_SEED = 2**63 - 1


class Strict:
    """What is read from outside (TOML, JSON) as such a dataclass may have no unknown key: pydantic refuses it."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; x to the right, y down; may reach over the edge of its picture."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    def overlap(self, other: "Box") -> float:
        """Intersection over union, 0 … 1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        shared = max(0.0, width) * max(0.0, height)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0

    def scaled(self, factor: float) -> "Box":
        """The box in a picture that is `factor` times as large."""
        return Box(self.x * factor, self.y * factor, self.width * factor, self.height * factor)


@dataclass(frozen=True)
class Span:
    """A piece of a prompt and how much it weighs (1: as written); with `new_chunk` it only says that one begins."""

    text: str
    weight: float = 1.0
    new_chunk: bool = False


@dataclass(frozen=True)
class LoraUse(Strict):
    """A LoRA beside the sitter's: its name or path, how strongly (None: the usual), and which file that is."""

    name: str
    strength: float | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Step:
    """What a long stage tells about itself: `done` of `total` steps of `stage`; `detail` is for people."""

    stage: str
    done: int
    total: int
    detail: str = ""
    preview: Any = None


class OnStep(Protocol):
    """The one hook for progress, preview and cancel. A hook cancels by raising `errors.Cancelled`."""

    def __call__(self, step: Step) -> None: ...


def no_progress(step: Step) -> None:
    """An `OnStep` that tells nobody."""


def derive_seed(seed: Seed, *words: object) -> Seed:
    """A seed for a part of the work, the same on every machine; 0 … 2**63 − 1."""
    text = "\x1f".join(str(word) for word in (seed, *words))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") & MAX_SEED
