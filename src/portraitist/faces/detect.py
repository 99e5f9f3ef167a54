"""The face stack: finds the faces of a picture with their points and pose, and embeds them. Judges no quality.

Who it is, is asked of `identity`; which parts a stack can be made of, of `parts`.
"""

from __future__ import annotations

from pathlib import Path

from portraitist.faces import mesh
from portraitist.faces.face import Detector, Face, Find, LandmarkReader, LidReader, PoseReader, Recogniser
from portraitist.faces.spaces import named
from portraitist.types import Embedding, Picture

_DOUBT = 0.6
_WEIGHT = 10.0
"""A find is a face if FaceMesh's logit + _WEIGHT (score - _DOUBT) >= 0. Noise, hands and cloth have logits below -1.9
and scores below 0.7; rendered faces, with beard and glasses, logits down to 1 and scores from 0.8 on; photos 15 to 30.
"""


class Faces:
    """The loaded stack. Passed along by its users; not to be used from two threads at once."""

    def __init__(
        self,
        detector: Detector,
        landmarks: LandmarkReader,
        recogniser: Recogniser,
        lids: LidReader,
        pose: PoseReader = mesh.pose,
    ) -> None:
        self.detector = detector
        self.recogniser = recogniser
        self._landmarks = landmarks
        self._lids = lids
        self._pose = pose

    @classmethod
    def load(cls, folder: Path, *, names: str = "embedded", threads: int = 1, offline: bool = False) -> Faces:
        """Load the models of `folder` (see `weights.fetch`), with other parts by `names` (see `parts.load`).

        Raises MissingModel with the command that fetches them.
        """
        from portraitist.faces.parts import load

        return load(folder, names, threads=threads, offline=offline)

    def detect(self, picture: Picture) -> list[Face]:
        """All faces, the largest first; an empty list if there is none."""
        looked = [self._look_closer(picture, find) for find in self.detector.find(picture)]
        faces = [face for face in looked if not self.detector.doubts or _is_face(face)]
        return sorted(faces, key=lambda face: -face.box.area)

    def embed(self, picture: Picture, face: Face) -> Embedding:
        """The face in the recogniser's space."""
        return named(self.recogniser.embed(picture, face), self.recogniser.name)

    def steady(self, picture: Picture, face: Face) -> Embedding:
        """The same with less of chance in it, for several times the work; see `Recogniser`."""
        return named(self.recogniser.steady(picture, face), self.recogniser.name)

    def opening(self, picture: Picture, face: Face) -> float:
        """How far the eyes are open: height in widths of the eye, 0 to about 0.5."""
        return self._lids.opening(picture, face.mesh)

    def embed_only(self, picture: Picture) -> Embedding | None:
        """The embedding of a picture with exactly one face, else None."""
        faces = self.detect(picture)
        return self.embed(picture, faces[0]) if len(faces) == 1 else None

    def _look_closer(self, picture: Picture, find: Find) -> Face:
        landmarks, presence = self._landmarks.points(picture, find.box, find.points[0], find.points[1])
        pose = self._pose(landmarks)
        eyes = mesh.eyes(landmarks)
        return Face(find.box, find.score, presence, find.points, landmarks, eyes, pose.yaw, pose.pitch, pose.roll)


def _is_face(face: Face) -> bool:
    return face.presence + _WEIGHT * (face.score - _DOUBT) >= 0.0
