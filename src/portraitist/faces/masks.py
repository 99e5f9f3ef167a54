"""Person, head and background of a picture, as masks. Knows one person: the one whose face it is told.

Network: MediaPipe's selfie segmentation (Apache-2.0; "Selfie Segmentation" model card, 256 x 256), run on the whole
picture. There is no network for hair: the head is the person above the chin, within a window around the mesh of the
face. Where a dark person stands before a dark wall, the edge is a guess.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from portraitist.faces import parts
from portraitist.faces.face import Face, Masker, Masks
from portraitist.faces.tflite import Network
from portraitist.images import resize, size_of
from portraitist.types import Landmarks, Mask, Picture, Size
from portraitist.weights import require

_SIDE = 256
_CHIN, _FOREHEAD, _CHEEKS = 152, 10, (234, 454)
_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The outline of the face among the points of the canonical face model, in order."""
_JAW = _OVAL[_OVAL.index(361) : _OVAL.index(132) + 1]

_BELOW, _ABOVE, _BESIDE, _BESIDE_CHIN = -0.05, 1.75, 1.05, 0.6
"""The window of the head, from the chin upwards and from the middle sideways, in heights of the face's mesh; it is
narrower at the chin, where shoulders and collars are."""

_EDGE = 0.06
"""Over which share of that height the window fades out."""


@dataclass(frozen=True)
class CropMasks:
    """uint8 (height, width) each, 0 … 255 with soft edges; `head` lies within `person`. `background` is the rest of the
    photo: where none of them is, the crop reaches over the photo's edge."""

    person: Mask
    head: Mask
    background: Mask


class SelfieMasker:
    """The embedded masker. Not to be used from two threads at once."""

    name = "selfie"

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.network = Network(path, threads)

    def masks(self, picture: Picture, face: Face) -> Masks:
        """The masks of the person with this face, in an upright picture."""
        return masks_of(self.people(picture), face.mesh)

    def people(self, picture: Picture) -> Mask:
        """255 on people, 0 elsewhere."""
        view = resize(picture, Size(_SIDE, _SIDE)).astype(np.float32)[None] / 255.0
        sure = self.network(view)[0].reshape(_SIDE, _SIDE)
        return _resized((sure.clip(0, 1) * 255).round().astype(np.uint8), size_of(picture))


def load_masker(folder: Path, names: str) -> Masker:
    """The masker among the face models `names`, or the embedded one out of `folder`.

    Raises MissingModel with the command that fetches it, UnknownName or UnfitModel.
    """
    return parts.load_masker(folder, names) or SelfieMasker(require(folder)["selfie_segmentation.tflite"])


def masks_of(people: Mask, mesh: Landmarks) -> Masks:
    """Out of a mask of all people the person whose face has this `mesh` (468, 2 or 3), upright, and its head.

    The face itself belongs to the person whatever the mask says.
    """
    whole = Size(people.shape[1], people.shape[0])
    person = np.maximum(_own(people, mesh), _face(mesh, whole))
    head = (person * _head_window(mesh, whole)).round().astype(np.uint8)
    return Masks(person, _own(head, mesh))


def crop_masks(picture: Picture, face: Face, masker: Masker, inside: Mask) -> CropMasks:
    """The masks of an upright crop; `inside` is 255 where it shows the photo, 0 where it reaches over its edge."""
    found = masker.masks(picture, face)
    person = np.minimum(found.person, inside)
    return CropMasks(person, np.minimum(found.head, person), inside - person)


def on_white(picture: Picture, mask: Mask) -> Picture:
    """What the mask shows of the picture, the rest white."""
    share = mask[..., None].astype(np.float32) / 255.0
    return np.array((picture * share + 255.0 * (1.0 - share)).round(), dtype=np.uint8)


def _resized(mask: Mask, size: Size) -> Mask:
    image = Image.fromarray(mask).resize((size.width, size.height), Image.Resampling.BICUBIC)
    return np.array(image, dtype=np.uint8)


def _own(mask: Mask, mesh: Landmarks) -> Mask:
    """The part of a mask that hangs together with the face, with its soft edges; found at the network's size."""
    whole = Size(mask.shape[1], mask.shape[0])
    solid = _resized(mask, Size(_SIDE, _SIDE)) > 96
    shares = mesh[list(_OVAL), :2] / (whole.width, whole.height) * _SIDE
    left, top = np.clip(shares.min(axis=0).astype(int), 0, _SIDE - 1)
    right, bottom = np.clip(shares.max(axis=0).astype(int) + 1, 1, _SIDE)
    part: NDArray[np.bool_] = np.zeros_like(solid)
    part[top:bottom, left:right] = True
    part &= solid
    size = -1
    while size != (size := int(part.sum())):
        part = _grown(part) & solid
    for _ in range(4):  # the soft edges lie outside of what is solid
        part = _grown(part)
    return np.minimum(mask, _resized(np.where(part, 255, 0).astype(np.uint8), whole))


def _face(mesh: Landmarks, whole: Size) -> Mask:
    """255 within the outline of the face."""
    image = Image.new("L", (whole.width, whole.height))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in mesh[list(_OVAL), :2]], fill=255)
    return np.array(image, dtype=np.uint8)


def _grown(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(part, 1)
    return padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def _head_window(mesh: Landmarks, whole: Size) -> NDArray[np.float32]:
    """float32 (height, width), 1 within the window of the head, fading to 0."""
    chin, forehead = mesh[_CHIN, :2], mesh[_FOREHEAD, :2]
    middle = mesh[list(_CHEEKS), :2].mean(axis=0)
    height = max(1.0, float(np.linalg.norm(forehead - chin)))
    up = (forehead - chin) / height
    across = np.array([-up[1], up[0]])
    rows, columns = np.mgrid[0 : whole.height, 0 : whole.width].astype(np.float32)
    above = ((columns - chin[0]) * up[0] + (rows - chin[1]) * up[1]) / height
    beside = np.abs((columns - middle[0]) * across[0] + (rows - middle[1]) * across[1]) / height
    reach = np.interp(above, (0.0, 0.5), (_BESIDE_CHIN, _BESIDE))
    inside = np.minimum(np.minimum(above - _BELOW, _ABOVE - above), reach - beside)
    window = np.clip(inside / _EDGE + 0.5, 0.0, 1.0) * (1.0 - _neck(mesh, up * height, whole))
    return np.asarray(window, dtype=np.float32)


def _neck(mesh: Landmarks, tall: NDArray[np.float64], whole: Size) -> NDArray[np.float32]:
    """float32 (height, width), 1 straight below the jaw; `tall` (2,) leads from the chin to the forehead."""
    jaw = mesh[list(_JAW), :2] - 0.03 * tall
    outline = [*jaw, jaw[-1] - tall, jaw[0] - tall]
    image = Image.new("L", (whole.width, whole.height))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in outline], fill=255)
    soft = image.filter(ImageFilter.GaussianBlur(_EDGE / 4 * float(np.hypot(*tall))))
    return np.asarray(soft, dtype=np.float32) / np.float32(255.0)
