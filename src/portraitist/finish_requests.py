"""What finishing is asked for and reports: frozen dataclasses of plain values; `requests` names them too."""

from dataclasses import dataclass
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
