"""`portraitist export`: a likeness to where another program looks for it, or into a folder to publish."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from portraitist.commands import common


class Where(StrEnum):
    """For whom a likeness is put down."""

    webui = "webui"
    forge = "forge"
    comfyui = "comfyui"
    hub = "hub"


class Names(StrEnum):
    """The dialects of `portraitist.lora.dialects`, which is not loaded for the help."""

    kohya = "kohya"
    diffusers = "diffusers"
    comfyui = "comfyui"


def register(app: typer.Typer) -> None:
    app.command("export")(export)


def export(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The sitter's name.", show_default=False)],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the program is installed, or a new folder.", show_default=False)
    ],
    to: Annotated[Where, typer.Option("--to", help="Which program; hub: a folder to publish.", show_default=False)],
    dialect: Annotated[Names, typer.Option("--dialect", help="The key names in the file.")] = Names.kohya,
    consent: Annotated[bool, typer.Option("--consent", help="The sitter agrees that this is published.")] = False,
    as_json: common.Json = False,
) -> None:
    """Put a likeness where the WebUI, Forge or ComfyUI looks, or make a folder to publish. Nothing is uploaded."""
    from portraitist.exporting import PROGRAMS, export_to_hub, export_to_program

    settings = common.settings_of(context)
    if to is Where.hub:
        agreed = consent or (not as_json and sys.stdin.isatty() and _ask(name))
        done = export_to_hub(name, folder, settings, consent=agreed, dialect=dialect.value)
    else:
        program = next(one for one in PROGRAMS if one == to.value)
        done = export_to_program(name, program, folder, settings, dialect=dialect.value)
    for remark in done.remarks:
        common.say(remark)
    files = [str(file) for file in done.files]
    document = {"sitter": name, "to": to.value, "dialect": dialect.value, "files": files, "remarks": [*done.remarks]}
    common.answer(document, "\n".join(files), as_json)


def _ask(name: str) -> bool:
    return typer.confirm(f"Does {name} (for a pet, its owner) agree that this likeness is published?", err=True)
