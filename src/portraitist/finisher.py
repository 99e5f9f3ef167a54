"""Finishes pictures of files, and portraits as they are made: reads, takes them through the bench, writes.

Knows files, their text and the sitter whose photos are fused; what the steps do is said in `finishing.steps`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from portraitist.errors import BadFile, BadRequest
from portraitist.faces import Face, Faces
from portraitist.faces.masks import SelfieMasker
from portraitist.files import make_folder
from portraitist.finishing.fusion import fuse
from portraitist.finishing.steps import Finished, Fuser, Tools, Values, checked, finish
from portraitist.fusing import fusion_of, is_drawn
from portraitist.images import decode, read_bytes, read_png_text, save_png, size_of
from portraitist.requests import (
    FinishedFile,
    FinishNote,
    FinishReport,
    FinishRequest,
    FusionSettings,
    from_data,
    to_json,
)
from portraitist.settings import Settings
from portraitist.store.sitters import SitterFolder, SitterStore
from portraitist.types import OnStep, Picture, no_progress
from portraitist.weights import require

TEXT = "portraitist-finish"
"""The chunk of a PNG that holds the request of finishing."""

Finisher = Callable[[Picture], tuple[Picture, tuple[FinishNote, ...]]]
"""Takes a portrait through the bench, and says what was done."""

_MARK = b"trainedAlgorithmicMedia"
_LEARNED = frozenset({"restore", "upscale"})


def finish_files(
    files: Sequence[Path],
    request: FinishRequest,
    settings: Settings,
    faces: Faces,
    *,
    out: Path | None = None,
    stages: Path | None = None,
    on_step: OnStep = no_progress,
) -> FinishReport:
    """Finish each picture and write `<name>-finished.png` beside it, or into `out`; into `stages` what lies between.

    Text and mark of a PNG are kept and the request is added. Raises BadRequest, UnknownName, UnreadablePhoto, what the
    steps raise; a picture is written whole or not at all.
    """
    _check(files, request)
    folder = SitterStore(settings.home).load(request.sitter)[1] if request.sitter is not None else None
    tools = make_tools(request, settings, faces, folder)
    for place in (out, stages):
        if place is not None:
            make_folder(place)
    return FinishReport(
        request, tuple(_finish_file(one, request, settings, tools, out, stages, on_step) for one in files)
    )


def _check(files: Sequence[Path], request: FinishRequest) -> None:
    checked(request)
    if not files:
        raise BadRequest("No picture is named.", hint="Name the files to finish.")
    if not request.steps:
        raise BadRequest("No step is named.", hint="Name some, such as --steps retouch,upscale")
    if request.sitter is None and any(step.name == "fuse" and step.strength > 0 for step in request.steps):
        raise BadRequest("fuse takes the photos of a sitter.", hint="Name the sitter with --sitter.")


def portrait_finisher(
    request: FinishRequest | None, settings: Settings, faces: Faces, folder: SitterFolder, *, drawn: bool = False
) -> Finisher | None:
    """What a portrait of this sitter goes through; None without steps. `drawn`: it is drawn or painted.

    Raises as `checked` does.
    """
    if request is None or not request.steps:
        return None
    checked(request)
    tools = replace(make_tools(request, settings, faces, folder), drawn=drawn)

    def run(picture: Picture) -> tuple[Picture, tuple[FinishNote, ...]]:
        done = finish(picture, request, tools)
        return done.picture, done.notes

    return run


def make_tools(request: FinishRequest, settings: Settings, faces: Faces, folder: SitterFolder | None) -> Tools:
    """What the steps of this request need. Raises MissingModel for what is not there."""
    masker = SelfieMasker(require(settings.models_folder / "faces")["selfie_segmentation.tflite"])
    wanted = any(step.name == "fuse" and step.strength > 0 for step in request.steps)
    fuser = _fuser(folder, faces) if wanted and folder is not None else None
    return Tools(faces, masker.people, settings.models_folder, fuser)


def _fuser(folder: SitterFolder, faces: Faces) -> Fuser:
    sources, gate = fusion_of(folder, faces)

    def run(
        picture: Picture, found: Sequence[Face], values: Values, strength: float, drawn: bool
    ) -> tuple[Picture, FinishNote]:
        asked = from_data(FusionSettings, {"strength": strength, **values})
        fused = fuse(picture, found, sources, asked, gate, drawn=drawn)
        report = fused.report
        message = report.message
        if report.fused:
            message = (
                f"Fused with {report.source}: distance {report.distance_before:.3f} to {report.distance_after:.3f}"
            )
            if report.score_before is not None and report.score_after is not None:
                message += f", likeness score {report.score_before:.2f} to {report.score_after:.2f}"
            message += "."
        return fused.picture, FinishNote("fuse", report.code, message, skipped=not report.fused)

    return run


def _finish_file(
    file: Path,
    request: FinishRequest,
    settings: Settings,
    tools: Tools,
    out: Path | None,
    stages: Path | None,
    on_step: OnStep,
) -> FinishedFile:
    data = read_bytes(file, settings.max_photo_bytes)
    picture = decode(data, name=file.name, max_pixels=settings.max_photo_pixels)
    tools = replace(tools, drawn=_drawn(file, data))
    done = finish(picture, request, tools, stages=stages is not None, on_step=on_step)
    made = _MARK in data or _learned(done)
    target = (out if out is not None else file.parent) / f"{file.stem}-finished.png"
    save_png(target, done.picture, {**_text(file, data), TEXT: to_json(request)}, made=made)
    kept = []
    for number, (name, between) in enumerate(done.stages if stages is not None else (), 1):
        kept.append(save_png((stages or Path()) / f"{file.stem}-{number}-{name}.png", between, made=made))
    size = size_of(done.picture)
    return FinishedFile(str(target), str(file), size.width, size.height, done.notes, tuple(map(str, kept)))


def _learned(done: Finished) -> bool:
    """Whether a network made something up."""
    return any(note.step in _LEARNED and note.code == "terms" for note in done.notes)


def _text(file: Path, data: bytes) -> dict[str, str]:
    """The text of a PNG, without the XMP that is written anew."""
    if not data.startswith(b"\x89PNG"):
        return {}
    try:
        return {key: value for key, value in read_png_text(file).items() if not key.startswith("XML:")}
    except BadFile:
        return {}


def _drawn(file: Path, data: bytes) -> bool:
    """Whether a portrait of ours was drawn or painted, by the words that it was asked for with."""
    try:
        asked = json.loads(_text(file, data).get("portraitist", "{}"))
    except ValueError:
        return False
    return is_drawn(None, str(asked.get("prompt") or "")) if isinstance(asked, dict) else False
