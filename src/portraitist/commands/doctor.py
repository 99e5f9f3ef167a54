"""`portraitist doctor`: what is missing here, and the command that mends it."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from portraitist.commands import common
from portraitist.errors import PortraitistError

if TYPE_CHECKING:
    from portraitist.settings import Settings

PACKAGES = (
    "torch",
    "diffusers",
    "transformers",
    "peft",
    "safetensors",
    "numpy",
    "pillow",
    "dlib-bin",
    "ai-edge-litert",
)
FREE_GIB = 2.0
MEMORY_GIB = 4.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, and if it is not `ok`, how to `mend` it and the exit code of its kind."""

    name: str
    ok: bool
    found: str
    mend: str | None = None
    exit_code: int = 0


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(context: typer.Context, as_json: common.Json = False) -> None:
    """Look at the installation: packages, models, device, disk, memory. Ends with 0 if a likeness can be trained."""
    settings = common.settings_of(context)
    findings = list(look(settings))
    lines = [f"{'ok      ' if item.ok else 'MISSING '}{item.name}: {item.found}" for item in findings]
    lines += [f"To mend {item.name}: {item.mend}" for item in findings if not item.ok and item.mend]
    common.answer({"checks": [asdict(item) for item in findings]}, "\n".join(lines), as_json)
    worst = next((item.exit_code for item in findings if not item.ok), 0)
    if worst:
        raise typer.Exit(worst)


def look(settings: "Settings") -> Iterator[Finding]:
    """All findings, in the order in which they should be mended."""
    yield Finding("Python", sys.version_info >= (3, 11), sys.version.split()[0], "install Python 3.11 or newer", 3)
    missing = False
    for name in PACKAGES:
        finding = _package(name)
        missing = missing or not finding.ok
        yield finding
    yield _home(settings.home)
    yield _faces(settings)
    yield from _chosen_faces(settings)
    yield _decoding()
    yield _base()
    if not missing:
        yield _device(settings)
    yield _disk(settings.home)
    yield _memory()


def _package(name: str) -> Finding:
    import importlib.metadata

    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", f"{sys.executable} -m pip install portraitist", 3)


def _home(home: Path) -> Finding:
    from portraitist.files import make_folder

    try:
        make_folder(home)
    except PortraitistError as error:
        return Finding("home", False, error.message, "set PORTRAITIST_HOME to a folder of yours", error.exit_code)
    return Finding("home", True, str(home))


def _faces(settings: "Settings") -> Finding:
    from portraitist import weights

    folder = common.face_models(settings)
    pins = {file.name: file.sha256 for package in weights.FACE_PACKAGES for file in package.files}
    try:
        weights.require(folder)
        weights.verify(folder, pins)
    except PortraitistError as error:
        return Finding("face models", False, error.message, weights.SETUP, error.exit_code)
    licences = ", ".join(sorted({package.licence for package in weights.FACE_PACKAGES}))
    return Finding("face models", True, f"{len(pins)} files in {folder} ({licences})")


def _chosen_faces(settings: "Settings") -> Iterator[Finding]:
    """The face models that the settings name in place of the embedded ones, with their terms."""
    from portraitist.faces import parts

    try:
        chosen = parts.chosen(settings.faces)
    except PortraitistError as error:
        yield Finding("faces", False, error.message, error.hint, error.exit_code)
        return
    for part, terms in zip(chosen, parts.terms(settings.faces), strict=True):
        lacks = parts.missing(part, common.face_models(settings))
        yield Finding(f"faces {part.name}", lacks is None, terms, lacks, 3)


def _decoding() -> Finding:
    from portraitist.limited import memory_is_limited

    how = "memory and time" if memory_is_limited() else "time only; this platform cannot limit memory"
    return Finding("decoding of photos", True, f"in a process of its own, limited in {how}")


def _base() -> Finding:
    from portraitist import recipes, weights

    try:
        base = recipes.find(recipes.Base, "mini")
        folder = weights.resolve(base.source)
        weights.verify(folder, base.sha256)
    except PortraitistError as error:
        return Finding("base mini", False, error.message, "install the package again", 3)
    return Finding("base mini", True, f"version {base.version} in {folder}")


def _device(settings: "Settings") -> Finding:
    from portraitist.devices import choose_device

    try:
        device = choose_device(settings.device)
    except PortraitistError as error:
        return Finding("device", False, error.message, error.hint, error.exit_code)
    return Finding("device", True, device.reason)


def _disk(home: Path) -> Finding:
    place = next((path for path in (home, *home.parents) if path.exists()), Path("/"))
    free = shutil.disk_usage(place).free / 2**30
    return Finding("disk", free >= FREE_GIB, f"{free:.1f} GiB free at {place}", f"free {FREE_GIB:g} GiB there", 4)


def _memory() -> Finding:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return Finding("memory", True, "not known on this system")
    return Finding("memory", total >= MEMORY_GIB, f"{total:.1f} GiB", f"use a machine with {MEMORY_GIB:g} GiB", 4)
