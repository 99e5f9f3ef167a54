"""What finishing is asked for and reports: frozen dataclasses of plain values; `requests` names them too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from portraitist.types import Strict


@dataclass(frozen=True)
class FusionSettings(Strict):
    """How the sitter's photos are laid on a portrait (see `finishing.fusion`).

    `when` needed: only where the portrait is farther from the sitter's photos than one of them usually is from the
    others and, where that is known, its likeness score is under `below`; always: wherever it gains. `gain` is by how
    much it has to come nearer to photos that are not the source, as a distance in dlib's space.
    `strength` 0 … 1 scales those of the three zones; `split`, in eye distances, is how coarse light and colour are that
    stay the portrait's; `yaw`, in degrees, how differently the heads may be turned; at most `tries` photos are tried.
    `drawn`: painted and drawn portraits too. `method` other than warp names a learned swapper.
    """

    when: Literal["needed", "always"] = "needed"
    below: float = 0.5
    gain: float = 0.03
    strength: float = 1.0
    eyes: float = 1.0
    skin: float = 0.85
    lips: float = 0.85
    split: float = 0.33
    yaw: float = 20.0
    tries: int = 4
    drawn: bool = False
    method: str = "warp"


@dataclass(frozen=True)
class FusionTrial(Strict):
    """One photo that was laid on: the portrait's distance to the sitter's other photos before and after, and its scores
    by them. `code` is `sound`, or why the result was not taken: `faces`, `blurred`."""

    source: str
    code: str = "sound"
    before: float | None = None
    after: float | None = None
    score_before: float | None = None
    score_after: float | None = None


@dataclass(frozen=True)
class FusionReport(Strict):
    """Whether a portrait was fused, with which photo, or why not: `code` is `fused`, `alike` (like the sitter already),
    `no_gain`, `no_source`, `few_photos`, `faces`, `drawn`.

    Distances are to photos that are not the source; `spread` is how far one of the sitter's photos usually lies from
    the others. Scores are likeness scores by those same photos, None where it is not known how far words come.
    """

    fused: bool = False
    code: str = ""
    message: str = ""
    source: str | None = None
    distance_before: float | None = None
    distance_after: float | None = None
    spread: float | None = None
    score_before: float | None = None
    score_after: float | None = None
    trials: tuple[FusionTrial, ...] = ()


@dataclass(frozen=True)
class FinishStep(Strict):
    """One step of finishing: its `name` (see `finishing.steps.STEPS`), `strength` 0 (the picture stays as it is, bit
    for bit) … 1, and its own `settings` by name. `sha256` pins the files that it takes: a network under `name`, a
    background under `picture`, the sitter's photos under `photos`."""

    name: str
    strength: float = 1.0
    settings: Mapping[str, str | float] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FinishRequest(Strict):
    """What is done to a finished picture, in this order. `seed` moves what is random (grain); `sitter` is whose photos
    the step `fuse` takes, None in a portrait's request, which names the sitter itself."""

    steps: tuple[FinishStep, ...] = ()
    seed: int = 42
    sitter: str | None = None


@dataclass(frozen=True)
class FinishNote(Strict):
    """What a step has to say: a code, such as `no_face`, and a sentence. `skipped`: it did nothing."""

    step: str
    code: str
    message: str
    skipped: bool = False


@dataclass(frozen=True)
class FinishedFile(Strict):
    """One picture that was finished: the file that was written (size in pixels), what it was made of, what the steps
    said, and the files of the pictures between, in order. `mark` is IPTC's digital source type in it, None for a plain
    photo of which nothing is to be said."""

    file: str
    source: str
    width: int
    height: int
    notes: tuple[FinishNote, ...] = ()
    stages: tuple[str, ...] = ()
    mark: str | None = None


@dataclass(frozen=True)
class Unfinished(Strict):
    """A picture that could not be finished: its file, and the code and sentence of the error."""

    source: str
    code: str
    message: str


@dataclass(frozen=True)
class FinishReport(Strict):
    """The document of `finish --json`. Of several pictures one that cannot be finished is told, and does not stop the
    others."""

    request: FinishRequest
    files: tuple[FinishedFile, ...]
    failed: tuple[Unfinished, ...] = ()
