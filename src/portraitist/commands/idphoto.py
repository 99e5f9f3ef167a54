"""`portraitist idphoto`: an ID photo by the rules of its format, with a sheet to print; or the list of formats."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portraitist.commands import common
from portraitist.errors import BadRequest

if TYPE_CHECKING:
    from portraitist.finishing.idphoto.cut import IdCheck
    from portraitist.finishing.idphoto.files import IdPhotoReport
    from portraitist.finishing.idphoto.formats import IdFormat
    from portraitist.settings import Settings

_UNFIT = 2
_CALLED = {
    "head": "head", "eyes": "eyes above the lower edge", "above": "space above the hair", "face_width": "face width",
    "roll": "tilt", "resolution": "resolution",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command("idphoto")(idphoto)


def idphoto(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A photo with one face.", show_default=False)] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="Such as cn-1inch or us-passport; see --list.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the formats.")] = False,
    background: Annotated[
        str, typer.Option("--background", metavar="COLOUR", help="rule (the format's), keep, a name or #rrggbb.")
    ] = "rule",
    sheet: Annotated[
        str | None, typer.Option("--sheet", metavar="PAPER", help="a4, letter, 10x15cm or 4x6in: PNG and PDF to print.")
    ] = None,
    sign: common.Sign = False,
    face_names: common.FaceNames = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = Path("out/idphotos"),
    as_json: common.Json = False,
) -> None:
    """Cut an ID photo: size, head and eyes by rule, a plain background. Exit code 2: written, but a rule is not met."""
    from portraitist.finishing.idphoto.formats import all_formats, find_format

    settings = common.settings_of(context)
    extra = (settings.home / "library",)
    if list_:
        formats = all_formats(extra)
        common.answer({"formats": [_row(one) for one in formats]}, "\n".join(map(_line, formats)), as_json)
        return
    if file is None or format_ is None:
        raise BadRequest(
            "Which photo, and which format?",
            hint="portraitist idphoto FILE --format cn-1inch; --list shows all formats.",
        )
    wanted = find_format(format_, extra)
    report = _made(settings, file, wanted, out, background, sheet, sign, face_names)
    from portraitist.requests import to_data

    document = {"folder": str(out), **to_data(report), "sources": list(wanted.sources), "note": wanted.note}
    common.answer(document, _words(out, report, wanted), as_json)
    if not report.fits:
        raise typer.Exit(_UNFIT)


def _made(
    settings: "Settings",
    file: Path,
    wanted: "IdFormat",
    out: Path,
    background: str,
    paper: str | None,
    sign: bool,
    face_names: str | None,
) -> "IdPhotoReport":
    from portraitist.faces.masks import load_masker
    from portraitist.finishing.idphoto.files import check_wishes, make_id_photo

    check_wishes(wanted, background, paper)  # before the models are loaded
    signer = common.signer(settings) if sign else None
    faces = common.load_faces(settings, face_names)
    masker = load_masker(common.face_models(settings), face_names or settings.faces)
    report = make_id_photo(
        file, wanted, faces, masker, out, background=background, paper=paper,
        max_bytes=settings.max_photo_bytes, max_pixels=settings.max_photo_pixels,
    )  # fmt: skip
    common.sign_files(signer, [out / name for name in report.files if not name.endswith(".pdf")], file)
    return report


def _row(one: "IdFormat") -> dict[str, object]:
    from portraitist.requests import to_data

    return {**to_data(one), "read": one.read.isoformat(), "pixels": [one.size.width, one.size.height]}


def _line(one: "IdFormat") -> str:
    width, height = one.size_mm
    head = f"head {_range(one.head_mm)} mm" if one.head_mm else ""
    return f"{one.name:<16} {width:g} x {height:g} mm  {one.background}  {head:<16} {one.title} / {one.title_zh}"


def _range(limits: tuple[float, float]) -> str:
    return f"{limits[0]:g}-{limits[1]:g}"


def _words(out: Path, report: "IdPhotoReport", wanted: "IdFormat") -> str:
    lines = [str(out / name) for name in report.files]
    lines.append(
        f"{wanted.title}: {wanted.size_mm[0]:g} x {wanted.size_mm[1]:g} mm, "
        f"{report.pixels[0]} x {report.pixels[1]} pixels at {report.dpi} dpi"
        + (f", {report.copies} on the sheet" if report.copies else "")
    )
    lines += [f"  {'ok ' if check.met else 'NOT'} {_told(check)}" for check in report.checks]
    lines += [f"Note: {one.message}" for one in report.warnings]
    own = "" if wanted.official else " (not the authority's own page)"
    lines.append(f"Rule: {wanted.rule}, read {wanted.read}: {wanted.sources[0]}{own}")
    if wanted.note:
        lines.append(wanted.note)
    return "\n".join(lines)


def _told(check: "IdCheck") -> str:
    unit = {"roll": "degrees", "resolution": "dpi"}.get(check.name, "mm")
    if check.high is None:
        return f"{_CALLED[check.name]} {check.value:g} {unit} (at least {check.low:g})"
    return f"{_CALLED[check.name]} {check.value:g} {unit} ({check.low:g} to {check.high:g})"
