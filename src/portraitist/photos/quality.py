"""The limits of a photo, and the reasons against a face that breaks them: one number, one limit, one sentence each.

What needs several photos (duplicates, another person, closed eyes) is judged in files of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from portraitist.faces import Face
from portraitist.images import MAX_BYTES, MAX_PIXELS
from portraitist.photos import measures
from portraitist.photos.covered import Covered
from portraitist.photos.patch import Patch
from portraitist.requests import Reason
from portraitist.types import Size


class Refused(Protocol):
    """Why a file could not be read: a code of the interfaces and a sentence."""

    @property
    def code(self) -> str: ...

    @property
    def message(self) -> str: ...


@dataclass(frozen=True)
class Limits:
    """Where a photo stops to be usable. `benchmarks/photos.py --calibrate` measures where on rendered people each limit
    divides what it should; change one with its numbers.

    `face_pixels`: width of the face's box; `several`: how many times the second face's area the largest has to be;
    `clearer`: how many times as far as the sitter's the next face has to be, to tell the sitter by identity;
    `company`: face widths to the next face of like size; `mixture`: how far apart photos of one sitter may lie before
    it is asked whether they are; `cut_off`: share of the face outside the picture; `blur_small`, `blur_large`: highest
    blur (0 sharp … 1) of faces up to 100 and from 256 pixels, in between by line; `noise`: grey levels; `dark`: of 255,
    the least that the brightness must reach which nine tenths of the face stay below; `burnt`: share of the face;
    `yaw`, `up`, `down`, `roll`: degrees as FaceMesh sees them, which are fewer than the head's for yaw and down;
    `pitch_off`: degrees that a sitter's usual pitch may differ from 0;
    `covered_eyes`, `covered_lids`, `covered_mouth`, `lips`: see `covered.Covered`; `closed`: opening of the eyes as a
    share of what is usual for the sitter (closed ones reach 0.76, laughing ones fall to 0.85), `closed_alone`: in eye
    widths where that is not known; `hash_bits`: of 64,
    for the whole picture; `face_hash_bits` and `face_distance`: of 64 and in the recogniser's space, for the same shot
    cropped differently.
    """

    bytes: int = MAX_BYTES
    pixels: int = MAX_PIXELS
    face_pixels: float = 64.0
    several: float = 4.0
    clearer: float = 1.2
    company: float = 0.9
    mixture: float = 0.6
    cut_off: float = 0.18
    blur_small: float = 0.60
    blur_large: float = 0.70
    noise: float = 12.0
    dark: float = 45.0
    burnt: float = 0.25
    yaw: float = 32.0
    up: float = 25.0
    down: float = 19.0
    pitch_off: float = 8.0
    roll: float = 35.0
    covered_eyes: float = 13.0
    covered_lids: float = 20.0
    covered_mouth: float = 26.0
    lips: float = 6.0
    closed: float = 0.78
    closed_alone: float = 0.24
    hash_bits: int = 10
    face_hash_bits: int = 12
    face_distance: float = 0.2

    def for_small_faces(self) -> "Limits":
        """The limits of photos whose faces will be enlarged: half as wide is enough."""
        return replace(self, face_pixels=self.face_pixels / 2)


def unreadable(error: Refused) -> Reason:
    """The reason for a file that could not be read."""
    return Reason(error.code, None, None, error.message)


def with_company(name: str, count: int) -> Reason:
    """What is told beside the other reasons against a photo in which the sitter was told from others by identity."""
    return Reason("several_faces", count, 1, f"{name} shows {count} faces; the sitter's was told by the other photos.")


def face_reasons(name: str, size: Size, face: Face, patch: Patch, covered: Covered, limits: Limits) -> list[Reason]:
    """What speaks against this face in a photo of `size`."""
    return [
        *_size_reasons(name, size, face, limits),
        *_light_reasons(name, patch, limits),
        *_pose_reasons(name, face, limits),
        *_covered_reasons(name, covered, limits),
    ]


def _size_reasons(name: str, size: Size, face: Face, limits: Limits) -> list[Reason]:
    reasons = []
    width = face.box.width
    if width < limits.face_pixels:
        message = f"The face in {name} is {width:.0f} pixels wide; at least {limits.face_pixels:.0f} are needed."
        reasons.append(Reason("too_small", round(width, 1), limits.face_pixels, message))
    outside = measures.share_outside(size, face)
    if outside > limits.cut_off:
        message = f"The edge of {name} cuts off {outside:.0%} of the face; at most {limits.cut_off:.0%} may be missing."
        reasons.append(Reason("cut_off", round(outside, 3), limits.cut_off, message))
    return reasons


def _light_reasons(name: str, patch: Patch, limits: Limits) -> list[Reason]:
    reasons = []
    blur, limit = measures.blur_of(patch.picture, patch.face), blur_limit(patch.face.box.width, limits)
    if blur > limit:
        message = f"The face in {name} is blurred ({blur:.2f}; at most {limit:.2f} for its size)."
        reasons.append(Reason("blurred", round(blur, 3), round(limit, 3), message))
    noise = measures.noise_of(patch.picture, patch.face)
    if noise > limits.noise:
        message = f"The face in {name} is noisy ({noise:.0f} grey levels; at most {limits.noise:.0f})."
        reasons.append(Reason("noisy", round(noise, 1), limits.noise, message))
    exposure = measures.exposure_of(patch.picture, patch.face)
    if exposure.bright < limits.dark:
        message = (
            f"The face in {name} is too dark: its bright parts reach {exposure.bright:.0f} of 255, "
            f"and {limits.dark:.0f} are needed."
        )
        reasons.append(Reason("dark", round(exposure.bright, 1), limits.dark, message))
    if exposure.burnt > limits.burnt:
        message = (
            f"{exposure.burnt:.0%} of the face in {name} is over-exposed to plain white; "
            f"at most {limits.burnt:.0%} may be."
        )
        reasons.append(Reason("over_exposed", round(exposure.burnt, 3), limits.burnt, message))
    return reasons


def _pose_reasons(name: str, face: Face, limits: Limits) -> list[Reason]:
    reasons = []
    if abs(face.yaw) > limits.yaw:
        side = "right" if face.yaw > 0 else "left"
        message = f"The face in {name} is turned {abs(face.yaw):.0f} degrees to the {side}; {limits.yaw:.0f} are fine."
        reasons.append(Reason("profile", round(abs(face.yaw), 1), limits.yaw, message))
    reasons += pitched(name, face.pitch, limits)
    if abs(face.roll) > limits.roll:
        message = f"The face in {name} is tilted by {abs(face.roll):.0f} degrees; {limits.roll:.0f} are fine."
        reasons.append(Reason("rolled", round(abs(face.roll), 1), limits.roll, message))
    return reasons


def pitched(name: str, pitch: float, limits: Limits, usual: float = 0.0) -> list[Reason]:
    """The reason against a face of this pitch, less what FaceMesh is off with this sitter (see `usual_pitch`)."""
    value = pitch - usual
    limit, way = (limits.up, "up") if value > 0 else (limits.down, "down")
    if abs(value) <= limit:
        return []
    beside = " beside the sitter's other photos" if usual else ""
    message = f"The face in {name} looks {abs(value):.0f} degrees {way}{beside}; {limit:.0f} are fine."
    return [Reason("pitched", round(abs(value), 1), limit, message)]


def usual_pitch(pitches: Sequence[float], limits: Limits) -> float:
    """By how many degrees FaceMesh is off with a sitter: it takes the shape of a face for pitch.

    The median of the sitter's photos, since most show a level face; at most `limits.pitch_off`, since some sitters
    never do.
    """
    return float(np.clip(np.median(pitches), -limits.pitch_off, limits.pitch_off))


def _covered_reasons(name: str, covered: Covered, limits: Limits) -> list[Reason]:
    if covered.eyes >= limits.covered_eyes or covered.lids <= limits.covered_lids:
        return []
    message = (
        f"The eyes in {name} cannot be seen, by dark glasses, hair or a hat (contrast {covered.eyes:.0f}; "
        f"at least {limits.covered_eyes:.0f} is needed)."
    )
    return [Reason("occluded", round(covered.eyes, 1), limits.covered_eyes, message)]


def face_doubts(name: str, covered: Covered, limits: Limits) -> list[Reason]:
    """What may hide the face, with too weak evidence to reject the photo; told as warnings."""
    doubts = []
    if covered.eyes < limits.covered_eyes and covered.lids <= limits.covered_lids:
        message = f"The eyes in {name} can hardly be told from their lids; are they hidden or closed?"
        doubts.append(Reason("occluded", round(covered.eyes, 1), limits.covered_eyes, message))
    if covered.mouth > limits.covered_mouth and covered.lips < limits.lips:
        message = f"Mouth and chin in {name} may be covered, by a mask or a scarf; use photos that show them."
        doubts.append(Reason("occluded", round(covered.mouth, 1), limits.covered_mouth, message))
    return doubts


def blur_limit(width: float, limits: Limits) -> float:
    """The highest blur for a face `width` pixels wide."""
    return float(np.interp(width, (100.0, 256.0), (limits.blur_small, limits.blur_large)))
