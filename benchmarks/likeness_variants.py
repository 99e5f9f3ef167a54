"""What a variant of the likeness benchmarks changes: numbers of the recipe, of the base, or what the training is given.

A variant is a name with settings. Beside the keys of `Recipe` and those of a base that can be tried without training
there are: `recipe` (a recipe of the library in place of the base's own), `rate` (a factor on its learning rates), and
those of `Given`, which change the sitter's job.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter, ValidationError

from benchmarks import common
from benchmarks.common import BASE_SETTINGS
from portraitist.recipes import Base, Recipe, find
from portraitist.types import derive_seed

if TYPE_CHECKING:
    from benchmarks.likeness_prepare import Job, JobPicture

Settings = Mapping[str, object]


@dataclass(frozen=True)
class Given:
    """What a training is given in place of the sitter's job as it was prepared.

    `photos`: so many of the photos (0: all). `spare`: so many photos are left to choose a checkpoint by. `trigger`: in
    captions and prompts (empty: the job's own). `identity_words`: captions also say what the sitter looks like.
    `askew`: photos stand askew by up to so many degrees and are not turned upright; `lying`: so many of them lie on
    their side.
    """

    photos: int = 0
    spare: int = 0
    trigger: str = ""
    identity_words: bool = False
    askew: float = 0.0
    lying: int = 0


GIVEN = tuple(field.name for field in fields(Given))
OTHER = ("recipe", "rate")


def variants_of(given: argparse.Namespace) -> dict[str, Settings]:
    """Settings by the variant's name; ends with a sentence for a setting that nothing knows."""
    own = common.read_settings(given.set)
    if given.told:
        found = {name: {**own, **settings} for name, settings in given.told.items()}
    elif given.variants:
        told = json.loads(given.variants.read_text(encoding="utf-8"))
        found = {name: {**own, **settings} for name, settings in told.items()}
    else:
        found = {given.variant: own}
    if unknown := sorted(set(given.only) - set(found)):
        sys.exit(f"--only {unknown[0]}: there is no such variant; there are {', '.join(found)}.")
    found = {name: settings for name, settings in found.items() if not given.only or name in given.only}
    for name, settings in found.items():
        if settings and name == "shipped":
            sys.exit("The variant 'shipped' has no settings: give the variant a name of its own with --variant.")
        if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
            sys.exit(f"{name!r} is no name for a variant: letters, digits, '-', '_' and '.' are.")
        _check(name, settings)
    return found


def _check(name: str, settings: Settings) -> None:
    known = {field.name for field in fields(Recipe)} | {*BASE_SETTINGS, *GIVEN, *OTHER}
    if unknown := sorted(set(settings) - known):
        sys.exit(f"The variant {name!r} sets {unknown[0]!r}, which neither a recipe nor a base has.")
    base = {**asdict(find(Base, "mini")), **base_of(settings)}
    for kind, owner in ((Recipe, recipe_of(settings)), (Base, base), (Given, _given_values(settings))):
        try:
            TypeAdapter(kind).validate_python(owner)
        except ValidationError as error:
            first = error.errors()[0]
            sys.exit(f"The variant {name!r}: {first['loc'][0]} is wrong, {first['msg'].lower()}.")


def recipe_of(settings: Settings) -> dict[str, object]:
    """The numbers of the recipe (the base's own, or the one that is named) with those of `settings` in their place."""
    plain = find(Recipe, str(settings.get("recipe", find(Base, "mini").recipe)))
    rate = settings.get("rate", 1.0)
    if not isinstance(rate, int | float):
        sys.exit(f"rate is {rate!r}; it must be a number.")
    text = plain.text_learning_rate
    scaled = replace(
        plain, learning_rate=plain.learning_rate * rate, text_learning_rate=None if text is None else text * rate
    )
    own = {name: value for name, value in settings.items() if name not in (*BASE_SETTINGS, *GIVEN, *OTHER)}
    return {**asdict(scaled), **own}


def base_of(settings: Settings) -> dict[str, object]:
    return {name: value for name, value in settings.items() if name in BASE_SETTINGS}


def given_of(settings: Settings) -> Given:
    return TypeAdapter(Given).validate_python(_given_values(settings))


def _given_values(settings: Settings) -> dict[str, object]:
    return {name: value for name, value in settings.items() if name in GIVEN}


def changed(job: Job, given: Given) -> Job:
    """The job with what `given` changes; the same job where that is nothing."""
    pictures = list(spared(job, given.spare)[0])
    if given.photos > len(pictures):
        sys.exit(f"The jobs hold {len(pictures)} photos to train on; {given.photos} are asked for.")
    pictures = pictures[: given.photos or None]
    trigger = given.trigger or job.trigger
    words = job.words.split(", ")[1:] if given.identity_words else []
    return replace(
        job,
        trigger=trigger,
        pictures=tuple(_changed(one, number, job, given, trigger, words) for number, one in enumerate(pictures)),
    )


def spared(job: Job, count: int) -> tuple[tuple[JobPicture, ...], tuple[str, ...]]:
    """(the photos to train on, names of the renders to choose by): split as `portraitist train` splits them."""
    from portraitist.preparing import draw_apart

    if not count:
        return job.pictures, ()
    pairs = tuple(zip(job.pictures, job.known, strict=True))
    kept, apart = draw_apart(pairs, count, job.seed)
    return tuple(picture for picture, _ in kept), tuple(name for _, name in apart)


def _changed(one: JobPicture, number: int, job: Job, given: Given, trigger: str, words: Sequence[str]) -> JobPicture:
    first, *rest = one.caption.split(", ")
    first = " ".join(trigger if word == job.trigger else word for word in first.split())
    caption = ", ".join([first, *words, *(tag for tag in rest if tag not in words)])
    angle = 0.0
    if given.askew:
        chance = np.random.default_rng(derive_seed(job.seed, "askew", number))
        angle = float(chance.uniform(-given.askew, given.askew))
    if number < given.lying:
        angle += 90.0 if number % 2 else -90.0
    if not angle:
        return replace(one, caption=caption)
    return replace(one, caption=caption, crops=tuple(_turned(matrix, angle, job.size) for matrix in one.crops))


def _turned(
    matrix: tuple[tuple[float, ...], ...], degrees: float, size: tuple[int, int]
) -> tuple[tuple[float, ...], ...]:
    """The (2, 3) matrix from a crop's pixels to the photo's, of a crop that is turned about its middle."""
    x, y = (size[0] - 1) / 2, (size[1] - 1) / 2
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about = np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y], [0, 0, 1]])
    whole = np.array(matrix) @ about
    return tuple(tuple(float(value) for value in row) for row in whole)
