"""Draws what changes from photo to photo: pose, expression, lens, framing, hair, clothes, background, light, look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mini import tags as words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mini.people import Drawn, Floats, Ints, _Dice

# Linear RGB of tags.COLOURS.
COLOUR = np.array(
    [[0.82, 0.81, 0.79], [0.014, 0.014, 0.017], [0.24, 0.245, 0.25], [0.50, 0.022, 0.025], [0.030, 0.11, 0.42],
     [0.030, 0.23, 0.06], [0.78, 0.53, 0.035], [0.76, 0.25, 0.36], [0.20, 0.050, 0.36], [0.165, 0.075, 0.030],
     [0.74, 0.21, 0.018]],
    np.float32,
)  # fmt: skip
TURN = 0.30  # yaw in radians from which a head counts as turned
NOD = 0.18
TILT = 0.13


def draw(dice: _Dice, who: Drawn, aspect: float) -> Drawn:
    """Numbers of n pictures of the people `who`; `aspect` is width over height."""
    from mini.people import Drawn

    drawn = [_pose(dice), _camera(dice, aspect), _expression(dice), _hair(dice, who), _beard(dice, who),
             _accessories(dice, who), _clothes(dice, who), _background(dice), _light(dice)]  # fmt: skip
    numbers: dict[str, Floats] = {}
    tags: dict[str, NDArray[np.bool_]] = {}
    for more_numbers, more_tags in drawn:
        numbers |= more_numbers
        tags |= more_tags
    look = dice.pick([0.5, 0.07, 0.04, 0.07, 0.06, 0.06, 0.06, 0.06, 0.04, 0.04])
    numbers["seed"] = np.floor(dice.u(0, 1_000_000))
    return Drawn(numbers, tags, {"look": look})


Part = tuple["dict[str, Floats]", "dict[str, NDArray[np.bool_]]"]


def _pose(dice: _Dice) -> Part:
    frontal = dice.yes(0.74)
    yaw = np.where(frontal, dice.about(0, 0.22), dice.u(-0.61, 0.61)).astype(np.float32)
    pitch = np.where(dice.yes(0.80), dice.about(0, 0.125), dice.u(-0.34, 0.34)).astype(np.float32)
    roll = np.where(dice.yes(0.75), dice.about(0, 0.075), dice.u(-0.30, 0.30)).astype(np.float32)
    yaw, pitch, roll = _clear(yaw, TURN, 0.06), _clear(pitch, NOD, 0.06), _clear(roll, TILT, 0.055)
    # The eyes follow the camera more often than the nose does.
    contact = dice.yes(0.72)
    gaze_x = np.where(contact, (-yaw * 0.85).clip(-0.5, 0.5), np.where(dice.yes(0.5), 0.56, -0.56)).astype(np.float32)
    gaze_y = np.where(contact, (pitch * 0.7).clip(-0.25, 0.25), dice.u(-0.2, 0.2)).astype(np.float32)
    tags = {
        "facing_left": yaw < -TURN, "facing_right": yaw > TURN, "looking_up": pitch < -NOD, "looking_down": pitch > NOD,
        "head_tilt": np.abs(roll) > TILT, "looking_at_viewer": contact, "looking_to_the_side": ~contact,
    }  # fmt: skip
    return {"yaw": yaw, "pitch": pitch, "roll": roll, "gaze_x": gaze_x, "gaze_y": gaze_y}, tags


def _camera(dice: _Dice, aspect: float) -> Part:
    framing = dice.pick([0.22, 0.55, 0.23])
    distance = np.array([5.2, 8.5, 15.0], np.float32)[dice.pick([0.25, 0.45, 0.30])]
    half = np.array([1.34, 1.80, 2.42], np.float32)[framing] * dice.about(1.0, 0.08)
    half = half / min(1.0, max(aspect, 0.72))  # a narrow frame steps back a little
    sink = np.array([0.02, 0.30, 0.72], np.float32)[framing]
    numbers = {
        "camera_d": distance * dice.about(1.0, 0.1), "frame_h": half.astype(np.float32),
        "aim_x": dice.about(0, 0.16) * half,
        "aim_y": (-sink + dice.about(0, 0.10)).astype(np.float32), "camera_up": dice.about(0, 0.10),
    }  # fmt: skip
    return numbers, {"close-up": framing == 0, "portrait": framing == 1, "upper_body": framing == 2}


def _expression(dice: _Dice) -> Part:
    kind = dice.pick([0.33, 0.27, 0.12, 0.06, 0.06, 0.06, 0.06, 0.04])

    def table(*levels: float) -> Floats:
        return (np.array(levels, np.float32)[kind] * dice.about(1.0, 0.2)).astype(np.float32)

    numbers = {
        "smile": table(0.05, 0.75, 0.90, 0.95, 0.0, -0.40, -0.90, 0.10) + dice.about(0, 0.08),
        "open": table(0.0, 0.0, 0.46, 0.90, 0.68, 0.0, 0.0, 0.0),
        "anger": table(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0),
        "sad": table(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        "raise": table(0.0, 0.1, 0.1, 0.15, 1.0, -0.2, 0.2, 0.05),
        "eye_open": table(1.0, 0.92, 0.88, 0.78, 1.16, 0.88, 0.88, 0.0),
    }
    tags = {name: kind == i for i, name in enumerate(words.EXPRESSIONS) if i}
    tags["smile"] = np.isin(kind, [1, 2, 3])
    tags["open_mouth"] = np.isin(kind, [2, 3, 4])
    return numbers, tags


def _hair(dice: _Dice, who: Drawn) -> Part:
    # bald, buzz, short, messy, quiff, bob, long, wavy, curly, afro, ponytail, bun, twintails, braid
    odds = np.array(
        [[0.01, 0.03, 0.09, 0.05, 0.03, 0.15, 0.17, 0.14, 0.11, 0.05, 0.08, 0.06, 0.04, 0.05],
         [0.05, 0.15, 0.24, 0.15, 0.16, 0.02, 0.04, 0.04, 0.06, 0.05, 0.02, 0.03, 0.0, 0.0]],
        np.float32,
    )  # fmt: skip
    table = odds[who.choice["gender"]].copy()
    child = who.choice["age"] == 0
    # A child's face says little of its gender: its hair does.
    table[child & (who.choice["gender"] == 0), :5] = 0.0
    table[np.ix_(child & (who.choice["gender"] == 1), [0, *range(5, 8), *range(10, 14)])] = 0.0
    style = dice.pick(table)
    grown = np.isin(style, [2, 3, 5, 6, 7, 8, 10, 11, 12, 13])
    bangs = grown & dice.yes(0.34)
    numbers = {
        "style": style.astype(np.float32), "hair_len": dice.u(), "hair_vol": dice.about(0.5, 0.5).clip(0, 1),
        "wave": dice.u(), "bangs": bangs.astype(np.float32), "part": dice.u(-0.35, 0.35),
    }  # fmt: skip
    tags = {name: style == i for i, name in enumerate(words.HAIRSTYLES)}
    tags["wavy_hair"] = style == 7
    tags["long_hair"] = np.isin(style, [6, 7])
    tags["bangs"] = bangs
    # Without hair its colour cannot be told.
    for name in words.HAIR_COLOURS:
        tags[name] = who.tags[name] & (style != 0)
    return numbers, tags


def _beard(dice: _Dice, who: Drawn) -> Part:
    can = (who.choice["gender"] == 1) & (who.choice["age"] > 0)
    kind = np.where(can, dice.pick([0.64, 0.11, 0.08, 0.07, 0.10]), 0)
    tags = {name: kind == i for i, name in enumerate(words.BEARDS) if i}
    tags["facial_hair"] = kind > 0
    return {"beard": kind.astype(np.float32), "beard_len": dice.u()}, tags


def _accessories(dice: _Dice, who: Drawn) -> Part:
    child = who.choice["age"] == 0
    woman = (who.choice["gender"] == 0).astype(np.float32)
    glasses = dice.pick([0.90, 0.045, 0.035, 0.02])  # none, round, square, sunglasses
    hat = dice.pick([0.87, 0.05, 0.045, 0.035])
    earring = np.where(dice.yes(0.04 + 0.32 * woman), dice.pick([0, 0.45, 0.55]), 0)
    scarf, necklace = dice.yes(0.07), dice.yes(0.03 + 0.20 * woman)
    lipstick = dice.yes(0.30 * woman) & ~child
    frame = np.array([[0.05, 0.05, 0.055], [0.22, 0.11, 0.06], [0.45, 0.31, 0.14], [0.36, 0.08, 0.08]], np.float32)[
        dice.pick([0.25, 0.3, 0.3, 0.15])
    ]
    paint = np.array([[0.52, 0.025, 0.045], [0.60, 0.10, 0.16], [0.26, 0.012, 0.05]], np.float32)[
        dice.pick([0.5, 0.3, 0.2])
    ]
    cap = COLOUR[dice.pick([1.0] * len(COLOUR))]
    numbers: dict[str, Floats] = {
        "glasses": glasses.astype(np.float32), "hat": hat.astype(np.float32), "earring": earring.astype(np.float32),
        "gold": dice.yes(0.6).astype(np.float32), "scarf": scarf.astype(np.float32),
        "necklace": necklace.astype(np.float32),
        "lipstick": lipstick.astype(np.float32), **_rgb("frame", frame), **_rgb("hat", cap), **_rgb("lip", paint),
    }  # fmt: skip
    tags = {"glasses": np.isin(glasses, [1, 2]), "sunglasses": glasses == 3, "hat": hat > 0, "earrings": earring > 0,
            "scarf": scarf, "necklace": necklace, "lipstick": lipstick}  # fmt: skip
    tags |= {name: hat == i for i, name in enumerate(words.HATS) if i}
    return numbers, tags


def _clothes(dice: _Dice, who: Drawn) -> Part:
    # t-shirt, collared shirt, suit, hoodie, sweater, tank top, off shoulder
    odds = np.array([[0.22, 0.14, 0.10, 0.13, 0.16, 0.13, 0.12], [0.26, 0.21, 0.19, 0.15, 0.14, 0.05, 0.0]], np.float32)
    table = odds[who.choice["gender"]].copy()
    child = who.choice["age"] == 0
    table[child, 2] *= 0.3
    table[child, 6] = 0.0
    kind = dice.pick(table)
    colour = dice.pick([1.0] * len(COLOUR))
    colour = np.where(kind == 2, np.array([1, 2, 4, 9])[dice.pick([0.35, 0.25, 0.3, 0.1])], colour)
    second = dice.pick([1.0] * len(COLOUR))
    stripes = np.isin(kind, [0, 3, 4]) & dice.yes(0.18)
    tie = (kind == 2) & dice.yes(0.6)
    second = np.where((second == colour) | (second == 0), (colour + 3) % len(COLOUR), second)
    numbers: dict[str, Floats] = {
        "cloth": kind.astype(np.float32), "stripes": stripes.astype(np.float32), "tie": tie.astype(np.float32),
        **_rgb("cloth", COLOUR[colour] * dice.about(1.0, 0.2)[:, None]), **_rgb("second", COLOUR[second]),
    }  # fmt: skip
    tags = {name: kind == i for i, name in enumerate(words.CLOTHES)}
    tags |= {f"{name}_clothes": colour == i for i, name in enumerate(words.COLOURS)}
    return numbers, tags | {"striped": stripes, "necktie": tie}


def _background(dice: _Dice) -> Part:
    kind = dice.pick([0.20, 0.14, 0.13, 0.11, 0.09, 0.10, 0.09, 0.06, 0.08])
    tint = COLOUR[dice.pick([0.9, 0.3, 1, 0.35, 0.8, 0.5, 0.35, 0.5, 0.3, 0.5, 0.35])] * dice.u(0.55, 1.1)[:, None]
    tint = 0.7 * tint + 0.3 * tint.mean(axis=1, keepdims=True)
    blur = np.where(dice.yes(0.55), dice.u(0.7, 1.0), dice.u(0.1, 0.35)).astype(np.float32)
    numbers: dict[str, Floats] = {
        "back": kind.astype(np.float32), "back_seed": np.floor(dice.u(0, 1_000_000)), "blur": blur,
        **_rgb("back", tint),
    }  # fmt: skip
    tags = {name: kind == i for i, name in enumerate(words.BACKGROUNDS)}
    tags["outdoors"] = np.isin(kind, [3, 4, 5, 6, 7])
    tags["blurry_background"] = (kind > 1) & (blur > 0.5)
    return numbers, tags


# Per light of tags.LIGHTS: key strength RGB, fill RGB, rim RGB, key height range, key side range, shadow softness.
_KEY = np.array(
    [
        [2.15, 2.05, 1.90],
        [2.45, 2.36, 2.24],
        [2.75, 1.90, 1.08],
        [0.72, 0.78, 0.90],
        [0.9, 0.88, 0.85],
        [2.9, 2.77, 2.62],
        [1.45, 0.60, 1.35],
    ],
    np.float32,
)
_FILL = np.array(
    [
        [0.62, 0.62, 0.65],
        [0.48, 0.49, 0.51],
        [0.42, 0.43, 0.54],
        [1.0, 1.07, 1.20],
        [0.60, 0.58, 0.58],
        [0.22, 0.22, 0.24],
        [0.30, 0.36, 0.52],
    ],
    np.float32,
)
_RIM = np.array(
    [
        [0.5, 0.5, 0.5],
        [0.3, 0.3, 0.3],
        [1.2, 0.75, 0.4],
        [0.2, 0.2, 0.2],
        [3.6, 3.3, 2.9],
        [0.5, 0.5, 0.55],
        [0.2, 1.5, 2.2],
    ],
    np.float32,
)
_SIDE = np.array([[0.10, 0.55], [0.95, 1.3], [0.4, 1.0], [0.0, 0.5], [0.1, 0.7], [0.75, 1.1], [0.4, 1.0]], np.float32)
_SOFT = np.array([0.35, 0.25, 0.15, 0.6, 0.4, 0.10, 0.25], np.float32)


def _light(dice: _Dice) -> Part:
    kind = dice.pick([0.29, 0.16, 0.13, 0.17, 0.10, 0.08, 0.07])
    side = dice.u() * (_SIDE[kind, 1] - _SIDE[kind, 0]) + _SIDE[kind, 0]
    side = np.where(dice.yes(0.5), side, -side)
    height = np.where(kind == 2, dice.u(0.15, 0.45), dice.u(0.35, 0.9))
    strength = dice.about(1.0, 0.15)[:, None]
    numbers: dict[str, Floats] = {
        "key_x": (np.sin(side) * np.cos(height)).astype(np.float32), "key_y": np.sin(height).astype(np.float32),
        "key_z": (np.cos(side) * np.cos(height)).astype(np.float32), "key_soft": _SOFT[kind],
        "rim_x": -np.sign(side).astype(np.float32),
        "exposure": dice.about(1.0, 0.18), **_rgb("key", _KEY[kind] * strength),
        **_rgb("fill", _FILL[kind] * dice.about(1.0, 0.15)[:, None]),
        **_rgb("rim", _RIM[kind] * dice.about(1.0, 0.3)[:, None]),
    }  # fmt: skip
    return numbers, {name: kind == i for i, name in enumerate(words.LIGHTS)}


def _clear(x: Floats, edge: float, band: float) -> Floats:
    """Moves |x| out of [edge - band, edge + band], so that no picture lies on the line between two words."""
    size = np.abs(x)
    moved = np.where(size > edge, np.maximum(size, edge + band), np.minimum(size, edge - band))
    return (np.sign(x) * moved).astype(np.float32)


def _rgb(name: str, table: Floats) -> dict[str, Floats]:
    return {f"{name}_{channel}": table[:, k].astype(np.float32) for k, channel in enumerate("rgb")}


__all__ = ["Ints", "draw"]
