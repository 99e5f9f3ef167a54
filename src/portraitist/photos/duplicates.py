"""Photos of one shot: the same picture smaller, cropped, compressed, brighter or mirrored. All but one are rejected.

Compares hashes and embeddings; knows no pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portraitist.faces import Face, distance
from portraitist.faces.spaces import same_shot as near_shots
from portraitist.images import fit, to_pil
from portraitist.photos.patch import upright_view
from portraitist.photos.quality import Limits
from portraitist.requests import Reason
from portraitist.types import Embedding, Picture

Bits = NDArray[np.bool_]
ALL_BITS = 64
_MIRRORED, _COPIED = 1.5, 2.5
"""How much farther apart a face may lie in the recogniser's space from its mirror image (median 0.17) and from its copy
in a picture with hardly a different bit: small faces move a lot when they are enlarged."""

_AS_LARGE = 0.98
"""From this share on a face counts as large as another: detectors differ by more between two copies of a file."""


@dataclass(frozen=True)
class Hashes:
    """The hash of a picture and of its mirror image, 64 bits each."""

    plain: Bits
    mirrored: Bits

    def apart(self, other: "Hashes") -> tuple[int, bool]:
        """In how many bits two pictures differ, the smaller number of as it is and mirrored; and whether mirrored."""
        straight = int(np.count_nonzero(self.plain != other.plain))
        mirrored = int(np.count_nonzero(self.mirrored != other.plain))
        return (mirrored, True) if mirrored < straight else (straight, False)


@dataclass(frozen=True)
class Shot:
    """What tells a photo's shot: the whole picture, the sitter's face in it and how large that is, in pixels."""

    name: str
    picture: Hashes
    face: Hashes
    embedding: Embedding
    width: float


def picture_hashes(picture: Picture) -> Hashes:
    """Bits that hardly change with size, compression and brightness (DCT hash, as in pHash by Zauner 2010)."""
    small, _ = fit(picture, 256)
    grey = np.array(to_pil(small).convert("L").resize((32, 32)), dtype=np.float64)
    return Hashes(_bits(grey), _bits(grey[:, ::-1]))


def face_hashes(picture: Picture, face: Face) -> Hashes:
    """The hashes of the upright face alone: the same for different crops of one shot."""
    return picture_hashes(upright_view(picture, face, 1.0, 64)[0])


def _bits(grey: NDArray[np.float64]) -> Bits:
    steps = np.arange(32)
    cosines = np.cos(np.pi * (2 * steps[None] + 1) * steps[:8, None] / 64)
    low = (cosines @ grey @ cosines.T).ravel()
    bits: Bits = low > np.median(low)
    return bits


def same_shot(first: Shot, second: Shot, limits: Limits) -> bool:
    """Whether two photos show one shot: the whole pictures alike, or cropped differently around one face."""
    apart, near = distance(first.embedding, second.embedding), near_shots(first.embedding, limits.face_distance)
    bits, _ = first.picture.apart(second.picture)
    if bits <= limits.hash_bits // 2 and apart < near * _COPIED:
        return True
    if bits <= limits.hash_bits and apart < near * _MIRRORED:
        return True
    bits, mirrored = first.face.apart(second.face)
    if mirrored:  # two frontal faces of one person are nearly each other's mirror image
        return bits <= limits.face_hash_bits // 2 and apart < near * _MIRRORED
    return bits <= limits.face_hash_bits and apart < near


def find_duplicates(shots: Sequence[Shot | None], earlier: Sequence[Shot], limits: Limits) -> dict[int, Reason]:
    """The reasons against shots by index: of one shot the earlier one stays, else the one with the largest face, else
    the first. None stands for a photo that takes no part.
    """
    kept = [(-1, shot) for shot in earlier]
    found: dict[int, Reason] = {}
    present = [(i, shot) for i, shot in enumerate(shots) if shot is not None]
    for index, shot in sorted(present, key=lambda item: (-item[1].width, item[0])):
        place = next((i for i, (_, other) in enumerate(kept) if same_shot(shot, other, limits)), None)
        if place is None:
            kept.append((index, shot))
            continue
        first, twin = kept[place]
        if index < first and shot.width > _AS_LARGE * twin.width:
            kept[place] = (index, shot)
            found[first] = _reason(twin, shot, limits)
        else:
            found[index] = _reason(shot, twin, limits)
    return found


def _reason(shot: Shot, twin: Shot, limits: Limits) -> Reason:
    bits, mirrored = min(shot.picture.apart(twin.picture), shot.face.apart(twin.face))
    how = ", mirrored" if mirrored else ""
    message = f"{shot.name} is the same shot as {twin.name}{how} ({bits} of {ALL_BITS} bits differ)."
    return Reason("duplicate", bits, limits.hash_bits, message)
