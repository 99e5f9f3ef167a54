"""Drawn animals on varied grounds, with the box that each truly fills. Nobody's pet is in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from portraitist.types import Box, Picture

WIDTH, HEIGHT = 960, 720
COATS = (
    (196, 120, 52), (60, 52, 48), (232, 226, 214), (132, 126, 122), (110, 72, 44), (214, 176, 120), (30, 30, 34),
    (240, 200, 60), (70, 120, 190), (190, 70, 60),
)  # fmt: skip
KINDS = ("cat", "dog", "rabbit", "bird", "fish", "turtle")
GROUNDS = ("grass", "floor", "carpet", "sky", "blur", "stones", "wall")


@dataclass(frozen=True)
class Drawn:
    """A picture, its animal's true box, and what was drawn."""

    picture: Picture
    box: Box
    kind: str
    ground: str


def draw(number: int, seed: int) -> Drawn:
    """Animal `number` of a seed; kinds and grounds take turns, all else is drawn by lot."""
    dice = random.Random(seed * 1_000_003 + number)
    noise = np.random.default_rng(seed * 1_000_003 + number)
    kind, ground = KINDS[number % len(KINDS)], GROUNDS[number % len(GROUNDS)]
    back = _ground(ground, dice, noise)
    coat = _coat(dice, back)
    layer = Image.new("L", (WIDTH, HEIGHT), 0)
    body = Image.new("RGB", (WIDTH, HEIGHT), coat)
    _animal(kind, layer, body, coat, dice)
    _fur(body, noise)
    if dice.random() < 0.5:
        _things(back, dice)
    shadow = ImageChops.offset(layer, 14, 10).filter(ImageFilter.GaussianBlur(16)).point(lambda v: v // 3)
    back.paste(Image.new("RGB", back.size, (20, 20, 24)), mask=shadow)
    back.paste(body, mask=layer.filter(ImageFilter.GaussianBlur(0.8)))
    left, top, right, bottom = layer.getbbox() or (0, 0, 0, 0)
    return Drawn(_light(back, noise), Box(left, top, right - left, bottom - top), kind, ground)


def _coat(dice: random.Random, back: Image.Image) -> tuple[int, int, int]:
    """A colour that the ground's mean is not, by at least 70 of 441: else nobody could see the animal."""
    mean = np.asarray(back, np.float64).mean(axis=(0, 1))
    apart = [coat for coat in COATS if np.linalg.norm(np.array(coat) - mean) > 70]
    return dice.choice(apart or list(COATS))


def _animal(kind: str, layer: Image.Image, body: Image.Image, coat: tuple[int, int, int], dice: random.Random) -> None:
    """Draw the outline into `layer` and the markings into `body`, at any size, place and side."""
    unit = dice.uniform(0.55, 1.25)
    x, y = dice.uniform(0.34, 0.66) * WIDTH, dice.uniform(0.42, 0.62) * HEIGHT
    side = dice.choice((-1, 1))
    outline, marks = ImageDraw.Draw(layer), ImageDraw.Draw(body)
    belly = tuple(min(255, value + 45) for value in coat)

    def oval(draw: ImageDraw.ImageDraw, at: tuple[float, float], size: tuple[float, float], fill: object) -> None:
        cx, cy = x + side * at[0] * unit, y + at[1] * unit
        w, h = size[0] * unit, size[1] * unit
        draw.ellipse((cx - w, cy - h, cx + w, cy + h), fill=fill)

    def shape(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], fill: object) -> None:
        draw.polygon([(x + side * a * unit, y + b * unit) for a, b in points], fill=fill)

    PLANS[kind](outline, oval, shape)
    oval(marks, (-20, 50), (90, 45), belly)
    if dice.random() < 0.6:
        dark = tuple(value // 2 for value in coat)
        for _ in range(dice.randint(2, 5)):
            oval(marks, (dice.uniform(-120, 120), dice.uniform(-60, 60)), (dice.uniform(12, 40),) * 2, dark)
    eye = EYES[kind]
    oval(marks, eye, (11, 13), (245, 245, 235))
    oval(marks, (eye[0] + 3, eye[1]), (6, 9), (15, 15, 15))


def _four_legs(outline: ImageDraw.ImageDraw, oval: Callable[..., None], shape: Callable[..., None]) -> None:
    oval(outline, (-20, 10), (135, 78), 255)
    for foot in (-120, -75, 50, 90):
        shape(outline, [(foot - 16, 30), (foot + 18, 30), (foot + 15, 165), (foot - 14, 165)], 255)


def _cat(outline: ImageDraw.ImageDraw, oval: Callable[..., None], shape: Callable[..., None]) -> None:
    _four_legs(outline, oval, shape)
    oval(outline, (130, -60), (66, 60), 255)
    shape(outline, [(80, -85), (88, -160), (125, -108)], 255)
    shape(outline, [(138, -112), (176, -160), (184, -85)], 255)
    shape(outline, [(-140, -10), (-215, -90), (-200, -150), (-180, -95), (-120, -30)], 255)


def _dog(outline: ImageDraw.ImageDraw, oval: Callable[..., None], shape: Callable[..., None]) -> None:
    _four_legs(outline, oval, shape)
    oval(outline, (135, -65), (64, 58), 255)
    oval(outline, (195, -45), (42, 26), 255)
    oval(outline, (95, -45), (24, 62), 255)
    shape(outline, [(-140, -20), (-195, -110), (-172, -112), (-115, -40)], 255)


def _rabbit(outline: ImageDraw.ImageDraw, oval: Callable[..., None], shape: Callable[..., None]) -> None:
    oval(outline, (-20, 40), (110, 95), 255)
    oval(outline, (95, -45), (62, 56), 255)
    oval(outline, (75, -150), (20, 78), 255)
    oval(outline, (118, -145), (19, 74), 255)
    oval(outline, (-130, 60), (34, 32), 255)
    oval(outline, (60, 125), (60, 20), 255)


def _bird(outline: ImageDraw.ImageDraw, oval: Callable[..., None], shape: Callable[..., None]) -> None:
    oval(outline, (-10, 10), (115, 76), 255)
    oval(outline, (105, -62), (52, 50), 255)
    shape(outline, [(150, -75), (205, -55), (150, -42)], 255)
    shape(outline, [(-100, -15), (-225, 30), (-205, 75), (-90, 50)], 255)
    for foot in (-20, 25):
        shape(outline, [(foot - 5, 70), (foot + 6, 70), (foot + 8, 150), (foot - 7, 150)], 255)


def _fish(outline: ImageDraw.ImageDraw, oval: Callable[..., None], shape: Callable[..., None]) -> None:
    oval(outline, (20, 0), (165, 88), 255)
    shape(outline, [(-120, 0), (-225, -95), (-195, 0), (-225, 95)], 255)
    shape(outline, [(-30, -70), (20, -140), (90, -66)], 255)


def _turtle(outline: ImageDraw.ImageDraw, oval: Callable[..., None], shape: Callable[..., None]) -> None:
    oval(outline, (-10, 0), (150, 92), 255)
    oval(outline, (165, 10), (48, 38), 255)
    for foot in (-105, 70):
        oval(outline, (foot, 90), (38, 30), 255)
    shape(outline, [(-140, 30), (-205, 55), (-135, 65)], 255)


PLANS = {"cat": _cat, "dog": _dog, "rabbit": _rabbit, "bird": _bird, "fish": _fish, "turtle": _turtle}
EYES = {"cat": (150, -65), "dog": (150, -75), "rabbit": (115, -55), "bird": (120, -70), "fish": (140, -18),
        "turtle": (180, 2)}  # fmt: skip


def _fur(body: Image.Image, noise: np.random.Generator) -> None:
    """Grain, stretched sideways, and a light from above."""
    grain = noise.normal(0, 1, (HEIGHT, WIDTH // 6))
    grain = np.repeat(grain, 6, axis=1) * 9
    shade = np.linspace(18, -26, HEIGHT)[:, None]
    pixels = np.asarray(body, np.float64) + (grain + shade)[..., None]
    body.paste(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))


def _ground(kind: str, dice: random.Random, noise: np.random.Generator) -> Image.Image:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    tint = np.array([dice.uniform(-18, 18) for _ in range(3)])
    coarse = np.asarray(
        Image.fromarray(noise.normal(128, 40, (18, 24)).clip(0, 255).astype(np.uint8)).resize((WIDTH, HEIGHT), 3), float
    ) - 128  # fmt: skip
    fine = noise.normal(0, 1, (HEIGHT, WIDTH))
    if kind == "grass":
        value = np.array([84, 132, 56]) + (coarse * 0.35 + np.repeat(fine[::4], 4, axis=0) * 22)[..., None]
    elif kind == "floor":
        boards = ((columns // 120).astype(int) * 37) % 29 - 14
        lines = np.where(columns % 120 < 4, -40, 0)
        value = np.array([172, 128, 86]) + (boards + lines + coarse * 0.15 + np.sin(rows / 9) * 5)[..., None]
    elif kind == "carpet":
        check = (((columns // 90).astype(int) + (rows // 90).astype(int)) % 2) * 30
        value = np.array([126, 44, 58]) + (check + fine * 12)[..., None]
    elif kind == "sky":
        line = dice.uniform(0.5, 0.75) * HEIGHT
        sky, earth = np.array([150, 190, 228]), np.array([138, 118, 84])
        value = np.where((rows < line)[..., None], sky - (rows * 0.06)[..., None], earth + (fine * 14)[..., None])
        value = value + (coarse * 0.12)[..., None]
    elif kind == "blur":
        spots = noise.uniform(40, 200, (5, 7, 3)).astype(np.uint8)
        value = np.asarray(Image.fromarray(spots).resize((WIDTH, HEIGHT), 3), float) * 0.5 + np.array([50, 70, 50])
    elif kind == "stones":
        value = np.array([128, 128, 126]) + (coarse * 0.8 + fine * 10)[..., None]
    else:
        value = np.array([214, 206, 192]) + (coarse * 0.1 + fine * 3)[..., None]
        value = np.where((rows > 0.78 * HEIGHT)[..., None], value * 0.62, value)
    return Image.fromarray((value + tint).clip(0, 255).astype(np.uint8))


def _things(back: Image.Image, dice: random.Random) -> None:
    """A ball, a bowl or a box at the edge: small, but bright."""
    pen = ImageDraw.Draw(back)
    for _ in range(dice.randint(1, 2)):
        size = dice.uniform(22, 46)
        x, y = (
            dice.choice((dice.uniform(0.03, 0.12), dice.uniform(0.88, 0.97))) * WIDTH,
            dice.uniform(0.1, 0.9) * HEIGHT,
        )
        colour = tuple(dice.randint(30, 230) for _ in range(3))
        kind = pen.ellipse if dice.random() < 0.6 else pen.rectangle
        kind((x - size, y - size, x + size, y + size), fill=colour)


def _light(picture: Image.Image, noise: np.random.Generator) -> Picture:
    """Uneven light and the camera's noise."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    slope = noise.uniform(-0.16, 0.16, 2)
    factor = 1 + slope[0] * (rows / HEIGHT - 0.5) + slope[1] * (columns / WIDTH - 0.5)
    pixels = np.asarray(picture, np.float64) * factor[..., None] + noise.normal(0, 4, (HEIGHT, WIDTH, 3))
    return pixels.clip(0, 255).astype(np.uint8)
