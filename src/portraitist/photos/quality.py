"""The measures of one photo and their limits. Each finds a number, compares it and words the reason.

What needs several photos (duplicates, another person) only gets its numbers here; `check` compares them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from portraitist.errors import PhotoTooLarge, UnreadablePhoto
from portraitist.faces import Face
from portraitist.faces.mesh import upright_matrix
from portraitist.images import MAX_BYTES, MAX_PIXELS, fit, to_pil, transform
from portraitist.requests import Reason
from portraitist.types import Picture, Size

Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """Where a photo stops to be usable. Measured on the photos of `benchmarks`; change them with a reason.

    `face_pixels`: width of the face's box; `several`: how many times the second face's area the largest has to be;
    `cut_off`: share of the face outside the picture; `blur_small`, `blur_large`: highest blur (0 sharp … 1) of faces up
    to 100 and from 256 pixels, in between by line; `hash_bits`: of 64, for the whole picture; `face_hash_bits` and
    `face_distance`: of 64 and in the recogniser's space, for the same shot cropped differently.
    """

    bytes: int = MAX_BYTES
    pixels: int = MAX_PIXELS
    face_pixels: float = 64.0
    several: float = 4.0
    cut_off: float = 0.18
    blur_small: float = 0.60
    blur_large: float = 0.70
    hash_bits: int = 10
    face_hash_bits: int = 12
    face_distance: float = 0.2

    def for_small_faces(self) -> "Limits":
        """The limits of photos whose faces will be enlarged: half as wide is enough."""
        return replace(self, face_pixels=self.face_pixels / 2)


def unreadable(error: UnreadablePhoto | PhotoTooLarge) -> Reason:
    """The reason for a file that could not be read."""
    return Reason(error.code, None, None, error.message)


def choose_face(
    name: str, size: Size, faces: Sequence[Face], limits: Limits, point: tuple[float, float] | None
) -> tuple[Face | None, Reason | None]:
    """The sitter's face among `faces` (largest first), or None with the reason; `point` picks one of them."""
    if not faces:
        return None, Reason("no_face", 0, 1, f"{name} shows no face.")
    if point is not None:
        shares = max(point) <= 1.0
        x, y = (point[0] * size.width, point[1] * size.height) if shares else point
        hit = [face for face in faces if _holds(face, x, y)]
        return (hit[0], None) if hit else (None, Reason("no_face", 0, 1, f"{name} shows no face at the given point."))
    if len(faces) > 1:
        ratio = faces[0].box.area / faces[1].box.area
        if ratio < limits.several:
            message = (
                f"{name} shows {len(faces)} faces and the largest is only {ratio:.1f} times the second in area; "
                f"it has to be {limits.several:g} times."
            )
            return None, Reason("several_faces", round(ratio, 2), limits.several, message)
    return faces[0], None


def _holds(face: Face, x: float, y: float) -> bool:
    box = face.box
    return box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height


def face_reasons(name: str, picture: Picture, face: Face, limits: Limits) -> list[Reason]:
    """What speaks against this face in this photo: too small, cut off, blurred."""
    reasons = []
    width = face.box.width
    if width < limits.face_pixels:
        message = f"The face in {name} is {width:.0f} pixels wide; at least {limits.face_pixels:.0f} are needed."
        reasons.append(Reason("too_small", round(width, 1), limits.face_pixels, message))
    outside = share_outside(picture, face)
    if outside > limits.cut_off:
        message = f"The edge of {name} cuts off {outside:.0%} of the face; at most {limits.cut_off:.0%} may be missing."
        reasons.append(Reason("cut_off", round(outside, 3), limits.cut_off, message))
    blur, limit = blur_of(picture, face), blur_limit(width, limits)
    if blur > limit:
        message = f"The face in {name} is blurred ({blur:.2f}; at most {limit:.2f} for its size)."
        reasons.append(Reason("blurred", round(blur, 3), round(limit, 3), message))
    return reasons


def share_outside(picture: Picture, face: Face) -> float:
    """The share of the face's width or height, by its mesh, that lies outside the picture; 0 … 1."""
    low, high = face.mesh[:, :2].min(axis=0), face.mesh[:, :2].max(axis=0)
    end = np.array([picture.shape[1], picture.shape[0]])
    over = np.maximum(0.0, -low) + np.maximum(0.0, high - end)
    return float(np.clip(over / np.maximum(high - low, 1.0), 0.0, 1.0).max())


def blur_limit(width: float, limits: Limits) -> float:
    """The highest blur for a face `width` pixels wide."""
    return float(np.interp(width, (100.0, 256.0), (limits.blur_small, limits.blur_large)))


def blur_of(picture: Picture, face: Face) -> float:
    """How blurred the face is, 0 sharp … 1, at its own size but at most 256 pixels.

    Measure: Crété-Roffet et al. 2007, "The Blur Effect: Perception and Estimation with a New No-Reference Perceptual
    Blur Metric": how little a picture changes when it is blurred once more.
    """
    side = int(np.clip(face.box.width, 32, 256))
    grey = np.array(to_pil(_view(picture, face, 1.0, side)).convert("L"), dtype=np.float64) / 255.0
    return max(_blur_along(grey), _blur_along(grey.T))


def _blur_along(grey: NDArray[np.float64], window: int = 11) -> float:
    half = window // 2
    padded = np.pad(grey, ((half + 1, half), (0, 0)), mode="reflect")
    sums = np.cumsum(padded, axis=0)
    blurred = (sums[window:] - sums[:-window]) / window
    inner = slice(2, -2)
    sharp = np.abs(np.diff(grey, axis=0))[inner, inner]
    smooth = np.abs(np.diff(blurred, axis=0))[inner, inner]
    total = float(sharp.sum())
    lost = float(np.maximum(0.0, sharp - smooth).sum())
    return 1.0 - lost / total if total > 0 else 1.0


def _view(picture: Picture, face: Face, room: float, side: int) -> Picture:
    """The face upright by the eyes in a square of `side`, `room` times its box."""
    extent = room * max(face.box.width, face.box.height)
    matrix = upright_matrix(face.box.centre, face.eyes[1] - face.eyes[0], extent, side)
    return transform(picture, matrix, Size(side, side))


def picture_hash(picture: Picture) -> Bits:
    """64 bits that hardly change with size, compression and brightness (DCT hash, as in pHash by Zauner 2010)."""
    small, _ = fit(picture, 256)
    grey = np.array(to_pil(small).convert("L").resize((32, 32)), dtype=np.float64)
    steps = np.arange(32)
    cosines = np.cos(np.pi * (2 * steps[None] + 1) * steps[:8, None] / 64)
    low = (cosines @ grey @ cosines.T).ravel()
    bits: Bits = low > np.median(low)
    return bits


def face_hash(picture: Picture, face: Face) -> Bits:
    """The hash of the upright face alone: the same for different crops of one shot."""
    return picture_hash(_view(picture, face, 1.0, 64))


def bits_apart(first: Bits, second: Bits) -> int:
    """In how many of 64 bits two hashes differ."""
    return int(np.count_nonzero(first != second))
