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

from portraitist.devices import choose_device
from portraitist.errors import BadFile, BadRequest, PortraitistError, UnfitModel, UnknownName
from portraitist.faces import Face
from portraitist.finishing import background as backgrounds
from portraitist.finishing import pose as poses
from portraitist.finishing import restore as restorers
from portraitist.finishing import retouch as retouching
from portraitist.finishing import stylise as styles
from portraitist.finishing import upscale as upscalers
from portraitist.finishing.fusion import check_settings
from portraitist.finishing.networks import KNOWN, RESTORERS, UPSCALERS, Network, load_network, there
from portraitist.images import read_picture, size_of
from portraitist.requests import FinishNote, FinishRequest, FinishStep, FusionSettings, from_data, to_data
from portraitist.types import Mask, OnStep, Picture, Seed, Step, no_progress
from portraitist.weights import sha256_of

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
    """What steps need beyond the picture: who sees faces, the mask of people, the folder of models, the fusion with the
    sha256 of the sitter's `photos`, whether the picture is `drawn` or painted, and the device for networks, by its name
    in the settings.

    Networks stay loaded from one picture to the next.
    """

    seer: Seer
    people: Callable[[Picture], Mask]
    models: Path
    fuser: Fuser | None = None
    photos: str = ""
    drawn: bool = False
    device: str = "cpu"
    networks: dict[tuple[str, str], Network] = field(default_factory=dict)
    load: Callable[[Path, str, str, str], Network] = load_network

    def network(self, folder: str, name: str) -> Network:
        """Load a network, or take it as it is loaded. Raises what `networks.load_network` raises."""
        if (folder, name) not in self.networks:
            device = str(choose_device(self.device).device)
            self.networks[folder, name] = self.load(self.models, folder, name, device)
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
Settled = tuple[Values, Mapping[str, str]]


@dataclass(frozen=True)
class Kind:
    """A step of the table: its function, what it is for, what refuses wrong settings, its settings with defaults, the
    strength it has unless told otherwise, whether it does nothing without a face, and, for one that takes files, what
    finds them: the settings with the names filled in, and the sha256 of each file by the setting that names it."""

    run: Function
    about: str
    check: Callable[[Asked], object]
    values: Values = field(default_factory=dict)
    strength: float = 1.0
    face: bool = False
    settle: Callable[[Asked, Tools], Settled] | None = None


@dataclass(frozen=True)
class Finished:
    """A finished picture; `stages` are the pictures after each step, by the step's name and in order; `changed` the
    steps that changed it."""

    picture: Picture
    stages: tuple[tuple[str, Picture], ...]
    notes: tuple[FinishNote, ...]
    changed: tuple[FinishStep, ...] = ()


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
    changed: list[FinishStep] = []
    for number, step in enumerate(steps):
        on_step(Step("finishing", number, len(steps), step.name))
        if step.strength > 0:
            made, said = _one(picture, step, request.seed, tools)
            if not np.array_equal(made, picture):
                changed.append(step)
            picture = made
            notes += said
        if stages:
            kept.append((step.name, picture))
    on_step(Step("finishing", len(steps), len(steps)))
    return Finished(picture, tuple(kept), tuple(notes), tuple(changed))


def _one(picture: Picture, step: FinishStep, seed: Seed, tools: Tools) -> Done:
    kind, asked = STEPS[step.name], Asked(step.name, step.strength, step.settings, seed)
    faces = tools.seer.detect(picture)
    if kind.face and not faces:
        return picture, (asked.note("no_face", f"No face is seen, so {step.name} did nothing.", skipped=True),)
    return kind.run(picture, faces, asked, tools)


def checked(request: FinishRequest) -> tuple[FinishStep, ...]:
    """The steps with the defaults of their settings. Raises UnknownName for a step, BadRequest for its settings, and
    MissingModel for a learned method of fusion."""
    steps = []
    for step in request.steps:
        if step.name not in STEPS:
            raise UnknownName("finishing step", step.name, STEPS)
        if not 0.0 <= step.strength <= 1.0:
            raise BadRequest(f"{step.name}: the strength is {step.strength:g}; it must be from 0 to 1.")
        kind = STEPS[step.name]
        strange = [key for key in step.settings if key not in kind.values]
        if strange:
            known = ", ".join(f"{key} ({value})" for key, value in kind.values.items()) or "none"
            raise BadRequest(f"{step.name} has no setting {strange[0]!r}.", hint=f"Its settings: {known}.")
        values = {**kind.values, **step.settings}
        kind.check(Asked(step.name, step.strength, values, request.seed))
        steps.append(replace(step, settings=values))
    return tuple(steps)


def settled(request: FinishRequest, tools: Tools) -> FinishRequest:
    """The request complete, with every file that its steps take found and pinned; networks are loaded.

    Raises what `checked` raises, what the files raise where they are missing or no good, and UnfitModel or BadFile
    where one is not the file that the request pins already.
    """
    steps = []
    for step in checked(request):
        kind = STEPS[step.name]
        if step.strength > 0 and kind.settle is not None:
            values, found = kind.settle(Asked(step.name, step.strength, step.settings, request.seed), tools)
            for key, pin in step.sha256.items():
                if found.get(key) != pin:
                    raise _other(step.name, key, values)
            step = replace(step, settings=values, sha256=found)
        steps.append(step)
    return replace(request, steps=tuple(steps))


def _other(step: str, key: str, values: Values) -> PortraitistError:
    hint = "Put back what was there, or ask for a new picture."
    if key == "photos":
        return BadFile("fuse: the sitter's photos are not those that this picture was made with.", hint=hint)
    told = f"{step}: {key} {values[key]} is another file than the one that this picture was made with."
    return (UnfitModel if key == "name" else BadFile)(told, hint=hint)


def _fuse(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    if tools.fuser is None:
        raise BadRequest("fuse takes the photos of a sitter.", hint="Name the sitter with --sitter.")
    made, note = tools.fuser(picture, faces, asked.values, asked.strength, tools.drawn)
    return made, (note,)


def _check_fuse(asked: Asked) -> None:
    check_settings(from_data(FusionSettings, {"strength": asked.strength, **asked.values}))


def _settle_fuse(asked: Asked, tools: Tools) -> Settled:
    if tools.fuser is None:
        raise BadRequest("fuse takes the photos of a sitter.", hint="Name the sitter with --sitter.")
    return asked.values, {"photos": tools.photos}


def _restore(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    network = tools.network(RESTORERS, asked.text("name") or _usual_restorer(tools.models))
    made = restorers.restore(picture, faces, network)
    return _mixed(picture, made, asked.strength), (
        asked.note("terms", f"Faces mended by {network.name}: {network.terms}"),
    )


def _nothing(asked: Asked) -> None:
    """Any name may be one."""


def _settle_restore(asked: Asked, tools: Tools) -> Settled:
    name = asked.text("name") or _usual_restorer(tools.models)
    return {**asked.values, "name": name}, {"name": tools.network(RESTORERS, name).sha256}


def _usual_restorer(models: Path) -> str:
    """The restorer where none is named: the first that is there."""
    found = sorted(there(models, RESTORERS))
    return found[0] if found else next(one.name for one in KNOWN if one.folder == RESTORERS)


def _scale(asked: Asked) -> float:
    return asked.number("scale", upscalers.MIN_SCALE, upscalers.MAX_SCALE)


def _settle_upscale(asked: Asked, tools: Tools) -> Settled:
    if asked.text("name").lower() == upscalers.LANCZOS:
        return asked.values, {}
    return asked.values, {"name": tools.network(UPSCALERS, asked.text("name")).sha256}


def _upscale(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    size = upscalers.check_size(size_of(picture), _scale(asked))
    plain = upscalers.upscale(picture, size)
    if asked.text("name").lower() == upscalers.LANCZOS:
        return plain, (asked.note("lanczos", "Enlarged with Lanczos, which adds no detail."),)
    network = tools.network(UPSCALERS, asked.text("name"))
    made = upscalers.enlarge(picture, size, network)
    return _mixed(plain, made, asked.strength), (asked.note("terms", f"Enlarged by {network.name}: {network.terms}"),)


def _retouch(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    settings = _retouch_settings(asked)
    for face in faces:
        picture = retouching.retouch(picture, face, settings, asked.strength)
    return picture, ()


def _retouch_settings(asked: Asked) -> retouching.Retouch:
    return retouching.Retouch(**{key: asked.number(key, 0.0, 1.0) for key in asked.values})


def _pose(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    notes: tuple[FinishNote, ...] = ()
    if len(faces) > 1:
        notes = (asked.note("several_faces", f"{len(faces)} faces are seen; the picture follows the largest."),)
    made = poses.upright(picture, faces[0], asked.strength)
    aspect, head = _frame(asked)
    if aspect is None:
        return made, notes
    seen = tools.seer.detect(made)
    return (poses.framed(made, seen[0], aspect, head) if seen else made), notes


def _frame(asked: Asked) -> tuple[float | None, float]:
    """Width over height, None to keep the picture's, and how much of the height is the head."""
    head, text = asked.number("head", 0.1, 0.9), asked.text("aspect")
    if text == "keep":
        return None, head
    wide, _, tall = text.partition("x")
    if wide.isdigit() and tall.isdigit() and 0.2 <= int(wide) / max(int(tall), 1) <= 5:
        return int(wide) / int(tall), head
    raise BadRequest(f"pose: aspect {text!r} is no shape.", hint="Write width and height, such as aspect=3x4.")


def _background(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    file, blur = asked.text("picture"), asked.number("blur", 0.0, 1.0) * asked.strength
    people = tools.people(picture)
    if float((people > 127).mean()) < 0.01:
        return picture, (asked.note("nobody", "Nobody is seen, so the background was left.", skipped=True),)
    if blur > 0:
        return backgrounds.on_ground(picture, people, backgrounds.blurred(picture, people, blur)), ()
    if file:
        ground = backgrounds.covering(read_picture(Path(file).expanduser()), size_of(picture))
    else:
        ground = backgrounds.even(size_of(picture), backgrounds.colour_of(asked.text("colour") or "white"))
    return _mixed(picture, backgrounds.on_ground(picture, people, ground), asked.strength), ()


def _check_background(asked: Asked) -> None:
    blur = asked.number("blur", 0.0, 1.0)
    if sum((bool(asked.text("colour")), bool(asked.text("picture")), blur > 0)) > 1:
        raise BadRequest("background takes one of colour, picture and blur.", hint="Leave the others out.")
    backgrounds.colour_of(asked.text("colour") or "white")


def _settle_background(asked: Asked, tools: Tools) -> Settled:
    if not asked.text("picture"):
        return asked.values, {}
    file = Path(asked.text("picture")).expanduser()
    read_picture(file)  # what is wrong with it is better told at once
    return asked.values, {"picture": sha256_of(file)}


def _stylise(picture: Picture, faces: Sequence[Face], asked: Asked, tools: Tools) -> Done:
    return _mixed(picture, _style(asked)(picture, asked.seed), asked.strength), ()


def _style(asked: Asked) -> Callable[[Picture, Seed], Picture]:
    name = asked.text("style")
    if name not in styles.STYLES:
        raise UnknownName("drawing style", name, styles.STYLES)
    return styles.STYLES[name]


def _mixed(before: Picture, after: Picture, strength: float) -> Picture:
    if strength >= 1.0:
        return after
    mixed = before + (after.astype(np.float64) - before) * strength
    return np.asarray(mixed.round(), dtype=np.uint8)


def _fusion_values() -> Values:
    """What fusion can be asked for, but the strength, with flags as 0 and 1."""
    usual = to_data(FusionSettings())
    return {key: value if isinstance(value, str) else float(value) for key, value in usual.items() if key != "strength"}


STEPS: Mapping[str, Kind] = {
    "fuse": Kind(
        _fuse, "the sitter's own photo on the portrait's face", _check_fuse, _fusion_values(), settle=_settle_fuse
    ),
    "restore": Kind(
        _restore, "faces mended by a learned restorer", _nothing, {"name": ""}, 0.8, face=True, settle=_settle_restore
    ),
    "retouch": Kind(
        _retouch, "skin, eyes, teeth and light", _retouch_settings,
        {"skin": 1.0, "eyes": 1.0, "teeth": 1.0, "light": 1.0}, 0.5, face=True,
    ),
    "pose": Kind(_pose, "a tilted head set upright, a frame", _frame, {"aspect": "keep", "head": 0.45}, face=True),
    "background": Kind(
        _background, "an even colour, a picture, or blur", _check_background,
        {"colour": "", "picture": "", "blur": 0.0}, settle=_settle_background,
    ),
    "upscale": Kind(
        _upscale, "more pixels", _scale, {"scale": 2.0, "name": upscalers.LANCZOS}, settle=_settle_upscale
    ),
    "stylise": Kind(_stylise, "pencil, oil, film or cartoon", _style, {"style": "film"}),
}  # fmt: skip
