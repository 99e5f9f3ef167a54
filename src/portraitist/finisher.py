"""Finishes pictures of files, and portraits as they are made: reads, takes them through the bench, writes.

Knows files, their text and the sitter whose photos are fused; what the steps do is said in `finishing.steps`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from portraitist.decoder import Decoder
from portraitist.errors import BadFile, BadRequest, InputError, Unwritable
from portraitist.faces import Face, Faces
from portraitist.faces.masks import SelfieMasker
from portraitist.files import make_folder
from portraitist.finish_requests import Unfinished
from portraitist.finishing.fusion import fuse
from portraitist.finishing.marking import source_after
from portraitist.finishing.steps import Finished, Fuser, Tools, Values, checked, finish, settled
from portraitist.fusing import fusion_of, is_drawn, photos_sha256
from portraitist.images import beyond_pixels, read_bytes, read_png_text, save_png, size_of
from portraitist.marks import Source, source_in
from portraitist.models import Models
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


@dataclass(frozen=True)
class _Work:
    """What is the same for all pictures of a call, with the names that are `taken`: no picture is written over."""

    request: FinishRequest
    settings: Settings
    tools: Tools
    decoder: Decoder
    out: Path | None
    stages: Path | None
    ground: Source | None
    taken: set[Path]


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

    Text and mark of a PNG are kept and the request is added. No picture is written over but one that this wrote before;
    another name is found then. Of several pictures one that is no good is told in the report, and the others are
    finished. Raises BadRequest, UnknownName, what the steps raise, and UnreadablePhoto where the only picture is none;
    a picture is written whole or not at all.
    """
    _check(files, request)
    folder = SitterStore(settings.home).load(request.sitter)[1] if request.sitter is not None else None
    tools = make_tools(request, settings, faces, folder)
    request = settled(request, tools)
    for place in {out, stages, *(() if out is not None else (file.parent for file in files if file.exists()))}:
        if place is not None:
            make_folder(place)
    made: list[FinishedFile] = []
    failed: list[Unfinished] = []
    with Decoder() as decoder:
        taken = {file.resolve() for file in files}
        work = _Work(request, settings, tools, decoder, out, stages, _ground(request), taken)
        for file in files:
            try:
                made.append(_finish_file(file, work, on_step))
            except InputError as error:
                if len(files) == 1 or isinstance(error, Unwritable):
                    raise
                failed.append(Unfinished(str(file), error.code, error.message))
    return FinishReport(request, tuple(made), tuple(failed))


def _ground(request: FinishRequest) -> Source | None:
    """What the picture says of itself that comes behind people."""
    files = [step.settings.get("picture") for step in request.steps if step.strength > 0]
    found = (source_in(read_bytes(Path(str(file)).expanduser())) for file in files if file)
    return next((source for source in found if source is not None and source.made_by_ai), None)


def _check(files: Sequence[Path], request: FinishRequest) -> None:
    checked(request)
    if not files:
        raise BadRequest("No picture is named.", hint="Name the files to finish.")
    if not request.steps:
        raise BadRequest("No step is named.", hint="Name some, such as --steps retouch,upscale")
    if request.sitter is None and any(step.name == "fuse" and step.strength > 0 for step in request.steps):
        raise BadRequest("fuse takes the photos of a sitter.", hint="Name the sitter with --sitter.")


def portrait_finisher(
    request: FinishRequest | None, settings: Settings, faces: Faces, folder: SitterFolder, *, drawn: bool = False,
    models: Models | None = None,
) -> tuple[FinishRequest | None, Finisher | None]:  # fmt: skip
    """What a portrait of this sitter goes through, and the request with its files pinned; None without steps. `drawn`:
    it is drawn or painted; networks stay in `models`.

    Raises as `settled` does.
    """
    if request is None or not request.steps:
        return request, None
    checked(request)
    tools = replace(make_tools(request, settings, faces, folder), drawn=drawn)
    if models is not None:
        tools = replace(tools, load=models.network)
    request = settled(request, tools)

    def run(picture: Picture) -> tuple[Picture, tuple[FinishNote, ...]]:
        done = finish(picture, request, tools)
        return done.picture, done.notes

    return request, run


def make_tools(request: FinishRequest, settings: Settings, faces: Faces, folder: SitterFolder | None) -> Tools:
    """What the steps of this request need. Raises MissingModel for what is not there."""
    masker = SelfieMasker(require(settings.models_folder / "faces")["selfie_segmentation.tflite"])
    wanted = any(step.name == "fuse" and step.strength > 0 for step in request.steps)
    tools = Tools(faces, masker.people, settings.models_folder, device=settings.device)
    if not wanted or folder is None:
        return tools
    return replace(tools, fuser=_fuser(folder, faces), photos=photos_sha256(folder))


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


def _finish_file(file: Path, work: _Work, on_step: OnStep) -> FinishedFile:
    settings, request = work.settings, work.request
    data = read_bytes(file, settings.max_photo_bytes)
    picture = work.decoder.decode(data, name=file.name, max_pixels=settings.max_photo_pixels)
    tools = replace(work.tools, drawn=_drawn(file, data))
    done = finish(picture, request, tools, stages=work.stages is not None, on_step=on_step)
    notes = (*_left_out(data), *done.notes)
    said = source_after(source_in(data), done.changed, work.ground)
    marked, source = said is not None, said or Source.ENHANCED
    folder = work.out if work.out is not None else file.parent
    target = _free(folder, f"{file.stem}-finished", work.taken)
    save_png(target, done.picture, {**_text(file, data), TEXT: to_json(request)}, made=marked, source=source)
    kept = _save_stages(file.stem, done, work, marked, source)
    size = size_of(done.picture)
    return FinishedFile(str(target), str(file), size.width, size.height, notes, kept, said and said.value)


def _left_out(data: bytes) -> tuple[FinishNote, ...]:
    """What a picture has that a finished one has not."""
    transparent, frames = beyond_pixels(data)
    notes = []
    if transparent:
        message = "Its transparent parts lie on white now: finished pictures have no transparency."
        notes.append(FinishNote("reading", "transparent", message))
    if frames > 1:
        message = f"It is an animation of {frames} pictures; the first of them was finished."
        notes.append(FinishNote("reading", "animation", message))
    return tuple(notes)


def _save_stages(stem: str, done: Finished, work: _Work, marked: bool, source: Source) -> tuple[str, ...]:
    kept = []
    for number, (name, between) in enumerate(done.stages if work.stages is not None else (), 1):
        target = _free(work.stages or Path(), f"{stem}-{number}-{name}", work.taken)
        text = {TEXT: to_json(replace(work.request, steps=work.request.steps[:number]))}
        kept.append(str(save_png(target, between, text, made=marked, source=source)))
    return tuple(kept)


def _free(folder: Path, stem: str, taken: set[Path]) -> Path:
    """A file of this name that is not there, or that an earlier call made; it is taken from now on."""
    number = 1
    while True:
        path = folder / (f"{stem}.png" if number == 1 else f"{stem}-{number}.png")
        if path.resolve() not in taken and (not path.exists() or _ours(path)):
            taken.add(path.resolve())
            return path
        number += 1


def _ours(path: Path) -> bool:
    try:
        return TEXT in read_png_text(path)
    except BadFile:
        return False


def _text(file: Path, data: bytes) -> dict[str, str]:
    """The text of a PNG, without the XMP that is written anew and without profiles (EXIF: where a photo was taken)."""
    if not data.startswith(b"\x89PNG"):
        return {}
    try:
        text = read_png_text(file)
    except BadFile:
        return {}
    return {key: value for key, value in text.items() if not key.startswith(("XML:", "Raw profile"))}


def _drawn(file: Path, data: bytes) -> bool:
    """Whether a portrait of ours was drawn or painted, by the words that it was asked for with."""
    try:
        asked = json.loads(_text(file, data).get("portraitist", "{}"))
    except ValueError:
        return False
    return is_drawn(None, str(asked.get("prompt") or "")) if isinstance(asked, dict) else False
