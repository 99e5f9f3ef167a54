"""The acts of the command line as functions on paths or Pillow pictures, returning the same reports."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL.Image import Image

from portraitist.errors import BadRequest
from portraitist.faces import Faces
from portraitist.images import from_pil, save_png
from portraitist.photos import Limits, check_pets, check_photos, opened
from portraitist.requests import (
    Background,
    CheckReport,
    ChooseRequest,
    Corners,
    FinishReport,
    FinishRequest,
    Framing,
    Kind,
    PortraitReport,
    PortraitRequest,
    Report,
    Shape,
    TrainRequest,
)
from portraitist.settings import Settings, load_settings
from portraitist.store.sitters import check_name
from portraitist.types import OnStep, no_progress

if TYPE_CHECKING:
    from portraitist.models import Models

Source = str | Path | Image


@contextmanager
def as_files(photos: Sequence[Source]) -> Iterator[list[Path]]:
    """The photos as files: paths as they are, Pillow pictures in a folder that goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix="portraitist-") as place:
        files = []
        for number, photo in enumerate(photos, 1):
            if isinstance(photo, Image):
                files.append(save_png(Path(place) / f"picture-{number:02d}.png", from_pil(photo), made=False))
            else:
                files.append(Path(photo))
        yield files


def check(
    photos: Sequence[Source],
    *,
    face: tuple[float, float] | None = None,
    keep_all: bool = False,
    kind: Kind = "person",
    crops: Mapping[str, Corners] | None = None,
    home: Path | None = None,
    on_step: OnStep = no_progress,
) -> CheckReport:
    """A verdict on each photo. Raises NoPhotos, or MissingModel with the command that fetches the face models.

    Of `kind` pet, `crops` are boxes by hand, by file name, or for all photos under the empty name.
    """
    settings = load_settings(home)
    faces = load_faces(settings) if kind == "person" else None
    limits = Limits(bytes=settings.max_photo_bytes, pixels=settings.max_photo_pixels)
    with as_files(photos) as given, opened(given, max_bytes=limits.bytes) as files:
        if faces is None:
            return check_pets(files, limits=limits, crops=crops, point=face, on_step=on_step).report
        return check_photos(files, faces, limits=limits, point=face, keep_all=keep_all, on_step=on_step).report


def load_faces(settings: Settings) -> Faces:
    """The face stack of these settings."""
    return Faces.load(settings.models_folder / "faces", names=settings.faces, offline=settings.offline)


def finish(
    pictures: Sequence[Source],
    steps: str,
    *,
    sitter: str | None = None,
    seed: int = 42,
    out: Path | str | None = None,
    stages: Path | str | None = None,
    home: Path | None = None,
    on_step: OnStep = no_progress,
) -> FinishReport:
    """Take pictures through finishing steps, written as for the command: `retouch:0.5,upscale:scale=2`.

    `out` has to be named for Pillow pictures. The report names the file of each. Raises UnknownName, BadRequest.
    """
    from portraitist.finisher import finish_files
    from portraitist.finishing.asking import parse

    if out is None and any(isinstance(one, Image) for one in pictures):
        raise BadRequest("Where shall the pictures go?", hint="Name a folder: finish(pictures, steps, out=...)")
    request = FinishRequest(parse(steps), seed, sitter)
    settings = load_settings(home)
    places = [None if place is None else Path(place) for place in (out, stages)]
    with as_files(pictures) as files:
        return finish_files(
            files, request, settings, load_faces(settings), out=places[0], stages=places[1], on_step=on_step
        )


def train(
    photos: Sequence[Source],
    *,
    sitter: str,
    base: str = "mini",
    recipe: str | None = None,
    trigger: str = "ohwx",
    class_word: str = "person",
    seed: int = 42,
    captioner: str = "auto",
    kind: Kind = "person",
    crops: Mapping[str, Corners] | None = None,
    tag_rules: str = "ours",
    keep_tags: Sequence[str] = (),
    remove_tags: Sequence[str] = (),
    framing: Framing | None = None,
    shape: Shape = "auto",
    background: Background = "keep",
    enlarge: bool = False,
    class_images: Path | str | None = None,
    size: tuple[int, int] | None = None,
    memory: str = "auto",
    portraits: int = 1,
    resume: bool = False,
    out: Path | str | None = None,
    home: Path | None = None,
    on_step: OnStep = no_progress,
) -> Report:
    """Learn a sitter: the report of the training, as in `report.json`.

    `framing` to `memory` are told at `TrainRequest`; `portraits` are made in each style (0 for none, and no
    score); `out` is a folder for the results. Raises TooFewPhotos below 3 accepted photos, and what
    `pipeline.train_sitter` raises.
    """
    from portraitist.pipeline import train_sitter

    settings = load_settings(home)
    faces = load_faces(settings)
    with as_files(photos) as files:
        request = TrainRequest(
            check_name(sitter), tuple(str(file) for file in files), base, recipe, trigger, class_word,
            seed=seed, captioner=captioner, tag_rules=tag_rules, keep_tags=tuple(keep_tags),
            remove_tags=tuple(remove_tags), faces=settings.faces, kind=kind, crops=crops or {},
            framing=framing, shape=shape, background=background, enlarge=enlarge,
            class_images=None if class_images is None else str(class_images), size=size, memory=memory,
        )  # fmt: skip
        place = Path(out) if out is not None else None
        return train_sitter(request, settings, faces, resume=resume, per_style=portraits, out=place, on_step=on_step)


def portrait(
    sitter: str,
    *,
    style: str | None = None,
    prompt: str | None = None,
    negative: str | None = None,
    count: int = 1,
    seed: int = 42,
    size: tuple[int, int] | None = None,
    budget: int | None = None,
    candidates: int | None = None,
    out: Path | str | None = None,
    home: Path | None = None,
    on_step: OnStep = no_progress,
    models: "Models | None" = None,
    batch: int | Literal["auto"] = 1,
) -> tuple[PortraitReport, ...]:
    """Make portraits of a trained sitter, in a style or by a prompt of your own (not both); the best comes first.

    Candidates are made until `count` are good, at most `budget`; or exactly `candidates`, of which the best are kept.
    Each report's `file` is the path of its PNG, in `out` or in the sitter's own folder. `models` stay loaded for the
    next call: another sitter of the same base takes another LoRA and nothing else. `batch` are drawn at a time. Raises
    UnknownName, BadRequest, OutOfMemory.
    """
    from portraitist.portraying import portrait_sitter

    if style is not None and prompt is not None:
        raise BadRequest("style and prompt exclude each other.", hint="Leave one of them out.")
    settings = load_settings(home)
    faces = load_faces(settings) if models is None else models.faces(settings)
    request = PortraitRequest(sitter, style, prompt, negative, count, seed, size, batch=batch)
    place = Path(out) if out is not None else None
    choosing = ChooseRequest(budget, candidates)
    made = portrait_sitter(request, settings, faces, out=place, choosing=choosing, on_step=on_step, models=models)
    return tuple(replace(one, file=str(Path(made.folder) / one.file)) for one in made.portraits)
