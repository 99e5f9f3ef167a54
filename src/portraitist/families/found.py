"""The base that a user means: a name of the library, a folder in diffusers' layout, or a single safetensors file.

What a path holds is told by its configurations and tensors, never by its name. Loads no network.
"""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

from portraitist.errors import MissingModel, UnfitModel, UnknownName
from portraitist.families.folder import PICKLES, read_config
from portraitist.families.parts import configs_of
from portraitist.families.recognise import read_shapes, recognise, recognise_folder
from portraitist.files import write_text
from portraitist.hub import HubModel, fetch, hub_model
from portraitist.recipes import Base, find, names, read_toml
from portraitist.settings import Settings
from portraitist.types import OnStep, no_progress
from portraitist.weights import resolve, sha256_of

_SUFFIXES = PICKLES | {".safetensors"}
_ONE_ENCODER = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
_PARTS = {"sd15": _ONE_ENCODER, "sdxl": (*_ONE_ENCODER, "text_encoder_2", "tokenizer_2")}


def find_base(name: str, settings: Settings, *, summed: bool = True) -> Base:
    """The base called `name` in the library, or the one at the path `name`.

    A base by path is called like its file or folder; its version has the first digits of the sha256 of its weights
    (kept in the home folder, since a sum takes seconds), unless `summed` is False. Raises UnknownName, BadFile,
    MissingModel, or UnfitModel that says what was found instead.
    """
    path = path_of(name, settings)
    if path is None:
        return _on_shelf(name, settings)
    place = _place(path)
    base = _of_folder(place) if place.is_dir() else _of_file(place)
    base = replace(base, name=place.stem if place.is_file() else place.name, source=f"file:{place}")
    if not summed:
        return base
    checksum = _remembered_sum(_weights_of(place), settings)
    return replace(base, version=f"{base.name}-{checksum[:10]}", checksum=checksum)


def path_of(name: str, settings: Settings) -> Path | None:
    """The absolute path that `name` means, or None for a name of the library or a TOML file."""
    if name.endswith(".toml"):
        return None
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - pathlib's raises for a user that does not exist
    if path.suffix.lower() in _SUFFIXES or len(path.parts) > 1 or path.is_absolute():
        return path.absolute()
    return path.absolute() if os.path.exists(path) and name not in names(Base, _extra(settings)) else None  # noqa: PTH110


def lasting_name(name: str, settings: Settings) -> str:
    """`name` as it still means the same base when it is asked for from another folder."""
    path = Path(name).absolute() if name.endswith(".toml") else path_of(name, settings)
    return name if path is None else str(path)


def place_of(base: Base, settings: Settings, on_step: OnStep = no_progress) -> Path:
    """The folder or file of a base; one in a hub is fetched the first time.

    Raises MissingModel, UnfitModel, FetchFailed, DiskFull or Unwritable.
    """
    if not base.source.startswith("hf:"):
        return resolve(base.source)
    return fetch(hub_place(base, settings), hub_model_of(base), offline=settings.offline, on_step=on_step)


def hub_place(base: Base, settings: Settings) -> Path:
    """The folder of a base that comes from a hub."""
    return settings.models_folder / "bases" / base.name


def hub_model_of(base: Base) -> HubModel:
    """What is to be fetched of a base in a hub. Raises UnfitModel for another kind of source."""
    return hub_model(
        base.source, base.files, revision=base.revision, sha256=base.sha256, licence=base.licence,
        megabytes=base.megabytes,
    )  # fmt: skip


def weights_sum(base: Base, settings: Settings) -> str:
    """The sha256 of the weights that tell a base from others: the checkpoint's, or that of the U-Net's first file."""
    pins = [pin for name, pin in base.sha256.items() if name.startswith("unet/") and name.endswith(".safetensors")]
    if base.checksum or pins:
        return base.checksum or pins[0]
    return _remembered_sum(_weights_of(place_of(base, settings)), settings)


def webui_hashes(base: Base) -> tuple[str, str]:
    """The WebUI's old and new hash of a base that is one file; ("", "") for a folder, of which it knows none."""
    path = Path(base.source.removeprefix("file:"))
    if not base.checksum or not base.source.startswith("file:") or not path.is_file():
        return "", ""
    with path.open("rb") as file:
        file.seek(0x100000)
        return hashlib.sha256(file.read(0x10000)).hexdigest()[:8], base.checksum


def _extra(settings: Settings) -> tuple[Path, ...]:
    return (settings.home / "library",)


def _on_shelf(name: str, settings: Settings) -> Base:
    try:
        return find(Base, name, _extra(settings))
    except UnknownName as error:
        hint = f"{error.hint} Or give the path of a folder in diffusers' layout or of a .safetensors file."
        raise UnknownName("base", name, hint=hint) from error


def _place(path: Path) -> Path:
    """The file, or the folder with the base: `path` itself, or the one folder in it that holds one."""
    if os.path.isfile(path) or _holds_base(path):  # noqa: PTH113 - pathlib's raises for a name that is too long
        return path
    try:
        inner = sorted(path.iterdir())
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise MissingModel(f"There is no base at {path}: {reason}.", hint="Check the path.") from error
    below = [child for child in inner if child.is_dir() and _holds_base(child)]
    if len(below) == 1:
        return below[0]
    files = [child.name for child in inner if child.suffix.lower() in _SUFFIXES]
    inside = [child.name for child in below] or files
    raise UnfitModel(
        f"{path} is no base in diffusers' layout: it has neither model_index.json nor unet/config.json.",
        hint=f"Name what is in it: {path / inside[0]}" if inside else "Name the folder that holds model_index.json.",
    )


def _holds_base(folder: Path) -> bool:
    return any(os.path.isfile(folder / name) for name in ("model_index.json", "unet/config.json"))  # noqa: PTH113


def _of_file(path: Path) -> Base:
    return _default(recognise(read_shapes(path), path.name).family)


def _of_folder(folder: Path) -> Base:
    """The family by the pipeline's class and the U-Net's configuration, the size by what the U-Net was made for."""
    base = _default(recognise_folder(folder))
    lacking = [part for part in _PARTS[base.family] if not (folder / part).is_dir()]
    if lacking:
        raise MissingModel(
            f"The base {folder.name} lacks {' and '.join(lacking)}, looked for in {folder}.",
            hint="Fetch the whole repository, not only some of its folders.",
        )
    levels = len(read_config(folder / "vae" / "config.json").get("block_out_channels", (0,) * 4))
    sample = read_config(folder / "unet" / "config.json").get("sample_size")
    side = sample * 2 ** (levels - 1) if isinstance(sample, int) else base.size[0]
    return replace(base, size=(side, side))


def _default(family: str) -> Base:
    return read_toml(configs_of(family) / "base.toml", Base)


def _weights_of(place: Path) -> Path:
    """The file that tells one base from another: the checkpoint, or the first of the U-Net's files."""
    files = [place] if place.is_file() else sorted((place / "unet").glob("*.safetensors"))
    files.sort(key=lambda file: ".fp16." in file.name)  # beside whole weights these are not loaded
    return files[0] if files else place / "unet" / "config.json"


def _remembered_sum(path: Path, settings: Settings) -> str:
    """The sha256 of `path`, from the home folder while the file's size and time of change are the same."""
    notes = settings.home / "cache" / "sums.json"
    try:
        known = json.loads(notes.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if not isinstance(known, dict):
        known = {}
    state = path.stat()
    mark = f"{state.st_size} {state.st_mtime_ns}"
    entry = known.get(str(path))
    if isinstance(entry, list) and len(entry) == 2 and entry[0] == mark:
        return str(entry[1])
    found = sha256_of(path)
    write_text(notes, json.dumps({**known, str(path): [mark, found]}, indent=1) + "\n")
    return found
