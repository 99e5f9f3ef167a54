"""Fusion: the sitter's own skin, eyes and lips, out of a photo, onto the face of a portrait. No face swap: the shape of
the head, its pose and the light stay the portrait's.

A photo is laid over the portrait (`warp`), its detail put into the portrait's light (`blend`) in three zones (`zones`).
Several photos are tried (`matching`), and what comes out is kept only where it is nearer to *other* photos of the
sitter by a clear step. Knows no files and no styles; nothing random is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from portraitist.errors import BadRequest, MissingModel, UnknownName
from portraitist.faces import Face, distance, distances, leave_one_out, mean
from portraitist.faces.spaces import DLIB, SPACES, same_shot, space_of
from portraitist.finishing import blend, warp, zones
from portraitist.finishing.matching import Source, State, by_suit, same_eyes, same_mouth, state_of
from portraitist.photos.measures import blur_of
from portraitist.requests import FusionReport, FusionSettings, FusionTrial
from portraitist.types import Embedding, Picture

MIN_WITNESSES = 2
"""Photos other than the source that have to be there to judge by."""

_TWIN = 0.2
"""Photos nearer to the source than this, in dlib's space, may be the same shot: they prove nothing about it."""

_BLURRIER = 0.05
"""By how much a face may grow more blurred."""


class FaceSeer(Protocol):
    """What is needed of the face stack."""

    def detect(self, picture: Picture) -> list[Face]: ...

    def embed(self, picture: Picture, face: Face) -> Embedding: ...

    def opening(self, picture: Picture, face: Face) -> float: ...


@dataclass(frozen=True)
class Gate:
    """Who judges whether a portrait gained: photos of the sitter by name, as embeddings, and the face stack.

    A source is never among its own judges. `words` is the mean distance between the sitter's photos and what words can
    say of the sitter (`d_words` of the sitter's record), where that is known: it makes scores of distances. No photo
    that was held out to measure the likeness belongs here.
    """

    seer: FaceSeer
    photos: Sequence[tuple[str, Embedding]]
    words: float | None = None

    def witnesses(self, source: Source | None = None) -> list[Embedding]:
        """The judges of what is made with `source`: all but that photo and others of its shot."""
        if source is None:
            return [face for _, face in self.photos]
        twin = same_shot(source.embedding, _TWIN)
        return [face for name, face in self.photos if name != source.name and distance(face, source.embedding) >= twin]

    def score(self, face: Embedding, witnesses: Sequence[Embedding]) -> float | None:
        """The likeness score of a face by these photos: 0 = as far as words, 1 = as near as they are to each other."""
        pairs = distances(witnesses)
        own = float(pairs.sum() / (len(pairs) * (len(pairs) - 1)))
        if self.words is None or self.words <= own:
            return None
        far = float(np.mean([distance(face, witness) for witness in witnesses]))
        return round(min(1.0, (self.words - far) / (self.words - own)), 4)


@dataclass(frozen=True)
class Fused:
    """A portrait after the step, fused or as it was, and what is to be said about it."""

    picture: Picture
    report: FusionReport


@dataclass(frozen=True)
class _Target:
    """A portrait with its face as it was, and what of it every source needs: the view around the face in CIELAB, its
    light, zones, and where its skin is bare."""

    picture: Picture
    state: State
    window: warp.Window
    lab: zones.Lab
    inside: zones.Weights
    light: zones.Lab
    parts: zones.Zones
    bare: zones.Weights


def fuse(
    picture: Picture, found: Sequence[Face], sources: Sequence[Source], settings: FusionSettings, gate: Gate,
    *, drawn: bool = False,
) -> Fused:  # fmt: skip
    """Fuse the best of the sources onto the one face `found` in a portrait, or leave the portrait alone.

    `drawn`: the portrait is painted or drawn, and photographic skin would spoil it. The report says what was done and
    why. Raises MissingModel or UnknownName for a method that is not there, BadRequest for numbers out of range.
    """
    check_settings(settings)
    if drawn and not settings.drawn:
        return _left(picture, "drawn", "A painted or drawn portrait is left as it is.")
    if len(found) != 1:
        what = "no face" if not found else f"{len(found)} faces"
        return _left(picture, "faces", f"The portrait shows {what}; only one with exactly one face is fused.")
    if len(gate.photos) < MIN_WITNESSES:
        return _left(picture, "few_photos", _too_few(gate))
    own = gate.seer.embed(picture, found[0])
    report = _need(own, settings, gate)
    if report.code:
        return Fused(picture, report)
    target = _target(picture, found[0], state_of(picture, found[0], gate.seer), settings)
    return _best(target, own, sources, settings, gate, report)


def _best(
    target: _Target, own: Embedding, sources: Sequence[Source], settings: FusionSettings, gate: Gate,
    report: FusionReport,
) -> Fused:  # fmt: skip
    """The source that gains most laid on, if it gains enough; `own` is the face as it was."""
    judged = [source for source in sources if len(gate.witnesses(source)) >= MIN_WITNESSES]
    if not judged:
        return Fused(target.picture, replace(report, code="few_photos", message=_too_few(gate)))
    suited = by_suit(target.state, judged, settings.yaw, settings.tries)
    if not suited:
        text = f"No photo shows the sitter's head turned within {settings.yaw:g} degrees of the portrait's."
        return Fused(target.picture, replace(report, code="no_source", message=text))
    tries = [_try(target, own, source, settings, gate) for source in suited]
    report = replace(report, trials=tuple(one.trial for one in tries))
    best = max((one for one in tries if one.trial.code == "sound"), key=lambda one: one.gain, default=None)
    least = settings.gain * _unit(own)
    if best is None or best.gain < least:
        most = "none left a sound face" if best is None else f"the most was {best.gain:.3f}"
        text = f"None of {len(tries)} photos brings it nearer to the others by {least:g}; {most}."
        return Fused(target.picture, replace(report, code="no_gain", message=text))
    trial = best.trial
    text = f"{trial.source} was laid on: {trial.before:.2f} from the other photos became {trial.after:.2f}."
    report = replace(
        report, fused=True, code="fused", message=text, source=trial.source, distance_before=trial.before,
        distance_after=trial.after, score_before=trial.score_before, score_after=trial.score_after,
    )  # fmt: skip
    return Fused(best.picture, report)


def _need(own: Embedding, settings: FusionSettings, gate: Gate) -> FusionReport:
    """The report so far: with a code, if the portrait is like the sitter already."""
    witnesses = gate.witnesses()
    far, spread = distance(own, mean(witnesses)), float(leave_one_out(witnesses).mean())
    score = gate.score(own, witnesses)
    report = FusionReport(distance_before=round(far, 4), spread=round(spread, 4), score_before=score)
    if settings.when == "always":
        return report
    if far <= spread:
        text = f"It lies as near to the sitter's photos ({far:.2f}) as one of them to the others ({spread:.2f})."
        return replace(report, code="alike", message=text)
    if score is not None and score >= settings.below:
        text = f"Its likeness score, {score:.2f}, is not below {settings.below:g}."
        return replace(report, code="alike", message=text)
    return report


def _unit(face: Embedding) -> float:
    """How much farther apart faces lie in the space of a face than in dlib's."""
    return SPACES.get(space_of(face), DLIB).floor / DLIB.floor


@dataclass(frozen=True)
class _Tried:
    """A portrait with one source laid on."""

    picture: Picture
    trial: FusionTrial

    @property
    def gain(self) -> float:
        return (self.trial.before or 0.0) - (self.trial.after or 0.0)


def _try(target: _Target, own: Embedding, source: Source, settings: FusionSettings, gate: Gate) -> _Tried:
    """Lay one source on, and measure how far that brought the face."""
    witnesses = gate.witnesses(source)
    made = _laid(target, source, settings)
    seen = gate.seer.detect(made)
    if len(seen) != 1:
        return _Tried(made, FusionTrial(source.name, "faces"))
    centre, face = mean(witnesses), gate.seer.embed(made, seen[0])
    blurrier = blur_of(made, seen[0]) - target.state.blur > _BLURRIER
    before, after = (round(distance(one, centre), 4) for one in (own, face))
    scores = (gate.score(one, witnesses) for one in (own, face))
    return _Tried(made, FusionTrial(source.name, "blurred" if blurrier else "sound", before, after, *scores))


def lay_on(picture: Picture, face: Face, state: State, source: Source, settings: FusionSettings) -> Picture:
    """The portrait with the source's detail on its `face`, ungated: uint8 (height, width, 3), same size.

    Pixels outside of the face are the portrait's to the last bit.
    """
    return _laid(_target(picture, face, state, settings), source, settings)


def _target(picture: Picture, face: Face, state: State, settings: FusionSettings) -> _Target:
    window = warp.window_of(picture, face)
    lab, inside = blend.to_lab(warp.view_of(picture, window)), zones.inside(window).astype(np.float64)
    bare = zones.own_skin(lab, window)
    light = blend.low(lab, zones.lit(bare, window), settings.split * window.eye_distance)
    return _Target(picture, state, window, lab, inside, light, zones.zones_of(window, state.glasses), bare)


def _laid(target: _Target, source: Source, settings: FusionSettings) -> Picture:
    window, state, parts = target.window, target.state, target.parts
    laid = warp.lay(source.picture, source.face, window)
    photo = blend.to_lab(laid.picture)
    bare = zones.own_skin(photo, window, beard=True)
    light = blend.low(photo, zones.lit(bare, window), settings.split * window.eye_distance)
    tone = blend.tone(target.picture, source.picture)
    made = blend.relight(target.lab, photo, target.light, light, target.inside, tone)
    weights = (settings.strength * laid.trust * target.bare * bare) * (
        settings.eyes * same_eyes(state, source.state) * parts.eyes
        + settings.skin * parts.skin
        + settings.lips * same_mouth(state, source.state) * parts.lips
    )
    fused, (x, y) = target.picture.copy(), (int(window.box.x), int(window.box.y))
    part = blend.mix(warp.view_of(target.picture, window), made, target.lab, weights.clip(0, 1))
    fused[y : y + window.size.height, x : x + window.size.width] = part
    return fused


SWAPPERS = {
    "inswapper": "InsightFace's inswapper_128: for non-commercial research only",
    "simswap": "SimSwap: for non-commercial research only (CC BY-NC 4.0)",
    "blendswap": "BlendSwap: for non-commercial research only",
    "hyperswap": "HyperSwap: ResearchRAIL, for research only",
    "ghost": "GHOST: Apache-2.0, but driven by an ArcFace embedding of InsightFace, for non-commercial research only",
}
"""Learned face swappers and their terms. None is part of the studio and none is fetched."""


def check_settings(settings: FusionSettings) -> None:
    """Whether fusion can be done so. Raises BadRequest that names the setting, and what `check_method` raises."""
    check_method(settings.method)
    shares = {name: getattr(settings, name) for name in ("strength", "eyes", "skin", "lips")}
    for name, value in shares.items():
        if not 0.0 <= value <= 1.0:
            raise BadRequest(f"Fusion: {name} is {value:g}; it has to be from 0 to 1.")
    least = {"gain": 0.0, "split": 0.05, "yaw": 0.0, "tries": 1}
    for name, low in least.items():
        if not getattr(settings, name) >= low:
            raise BadRequest(f"Fusion: {name} is {getattr(settings, name):g}; it has to be at least {low:g}.")


def check_method(method: str) -> None:
    """Whether faces can be fused by `method`. Raises MissingModel for a learned swapper, with its terms, and
    UnknownName."""
    if method == "warp":
        return
    if method in SWAPPERS:
        raise MissingModel(
            f"The face swapper {method} is not part of this studio. Its terms: {SWAPPERS[method]}.",
            hint="Use the method 'warp', which needs no model and puts the sitter's own photos on the portrait.",
        )
    raise UnknownName("method of fusion", method, ("warp", *SWAPPERS))


def _too_few(gate: Gate) -> str:
    return f"{len(gate.photos)} photos are too few: beside the one laid on, {MIN_WITNESSES} others have to judge."


def _left(picture: Picture, code: str, message: str) -> Fused:
    return Fused(picture, FusionReport(code=code, message=message))
