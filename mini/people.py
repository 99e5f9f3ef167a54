"""Who is in a picture and under which circumstances, as plain numbers; drawing pixels is the renderer's work.

Identity (bones, eyes, brows, nose, mouth, skin, hair colour, age, gender) depends on the identity's number alone;
everything else (pose, expression, light, lens, hairstyle, clothes, background, look) on the picture's seed. All
randomness is a counter hash, so any picture can be drawn again on any machine without drawing the ones before it.

Numbers are in head space: x to the picture's right, y up, z to the viewer; about 1.07 from the eyes to the crown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mini import tags as words
from mini.tags import INDEX, TAGS

__all__ = ["MEASURING", "PARAMS", "TAGS", "People", "draw"]

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

MEASURING = 1_000_000  # identities from here up are never trained on

IDENTITY = (
    "skull_w", "skull_h", "skull_d", "face_w", "face_l", "jaw_w", "jaw_sq", "chin_w", "chin_l", "chin_p", "cheekbone",
    "cheekfat", "ridge", "socket", "eye_x", "eye_y", "eye_r", "eye_w", "eye_h", "eye_tilt", "lid_fold", "iris",
    "brow_y", "brow_th", "brow_len", "brow_arch", "brow_tilt", "brow_in", "brow_dark", "nose_y", "nose_w",
    "nose_tip", "nose_out",
    "bridge_w", "bridge_h", "nose_up", "nose_bump", "mouth_y", "mouth_w", "lip_up", "lip_lo", "bow", "lip_red",
    "ear", "ear_out", "bend_nose", "bend_mouth", "bend_brow", "skin_r", "skin_g", "skin_b", "freckles", "mole_x",
    "mole_y",
    "mole_r", "mole2_x", "mole2_y", "mole2_r", "wrinkle", "blush", "hair_r", "hair_g", "hair_b", "hairline",
    "temple", "peak",
    "iris_r", "iris_g", "iris_b", "neck", "shoulder", "lash", "child", "id_seed",
)  # fmt: skip
CIRCUMSTANCE = (
    "yaw", "pitch", "roll", "camera_d", "frame_h", "aim_x", "aim_y", "camera_up", "smile", "open", "anger", "sad",
    "raise",
    "eye_open", "gaze_x", "gaze_y", "style", "hair_len", "hair_vol", "wave", "bangs", "part", "beard", "beard_len",
    "glasses",
    "frame_r", "frame_g", "frame_b", "hat", "hat_r", "hat_g", "hat_b", "earring", "gold", "cloth", "cloth_r",
    "cloth_g", "cloth_b",
    "second_r", "second_g", "second_b", "stripes", "tie", "scarf", "necklace", "lipstick", "lip_r", "lip_g", "lip_b",
    "back",
    "back_r", "back_g", "back_b", "back_seed", "blur", "key_x", "key_y", "key_z", "key_r", "key_g", "key_b", "key_soft",
    "fill_r", "fill_g", "fill_b", "rim_x", "rim_r", "rim_g", "rim_b", "exposure", "seed",
)  # fmt: skip
PARAMS: tuple[str, ...] = (*IDENTITY, *CIRCUMSTANCE)


@dataclass(frozen=True)
class People:
    """Pictures to draw: `values` float32 (n, len(PARAMS)); `scene` bool (n, len(TAGS)), what is there whether seen or
    not.

    `gender`, `age`, `skin`, `hair` and `look` are indices into the lists of `tags.py`; `identity` and `seed` are as
    asked.
    """

    values: Floats
    scene: NDArray[np.bool_]
    identity: Ints
    seed: Ints
    gender: Ints
    age: Ints
    skin: Ints
    hair: Ints
    look: Ints

    def __len__(self) -> int:
        return len(self.identity)


class _Dice:
    """Uniform numbers from (key, name): splitmix64 (Steele et al. 2014) of a picture's or identity's number."""

    def __init__(self, key: Ints) -> None:
        self.key = key.astype(np.uint64)
        self.count = 0

    def u(self, low: float = 0.0, high: float = 1.0) -> Floats:
        """n numbers in [low, high); each call is the next column."""
        self.count += 1
        with np.errstate(over="ignore"):
            x = self.key * np.uint64(0x9E3779B97F4A7C15) + np.uint64(self.count) * np.uint64(0xD1B54A32D192ED03)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x ^= x >> np.uint64(31)
        share = (x >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
        return (low + (high - low) * share).astype(np.float32)

    def about(self, middle: float | Floats, spread: float) -> Floats:
        """A bump of half-width `spread` round `middle`: flatter than a normal, so that faces differ widely."""
        return (middle + spread * (0.65 * self.u(-1, 1) + 0.35 * self.u(-1, 1))).astype(np.float32)

    def wide(self, middle: float | Floats, spread: float) -> Floats:
        """Arcsine within 1.2 spreads, so that the ends are likeliest: a face is remembered by what is not average."""
        return (middle + 1.2 * spread * np.sin(0.5 * np.pi * self.u(-1, 1))).astype(np.float32)

    def yes(self, chance: float | Floats) -> NDArray[np.bool_]:
        return np.asarray(self.u() < chance)

    def pick(self, weights: list[float] | Floats) -> Ints:
        """Index drawn by weight; `weights` is one list for all or an (n, k) table."""
        table = np.atleast_2d(np.asarray(weights, dtype=np.float32))
        edges = np.cumsum(table / table.sum(axis=1, keepdims=True), axis=1)
        index: Ints = (self.u()[:, None] >= edges).sum(axis=1)
        return np.minimum(index, table.shape[1] - 1)


def draw(identities: Ints, seeds: Ints, look: str | None = None, *, aspect: float = 1.0) -> People:
    """Numbers of n pictures. `look`: one of `tags.LOOKS` for all, or None to draw it (half are photos).

    Raises ValueError for an unknown look or arrays of different length.
    """
    identities, seeds = np.asarray(identities, np.int64), np.asarray(seeds, np.int64)
    if identities.shape != seeds.shape:
        raise ValueError(f"{identities.shape} identities but {seeds.shape} seeds")
    if look is not None and look not in words.LOOKS:
        raise ValueError(f"no look named {look!r}; there are {', '.join(words.LOOKS)}")
    from mini import circumstance, identity

    who = identity.draw(_Dice(identities * 2 + 1))
    # A picture's dice mix in the identity: seed 0 of two sitters must not share pose and clothes.
    scene = circumstance.draw(_Dice(seeds * 1_000_003 + identities * 7919 + 11), who, aspect)
    looks = scene.choice["look"] if look is None else np.full(len(seeds), words.LOOKS.index(look), np.int64)
    numbers = {**who.numbers, **scene.numbers}
    values = np.stack([np.broadcast_to(numbers[name], seeds.shape) for name in PARAMS], axis=1).astype(np.float32)
    truth = np.zeros((len(seeds), len(TAGS)), np.bool_)
    for tag, mask in {**who.tags, **scene.tags}.items():
        truth[:, INDEX[tag]] = mask
    truth[:, INDEX["solo"]] = True
    for i, name in enumerate(words.LOOKS):
        truth[:, INDEX[name]] = looks == i
    grey = np.isin(looks, [words.LOOKS.index(name) for name in words.MONOCHROME])
    truth[:, INDEX["monochrome"]] = grey
    colourless = np.isin(looks, [words.LOOKS.index(name) for name in words.COLOURLESS])
    truth[np.ix_(colourless, [INDEX[name] for name in words.COLOUR_TAGS])] = False
    choice = who.choice
    return People(
        values, truth, identities, seeds, choice["gender"], choice["age"], choice["skin"], choice["hair"], looks
    )


@dataclass(frozen=True)
class Drawn:
    """Half of a picture's numbers: params by name, tags by name, and the choices that others depend on."""

    numbers: dict[str, Floats]
    tags: dict[str, NDArray[np.bool_]]
    choice: dict[str, Ints]
