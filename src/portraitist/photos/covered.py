"""What hides a face: glasses that nobody can look through, hair or a hat over the eyes, a mask.

Compares colours (CIELAB) of the mesh's zones with those of the cheeks in the same picture, so that no skin colour is
the rule. Judges nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms

from portraitist.faces import Face
from portraitist.images import to_pil
from portraitist.photos.measures import inside
from portraitist.photos.patch import upright_view
from portraitist.types import Landmarks, Picture

Lab = NDArray[np.float64]
"""float64 (…, 3): lightness 0 … 100, a and b about −100 … 100."""


@dataclass(frozen=True)
class _Side:
    """FaceMesh's points around one eye."""

    edge: tuple[int, ...]
    lids: tuple[int, ...]
    around: tuple[int, ...]
    cheek: tuple[int, ...]


_LEFT = _Side(
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (247, 30, 29, 27, 28, 56, 190, 130, 25, 110, 24, 23, 22, 26, 112, 243),
    (113, 225, 224, 223, 222, 221, 189, 226, 31, 228, 229, 230, 231, 232, 233, 244),
    (50, 101, 118, 117, 205, 36),
)
_RIGHT = _Side(
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
    (467, 260, 259, 257, 258, 286, 414, 359, 255, 339, 254, 253, 252, 256, 341, 463),
    (342, 445, 444, 443, 442, 441, 413, 446, 261, 448, 449, 450, 451, 452, 453, 464),
    (280, 330, 347, 346, 425, 266),
)
_UNDER_THE_EYES = (117, 118, 101, 346, 347, 330)
_LOWER = (1, 2, 4, 98, 327, 164, 199, 200, 152, 205, 425, 187, 411, 57, 287)
_LIPS = (0, 37, 267, 39, 269, 17, 84, 314, 181, 405, 61, 291)
_AROUND_LIPS = (164, 167, 393, 18, 83, 313, 200, 57, 287)


@dataclass(frozen=True)
class Covered:
    """Differences are distances in CIELAB.

    `eyes`: how much the better eye differs from its lids (a lens or hair over it is of one colour); `lids`: how much
    the surroundings of both eyes differ from the cheeks; `mouth`: how much nose tip, mouth and chin differ from the
    skin under the eyes; `lips`: how much the lips differ from their surroundings.
    """

    eyes: float
    lids: float
    mouth: float
    lips: float


def covered_of(picture: Picture, face: Face) -> Covered:
    """The measures of one face."""
    side = int(np.clip(face.box.width * 1.3, 48, 256))
    view, mesh = upright_view(picture, face, 1.3, side)
    lab = to_lab(view)
    both = (_LEFT, _RIGHT)
    lower, cheek = _at(lab, mesh, _LOWER), np.median(_at(lab, mesh, _UNDER_THE_EYES), axis=0)
    lips, around = _at(lab, mesh, _LIPS).mean(axis=0), _at(lab, mesh, _AROUND_LIPS).mean(axis=0)
    return Covered(
        eyes=max(_eye_and_lids(lab, mesh, eye, side) for eye in both),
        lids=min(_lids_and_cheek(lab, mesh, eye) for eye in both),
        mouth=float(np.median(np.linalg.norm(lower - cheek, axis=1))),
        lips=float(np.linalg.norm(lips - around)),
    )


def to_lab(picture: Picture) -> Lab:
    """CIELAB (D50) of a picture."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    turned = ImageCms.profileToProfile(to_pil(picture), srgb, lab, outputMode="LAB")
    values = np.array(turned, dtype=np.float64)
    values[..., 0] *= 100.0 / 255.0
    values[..., 1:] -= 256.0 * (values[..., 1:] > 127)
    return values


def _at(lab: Lab, mesh: Landmarks, points: Sequence[int]) -> Lab:
    """(points, 3): the mean colour of the 3 x 3 pixels at each point."""
    height, width = lab.shape[:2]
    x = np.clip(np.round(mesh[list(points), 0]).astype(int), 1, width - 2)
    y = np.clip(np.round(mesh[list(points), 1]).astype(int), 1, height - 2)
    steps = np.arange(-1, 2)
    found: Lab = lab[y[:, None, None] + steps[:, None], x[:, None, None] + steps].mean(axis=(1, 2))
    return found


def _eye_and_lids(lab: Lab, mesh: Landmarks, eye: _Side, side: int) -> float:
    within = lab[inside(mesh, eye.edge, side)]
    lids = np.median(_at(lab, mesh, (*eye.lids, *eye.around)), axis=0)
    return float(np.linalg.norm(within - lids, axis=1).mean()) if len(within) else 0.0


def _lids_and_cheek(lab: Lab, mesh: Landmarks, eye: _Side) -> float:
    cheek = np.median(_at(lab, mesh, eye.cheek), axis=0)
    return float(np.median(np.linalg.norm(_at(lab, mesh, (*eye.lids, *eye.around)) - cheek, axis=1)))
