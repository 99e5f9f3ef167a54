"""The bench of finishing: the steps by name, and the one way through them in the order of a request.

A step is a plain function of a picture, the faces seen in it and its settings. Knows no files and no sitters: whatever
needs one (the photos for `fuse`, the models' folder) is handed in as `Tools`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from portraitist.errors import BadRequest, UnknownName
from portraitist.faces import Face
from portraitist.finishing import background as backgrounds
from portraitist.finishing import pose as poses
from portraitist.finishing import restore as restorers
from portraitist.finishing import retouch as retouching
from portraitist.finishing import stylise as styles
from portraitist.finishing import upscale as upscalers
from portraitist.finishing.networks import KNOWN, RESTORERS, UPSCALERS, Network, load_network, there
from portraitist.images import read_picture, size_of
from portraitist.requests import FinishNote, FinishRequest, FinishStep
from portraitist.types import Mask, OnStep, Picture, Seed, Step, no_progress

Values = Mapping[str, str | float]


class Seer(Protocol):
    """What is needed of the face stack."""

    def detect(self, picture: Picture) -> list[Face]: ...


class Fuser(Protocol):
    """Lays the sitter's photo on a portrait with these faces, and says what it did."""

    def __call__(
        self, picture: Picture, found: Sequence[Face], values: Values, strength: float, drawn: bool, /
    ) -> tuple[Picture, FinishNote]: ...


@dataclass
class Tools:
    """What steps need beyond the picture: who sees faces, the mask of people, the folder of models, the fusion, and
    whether the picture is `drawn` or painted.

    Networks stay loaded from one picture to the next.
    """

    seer: Seer
    people: Callable[[Picture], Mask]
    models: Path
    fuser: Fuser | None = None
    drawn: bool = False
    networks: dict[tuple[str, str], Network] = field(default_factory=dict)

    def network(self, folder: str, name: str) -> Network:
        """Load a network, or take it as it is loaded. Raises what `networks.load_network` raises."""
        if (folder, name) not in self.networks:
            self.networks[folder, name] = load_network(self.models, folder, name)
        return self.networks[folder, name]


@dataclass(frozen=True)
class Asked:
    """What is asked of a step: its name, strength above 0 up to 1, settings with all defaults filled in, seed."""

    step: str
    strength: float
    values: Values
    seed: Seed

    def text(self, key: str) -> str:
        return str(self.values[key])

    def number(self, key: str, low: float, high: float) -> float:
        """A number of the settings. Raises BadRequest."""
        value = self.values[key]
        if not isinstance(value, (int, float)) or not low <= value <= high:
            raise BadRequest(f"{self.step}: {key} is {value!r}; it must be a number from {low:g} to {high:g}.")
        return float(value)

    def note(self, code: str, message: str, skipped: bool = False) -> FinishNote:
        return FinishNote(self.step, code, message, skipped)


Done = tuple[Picture, tuple[FinishNote, ...]]
Function = Callable[[Picture, Sequence[Face], Asked, Tools], Done]


@dataclass(frozen=True)
class Kind:
    """A step of the table: its function, what it is for, its settings with defaults, the strength it has unless told
    otherwise, and whether it does nothing without a face."""

    run: Function
    about: str
    values: Values = field(default_factory=dict)
    strength: float = 1.0
    face: bool = False


@dataclass(frozen=True)
class Finished:
    """A finished picture; `stages` are the pictures after each step, by the step's name and in order."""

    picture: Picture
    stages: tuple[tuple[str, Picture], ...]
    notes: tuple[FinishNote, ...]


def finish(
    picture: Picture, request: FinishRequest, tools: Tools, *, stages: bool = False, on_step: OnStep = no_progress
) -> Finished:
    """Take the picture through the steps of a request, in order. `stages` keeps what lies between.

    A step of strength 0 returns the picture bit for bit. Raises what `checked` raises, MissingModel for a network that
    is not there.
    """
    steps = checked(request)
    kept: list[tuple[str, Picture]] = []
    notes: list[FinishNote] = []
    for number, step in enumerate(steps):
        on_step(Step("finishing", number, len(steps), step.name))
        if step.strength > 0:
            kind = STEPS[step.name]
            faces = tools.seer.detect(picture)
            asked = Asked(step.name, step.strength, step.settings, request.seed)
            if kind.face and not faces:
                notes.append(asked.note("no_face", f"No face is seen, so {step.name} did nothing.", skipped=True))
            else:
                picture, said = kind.run(picture, faces, asked, tools)
                notes += said
        if stages:
            kept.append((step.name, picture))
    on_step(Step("finishing", len(steps), len(steps)))
    return Finished(picture, tuple(kept), tuple(notes))


def checked(request: FinishRequest) -> tuple[FinishStep, ...]:
    """The steps with the defaults of their settings. Raises UnknownName for a step, BadRequest for its settings."""
    steps = []
    for step in request.steps:
        if step.name not in STEPS:
            raise UnknownName("finishing step", step.name, STEPS)
        if not 0.0 <= step.strength <= 1.0:
            raise BadRequest(f"{step.name}: the strength is {step.strength:g}; it must be from 0 to 1.")
        usual = STEPS[step.name].values
        strange = [key for key in step.settings if key not in usual]
        if strange:
            known = ", ".join(f"{key} ({value})" for key, value in usual.items()) or "none"
            raise BadRequest(f"{step.name} has no setting {strange[0]!r}.", hint=f"Its settings: {known}.")
        steps.append(replace(step, settings={**usual, **step.settings}))
    return tuple(steps)


def parse(text: str) -> tuple[FinishStep, ...]:
    """Steps of words such as `retouch:0.5,upscale:scale=2:name=lanczos`, complete: a number is the strength.

    Raises BadRequest, UnknownName.
    """
    steps = []
    for word in (word.strip() for word in text.split(",")):
        name, *parts = word.split(":")
        if name not in STEPS:
            raise UnknownName("finishing step", name, STEPS)
        strength, settings, last = STEPS[name].strength, dict[str, str | float](), ""
        for part in parts:
            key, sign, value = part.partition("=")
            if sign:
                settings[key], last = _number(value), key
            elif isinstance(number := _number(part), float):
                strength = number
            elif last:  # a path may have a colon in it
                settings[last] = f"{settings[last]}:{part}"
            else:
                raise BadRequest(
                    f"{part!r} in {word!r} is neither a strength nor a setting.",
                    hint="Write a number from 0 to 1, or key=value: retouch:0.5:teeth=0",
                )
        steps.append(FinishStep(name, strength, settings))
    return checked(FinishRequest(tuple(steps)))


def _number(text: str) -> str | float:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if np.isfinite(value) else text


def _fuse(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    if tools.fuser is None:
        raise BadRequest("fuse takes the photos of a sitter.", hint="Name the sitter with --sitter.")
    made, note = tools.fuser(picture, faces, asked.values, asked.strength, tools.drawn)
    return made, (note,)


def _restore(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    network = tools.network(RESTORERS, asked.text("name") or _usual(tools.models))
    made = restorers.restore(picture, faces, network)
    return _mixed(picture, made, asked.strength), (
        asked.note("terms", f"Faces mended by {network.name}: {network.terms}"),
    )


def _usual(models: Path) -> str:
    """The restorer where none is named: the first that is there."""
    found = sorted(there(models, RESTORERS))
    return found[0] if found else next(one.name for one in KNOWN if one.folder == RESTORERS)


def _upscale(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    scale = asked.number("scale", upscalers.MIN_SCALE, upscalers.MAX_SCALE)
    size = upscalers.check_size(size_of(picture), scale)
    plain = upscalers.upscale(picture, size)
    if asked.text("name").lower() == upscalers.LANCZOS:
        return plain, (asked.note("lanczos", "Enlarged with Lanczos, which adds no detail."),)
    network = tools.network(UPSCALERS, asked.text("name"))
    made = upscalers.enlarge(picture, size, network)
    return _mixed(plain, made, asked.strength), (asked.note("terms", f"Enlarged by {network.name}: {network.terms}"),)


def _retouch(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    settings = retouching.Retouch(**{key: asked.number(key, 0.0, 1.0) for key in asked.values})
    for face in faces:
        picture = retouching.retouch(picture, face, settings, asked.strength)
    return picture, ()


def _pose(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    notes: tuple[FinishNote, ...] = ()
    if len(faces) > 1:
        notes = (asked.note("several_faces", f"{len(faces)} faces are seen; the picture follows the largest."),)
    made = poses.upright(picture, faces[0], asked.strength)
    aspect = asked.text("aspect")
    if aspect == "keep":
        return made, notes
    head = asked.number("head", 0.1, 0.9)
    seen = tools.seer.detect(made)
    return (poses.framed(made, seen[0], _aspect(aspect), head) if seen else made), notes


def _aspect(text: str) -> float:
    wide, _, tall = text.partition("x")
    if wide.isdigit() and tall.isdigit() and 0.2 <= int(wide) / max(int(tall), 1) <= 5:
        return int(wide) / int(tall)
    raise BadRequest(f"pose: aspect {text!r} is no shape.", hint="Write width and height, such as aspect=3x4.")


def _background(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    colour, file, blur = asked.text("colour"), asked.text("picture"), asked.text("blur")
    if sum(word not in ("", "0.0") for word in (colour, file, blur)) > 1:
        raise BadRequest("background takes one of colour, picture and blur.", hint="Leave the others out.")
    people = tools.people(picture)
    if float((people > 127).mean()) < 0.01:
        return picture, (asked.note("nobody", "Nobody is seen, so the background was left.", skipped=True),)
    if file:
        ground = backgrounds.covering(read_picture(Path(file).expanduser()), size_of(picture))
    elif asked.number("blur", 0.0, 1.0) > 0:
        share = asked.number("blur", 0.0, 1.0) * asked.strength
        return backgrounds.on_ground(picture, people, backgrounds.blurred(picture, people, share)), ()
    else:
        ground = backgrounds.even(size_of(picture), backgrounds.colour_of(colour or "white"))
    return _mixed(picture, backgrounds.on_ground(picture, people, ground), asked.strength), ()


def _stylise(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    name = asked.text("style")
    if name not in styles.STYLES:
        raise UnknownName("drawing style", name, styles.STYLES)
    return _mixed(picture, styles.STYLES[name](picture, asked.seed), asked.strength), ()


def _mixed(before: Picture, after: Picture, strength: float) -> Picture:
    if strength >= 1.0:
        return after
    mixed = before + (after.astype(np.float64) - before) * strength
    return np.asarray(mixed.round(), dtype=np.uint8)


STEPS: Mapping[str, Kind] = {
    "fuse": Kind(_fuse, "the sitter's own photo on the portrait's face", {"when": "needed"}),
    "restore": Kind(_restore, "faces mended by a learned restorer", {"name": ""}, 0.8, face=True),
    "retouch": Kind(
        _retouch, "skin, eyes, teeth and light", {"skin": 1.0, "eyes": 1.0, "teeth": 1.0, "light": 1.0}, 0.5, face=True
    ),
    "pose": Kind(_pose, "a tilted head set upright, a frame", {"aspect": "keep", "head": 0.45}, face=True),
    "background": Kind(_background, "an even colour, a picture, or blur", {"colour": "", "picture": "", "blur": 0.0}),
    "upscale": Kind(_upscale, "more pixels", {"scale": 2.0, "name": upscalers.LANCZOS}),
    "stylise": Kind(_stylise, "pencil, oil, film or cartoon", {"style": "film"}),
}
