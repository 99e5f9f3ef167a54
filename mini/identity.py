"""Draws who somebody is: gender, age, bones, features, colours. Nothing here changes from one photo to the next.

Features vary about twice as far as in life: renders lack the fine detail by which people tell each other apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mini import tags as words

if TYPE_CHECKING:
    from mini.people import Drawn, Floats, _Dice

# Linear RGB. Skins lie apart on purpose, so that their names stay decidable in every light.
SKIN = np.array([[0.70, 0.47, 0.375], [0.56, 0.345, 0.215], [0.38, 0.205, 0.115], [0.16, 0.078, 0.042]], np.float32)
HAIR = np.array(
    [
        [0.014, 0.012, 0.012],
        [0.105, 0.050, 0.024],
        [0.62, 0.42, 0.16],
        [0.36, 0.085, 0.022],
        [0.25, 0.25, 0.26],
        [0.80, 0.79, 0.77],
    ],
    np.float32,
)
IRIS = np.array([[0.14, 0.06, 0.02], [0.06, 0.27, 0.78], [0.11, 0.42, 0.06], [0.44, 0.46, 0.48]], np.float32)


def draw(dice: _Dice) -> Drawn:
    """Identity numbers of n people."""
    from mini.people import Drawn

    man = dice.yes(0.5)
    age = dice.pick([0.16, 0.64, 0.20])
    child, old = (age == 0).astype(np.float32), (age == 2).astype(np.float32)
    skin = dice.pick([0.32, 0.26, 0.22, 0.20])
    dark = np.asarray(skin >= 2)
    young_hair = np.array([[0.26, 0.26, 0.24, 0.20, 0.0, 0.04], [0.60, 0.26, 0.06, 0.05, 0.0, 0.03]], np.float32)
    hair_odds = np.where(
        (age == 2)[:, None], np.array([0.06, 0.06, 0.03, 0.02, 0.45, 0.38], np.float32), young_hair[dark.astype(int)]
    )
    hair = dice.pick(hair_odds.astype(np.float32))
    eyes = dice.pick(np.array([[0.34, 0.27, 0.21, 0.18], [0.85, 0.04, 0.07, 0.04]], np.float32)[dark.astype(int)])
    m = man.astype(np.float32) * (1 - 0.7 * child)
    numbers: dict[str, Floats] = {
        **_bones(dice, m, child, old),
        **_eyes(dice, m, child, old),
        **_nose_and_mouth(dice, m, child, old),
        **_surface(dice, m, child, old),
    }
    for name, table, kind, spread in (
        ("skin", SKIN, skin, 0.12),
        ("hair", HAIR, hair, 0.20),
        ("iris", IRIS, eyes, 0.2),
    ):
        shade = dice.about(1.0, spread)
        for k, channel in enumerate("rgb"):
            numbers[f"{name}_{channel}"] = table[kind, k] * shade * dice.about(1.0, spread * 0.45)
    numbers["child"] = child
    tags = {tag: np.asarray(hair == i) for i, tag in enumerate(words.HAIR_COLOURS)}
    tags |= {tag: np.asarray(eyes == i) for i, tag in enumerate(words.EYE_COLOURS)}
    tags |= {tag: np.asarray(skin == i) for i, tag in enumerate(words.SKINS)}
    tags |= {"1boy": man, "1girl": ~man, "child": age == 0, "old": age == 2}
    tags |= {"freckles": numbers["freckles"] > 0, "thick_eyebrows": numbers["brow_th"] > 0.045}
    return Drawn(numbers, tags, {"gender": man.astype(np.int64), "age": age, "skin": skin, "hair": hair})


def _bones(dice: _Dice, m: Floats, child: Floats, old: Floats) -> dict[str, Floats]:
    return {
        "skull_w": dice.wide(1.0 + 0.01 * m + 0.03 * child, 0.075),
        "skull_h": dice.wide(1.0 + 0.03 * child, 0.07),
        "skull_d": dice.wide(1.0, 0.06),
        "face_w": dice.wide(0.99 + 0.02 * m + 0.04 * child, 0.13),
        "face_l": dice.wide(1.0 + 0.03 * m - 0.17 * child, 0.13),
        "jaw_w": dice.wide(0.93 + 0.16 * m - 0.02 * child, 0.22),
        "jaw_sq": dice.wide(0.25 + 0.45 * m - 0.15 * child, 0.35).clip(0, 1),
        "chin_w": dice.wide(0.98 + 0.25 * m - 0.06 * child, 0.33),
        "chin_l": dice.wide(0.0 + 0.02 * m - 0.02 * child, 0.05),
        "chin_p": dice.wide(0.0 + 0.01 * m, 0.065),
        "cheekbone": dice.wide(0.5 + 0.1 * old, 0.5),
        "cheekfat": dice.wide(0.45 + 0.55 * child - 0.15 * old, 0.5),
        "ridge": dice.wide(0.3 + 0.4 * m - 0.2 * child, 0.35),
        "socket": dice.wide(0.5 + 0.2 * old, 0.45),
        "ear": dice.wide(1.0 + 0.06 * m + 0.08 * old, 0.22),
        "ear_out": dice.wide(0.4, 0.5),
        "neck": dice.wide(0.86 + 0.22 * m - 0.18 * child, 0.10),
        "shoulder": dice.wide(0.94 + 0.17 * m - 0.24 * child, 0.07),
    }


def _eyes(dice: _Dice, m: Floats, child: Floats, old: Floats) -> dict[str, Floats]:
    thick = dice.yes(0.22 + 0.3 * m)
    return {
        "eye_x": dice.wide(0.315 + 0.005 * child, 0.058),
        "eye_y": dice.wide(0.05 - 0.03 * child, 0.05),
        "eye_r": dice.wide(0.194 + 0.026 * child - 0.006 * m, 0.022),
        "eye_w": dice.wide(0.170 - 0.004 * m, 0.026),
        "eye_h": dice.wide(0.100 - 0.008 * m + 0.020 * child - 0.006 * old, 0.028),
        "eye_tilt": dice.wide(0.03 - 0.03 * m - 0.06 * old, 0.17),
        "lid_fold": dice.wide(0.5, 0.5).clip(0, 1),
        "iris": dice.wide(0.105 + 0.010 * child, 0.012),
        "brow_y": dice.wide(0.255 - 0.035 * m, 0.055),
        "brow_th": np.where(thick, dice.u(0.060, 0.086), dice.u(0.012, 0.034)).astype(np.float32),
        "brow_len": dice.wide(0.34 + 0.02 * m, 0.07),
        "brow_arch": dice.wide(0.055 - 0.02 * m, 0.060),
        "brow_tilt": dice.wide(0.0, 0.16),
        "brow_in": dice.wide(0.125 - 0.015 * m, 0.065),
        "brow_dark": dice.wide(0.68 + 0.1 * m - 0.18 * old, 0.42).clip(np.where(thick, 0.65, 0.3), 1),
        "bend_brow": dice.wide(0.0, 0.022),
        "lash": (1.0 - 0.75 * m - (0.7 - 0.5 * m) * dice.u()).astype(np.float32),
    }


def _nose_and_mouth(dice: _Dice, m: Floats, child: Floats, old: Floats) -> dict[str, Floats]:
    return {
        "nose_y": dice.wide(-0.27 + 0.04 * child - 0.02 * m - 0.02 * old, 0.065),
        "nose_w": dice.wide(0.120 + 0.016 * m - 0.012 * child, 0.052),
        "nose_tip": dice.wide(0.088 + 0.012 * m - 0.006 * child + 0.008 * old, 0.034),
        "nose_out": dice.wide(0.0 + 0.03 * m - 0.06 * child, 0.095),
        "bridge_w": dice.wide(0.060 + 0.010 * m, 0.026),
        "bridge_h": dice.wide(0.0 + 0.02 * m - 0.03 * child, 0.050),
        "nose_up": dice.wide(0.0 + 0.02 * child - 0.015 * m, 0.055),
        "nose_bump": dice.wide(0.015 * m - 0.01 * child, 0.045),
        "mouth_y": dice.wide(-0.575 + 0.03 * child, 0.055),
        "mouth_w": dice.wide(0.225 + 0.020 * m - 0.02 * child, 0.060),
        "lip_up": dice.wide(1.0 - 0.22 * m - 0.25 * old, 0.62).clip(0.25),
        "lip_lo": dice.wide(1.05 - 0.12 * m - 0.22 * old, 0.58).clip(0.3),
        "bow": dice.wide(0.5, 0.5),
        "lip_red": dice.wide(0.35 - 0.15 * m, 0.28).clip(0, 1),
        "bend_nose": dice.wide(0.0, 0.025),
        "bend_mouth": dice.wide(0.0, 0.030),
    }


def _surface(dice: _Dice, m: Floats, child: Floats, old: Floats) -> dict[str, Floats]:
    freckled = dice.yes(0.2)
    mole, mole2 = dice.yes(0.5), dice.yes(0.35)
    return {
        "freckles": np.where(freckled, dice.u(0.5, 1.0), 0).astype(np.float32),
        "mole_x": _cheek(dice),
        "mole_y": dice.u(-0.85, -0.1),
        "mole_r": np.where(mole, dice.u(0.022, 0.042), 0).astype(np.float32),
        "mole2_x": _cheek(dice),
        "mole2_y": dice.u(-0.8, 0.35),
        "mole2_r": np.where(mole2, dice.u(0.020, 0.036), 0).astype(np.float32),
        "wrinkle": np.where(old > 0, dice.u(0.75, 1.0), (1 - child) * dice.u(0.0, 0.18)).astype(np.float32),
        "blush": dice.about(0.45 + 0.25 * child - 0.15 * m, 0.35).clip(0, 1),
        "hairline": dice.about(0.0 + 0.05 * m * old, 0.085),
        "temple": (dice.u(0, 0.6) + m * (0.2 + 0.5 * old) * dice.u()).astype(np.float32),
        "peak": dice.about(0.2, 0.5),
        "id_seed": np.floor(dice.u(0, 100_000)),
    }


def _cheek(dice: _Dice) -> Floats:
    """A place beside the nose, left or right: a mole on its ridge would read as a flaw of the picture."""
    return np.where(dice.yes(0.5), dice.u(0.2, 0.52), dice.u(-0.52, -0.2)).astype(np.float32)
