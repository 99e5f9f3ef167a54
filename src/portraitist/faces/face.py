"""What a face is, and what each part of a face stack has to do: small protocols, one for each part.

A stack (`detect.Faces`) is made of one detector, one reader of landmarks, one of pose, one recogniser and, for whoever
cuts crops, one masker. Which there are is said in `parts`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from portraitist.types import Box, Embedding, Landmarks, Mask, Picture


@dataclass(frozen=True)
class Find:
    """What a detector found: box in pixels, score 0 … 1, points (n, 2) of which the first two are the picture's left
    and right eye (of an upright face)."""

    box: Box
    score: float
    points: Landmarks


@dataclass(frozen=True)
class Pose:
    """Degrees. yaw > 0: turned to the picture's right; pitch > 0: looking up; roll > 0: tilted clockwise."""

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True)
class Face:
    """A face: box and points in pixels of the picture, score 0 … 1, pose in degrees (see `Pose`).

    `presence` is FaceMesh's own opinion, a logit.
    `points` (n, 2) are the detector's, `mesh` (468, 3) FaceMesh's; `eyes` (2, 2) the middles of the eyes, the one on
    the left of an upright picture first.
    """

    box: Box
    score: float
    presence: float
    points: Landmarks
    mesh: Landmarks
    eyes: NDArray[np.float64]
    yaw: float
    pitch: float
    roll: float

    @property
    def eye_distance(self) -> float:
        """Pixels between the eyes."""
        return float(np.linalg.norm(self.eyes[1] - self.eyes[0]))


@dataclass(frozen=True)
class Masks:
    """uint8 (height, width) of the photo: the whole person, and the head with its hair; 255 inside."""

    person: Mask
    head: Mask


class Detector(Protocol):
    """Finds what may be faces, in any order. `doubts` says whether the landmarks are asked too if it is one."""

    @property
    def name(self) -> str: ...

    @property
    def doubts(self) -> bool: ...

    def find(self, picture: Picture) -> list[Find]: ...


class LandmarkReader(Protocol):
    """FaceMesh's 468 points (468, 3) of a face with this box and these eyes (2,), and how sure it is (logit)."""

    def points(
        self, picture: Picture, box: Box, left_eye: NDArray[np.float64], right_eye: NDArray[np.float64]
    ) -> tuple[Landmarks, float]: ...


class PoseReader(Protocol):
    """The pose of a head by its landmarks (468, 3)."""

    def __call__(self, points: Landmarks) -> Pose: ...


class LidReader(Protocol):
    """How far the eyes of a face with this FaceMesh (468, 3) are open: height in widths of the eye."""

    def opening(self, picture: Picture, mesh: Landmarks) -> float: ...


class Recogniser(Protocol):
    """Turns a face into a point of its space; `name` says which space, and only points of one space are compared.

    `steady` is the mean over several views of the same face (its mirror image, other cuts), where the recogniser can be
    shown them: several times the work, and less of chance in it.
    """

    @property
    def name(self) -> str: ...

    def embed(self, picture: Picture, face: Face) -> Embedding: ...

    def steady(self, picture: Picture, face: Face) -> Embedding: ...


class Masker(Protocol):
    """Says which pixels of a photo are the sitter's."""

    @property
    def name(self) -> str: ...

    def masks(self, picture: Picture, face: Face) -> Masks: ...
