"""People for photos.py: renders whose pose, glasses and eyes are known, and pictures spoiled by a known strength.

Identities come from the measuring range. Their features vary half as far as `mini` draws them, which is about as far
as in life; the models that find landmarks were made for that.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from mini import people
from mini.tags import PARTS
from portraitist.images import to_pil

if TYPE_CHECKING:
    from portraitist.types import Picture

FIRST = {"measure": people.MEASURING + 700_000, "calibrate": people.MEASURING + 800_000}
COLOURS = ("skin_", "hair_", "iris_", "child")
SHARE = 0.5  # of the variety of features
CROWD = 3000
SIDE = 256
CHUNK = 8


@dataclass(frozen=True)
class Person:
    """A rendered photo with its truth: sitter's number, degrees (yaw > 0 to the picture's right, pitch > 0 up, roll > 0
    clockwise), whether dark glasses cover the eyes, whether they are closed, `skin` (height, width)."""

    picture: Picture
    sitter: int
    yaw: float
    pitch: float
    roll: float
    dark_glasses: bool
    closed: bool
    skin: np.ndarray


def draw(kind: str, sitters: int, each: int, which: str, seed: int) -> list[Person]:
    """`each` photos of so many sitters. `kind`: plain, yaw, pitch, glasses (dark ones), closed (eyes)
    or beside: plain ones of the sitters of pitch."""
    from mini.renderer import Renderer

    offset = {"plain": 0, "closed": 0, "yaw": 1000, "pitch": 2000, "beside": 2000, "glasses": 3000}[kind]
    number = FIRST[which] + 10_000 * seed + offset + np.repeat(np.arange(sitters), each)
    seeds = 100 * (1 + len(kind)) + np.arange(sitters * each)
    drawn = people.draw(number, seeds, "photo")
    _calm(drawn)
    random = np.random.default_rng([seed, offset + (kind == "beside"), FIRST[which]])
    _set(drawn, kind, random)
    renderer, found = Renderer("cpu"), []
    for start in range(0, len(drawn), CHUNK):
        part = people.People(*(value[start : start + CHUNK] for value in _fields(drawn)))
        pictures = renderer(part, size=(SIDE, SIDE))
        found += [
            _person(part, i, pictures.rgb[i].numpy(), pictures.parts[i].numpy(), pictures.landmarks[i].numpy(), kind)
            for i in range(len(part))
        ]
    return found


def _fields(drawn: people.People) -> list[np.ndarray]:
    return [getattr(drawn, name) for name in drawn.__dataclass_fields__]


def _calm(drawn: people.People) -> None:
    """Bring the features half way to the mean of their gender and age."""
    crowd = people.draw(people.MEASURING + np.arange(CROWD), np.arange(CROWD), "photo")
    columns = [i for i, name in enumerate(people.PARAMS) if name in people.IDENTITY and not name.startswith(COLOURS)]
    for i in range(len(drawn)):
        alike = (crowd.gender == drawn.gender[i]) & (crowd.age == drawn.age[i])
        mean = crowd.values[alike].mean(axis=0)[columns]
        drawn.values[i, columns] = mean + SHARE * (drawn.values[i, columns] - mean)


def _set(drawn: people.People, kind: str, random: np.random.Generator) -> None:
    def put(name: str, values: object) -> None:
        drawn.values[:, people.PARAMS.index(name)] = values

    n = len(drawn)
    put("frame_h", 1.45)
    put("aim_x", 0.0)
    put("hat", 0.0)
    put("glasses", np.where(random.random(n) < 0.25, random.integers(1, 3, n), 0))
    put("eye_open", random.uniform(0.85, 1.15, n))
    for name, reach in (("yaw", 20.0), ("pitch", 8.0), ("roll", 12.0)):
        put(name, np.radians(random.uniform(-reach, reach, n)))
    if kind in ("yaw", "pitch"):
        reach = {"yaw": 62.0, "pitch": 50.0}[kind]
        put("yaw", 0.0)
        put("pitch", 0.0)
        put(kind, np.radians(random.uniform(-reach, reach, n)))
    if kind == "glasses":
        put("glasses", 3.0)
    if kind == "closed":
        put("eye_open", 0.0)


def _person(
    drawn: people.People, i: int, picture: np.ndarray, parts: np.ndarray, points: np.ndarray, kind: str
) -> Person:
    value = dict(zip(people.PARAMS, drawn.values[i].tolist(), strict=True))
    (left_x, left_y), (right_x, right_y) = points[0], points[1]
    return Person(
        np.ascontiguousarray(picture),
        int(drawn.identity[i]),
        float(np.degrees(value["yaw"])),
        float(-np.degrees(value["pitch"] + value["camera_up"])),
        float(np.degrees(np.arctan2(right_y - left_y, right_x - left_x))),
        kind == "glasses",
        kind == "closed",
        parts == PARTS.index("skin"),
    )


def blurred(picture: Picture, sigma: float) -> Picture:
    """Gaussian blur of `sigma` pixels."""
    return np.asarray(to_pil(picture).filter(ImageFilter.GaussianBlur(float(sigma))))


def noisy(picture: Picture, sigma: float, random: np.random.Generator) -> Picture:
    """Grey noise of `sigma` grey levels."""
    values = picture + random.normal(0, sigma, (*picture.shape[:2], 1))
    return np.asarray(values.clip(0, 255).round(), dtype=np.uint8)


def exposed(picture: Picture, gain: float) -> Picture:
    """Brighter or darker by a factor, cut at white."""
    return np.asarray((picture * gain).clip(0, 255).round(), dtype=np.uint8)


def rotated(picture: Picture, degrees: float) -> Picture:
    """Turned clockwise about the middle in a larger frame of the corner's colour."""
    fill = tuple(int(value) for value in picture[0, 0])
    return np.asarray(to_pil(picture).rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=fill))


def scaled(picture: Picture, factor: float) -> Picture:
    side = max(16, round(picture.shape[0] * factor))
    return np.asarray(to_pil(picture).resize((side, side), Image.Resampling.LANCZOS))


def copies(picture: Picture) -> dict[str, Picture]:
    """What people have of one shot: smaller, cropped, compressed, brighter, mirrored."""
    buffer = io.BytesIO()
    to_pil(picture).save(buffer, "JPEG", quality=35)
    edge = round(0.1 * picture.shape[0])
    return {
        "smaller": scaled(picture, 0.6),
        "cropped": np.ascontiguousarray(picture[edge:, edge:-edge]),
        "compressed": np.asarray(Image.open(buffer).convert("RGB")),
        "brighter": exposed(picture, 1.25),
        "mirrored": np.ascontiguousarray(picture[:, ::-1]),
    }
