"""`portraitist check`: a verdict on each photo."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portraitist.commands import common
from portraitist.errors import BadRequest
from portraitist.files import make_folder, write_text

if TYPE_CHECKING:
    from portraitist.photos import CheckedPhoto, PhotoCheck
    from portraitist.requests import Corners
    from portraitist.show.verdicts import Card
    from portraitist.types import Picture

Photos = Annotated[
    list[Path], typer.Argument(help="Photos, folders or archives (zip, tar) of them.", show_default=False)
]
Face = Annotated[
    str | None,
    typer.Option("--face", metavar="X,Y", help="A point in the right face: pixels, or shares of width and height."),
]
Kind = Annotated[str, typer.Option("--kind", help="person, or pet for pets and things.")]
Crop = Annotated[
    list[str] | None,
    typer.Option("--crop", metavar="[FILE=]X,Y,W,H", help="The box of a pet: pixels or shares, for one photo or all."),
]
KeepAll = Annotated[bool, typer.Option("--keep-all", help="Accept every photo with a face; reasons become warnings.")]
Enlarge = Annotated[
    bool,
    typer.Option("--enlarge", help="Take faces of half the size too, enlarged: no detail comes back."),
]
Sitter = Annotated[str | None, typer.Option("--sitter", help="Compare with the photos of this sitter too.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder for check.json, check.jpg (the verdicts drawn) and the crops.")
]


def register(app: typer.Typer) -> None:
    app.command("check")(check)


def check(
    context: typer.Context,
    photos: Photos,
    sitter: Sitter = None,
    face: Face = None,
    kind: Kind = "person",
    crop: Crop = None,
    keep_all: KeepAll = False,
    face_names: common.FaceNames = None,
    enlarge: Enlarge = False,
    out: Out = None,
    as_json: common.Json = False,
) -> None:
    """Say which photos can be learned from, and why not the others. Ends with 2 if fewer than 3 are accepted."""
    from portraitist.photos import Limits, check_pets, check_photos, opened

    point, boxes, pet = parse_point(face), parse_crops(crop, kind), is_pet(kind)
    settings = common.settings_of(context)
    limits = Limits(bytes=settings.max_photo_bytes, pixels=settings.max_photo_pixels)
    limits = limits.for_small_faces() if enlarge else limits
    if out is not None:
        make_folder(out)
    known = _photos_of(sitter, settings.home) if sitter is not None else ()
    faces = None if pet else common.load_faces(settings, face_names)
    with opened(photos, max_bytes=limits.bytes) as files:
        with common.progress() as on_step:
            if faces is None:
                checked = check_pets(files, limits=limits, crops=boxes, known=known, point=point, on_step=on_step)
            else:
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


def is_pet(kind: str) -> bool:
    """Whether `--kind` is pet. Raises BadRequest for what is neither that nor person."""
    if kind not in ("person", "pet"):
        raise BadRequest(f"--kind {kind!r} is not known.", hint="Use person or pet.")
    return kind == "pet"


def parse_crops(given: Sequence[str] | None, kind: str) -> "dict[str, Corners]":
    """The boxes of `--crop [FILE=]X,Y,W,H` by file name, empty for all photos. Raises BadRequest."""
    if given and not is_pet(kind):
        raise BadRequest("--crop is for pets and things.", hint="Add --kind pet, or point at a face with --face X,Y")
    found = {}
    for text in given or ():
        name, _, numbers = text.rpartition("=")
        try:
            x, y, width, height = (float(number) for number in numbers.split(","))
        except ValueError:
            x = y = width = height = -1.0
        if not (0 <= x < 1e6 and 0 <= y < 1e6 and 0 < width < 1e6 and 0 < height < 1e6):
            raise BadRequest(f"--crop {text!r} is no box.", hint="Give four numbers, such as --crop 0.2,0.1,0.6,0.8")
        found[name] = (x, y, width, height)
    return found


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
    """The verdicts for people: a table, under each rejected photo what speaks against it, then the warnings."""
    names = [photo.path.name for photo in checked.photos]
    width = max(len("photo"), *(len(name) for name in names))
    lines = [f"{'photo':<{width}}  verdict    face   yaw  pitch  roll  distance"]
    for name, photo in zip(names, checked.photos, strict=True):
        lines.append(f"{name:<{width}}  {photo.verdict.verdict}  {_numbers(photo)}".rstrip())
        lines += [f"{'':<{width}}    {reason.code}: {reason.message}" for reason in photo.reasons]
    lines.append(f"{len(checked.accepted)} of {len(checked.photos)} photos are accepted.")
    lines += [f"Note: {warning.message}" for warning in checked.warnings]
    return "\n".join(lines)


def _numbers(photo: "CheckedPhoto") -> str:
    """Width of the face in pixels, its pose in degrees, its distance to the other accepted photos."""
    face = photo.face
    if face is None:
        return ""
    far = "" if photo.distance is None else f"{photo.distance:.2f}"
    turned = f"  turned by {photo.verdict.turned} degrees" if photo.turns else ""
    return (
        f"{face.box.width:>5.0f}  {round(face.yaw):>4}  {round(face.pitch):>5}  {round(face.roll):>4}  {far:>8}{turned}"
    )


def _write(checked: "PhotoCheck", out: Path) -> None:
    """check.json, check.jpg and the crops of accepted photos."""
    from portraitist.decoder import Decoder
    from portraitist.errors import PhotoTooLarge, UnreadablePhoto
    from portraitist.images import save_jpeg
    from portraitist.requests import to_json
    from portraitist.show.verdicts import draw_verdicts

    cards, number = [], 0
    with Decoder() as decoder:
        for photo in checked.photos:
            try:
                picture = None if photo.unread else photo.upright(decoder.read(photo.path))
            except (UnreadablePhoto, PhotoTooLarge):  # gone since it was judged
                picture = None
            if photo.accepted and picture is not None:
                number += 1
                save_jpeg(out / f"{number:02d}-{photo.path.stem}.jpg", _crop(photo, picture), made=False)
            cards.append(_card(photo, picture))
    title = f"{len(checked.accepted)} of {len(checked.photos)} photos are accepted"
    sheet = draw_verdicts(title, _subtitle(checked), cards, [warning.message for warning in checked.warnings])
    save_jpeg(out / "check.jpg", sheet, made=False)
    write_text(out / "check.json", to_json(checked.report, indent=2) + "\n")


def _crop(photo: "CheckedPhoto", picture: "Picture") -> "Picture":
    """The accepted photo's square crop."""
    from portraitist.photos import face_crop, subject_crops
    from portraitist.types import Size

    if photo.face is not None:
        return face_crop(picture, photo.face, Size(512, 512)).picture
    if photo.subject is None:
        return picture
    (crop,) = subject_crops(picture, photo.subject, Size(512, 512), count=1, seed=0)
    return crop.picture


def _card(photo: "CheckedPhoto", picture: "Picture | None") -> "Card":
    from portraitist.show.verdicts import Card, framed

    face, name, reasons = photo.face, photo.path.name, tuple(reason.message for reason in photo.reasons)
    if face is None:
        return framed(Card(name, photo.accepted, picture, photo.subject, reasons=reasons))
    far = "" if photo.distance is None else f" · distance {photo.distance:.2f}"
    pose = f"yaw {round(face.yaw)}, pitch {round(face.pitch)}, roll {round(face.roll)}"
    numbers = f"{face.box.width:.0f} px · {pose}{far}"
    return framed(Card(name, photo.accepted, picture, face.box, face.mesh, numbers, reasons))


def _subtitle(checked: "PhotoCheck") -> str:
    from collections import Counter

    codes = Counter(photo.reasons[0].code for photo in checked.photos if photo.reasons)
    return " · ".join(f"{count} {code.replace('_', ' ')}" for code, count in codes.most_common())
