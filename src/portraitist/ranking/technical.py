"""How sound a portrait is as a picture: sharpness, noise and light of the face, how large it is and what is cut off.

Each number is 1 where nobody would complain, 0.5 at its limit and 0 as far beyond; the worst one counts, for a sharp
picture does not make up for a face that is half outside. Numbers beyond reproach do not add to each other, so quality
parts sound pictures from failures and leaves the rest to likeness. Who is in the picture, is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from portraitist.faces import Face
from portraitist.images import size_of
from portraitist.photos import measures
from portraitist.photos.quality import Limits, blur_limit
from portraitist.requests import Reason
from portraitist.types import Picture

LEAST_QUALITY = 0.5
"""Quality at which a number is at its limit."""

LEAST_FACE = 0.08
"""Height of the face as a share of the picture's height; a full-length portrait has about an eighth."""


@dataclass(frozen=True)
class Technical:
    """Numbers of the face in a portrait, as `photos.measures` has them; `share` is the face's height as a share of the
    picture's, `width` the face's in pixels, `outside` the share of the face that the edge cuts off."""

    blur: float
    noise: float
    bright: float
    burnt: float
    outside: float
    share: float
    width: float


@dataclass(frozen=True)
class _Part:
    """One number, where it is beyond reproach (`good`) and where it stops to be usable (`limit`)."""

    code: str
    value: float
    good: float
    limit: float
    message: str

    @property
    def score(self) -> float:
        return float(np.clip(1.0 - 0.5 * (self.value - self.good) / (self.limit - self.good), 0.0, 1.0))

    @property
    def broken(self) -> bool:
        return self.value > self.limit if self.limit > self.good else self.value < self.limit


def measure_face(picture: Picture, face: Face) -> Technical:
    """The numbers of the one face of a portrait."""
    light = measures.exposure_of(picture, face)
    return Technical(
        blur=measures.blur_of(picture, face),
        noise=measures.noise_of(picture, face),
        bright=light.bright,
        burnt=light.burnt,
        outside=measures.share_outside(size_of(picture), face),
        share=face.box.height / picture.shape[0],
        width=face.box.width,
    )


def quality_of(found: Technical) -> float:
    """0 … 1: the worst of the numbers; below `LEAST_QUALITY` one of them is beyond its limit."""
    return min(part.score for part in _parts(found))


def face_flaws(found: Technical) -> tuple[Reason, ...]:
    """A reason for each number beyond its limit; the limits of light and sharpness are those of photos."""
    return tuple(
        Reason(part.code, round(part.value, 3), round(part.limit, 3), part.message)
        for part in _parts(found)
        if part.broken
    )


def _parts(found: Technical) -> tuple[_Part, ...]:
    limits = Limits()
    blur = blur_limit(found.width, limits)
    return (
        _Part("blurred", found.blur, blur - 0.12, blur,
              f"The face is blurred ({found.blur:.2f}; at most {blur:.2f} for its size)."),
        _Part("noisy", found.noise, limits.noise / 3, limits.noise,
              f"The face is noisy ({found.noise:.0f} grey levels; at most {limits.noise:.0f})."),
        _Part("dark", found.bright, 1.5 * limits.dark, limits.dark,
              f"The face is too dark: its bright parts reach {found.bright:.0f} of 255."),
        _Part("over_exposed", found.burnt, limits.burnt / 5, limits.burnt,
              f"{found.burnt:.0%} of the face is over-exposed to plain white."),
        _Part("cut_off", found.outside, limits.cut_off / 6, limits.cut_off,
              f"The picture's edge cuts off {found.outside:.0%} of the face."),
        _Part("too_small", found.share, 2 * LEAST_FACE, LEAST_FACE,
              f"The face takes {found.share:.0%} of the picture's height; at least {LEAST_FACE:.0%} are needed."),
    )  # fmt: skip


def technical_quality(picture: Picture) -> float:
    """0–1: sharpness, contrast and unclipped tones of a whole picture, so rough that only failures fall below 0.5."""
    grey = picture.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    low, high = np.percentile(grey, (5, 95))
    contrast = min(1.0, (high - low) / 80.0)
    clipped = float(((grey < 3) | (grey > 252)).mean())
    laplacian = grey[1:-1, 1:-1] * 4 - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    sharp = min(1.0, float(laplacian.std()) / 6.0)
    return float(np.clip(contrast * sharp * (1.0 - max(0.0, clipped - 0.2)), 0.0, 1.0))
