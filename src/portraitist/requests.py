"""Requests and reports: the values that cross every border, and their JSON.

If it changes the picture, it is in the request. All are frozen dataclasses of plain values; pydantic checks what comes
in from JSON (`from_json`, `from_data`), and an unknown key is an error. Nothing here does work."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from portraitist.errors import BadRequest, key_fault
from portraitist.finish_requests import FinishedFile as FinishedFile
from portraitist.finish_requests import FinishNote as FinishNote
from portraitist.finish_requests import FinishReport as FinishReport
from portraitist.finish_requests import FinishRequest as FinishRequest
from portraitist.finish_requests import FinishStep as FinishStep
from portraitist.finish_requests import FusionReport as FusionReport
from portraitist.finish_requests import FusionSettings as FusionSettings
from portraitist.finish_requests import FusionTrial as FusionTrial
from portraitist.types import LoraUse, Strict

T = TypeVar("T")

Kind = Literal["person", "pet"]
Framing = Literal["head", "half", "full"]
Shape = Literal["auto", "square", "buckets"]
Background = Literal["keep", "white"]
Verdict = Literal["accepted", "rejected"]

Corners = tuple[float, float, float, float]
"""x, y, width, height: in pixels, or as shares of the picture if none exceeds 1."""

MIN_PHOTOS = 3
"""Fewer accepted photos are no training set."""

HELD_OUT_FROM = 6
"""From this many accepted photos on, HELD_OUT of them stay out of the training and measure the likeness."""

HELD_OUT = 2

CHOOSE_FROM = 8
"""From this many on, a recipe that chooses among checkpoints has photos of its own for that; with fewer, one of the
HELD_OUT chooses and the other measures."""

CHOOSE_TWO_FROM = 10


@dataclass(frozen=True)
class TrainRequest(Strict):
    """Everything that fixes a likeness, but for the photos' own bytes.

    `photos` are files or folders; `recipe` None takes the base's own; `face` is a point (x, y) in the face to take
    where a photo has several, as shares 0 … 1 of width and height; `captioner` says who describes the photos (see
    `captions.describe`), `tag_rules` which of its tags stay (see `captions.tags`), `keep_tags` and `remove_tags` are
    the user's own and beat the rules; `faces` names the face models (see `faces.parts`); `crops` are boxes by hand of
    a pet or a thing, by file name, or for all photos under the empty name.
    `framing` None takes the recipe's; `shape` says whether crops have the base's own shape or the bucket that suits the
    photo (auto: buckets for half and full); `background` white puts the head (in wider framings the person) on white;
    `enlarge` takes photos with smaller faces too and enlarges them (Lanczos; `close` bicubic), which adds no detail;
    `class_images` is a folder of others of the sitter's kind, looked at beside the photos (None: as the recipe says).
    `size` (width, height) is trained at in place of the base's own; `memory` is the preset for GPUs of so many
    gigabytes (`library/memory`), or auto: the largest that fits, which may lower the recipe's batch.
    """

    sitter: str
    photos: tuple[str, ...]
    base: str = "mini"
    recipe: str | None = None
    trigger: str = "ohwx"
    class_word: str = "person"
    kind: Kind = "person"
    seed: int = 42
    face: tuple[float, float] | None = None
    keep_all: bool = False
    captioner: str = "auto"
    faces: str = "embedded"
    crops: Mapping[str, Corners] = field(default_factory=dict)
    tag_rules: str = "ours"
    keep_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    framing: Framing | None = None
    shape: Shape = "auto"
    background: Background = "keep"
    enlarge: bool = False
    class_images: str | None = None
    size: tuple[int, int] | None = None
    memory: str = "auto"


@dataclass(frozen=True)
class PortraitRequest(Strict):
    """Everything that fixes `count` portraits. None means: what sitter, style, recipe or base say.

    Picture i has a seed that comes from `seed` and i alone; the request in its PNG names that seed with `count` 1 and
    no None that could change its pixels. `likeness_sha256` pins the LoRA file, `base_version` the base, `hires_sha256`
    a network that `hires_upscaler` names. `hires_scale` (None: off) draws a second pass at so many times `size`, with
    noise for `hires_denoise` of its schedule. `tiles` (None: if memory is short) decodes part by part. `batch` pictures
    are computed at a time (auto: as many as the memory holds); it rounds pixels a little, so a PNG tells the number."""

    sitter: str
    style: str | None = None
    prompt: str | None = None
    negative: str | None = None
    count: int = 1
    seed: int = 42
    size: tuple[int, int] | None = None
    sampler: str | None = None
    steps: int | None = None
    cfg: float | None = None
    clip_skip: int | None = None
    strength: float | None = None
    base: str | None = None
    base_version: str | None = None
    likeness_sha256: str | None = None
    hires_scale: float | None = None
    hires_upscaler: str | None = None
    hires_denoise: float | None = None
    hires_steps: int | None = None
    hires_sha256: str | None = None
    tiles: bool | None = None
    batch: int | Literal["auto"] = 1
    loras: tuple[LoraUse, ...] = ()
    finish: FinishRequest | None = None


@dataclass(frozen=True)
class Reason(Strict):
    """Why a photo or a portrait is rejected: a code of the interfaces, the measured value, the limit, one sentence."""

    code: str
    value: float | None
    limit: float | None
    message: str


@dataclass(frozen=True)
class FaceReport(Strict):
    """The sitter's face in a photo: box [x, y, width, height] in pixels, angles in degrees, distance to the others."""

    box: tuple[float, float, float, float]
    yaw: float
    pitch: float
    roll: float
    distance: float | None = None


@dataclass(frozen=True)
class PhotoVerdict(Strict):
    """One photo, accepted or rejected with reasons; `subject` is the box in pixels of a pet or a thing.

    `turned`: degrees clockwise (0, 90, 180, 270) by which the photo was turned, beyond its EXIF, because its faces
    stood so; boxes are in the pixels of the upright photo.
    """

    file: str
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    face: FaceReport | None = None
    turned: int = 0
    subject: Corners | None = None


@dataclass(frozen=True)
class Warn(Strict):
    """Something that the user should know and that stops nothing."""

    code: str
    message: str


@dataclass(frozen=True)
class CheckReport(Strict):
    """The document of `check --json`."""

    photos: tuple[PhotoVerdict, ...]
    warnings: tuple[Warn, ...] = ()

    @property
    def accepted(self) -> tuple[PhotoVerdict, ...]:
        return tuple(photo for photo in self.photos if photo.verdict == "accepted")

    @property
    def enough(self) -> bool:
        return len(self.accepted) >= MIN_PHOTOS


@dataclass(frozen=True)
class Checkpoint(Strict):
    """A training's state at a step; `score` is what it was chosen by, out of the three numbers behind it (see
    `ChoosingReport`), `chosen` whether it is the likeness or part of it."""

    step: int
    loss: float | None = None
    score: float | None = None
    chosen: bool = False
    likeness: float | None = None
    adherence: float | None = None
    diversity: float | None = None


@dataclass(frozen=True)
class ChoosingReport(Strict):
    """How the likeness was chosen among the checkpoints: by `pictures` drawn by each, compared with the faces of
    `photos`.

    `by` says whether training has seen these photos (then a picture's nearest one does not count); none of them is
    what the report's score is measured on. `likeness`: 1 = no way from them, 0 = as far as what the bare base draws of
    the sitter in words; `adherence` (null without a tagger of the base) and `diversity` as shares of the bare base's.
    `steps`: of the chosen checkpoint, or of those whose mean is the likeness; `planned`: how many steps the training
    would have had. `file` shows what they drew.
    """

    by: Literal["unseen photos", "training photos"]
    photos: tuple[str, ...]
    pictures: int
    steps: tuple[int, ...]
    score: float
    likeness: float
    adherence: float | None
    diversity: float | None
    planned: int
    seconds: float
    prompts: tuple[str, ...] = ()
    file: str = "choosing.jpg"


@dataclass(frozen=True)
class TrainingReport(Strict):
    """`visits` = pictures seen, with repeats; `loss` = means over equal parts of the training, in order; `choosing` is
    None where the last checkpoint is the likeness, its seconds are part of `seconds`."""

    seconds: float
    steps: int
    visits: int
    loss: tuple[float, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    choosing: ChoosingReport | None = None


@dataclass(frozen=True)
class ChooseRequest(Strict):
    """How portraits are chosen; it changes no pixels, only which pictures are kept.

    Candidates are made until `count` of the portraits' request are good, at most `budget` (None: the settings'; for one
    portrait: one); or exactly `candidates`, of which the best are kept. `keep_rejected` writes the others into the
    folder `rejected`; `scorers` are learned ones, by name.
    """

    budget: int | None = None
    candidates: int | None = None
    keep_rejected: bool = False
    scorers: tuple[str, ...] = ()


@dataclass(frozen=True)
class PortraitScores(Strict):
    """What a portrait was kept or rejected by, each 0 … 1. `likeness` (1 = in the middle of the training photos, 0.5 =
    at the sitter's own threshold) is None where nothing can be compared; it is no measure of success, for the portrait
    was chosen by it. `variety` is 1 less what it shares with those before it; `learned` is by the scorer's name."""

    total: float
    likeness: float | None
    quality: float
    variety: float
    learned: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PortraitReport(Strict):
    """One portrait; `likeness` is its own score or None, `faces` how many the detector found.

    `distance` is how far its face is from the training photos (what the order of the portraits goes by); `photo` says
    whether its style is photo-like. `scores` are told where portraits were chosen, `reasons` what speaks against it.
    """

    file: str
    style: str | None
    prompt: str
    seed: int
    likeness: float | None
    faces: int
    distance: float | None = None
    photo: bool = True
    scores: PortraitScores | None = None
    reasons: tuple[Reason, ...] = ()
    finished: tuple[FinishNote, ...] = ()  # what the steps of finishing did


@dataclass(frozen=True)
class PortraitsReport(Strict):
    """The document of `portrait --json`: `portraits` lie in `folder`, the best first. `rejected` are the candidates
    that were not kept, each with its reasons; their `file` is empty unless they were to be written."""

    folder: str
    portraits: tuple[PortraitReport, ...]
    rejected: tuple[PortraitReport, ...] = ()
    warnings: tuple[Warn, ...] = ()


@dataclass(frozen=True)
class PassReport(Strict):
    """One run of the sampler: `steps`, the last of a schedule of `of`, at `size`; see `generation.hires`."""

    size: tuple[int, int]
    steps: int
    of: int
    upscaler: str | None = None


@dataclass(frozen=True)
class PlanReport(Strict):
    """The document of `portrait --dry-run`: the complete request, and what each of its pictures would take."""

    request: PortraitRequest
    seeds: tuple[int, ...]
    passes: tuple[PassReport, ...]
    warnings: tuple[Warn, ...] = ()


@dataclass(frozen=True)
class LikenessReport(Strict):
    """`score` (mean over the portraits in photo-like styles, at most 1) or None with the `reason`; `top1` 0 … 1.

    `painted` is the mean over the other styles; `words` is the prompt that stands for what words can say of the sitter,
    `d_words` and `d_same` are the two ends of the scale, as distances.
    """

    score: float | None = None
    reason: str | None = None
    top1: float | None = None
    painted: float | None = None
    words: str | None = None
    d_words: float | None = None
    d_same: float | None = None


@dataclass(frozen=True)
class BaseReport(Strict):
    """Which base a likeness stands on."""

    name: str
    version: str
    sha256: str | None = None


@dataclass(frozen=True)
class Report(Strict):
    """`report.json`: what a training or a demo did. Parts that did not happen are empty or None."""

    sitter: str = ""
    photos: tuple[PhotoVerdict, ...] = ()
    held_out: tuple[str, ...] = ()
    captions: Mapping[str, str] = field(default_factory=dict)
    training: TrainingReport | None = None
    portraits: tuple[PortraitReport, ...] = ()
    likeness: LikenessReport = LikenessReport()
    seconds: Mapping[str, float] = field(default_factory=dict)
    base: BaseReport | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Warn, ...] = ()


def to_data(value: Any) -> Any:
    """The plain JSON values of a request or report (dicts, lists, strings, numbers, None)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_data(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_data(item) for item in value]
    return value


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON of a request or report; keys in the order of the fields, no NaN."""
    return json.dumps(to_data(value), ensure_ascii=False, indent=indent, allow_nan=False)


def from_data(kind: type[T], data: object) -> T:
    """Check plain values and build a `kind`. Raises BadRequest that names the key."""
    return _checked(kind, lambda adapter: adapter.validate_python(data))


def from_json(kind: type[T], text: str | bytes) -> T:
    """Read a `kind` from JSON. Raises BadRequest that names the key."""
    return _checked(kind, lambda adapter: adapter.validate_json(text))


def _checked(kind: type[T], read: Callable[[TypeAdapter[T]], T]) -> T:
    try:
        return read(TypeAdapter(kind))
    except ValidationError as error:
        first = error.errors()[0]
        place = [part for part in first["loc"] if part != "int"]  # pydantic's, where a number or a word may stand
        told = key_fault(place, first["type"], first["msg"])
        raise BadRequest(f"{kind.__name__}: {told}.") from error
