"""Which of a sitter's photos suits a portrait: how heads are turned, what eyes and mouth do, light, sharpness.

Compares two faces; lays nothing over anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from portraitist.faces import Face
from portraitist.faces.mesh import upright_matrix
from portraitist.finishing.blend import to_lab
from portraitist.images import transform
from portraitist.photos.measures import blur_of
from portraitist.photos.patch import upright_view
from portraitist.types import Embedding, Picture, Size

_MOUTH, _LIPS = (61, 291), (13, 14)
"""The corners of the mouth; the middles of the inner edges of the lips."""

_SHAVED, _CHEEKS = (164, 167, 393, 165, 391, 199, 200, 18), (50, 101, 118, 205, 280, 330, 347, 425)
"""Upper lip and chin; cheeks."""

_PATCHES = ((50, 101, 118, 205), (280, 330, 347, 425), (151, 9, 108, 337), (199, 200, 175))
"""Skin on the left and right of the picture, on the forehead and on the chin."""

_YAW, _PITCH, _ROLL = 12.0, 14.0, 40.0
_OPEN, _WIDE, _LIDS = 0.15, 0.15, 0.10
_LIGHT, _BEARD, _BLUR, _SMALL = 18.0, 15.0, 0.12, 1.0
"""What counts as one unit of unlikeness: degrees; shares of the eye distance, and of an eye's width; distances in
CIELAB between lit and unlit sides, and the lightness of beards; of the blur measure; doublings of size that the photo's
face lacks."""

_SAME_OPEN, _SAME_WIDE, _SAME_LIDS = 0.08, 0.2, 0.16
"""Up to these differences eyes and lips are taken, else left: laid on by half they would be seen twice."""

_BRIDGE_VIEW, _BRIDGE_SIDE, _BRIDGE = 2.0, 96, ((-0.22, 0.2), (-0.1, 0.1))
"""A view around the eyes, so many eye distances and pixels wide; where the bridge of the nose is in it, from the middle
between the eyes, in eye distances: rows and columns."""

_GLASSES = 7.5
"""Steps of lightness from row to row across the bridge of the nose, at half a hundred rows an eye distance: from here
on something lies over it. Hardly a bare face reaches it; frowns and shadows come near."""


class LidSeer(Protocol):
    """What is needed of the face stack."""

    def opening(self, picture: Picture, face: Face) -> float: ...


@dataclass(frozen=True)
class State:
    """How a picture shows a face: degrees; `mouth` (how far open) and `smile` (how wide) in eye distances, `lids` in
    widths of the eye; `light` (6,), differences in CIELAB of left and right, of forehead and chin; `beard`, how much
    darker than the cheeks the shaved parts are; `blur` 0 … 1; `glasses`, whether something lies across the nose;
    `eye_distance` in pixels.
    """

    yaw: float
    pitch: float
    roll: float
    mouth: float
    smile: float
    lids: float
    light: NDArray[np.float64]
    beard: float
    blur: float
    glasses: bool
    eye_distance: float


@dataclass(frozen=True)
class Source:
    """A photo of the sitter that may be laid over portraits. `picture` is the photo or the part around the face."""

    name: str
    picture: Picture
    face: Face
    embedding: Embedding
    state: State


def state_of(picture: Picture, face: Face, seer: LidSeer) -> State:
    """The state of one face."""
    points, unit = face.mesh, max(face.eye_distance, 1.0)
    view, mesh = upright_view(picture, face, 1.2, 96)
    lab = to_lab(view)
    left, right, top, chin, shaved, cheeks = (
        np.median(lab[y, x], axis=0)
        for x, y in (np.clip(np.round(mesh[list(ring)]).astype(int), 0, 95).T for ring in (*_PATCHES, _SHAVED, _CHEEKS))
    )
    return State(
        face.yaw, face.pitch, face.roll,
        mouth=_apart(points, _LIPS) / unit, smile=_apart(points, _MOUTH) / unit, lids=seer.opening(picture, face),
        light=np.concatenate([left - right, top - chin]), beard=float(cheeks[0] - shaved[0]),
        blur=blur_of(picture, face), glasses=bridge_line(picture, face) >= _GLASSES, eye_distance=unit,
    )  # fmt: skip


def bridge_line(picture: Picture, face: Face) -> float:
    """How sharp the sharpest line across the bridge of the nose is: steps of lightness between rows."""
    x, y = (float(value) for value in face.eyes.mean(axis=0))
    extent = _BRIDGE_VIEW * face.eye_distance
    matrix = upright_matrix((x, y), face.eyes[1] - face.eyes[0], extent, _BRIDGE_SIDE)
    light = to_lab(transform(picture, matrix, Size(_BRIDGE_SIDE, _BRIDGE_SIDE)))[..., 0]
    rows, columns = (slice(*(round((0.5 + at / _BRIDGE_VIEW) * _BRIDGE_SIDE) for at in ends)) for ends in _BRIDGE)
    return float(np.abs(np.gradient(light, axis=0))[rows, columns].mean(axis=1).max())


def unlikeness(portrait: State, photo: State) -> float:
    """How badly a photo suits a portrait: 0 = the same state; with 2 a single thing is two units off."""
    parts = (
        (photo.yaw - portrait.yaw) / _YAW,
        (photo.pitch - portrait.pitch) / _PITCH,
        (photo.roll - portrait.roll) / _ROLL,
        (photo.mouth - portrait.mouth) / _OPEN,
        (photo.smile - portrait.smile) / _WIDE,
        (photo.lids - portrait.lids) / _LIDS,
        float(np.linalg.norm(photo.light - portrait.light)) / _LIGHT,
        (photo.beard - portrait.beard) / _BEARD,
        max(0.0, photo.blur - portrait.blur) / _BLUR,
        max(0.0, float(np.log2(portrait.eye_distance / photo.eye_distance))) / _SMALL,
    )
    return float(np.sqrt(np.square(parts).sum()))


def by_suit(portrait: State, sources: Sequence[Source], yaw: float, most: int) -> list[Source]:
    """The `most` sources that suit best, the best first.

    None that is turned by more than `yaw` degrees from the portrait, or wears glasses that the portrait does not wear.
    """
    near = [
        source
        for source in sources
        if abs(source.state.yaw - portrait.yaw) <= yaw and (portrait.glasses or not source.state.glasses)
    ]
    return sorted(near, key=lambda source: (unlikeness(portrait, source.state), source.name))[:most]


def same_mouth(portrait: State, photo: State) -> bool:
    """Whether both mouths do the same: teeth are not pulled into a closed mouth."""
    return abs(photo.mouth - portrait.mouth) <= _SAME_OPEN and abs(photo.smile - portrait.smile) <= _SAME_WIDE


def same_eyes(portrait: State, photo: State) -> bool:
    """Whether both eyes are open alike; never behind glasses, whose frames would come out twice."""
    return not portrait.glasses and abs(photo.lids - portrait.lids) <= _SAME_LIDS


def _apart(points: NDArray[np.float64], pair: tuple[int, int]) -> float:
    return float(np.linalg.norm(points[pair[0], :2] - points[pair[1], :2]))
