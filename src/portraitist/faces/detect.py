"""Finds the faces of a picture: box, points, pose. Who it is, is asked of `identity`; quality is not judged here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from portraitist.faces import blaze, mesh
from portraitist.faces.identity import DlibRecogniser, Recogniser
from portraitist.images import fit
from portraitist.types import Box, Embedding, Landmarks, Picture
from portraitist.weights import require

_LONGEST = 1280
"""Pictures are searched at this size at most."""

_SURE = 0.55
"""A find below this score is no face, unless both networks found it."""

_SURE_TOGETHER = 0.4
_DOUBT = 0.6
_WEIGHT = 10.0
"""A find is a face if FaceMesh's logit + _WEIGHT (score - _DOUBT) >= 0. Noise, hands and cloth have logits below -1.9
and scores below 0.7; rendered faces, with beard and glasses, logits down to 1 and scores from 0.8 on; photos 15 to 30.
"""

_SMALL = 1 / 9
"""If no face is at least this share of the longer side, quarters of the picture are searched too."""


@dataclass(frozen=True)
class Face:
    """A face: box and points in pixels of the picture, score 0 … 1, pose in degrees (see `mesh.Pose`).

    `presence` is FaceMesh's own opinion, a logit.
    `points` (6, 2) are BlazeFace's, `mesh` (468, 3) FaceMesh's; `eyes` (2, 2) the middles of the eyes, the one on the
    left of an upright picture first.
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


class Detector(Protocol):
    """Finds all faces of a picture, the largest first."""

    def detect(self, picture: Picture) -> list[Face]: ...


class Faces:
    """The loaded stack. Passed along by its users; not to be used from two threads at once."""

    def __init__(self, full: blaze.Blaze, short: blaze.Blaze, points: mesh.Mesh, recogniser: Recogniser) -> None:
        self._full = full
        self._short = short
        self._mesh = points
        self.recogniser = recogniser

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> "Faces":
        """Load the models of `folder` (see `weights.fetch`). Raises MissingModel with the command that fetches them."""
        paths = require(folder)
        return cls(
            blaze.full_range(paths["face_detection_full_range.tflite"], threads),
            blaze.short_range(paths["face_detection_short_range.tflite"], threads),
            mesh.Mesh(paths["face_landmark.tflite"], threads),
            DlibRecogniser(
                paths["shape_predictor_5_face_landmarks.dat"], paths["dlib_face_recognition_resnet_model_v1.dat"]
            ),
        )

    def detect(self, picture: Picture) -> list[Face]:
        """All faces, the largest first; an empty list if there is none."""
        view, scale = fit(picture, _LONGEST)
        looked = [self._look_closer(picture, find, 1.0 / scale) for find in self._find(view)]
        faces = [face for face in looked if _is_face(face)]
        return sorted(faces, key=lambda face: -face.box.area)

    def embed(self, picture: Picture, face: Face) -> Embedding:
        """The face in the recogniser's space."""
        return self.recogniser.embed(picture, face.box, face.eyes[0], face.eyes[1])

    def embed_only(self, picture: Picture) -> Embedding | None:
        """The embedding of a picture with exactly one face, else None."""
        faces = self.detect(picture)
        return self.embed(picture, faces[0]) if len(faces) == 1 else None

    def _find(self, view: Picture) -> list[blaze.Find]:
        full, short = self._full.find(view), self._short.find(view)
        finds = _sure(full, short)
        longest = max(view.shape[:2])
        if longest > 400 and not any(find.box.width >= _SMALL * longest for find in finds):
            full = [*full, *blaze.find_in_tiles(self._full, view)]
            finds = _sure(full, short)
        return finds

    def _look_closer(self, picture: Picture, find: blaze.Find, scale: float) -> Face:
        box, points = find.box.scaled(scale), find.points * scale
        landmarks, presence = self._mesh.points(picture, box, points[0], points[1])
        pose = mesh.pose(landmarks)
        eyes = mesh.eyes(landmarks)
        return Face(box, find.score, presence, points, landmarks, eyes, pose.yaw, pose.pitch, pose.roll)


def _sure(full: Sequence[blaze.Find], short: Sequence[blaze.Find]) -> list[blaze.Find]:
    """The merged finds that one network is sure of, or both find."""
    ours = [find.box for find in full if find.score >= _SURE_TOGETHER]
    theirs = [find.box for find in short if find.score >= _SURE_TOGETHER]
    merged = blaze.merge([*full, *short])
    return [find for find in merged if find.score >= _SURE or (_near(find.box, ours) and _near(find.box, theirs))]


def _is_face(face: Face) -> bool:
    return face.presence + _WEIGHT * (face.score - _DOUBT) >= 0.0


def _near(box: Box, others: Sequence[Box]) -> bool:
    return any(box.overlap(other) > 0.4 for other in others)
