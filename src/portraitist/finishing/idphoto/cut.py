"""The pixels of an ID photo: find the one face, cut, put another background, and measure what came out.

Takes a photo and a format; the numbers of the cut are `geometry`'s. Writes no file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from portraitist.errors import UnfitPhoto
from portraitist.faces import Face, Masker
from portraitist.faces.mesh import upright_matrix
from portraitist.faces.orientation import turned
from portraitist.finishing.idphoto import geometry
from portraitist.finishing.idphoto.formats import Colour, IdFormat
from portraitist.finishing.matte import fine_mask, on_colour
from portraitist.images import size_of, transform
from portraitist.photos.look import FaceFinder, SeenFace, look
from portraitist.photos.quality import Limits
from portraitist.requests import Reason
from portraitist.types import Mask, Picture, Size

_ROOM, _SIDE = 3.6, 640
"""The head is measured in an upright square view so many times as wide as the face's box, of so many pixels."""

_TOLERANCE_MM = 0.5
"""By how much the check after the cut may miss a rule: the face's points move by as much between two sizes."""

_LEVEL, _FRONTAL = 3.0, 8.0
"""Degrees to either side that are not told."""

_LEAST_SHARE = 0.5
"""An enlargement by more than two is refused."""

_RIM, _CUT_SHARE = 4, 0.15
"""Hair so near to the photo's upper edge (pixels of the view), over such a share of the face's width, is cut."""

_ALMOST = 0.95
"""Of the format's dpi: what a photo may miss unnoticed."""

_CHIN = 152
_LACKS = ("cut_head", "cut_above", "cut_below", "cut_beside")


@dataclass(frozen=True)
class IdCheck:
    """One rule, checked on the finished photo: what was measured, and between what it has to lie (None: no limit).

    Lengths in millimetres, `roll` in degrees, `resolution` in dpi that the photo really has.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    met: bool


@dataclass(frozen=True)
class IdPhoto:
    """The photo, what was checked, and what speaks against it; `cut` says where in the given photo it lies."""

    picture: Picture
    checks: tuple[IdCheck, ...]
    warnings: tuple[Reason, ...]
    cut: geometry.Cut

    @property
    def fits(self) -> bool:
        """Whether every rule is met and the photo shows all that it has to."""
        return all(check.met for check in self.checks) and not any(one.code in _LACKS for one in self.warnings)


class Finder(FaceFinder, Protocol):
    """What is needed of the face stack."""


def cut_id_photo(
    picture: Picture,
    wanted: IdFormat,
    faces: Finder,
    masker: Masker,
    *,
    background: Colour | None,
    name: str = "the photo",
) -> IdPhoto:
    """Cut an ID photo out of a photo with one face; `background` None leaves it as it is.

    Raises UnfitPhoto: no face, several of like size, one seen from the side, or far too small for the format's dpi.
    """
    limits = Limits()
    seen, picture = _the_face(picture, faces, limits, name)
    view = upright_matrix(
        seen.face.box.centre,
        seen.face.eyes[1] - seen.face.eyes[0],
        _ROOM * max(seen.face.box.width, seen.face.box.height),
        _SIDE,
    )
    head, whole = _head_in(picture, view, faces, masker, name)
    cut = _in_photo(geometry.place(head, wanted), view, seen.face.roll)
    _large_enough(cut, wanted, name)
    photo = transform(picture, cut.matrix, wanted.size)
    inside = _inside(cut.matrix, wanted.size, size_of(picture))
    face = _only_face(photo, faces, name)
    if background is not None:
        mask = np.minimum(fine_mask(photo, masker.masks(photo, face).person), np.where(inside, 255, 0).astype(np.uint8))
        photo = on_colour(photo, mask, background)
        face = _only_face(photo, faces, name)
    after = geometry.head_of(face.mesh, face.eyes, masker.masks(photo, face).head)
    checks = _checks(geometry.measure(after, wanted), face, cut, wanted)
    warnings = [*_doubts(name, seen, limits), *_edges(name, inside, wanted, background is not None)]
    if not whole:
        message = f"The upper edge of {name} cuts the head; use a photo with some room above the hair."
        warnings.append(Reason("cut_head", None, None, message))
    return IdPhoto(photo, checks, tuple(warnings), cut)


def _the_face(picture: Picture, faces: Finder, limits: Limits, name: str) -> tuple[SeenFace, Picture]:
    """The one face, and the picture upright."""
    found = look(Path(name), picture, faces, limits)
    if not found.faces:
        raise UnfitPhoto(
            f"No face was found in {name}.", hint="Use a photo of a whole face from ahead.", code="no_face"
        )
    first = found.faces[0]
    others = [one for one in found.faces[1:] if one.face.box.area * limits.several > first.face.box.area]
    if others:
        raise UnfitPhoto(
            f"{name} shows {1 + len(others)} faces; an ID photo shows one.",
            hint="Crop the photo to one person.",
            code="several_faces",
        )
    for reason in first.reasons:
        if reason.code in ("profile", "cut_off"):
            raise UnfitPhoto(reason.message, hint="Use a photo of the whole face from ahead.", code=reason.code)
    return first, turned(picture, found.turns)


def _head_in(
    picture: Picture, view: NDArray[np.float64], faces: Finder, masker: Masker, name: str
) -> tuple[geometry.Head, bool]:
    """The head in the pixels of an upright square view, and whether the photo shows it up to the top of the hair.

    `view` (2, 3) takes pixels of the view to those of the picture.
    """
    size = Size(_SIDE, _SIDE)
    seen = transform(picture, view, size)
    inside = np.where(_inside(view, size, size_of(picture)), 255, 0).astype(np.uint8)
    face = _only_face(seen, faces, name)
    hair = np.minimum(masker.masks(seen, face).head, inside)
    at_edge = (hair[_RIM:] >= 128) & (inside[:-_RIM] == 0)
    touching = int(at_edge[: int(face.eyes[:, 1].min())].any(axis=0).sum())
    whole = touching < _CUT_SHARE * float(np.ptp(face.mesh[:, 0]))
    return geometry.head_of(face.mesh, face.eyes, hair, _below(inside, face)), whole


def _below(inside: Mask, face: Face) -> float:
    """How many pixels of the photo there are under the chin, over two widths of the face."""
    width = float(np.ptp(face.mesh[:, 0]))
    columns = np.clip(np.linspace(-width, width, 9) + face.mesh[_CHIN, 0], 0, _SIDE - 1).astype(int)
    missing = (_SIDE - 1 - np.argmax(inside[::-1, columns] > 0, axis=0))[inside[:, columns].any(axis=0)]
    last = int(missing.min()) if len(missing) else _SIDE - 1
    return float("inf") if last >= _SIDE - 1 else last - float(face.mesh[_CHIN, 1])


def _only_face(picture: Picture, faces: Finder, name: str) -> Face:
    """The face nearest to the middle among those that are not small."""
    found = faces.detect(picture)
    if not found:
        raise UnfitPhoto(f"The face in {name} was lost in the cut.", hint="Use a clearer photo.", code="no_face")
    middle = np.array([picture.shape[1] / 2, picture.shape[0] / 2])
    large = [face for face in found if face.box.area * 4 > found[0].box.area]
    return min(large, key=lambda face: float(np.linalg.norm(face.eyes.mean(axis=0) - middle)))


def _in_photo(cut: geometry.Cut, view: NDArray[np.float64], roll: float) -> geometry.Cut:
    """A cut of the view as one of the photo."""
    whole = np.vstack([cut.matrix, [0.0, 0.0, 1.0]])
    scale = cut.scale * float(np.sqrt(abs(np.linalg.det(view[:, :2]))))
    return replace(cut, matrix=view @ whole, scale=scale, roll=roll)


def _large_enough(cut: geometry.Cut, wanted: IdFormat, name: str) -> None:
    if cut.scale >= _LEAST_SHARE:
        return
    needed = cut.measured.head * wanted.pixels_per_mm
    raise UnfitPhoto(
        f"The head in {name} is {needed * cut.scale:.0f} pixels high; {wanted.dpi} dpi take {needed:.0f}.",
        hint=f"Use a photo whose head is at least {needed * _LEAST_SHARE:.0f} pixels high, better {needed:.0f}.",
        code="too_small",
    )


def _inside(matrix: NDArray[np.float64], size: Size, whole: Size) -> NDArray[np.bool_]:
    """(height, width): which pixels of a cut lie within the photo."""
    rows, columns = np.mgrid[0 : size.height, 0 : size.width] + 0.5
    x = matrix[0, 0] * columns + matrix[0, 1] * rows + matrix[0, 2]
    y = matrix[1, 0] * columns + matrix[1, 1] * rows + matrix[1, 2]
    return np.asarray((x >= 0) & (y >= 0) & (x < whole.width) & (y < whole.height), dtype=np.bool_)


def _checks(found: geometry.Measured, face: Face, cut: geometry.Cut, wanted: IdFormat) -> tuple[IdCheck, ...]:
    checks = []
    for name, (low, high) in geometry.rules(wanted):
        value = round(float(getattr(found, name)), 1)
        met = geometry.outside(value, (low, high)) <= _TOLERANCE_MM
        checks.append(IdCheck(name, value, low, high, met))
    checks.append(IdCheck("roll", round(face.roll, 1), -_LEVEL, _LEVEL, abs(face.roll) <= _LEVEL))
    dpi = round(wanted.dpi * min(1.0, cut.scale))
    checks.append(IdCheck("resolution", dpi, wanted.dpi, None, dpi >= _ALMOST * wanted.dpi))
    return tuple(checks)


def _doubts(name: str, seen: SeenFace, limits: Limits) -> list[Reason]:
    doubts = [one for one in (*seen.reasons, *seen.doubts) if one.code not in ("too_small", "rolled")]
    yaw = abs(seen.face.yaw)
    if yaw > _FRONTAL:
        message = f"The face in {name} is turned by {yaw:.0f} degrees; authorities want it straight ahead."
        doubts.append(Reason("turned", round(yaw, 1), _FRONTAL, message))
    if seen.opening < limits.closed_alone:
        message = f"The eyes in {name} look closed; authorities want them open."
        doubts.append(Reason("closed_eyes", round(seen.opening, 3), limits.closed_alone, message))
    return doubts


def _edges(name: str, inside: NDArray[np.bool_], wanted: IdFormat, replaced: bool) -> list[Reason]:
    """What the photo does not show. Above and beside the head a new background fills it; at the shoulders nothing."""
    mm = 1.0 / wanted.pixels_per_mm
    wide = inside.shape[1]
    middle = inside[:, round(0.3 * wide) : round(0.7 * wide)]
    middle = middle[:, middle.any(axis=0)]
    above = float(np.argmax(middle, axis=0).max(initial=0)) * mm
    below = float(np.argmax(middle[::-1], axis=0).max(initial=0)) * mm
    lower = inside[-max(1, len(inside) // 8) :]
    lower = lower[lower.any(axis=1)]
    beside = float(((~lower).sum(axis=1)).max(initial=0)) * mm
    found = []
    if below > _TOLERANCE_MM:
        message = f"{name} ends {below:.1f} mm above the lower edge of the ID photo; use one that shows the shoulders."
        found.append(Reason("cut_below", round(below, 1), _TOLERANCE_MM, message))
    if beside > _TOLERANCE_MM:
        message = f"{name} ends beside the shoulders: {beside:.1f} mm of the ID photo's width are missing there."
        found.append(Reason("cut_beside", round(beside, 1), _TOLERANCE_MM, message))
    if above > _TOLERANCE_MM and not replaced:
        message = f"{name} shows too little above the head: {above:.1f} mm were filled with the colours of its edge."
        found.append(Reason("cut_above", round(above, 1), _TOLERANCE_MM, message))
    elif above > _TOLERANCE_MM:
        message = f"The background was extended by {above:.1f} mm above the head."
        found.append(Reason("extended", round(above, 1), _TOLERANCE_MM, message))
    return found
