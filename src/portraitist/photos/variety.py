"""Do the photos show the sitter in more than one way? Warnings where all share one pose, one light or one outfit.

What is the same in all photos is learned as part of the person. Judges no photo.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portraitist.faces import Face
from portraitist.photos.covered import to_lab
from portraitist.photos.patch import Patch, upright_view
from portraitist.requests import Warn
from portraitist.types import Size

_ENOUGH = 3
_YAW, _PITCH = 14.0, 14.0
"""Degrees between the farthest poses, below which all photos show one pose."""

_LIGHT = 9.0
_OUTFIT = 14.0
"""Distances in CIELAB between any two photos, below which all show one light, one outfit."""

_VISIBLE = 0.6
"""Share of the chest that has to be in the picture."""

_FOREHEAD, _LEFT, _RIGHT, _CHIN = (151, 9, 108, 337), (50, 101, 118, 205), (280, 330, 347, 425), (199, 200, 175)


@dataclass(frozen=True)
class Circumstance:
    """How a photo shows the sitter: degrees of yaw and pitch; `light` (6,): colour and direction of the light on the
    face; `outfit` (3,): the colour below the chin, None where it cannot be seen. Both in units of CIELAB."""

    yaw: float
    pitch: float
    light: NDArray[np.float64]
    outfit: NDArray[np.float64] | None


def circumstance_of(size: Size, face: Face, patch: Patch) -> Circumstance:
    """The circumstance of a face in a photo of `size`, of which `patch` is a part."""
    return Circumstance(face.yaw, face.pitch, _light(patch), _outfit(size, face, patch))


def _light(patch: Patch) -> NDArray[np.float64]:
    view, mesh = upright_view(patch.picture, patch.face, 1.2, 96)
    lab = to_lab(view)
    zones = []
    for points in (_FOREHEAD, _LEFT, _RIGHT, _CHIN):
        x, y = np.clip(np.round(mesh[list(points)]).astype(int), 0, 95).T
        zones.append(np.median(lab[y, x], axis=0))
    forehead, left, right, chin = zones
    mean = np.mean(zones, axis=0)
    return np.array([*mean, left[0] - right[0], forehead[0] - chin[0], left[2] - right[2]])


def _outfit(size: Size, face: Face, patch: Patch) -> NDArray[np.float64] | None:
    """The median colour of the upper chest: from 0.9 to 1.4 box widths below the face's middle."""
    box, own = face.box, patch.face.box
    middle, width = np.array(box.centre), max(box.width, box.height)
    low, high = middle + np.array([-0.6, 0.9]) * width, middle + np.array([0.6, 1.4]) * width
    seen = np.clip(np.minimum(high, [size.width, size.height]) - np.maximum(low, 0.0), 0.0, None)
    if float(seen.prod()) < _VISIBLE * float((high - low).prod()):
        return None
    factor = own.width / max(1.0, box.width)
    start = np.array(own.centre) + (np.maximum(low, 0.0) - middle) * factor
    end = np.array(own.centre) + (np.minimum(high, [size.width, size.height]) - middle) * factor
    (left, top), (right, bottom) = np.round(start).astype(int), np.round(end).astype(int)
    part = patch.picture[max(0, top) : bottom, max(0, left) : right]
    if not part.size:
        return None
    colour = np.median(to_lab(np.ascontiguousarray(part)).reshape(-1, 3), axis=0)
    return np.asarray(colour * np.array([0.6, 1.0, 1.0]))  # lightness depends on the light too


def warn_of_sameness(photos: Sequence[Circumstance]) -> list[Warn]:
    """What all accepted photos share, with the kind of photo to add; nothing for fewer than three."""
    if len(photos) < _ENOUGH:
        return []
    warnings = []
    yaws, pitches = [photo.yaw for photo in photos], [photo.pitch for photo in photos]
    if np.ptp(yaws) < _YAW and np.ptp(pitches) < _PITCH:
        text = (
            f"All {len(photos)} photos show the head in one pose (turned {min(yaws):.0f} to {max(yaws):.0f} degrees). "
            "Add photos with the head turned a little to the left and to the right."
        )
        warnings.append(Warn("one_pose", text))
    if _spread([photo.light for photo in photos]) < _LIGHT:
        text = f"All {len(photos)} photos have the same light. Add some from elsewhere: by a window, outdoors, indoors."
        warnings.append(Warn("one_light", text))
    outfits = [photo.outfit for photo in photos if photo.outfit is not None]
    if len(outfits) >= _ENOUGH and _spread(outfits) < _OUTFIT:
        text = (
            f"The clothes look the same in all {len(outfits)} photos that show them and would be learned as part of "
            "the person. Add photos in other clothes."
        )
        warnings.append(Warn("one_outfit", text))
    return warnings


def _spread(points: Sequence[NDArray[np.float64]]) -> float:
    """The largest distance between two."""
    stacked = np.stack(points)
    return float(np.linalg.norm(stacked[:, None] - stacked[None], axis=-1).max())
