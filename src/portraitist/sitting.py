"""Portraits of a trained sitter: requests in, marked and ranked files out.

Knows the sitter's folder, styles and seeds. Knows no training.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from portraitist import measure, ranking
from portraitist.captions.tags import subject
from portraitist.errors import BadFile, MissingModel, UnfitModel
from portraitist.families.base import Model
from portraitist.generation.generate import generate
from portraitist.generation.portrait import KEY, Portrait
from portraitist.generation.styled import with_style
from portraitist.images import read_png_text, save_png
from portraitist.lora.formats import Lora, read
from portraitist.recipes import Recipe, Style
from portraitist.requests import FinishNote, PortraitReport, PortraitRequest, TrainRequest
from portraitist.store.sitters import SitterFolder, SitterRecord
from portraitist.types import Embedding, LoraUse, OnStep, Picture, Size, Step, derive_seed, no_progress
from portraitist.weights import sha256_of


@dataclass(frozen=True)
class Made:
    """A portrait: its report, its pixels, its face, and the text that goes into its file."""

    report: PortraitReport
    pixels: Picture
    face: Embedding | None
    candidate: ranking.Candidate
    text: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sitting:
    """A sitter before the camera: the folder, the loaded likeness with its sha256, the photos' faces; and what the
    pictures go through once they are drawn, and what enlarges them between two passes."""

    folder: SitterFolder
    subject: str
    lora: Lora
    sha256: str
    record: measure.FaceRecord
    finisher: Callable[[Picture], tuple[Picture, tuple[FinishNote, ...]]] | None = None
    others: tuple[tuple[Lora, float], ...] = ()
    enlarge: Callable[[Picture, Size], Picture] | None = None


def sit(folder: SitterFolder, record: SitterRecord, model: Model, faces: measure.FaceRecord) -> Sitting:
    """Load the sitter's likeness. Raises MissingModel when it was never trained, UnfitModel for another base."""
    if not folder.likeness.is_file():
        raise MissingModel(
            f"The sitter {folder.name!r} has no likeness yet.",
            hint=f"Train it: portraitist train PHOTOS --sitter '{folder.name}'",
        )
    words = subject(record.trigger, record.class_word)
    return Sitting(folder, words, read(folder.likeness, model.slots()), sha256_of(folder.likeness), faces)


def with_others(sitting: Sitting, uses: Sequence[LoraUse], files: Sequence[Path], model: Model) -> Sitting:
    """The sitting with other LoRAs beside the likeness, read from `files`. Raises UnfitModel for one of another family,
    or where it is not the file that a portrait was made with."""
    others = []
    for use, file in zip(uses, files, strict=True):
        if use.sha256 is not None and use.sha256 != sha256_of(file):
            raise UnfitModel(
                f"The LoRA {use.name} is another file than the one that this portrait was made with.",
                hint="Ask for a new portrait.",
            )
        others.append((read(file, model.slots()), 1.0 if use.strength is None else use.strength))
    return replace(sitting, others=tuple(others))


def make_styled(
    sitting: Sitting,
    model: Model,
    recipe: Recipe,
    styles: Sequence[Style],
    per_style: int,
    request: TrainRequest,
    faces: measure.FaceReader,
    on_step: OnStep = no_progress,
) -> tuple[Made, ...]:
    """`per_style` portraits in each style, in the sitter's folder; the best of each style first."""
    made: list[Made] = []
    for number, style in enumerate(styles if per_style else ()):
        seed = derive_seed(request.seed, "style", style.name) % 2**32
        asked = PortraitRequest(sitting.folder.name, style=style.name, count=per_style, seed=seed, base=model.base.name)
        step = Step("portraits", number, len(styles), style.title or style.name)
        filled = with_style(asked, style, sitting.subject, model.base, recipe)
        made += make(
            filled, sitting, model, faces, sitting.folder.root,
            below="portraits/", photo=style.photo, on_step=_Same(on_step, step),
        )  # fmt: skip
    if per_style:
        on_step(Step("portraits", len(styles), len(styles)))
    by_name = {one.candidate.name: one for one in made}
    chosen = ranking.choose([one.candidate for one in made], len(made))
    return tuple(by_name[candidate.name] for candidate in chosen)


def make(
    request: PortraitRequest,
    sitting: Sitting,
    model: Model,
    faces: measure.FaceReader,
    root: Path,
    *,
    below: str = "",
    photo: bool = True,
    on_step: OnStep = no_progress,
) -> list[Made]:
    """Make the request's portraits, write each as soon as it is there into `root` (`below` it), and mark it."""
    made = []
    kept = () if below else (root,)  # a training's portraits take the place of those of the one before
    making = make_each(request, sitting, model, faces, kept=kept, below=below, photo=photo, on_step=on_step)
    with closing(making):
        for one in making:
            save_png(root / one.report.file, one.pixels, one.text)
            made.append(one)
    return made


def make_each(
    request: PortraitRequest,
    sitting: Sitting,
    model: Model,
    faces: measure.FaceReader,
    *,
    kept: Sequence[Path] = (),
    below: str = "",
    photo: bool = True,
    ranked: bool = False,
    on_step: OnStep = no_progress,
) -> Generator[Made, None, None]:
    """The request's portraits one by one, marked and not yet written; whoever has enough closes it.

    Their names are free in the folders `kept`, or there is the same portrait. Faces are looked at as steadily as
    choosing needs it where they are to be `ranked`.
    """
    pinned = replace(request, likeness_sha256=sitting.sha256)
    drawing = generate(pinned, model, sitting.lora, on_step, others=sitting.others, enlarge=sitting.enlarge)
    with closing(drawing):  # whatever happens, the base gets its own weights back at once
        for portrait in drawing:
            notes: tuple[FinishNote, ...] = ()
            if sitting.finisher is not None:
                pixels, notes = sitting.finisher(portrait.pixels)
                portrait = replace(portrait, pixels=pixels)
            file = f"{below}{_file_name(portrait, kept)}"
            made = _mark(portrait, file, sitting.record, faces, photo=photo, ranked=ranked)
            yield replace(made, report=replace(made.report, finished=notes))


def check_again(request: PortraitRequest, sitting: Sitting, model: Model) -> None:
    """Whether a portrait can be made again as it was. Raises UnfitModel when likeness or base changed since."""
    if request.prompt is None:
        raise BadFile("The request in the picture is not complete.", hint="Ask for the portrait with --style instead.")
    if request.likeness_sha256 and request.likeness_sha256 != sitting.sha256:
        raise UnfitModel(
            f"The likeness of {sitting.folder.name!r} was trained again since this portrait was made.",
            hint="Ask for a new portrait with --style.",
        )
    if request.base_version and request.base_version != model.base.version:
        raise UnfitModel(
            f"The portrait was made with {request.base_version}; here is {model.base.version}.",
            hint="Train the sitter again.",
        )


def _file_name(portrait: Portrait, kept: Sequence[Path]) -> str:
    """Style and seed, with a number where other words, numbers or a picture of the user's have that name already."""
    request = portrait.request
    look = re.sub(r"[^\w-]+", "-", request.style or "prompt").strip("-") or "prompt"
    stem = f"{look}-{request.seed}"
    names = (f"{stem}.png" if number == 1 else f"{stem}-{number}.png" for number in count(1))
    return next(name for name in names if not any(_is_other(folder / name, portrait) for folder in kept))


def _is_other(file: Path, portrait: Portrait) -> bool:
    """Whether something else than this portrait lies there."""
    try:
        return file.exists() and read_png_text(file).get(KEY) != portrait.text()[KEY]
    except BadFile:
        return True


def _mark(
    portrait: Portrait, file: str, record: measure.FaceRecord, faces: measure.FaceReader, *, photo: bool, ranked: bool
) -> Made:
    seen = measure.look(portrait.pixels, faces, steady=ranked)
    distance = record.distance(seen.face) if seen.face is not None and record.training else None
    score = round(record.scale.score(seen.face), 4) if record.scale is not None else None
    asked = portrait.request
    report = PortraitReport(
        file, asked.style, asked.prompt or "", portrait.seed, score, seen.faces,
        None if distance is None else round(distance, 4), photo,
    )  # fmt: skip
    candidate = measure.candidate_of(portrait.pixels, file, asked.style, seen, record, photo=photo)
    return Made(report, portrait.pixels, seen.face, candidate, portrait.text())


class _Same:
    """Tells an outer stage's step whenever an inner one is told, so that a hook can still cancel."""

    def __init__(self, on_step: OnStep, step: Step) -> None:
        self._on_step, self._step = on_step, step

    def __call__(self, step: Step) -> None:
        self._on_step(self._step)
