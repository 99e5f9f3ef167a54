"""BiSeNet's face parsing as an ONNX file: masks of the head and of the person around it.

Yu et al. 2018, "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation", with the 19 classes of
CelebAMask-HQ (Lee et al. 2020).
"""

from pathlib import Path

import numpy as np

from portraitist.errors import UnfitModel
from portraitist.faces.face import Face, Masks
from portraitist.faces.mesh import upright_matrix
from portraitist.faces.onnx import OnnxNetwork
from portraitist.images import transform
from portraitist.types import Mask, Picture, Size

_SIDE = 512
_ROOM = 2.6
"""Width of the view in widths of the face's box: head and shoulders, as in the pictures that it was trained on."""

_CLASSES = 19
_HEAD = (*range(1, 14), 17, 18)  # skin, brows, eyes, glasses, ears, nose, mouth, lips; hair, hat
_PERSON = (*_HEAD, 14, 15, 16)  # neck, necklace, cloth
_MEAN, _SPREAD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


class BiSeNetMasker:
    """Masks from a view around the face; what lies outside the view counts as background."""

    name = "bisenet"

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._network = OnnxNetwork(path, threads)

    def masks(self, picture: Picture, face: Face) -> Masks:
        matrix = upright_matrix(
            face.box.centre, face.eyes[1] - face.eyes[0], _ROOM * max(face.box.width, face.box.height), _SIDE
        )
        view = transform(picture, matrix, Size(_SIDE, _SIDE)).astype(np.float32) / 255.0
        scores = self._network(((view - _MEAN) / _SPREAD).transpose(2, 0, 1)[None])[0]
        if scores.ndim != 4 or scores.shape[1] != _CLASSES:
            raise UnfitModel(f"The outputs of the face model are not those of {self.name}.")
        kinds = scores[0].argmax(axis=0)
        return Masks(*(_back(np.isin(kinds, chosen), matrix, picture) for chosen in (_PERSON, _HEAD)))


def _back(inside: np.ndarray, matrix: np.ndarray, picture: Picture) -> Mask:
    """A mask of the view as one of the photo."""
    height, width = picture.shape[:2]
    turn = np.linalg.inv(matrix[:, :2])
    back = np.concatenate([turn, -turn @ matrix[:, 2:]], axis=1)
    flat = np.repeat(inside[..., None].astype(np.uint8) * 255, 3, axis=2)
    flat[[0, -1]] = flat[:, [0, -1]] = 0  # the edge is repeated beyond the view
    return np.ascontiguousarray(transform(flat, back, Size(width, height))[..., 0])
