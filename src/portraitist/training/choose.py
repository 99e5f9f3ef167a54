"""Which checkpoint of a training is the likeness: draws a few pictures by each, scores them, keeps the best.

Three sets of photos never meet: those that are trained on, those that choose (here: `References`), and those that the
report's score is measured on, which nothing here is ever given. That the face decides and not the loss is an idea of
EasyPhoto (aigc-apps/sd-webui-EasyPhoto); what they merge as factors is averaged here as deltas (`lora.merge`). Knows no
photo, no sitter's folder and no face model.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from portraitist import ranking
from portraitist.captions.tagger import THRESHOLD, Tagger
from portraitist.families.base import Model
from portraitist.generation.generate import generate
from portraitist.generation.styled import with_style
from portraitist.lora.formats import Lora, read, write
from portraitist.lora.merge import average
from portraitist.recipes import Base, Recipe, Style
from portraitist.requests import PortraitRequest
from portraitist.training.job import Checkpoint
from portraitist.types import Embedding, OnStep, Picture, Seed, Step, derive_seed, no_progress

ReadFace = Callable[[Picture], Embedding | None]
"""The one face of a picture, or None where there is not exactly one."""

ENOUGH_DIVERSITY = 0.8
"""As a share of the bare base's; what is below it is taken off the score, half."""

ENOUGH_ADHERENCE = 0.95
"""As a share of the bare base's; what is below it is taken off the score."""

_FAR = 1.0
"""How far away a picture without a face counts where the bare base shows none either: only the order matters then."""


@dataclass(frozen=True)
class References:
    """The faces that a checkpoint is compared with; `unseen`: the training has not seen their photos.

    Where it has, a picture's nearest photo is left out of the comparison, so that nothing is gained by copying one.
    """

    faces: tuple[Embedding, ...]
    unseen: bool

    def distance(self, face: Embedding) -> float:
        """Mean distance of a face to the references."""
        far = sorted(float(np.linalg.norm(np.asarray(one) - face)) for one in self.faces)
        return float(np.mean(far if self.unseen or len(far) < 2 else far[1:]))


@dataclass(frozen=True)
class Trial:
    """What every checkpoint is asked for: one picture for each request, and the same of the bare base in words."""

    asked: tuple[PortraitRequest, ...]
    bare: tuple[PortraitRequest, ...]


@dataclass(frozen=True)
class Scored:
    """What a checkpoint (or the mean of several, then `steps` has them all) drew, and how good it is.

    `likeness`: 1 = no way from the references, 0 = as far as what the bare base draws from words, and `each` the same
    of each picture; `adherence` (None without a tagger) and `diversity` are shares of the bare base's, `score` is what
    is chosen by.
    """

    file: Path
    steps: tuple[int, ...]
    likeness: float
    adherence: float | None
    diversity: float | None
    score: float
    pictures: tuple[Picture, ...]
    each: tuple[float, ...] = ()


@dataclass(frozen=True)
class Choice:
    """The chosen one of all that were `scored` (in order; the mean, if tried, last); `bare` is what the base drew."""

    chosen: Scored
    scored: tuple[Scored, ...]
    bare: tuple[Picture, ...]
    seconds: float


def make_trial(
    styles: Sequence[Style], subject: str, words: str, base: Base, recipe: Recipe, seed: Seed, name: str = ""
) -> Trial:
    """The recipe's number of requests, spread over the photo-like `styles` (over all, if none is).

    `subject` is trigger and class word, `words` what words can say of the sitter; seeds come from `seed` alone.
    """
    photo = [style for style in styles if style.photo] or list(styles)
    count = recipe.choose_pictures
    spaced = [photo[i * len(photo) // count] for i in range(count)] if count <= len(photo) else photo
    asked, bare = [], []
    for number, style in enumerate(islice(cycle(spaced), count)):
        one = PortraitRequest(
            name, style=style.name, seed=derive_seed(seed, "choose", number) % 2**32, steps=recipe.choose_steps,
            base=base.name,
        )  # fmt: skip
        asked.append(with_style(one, style, subject, base, recipe))
        bare.append(with_style(one, style, words, base))
    return Trial(tuple(asked), tuple(bare))


@dataclass(frozen=True)
class Bare:
    """What the bare base drew from words, and the ends of the scales that come from it."""

    pictures: tuple[Picture, ...]
    distance: float
    spread: float | None
    adherence: float | None


@dataclass(frozen=True)
class Measure:
    """Scores what was drawn for a trial. `tagger` is the base's own, or None."""

    trial: Trial
    references: References
    read_face: ReadFace
    tagger: Tagger | None = None

    def bare(self, pictures: tuple[Picture, ...]) -> Bare:
        """What the bare base's pictures say."""
        faces = [self.read_face(picture) for picture in pictures]
        far = [self.references.distance(face) for face in faces if face is not None]
        distance = float(np.mean(far)) if far else _FAR
        return Bare(pictures, distance, ranking.spread(pictures), self._adherence(pictures))

    def score(self, pictures: tuple[Picture, ...], bare: Bare, file: Path, steps: tuple[int, ...]) -> Scored:
        """The scores of what the checkpoint in `file` drew; `steps` as in `Scored`."""
        each = likeness_of([self.read_face(picture) for picture in pictures], self.references, bare.distance)
        likeness = float(np.mean(each))
        adherence = _share(self._adherence(pictures), bare.adherence)
        diversity = _share(ranking.spread(pictures), bare.spread)
        score = round(total(likeness, adherence, diversity), 4)
        return Scored(file, steps, round(likeness, 4), adherence, diversity, score, pictures, each)

    def _adherence(self, pictures: Sequence[Picture]) -> float | None:
        """Share of the prompts' words that the base's tagger sees; None without one, or if it knows none of them."""
        if self.tagger is None:
            return None
        shares = []
        for request, scores in zip(self.trial.asked, self.tagger.scores(pictures), strict=True):
            asked = [word.strip().replace(" ", "_") for word in (request.prompt or "").split(",")]
            known = [scores[word] >= THRESHOLD for word in asked if word in scores]
            shares += [float(np.mean(known))] if known else []
        return float(np.mean(shares)) if shares else None


class Chooser:
    """Called by the training with each checkpoint; answers whether the score has peaked. `choose` tells the best."""

    def __init__(
        self, measure: Measure, recipe: Recipe, steps: int, model: Model, on_step: OnStep = no_progress
    ) -> None:
        """`steps`: how many the training has, if nothing ends it before."""
        self._measure, self._recipe, self._model, self._on_step = measure, recipe, model, on_step
        self._first = recipe.choose_from * steps
        self._bare: Bare | None = None
        self._scored: list[Scored] = []
        self._seconds = 0.0

    def __call__(self, point: Checkpoint) -> bool:
        """Score the checkpoint, unless it is too early for one; whether the training has done enough."""
        if point.step < self._first:
            return False
        self._scored.append(self._score(point.file, (point.step,)))
        return peaked(self._scored, self._recipe.choose_patience)

    def choose(self) -> Choice | None:
        """The best of all that were heard of, or None where none was scored. Writes the mean of the best, if asked."""
        if self._bare is None:
            return None
        scored = list(self._scored)
        if self._recipe.choose_average > 1 and len(scored) > 1:
            scored.append(self._averaged(scored))
        return Choice(best(scored), tuple(scored), self._bare.pictures, round(self._seconds, 2))

    def _averaged(self, scored: Sequence[Scored]) -> Scored:
        """The mean of the best, in a file beside them."""
        first = sorted(scored, key=_rank, reverse=True)[: self._recipe.choose_average]
        slots = self._model.slots()
        loras = [read(one.file, slots) for one in first]
        steps = tuple(sorted(step for one in first for step in one.steps))
        told = {
            **loras[0].metadata,
            "ss_network_alpha": str(float(self._recipe.rank)),
            "ss_training_comment": f"mean of the deltas after steps {', '.join(str(step) for step in steps)}",
        }
        mean = average(loras, rank=self._recipe.rank, metadata=told)
        return self._score(write(first[0].file.with_name("mean.safetensors"), mean, slots), steps)

    def _score(self, file: Path, steps: tuple[int, ...]) -> Scored:
        begun = time.monotonic()
        trial = self._measure.trial
        if self._bare is None:
            self._bare = self._measure.bare(self._draw(trial.bare, None, "the bare base"))
        lora = read(file, self._model.slots())
        pictures = self._draw(trial.asked, lora, "the mean" if len(steps) > 1 else f"step {steps[0]}")
        scored = self._measure.score(pictures, self._bare, file, steps)
        self._seconds += time.monotonic() - begun
        return scored

    def _draw(self, requests: Sequence[PortraitRequest], lora: Lora | None, what: str) -> tuple[Picture, ...]:
        """One picture a request, by the file as it would be used and not by the layers in training."""
        drawn: list[Picture] = []
        for number, request in enumerate(requests):
            self._on_step(Step("choose", number, len(requests), what))
            with self._model.resting():
                drawn += [portrait.pixels for portrait in generate(request, self._model, lora)]
        self._on_step(Step("choose", len(requests), len(requests), what))
        return tuple(drawn)


def likeness_of(faces: Sequence[Embedding | None], references: References, bare: float) -> tuple[float, ...]:
    """1 - distance / `bare` of each face; a picture without a usable face is as far as the bare base's."""
    return tuple(0.0 if face is None else 1.0 - references.distance(face) / bare for face in faces)


def total(likeness: float, adherence: float | None, diversity: float | None) -> float:
    """The likeness, less what it cost: pictures that no longer follow the prompt, or that are all the same."""
    poor = 0.0 if diversity is None else max(0.0, ENOUGH_DIVERSITY - diversity)
    deaf = 0.0 if adherence is None else max(0.0, ENOUGH_ADHERENCE - adherence)
    return likeness - 0.5 * poor - deaf


def best(scored: Sequence[Scored]) -> Scored:
    """The one trained longest of those that are not clearly below the highest score."""
    top = max(scored, key=_rank)
    return max((one for one in scored if not clearly_above(top, one)), key=lambda one: (max(one.steps), len(one.steps)))


def clearly_above(one: Scored, other: Scored) -> bool:
    """Whether the scores differ by more than chance makes them, drawn for the same prompts from the same noise.

    That is: by more than the standard error of the mean difference of their pictures. Scores of six pictures scatter
    by 0.02 while a likeness still grows by 0.1, so that the plain highest was often one too early
    (benchmarks/likeness_choosing.py).
    """
    apart = np.subtract(one.each, other.each)
    noise = float(np.std(apart, ddof=1) / np.sqrt(len(apart))) if len(apart) > 1 else 0.0
    return one.score - other.score > noise


def peaked(scored: Sequence[Scored], patience: int) -> bool:
    """Whether the last `patience` are all clearly below the best before them; never with a patience of 0."""
    if patience < 1 or len(scored) <= patience:
        return False
    top = max(scored[:-patience], key=_rank)
    return all(clearly_above(top, one) for one in scored[-patience:])


def _rank(one: Scored) -> tuple[float, int]:
    return one.score, max(one.steps)


def _share(value: float | None, bare: float | None) -> float | None:
    return None if value is None or not bare else round(value / bare, 4)
