"""`portraitist check`: a verdict on each photo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portraitist.commands import common
from portraitist.errors import BadRequest
from portraitist.files import make_folder, write_text

if TYPE_CHECKING:
    from portraitist.photos import PhotoCheck

Photos = Annotated[
    list[Path], typer.Argument(help="Photos, folders or archives (zip, tar) of them.", show_default=False)
]
Face = Annotated[
    str | None,
    typer.Option("--face", metavar="X,Y", help="A point in the right face: pixels, or shares of width and height."),
]
Kind = Annotated[str, typer.Option("--kind", help="person or pet.")]
KeepAll = Annotated[bool, typer.Option("--keep-all", help="Accept every photo with a face; reasons become warnings.")]
Sitter = Annotated[str | None, typer.Option("--sitter", help="Compare with the photos of this sitter too.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for check.json and the crops of accepted photos.")]


def register(app: typer.Typer) -> None:
    app.command("check")(check)


def check(
    context: typer.Context,
    photos: Photos,
    sitter: Sitter = None,
    face: Face = None,
    kind: Kind = "person",
    keep_all: KeepAll = False,
    face_names: common.FaceNames = None,
    out: Out = None,
    as_json: common.Json = False,
) -> None:
    """Say which photos can be learned from, and why not the others. Ends with 2 if fewer than 3 are accepted."""
    from portraitist.photos import Limits, check_photos, opened

    point = parse_point(face)
    need_person(kind)
    settings = common.settings_of(context)
    limits = Limits(bytes=settings.max_photo_bytes, pixels=settings.max_photo_pixels)
    if out is not None:
        make_folder(out)
    known = _photos_of(sitter, settings.home) if sitter is not None else ()
    faces = common.load_faces(settings, face_names)
    with opened(photos, max_bytes=limits.bytes) as files:
        with common.progress() as on_step:
            checked = check_photos(
                files, faces, limits=limits, known=known, point=point, keep_all=keep_all, on_step=on_step
            )
        if out is not None:
            _write(checked, out)
    common.answer(checked.report, words_of(checked), as_json)
    if not checked.enough:
        raise typer.Exit(2)


def _photos_of(sitter: str, home: Path) -> tuple[Path, ...]:
    from portraitist.photos import find_photos
    from portraitist.store.sitters import SitterStore

    _, folder = SitterStore(home).load(sitter)
    return find_photos([folder.photos])


def need_person(kind: str) -> None:
    """Raises BadRequest for another kind than person."""
    if kind not in ("person", "pet"):
        raise BadRequest(f"--kind {kind!r} is not known.", hint="Use person or pet.")
    if kind == "pet":
        raise BadRequest("Photos of pets cannot be judged yet.", hint="Use --kind person for people.")


def parse_point(text: str | None) -> tuple[float, float] | None:
    """The point of `--face X,Y`. Raises BadRequest."""
    if text is None:
        return None
    parts = text.split(",")
    try:
        point = (float(parts[0]), float(parts[1]))
    except (ValueError, IndexError) as error:
        raise BadRequest(f"--face {text!r} is no point.", hint="Give two numbers, such as --face 0.5,0.4") from error
    if len(parts) != 2 or not all(0 <= value < 1e6 for value in point):
        raise BadRequest(f"--face {text!r} is no point.", hint="Give two numbers, such as --face 0.5,0.4")
    return point


def words_of(checked: "PhotoCheck") -> str:
    """The verdicts for people: a line for each photo, then the warnings."""
    width = max(len(photo.path.name) for photo in checked.photos)
    lines = [
        f"{photo.path.name:<{width}}  "
        + ("accepted" if photo.accepted else "rejected: " + " ".join(reason.message for reason in photo.reasons))
        for photo in checked.photos
    ]
    lines.append(f"{len(checked.accepted)} of {len(checked.photos)} photos are accepted.")
    lines += [f"Note: {warning.message}" for warning in checked.warnings]
    return "\n".join(lines)


def _write(checked: "PhotoCheck", out: Path) -> None:
    from portraitist.decoder import Decoder
    from portraitist.images import save_jpeg
    from portraitist.photos import face_crop
    from portraitist.requests import to_json
    from portraitist.types import Size

    with Decoder() as decoder:
        for number, photo in enumerate(checked.accepted, 1):
            if photo.face is not None:
                crop = face_crop(decoder.read(photo.path), photo.face, Size(512, 512))
                save_jpeg(out / f"{number:02d}-{photo.path.stem}.jpg", crop.picture, made=False)
    write_text(out / "check.json", to_json(checked.report, indent=2) + "\n")
