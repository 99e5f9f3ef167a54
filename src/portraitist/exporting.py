"""A likeness to where other programs look for it, or into a folder to publish. Copies and words; sends nothing.

Where programs look: the WebUI and Forge in `models/Lora` (and in the folder of sd-webui-additional-networks, where that
extension is installed), ComfyUI in `models/loras`. The card follows huggingface_hub's for LoRAs (YAML front matter).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from portraitist.errors import BadFile, BadRequest, MissingModel, ModelError
from portraitist.families.found import find_base
from portraitist.files import make_folder, replacing, write_text
from portraitist.images import read_request
from portraitist.loading import load_base
from portraitist.lora.formats import Dialect, read, read_metadata, write
from portraitist.recipes import Base
from portraitist.settings import Settings
from portraitist.store.sitters import SitterFolder, SitterRecord, SitterStore

Program = Literal["webui", "forge", "comfyui"]
PROGRAMS: tuple[Program, ...] = get_args(Program)

_FOLDERS: Mapping[Program, str] = MappingProxyType(
    {"webui": "models/Lora", "forge": "models/Lora", "comfyui": "models/loras"}
)
_INSIDE: Mapping[Program, str] = MappingProxyType({"webui": "webui", "forge": "webui", "comfyui": "ComfyUI"})
_EXTENSION = "extensions/sd-webui-additional-networks"
_LICENCES: Mapping[str, str] = MappingProxyType(
    {
        "Apache-2.0": "apache-2.0",
        "MIT": "mit",
        "CreativeML Open RAIL-M": "creativeml-openrail-m",
        "CreativeML Open RAIL++-M": "openrail++",
    }
)
_MOST_PREVIEWS = 6


@dataclass(frozen=True)
class Exported:
    """What was written: all files, and remarks for the user."""

    files: tuple[Path, ...]
    remarks: tuple[str, ...] = ()


def export_to_program(
    name: str, program: Program, folder: Path, settings: Settings, *, dialect: Dialect = "kohya"
) -> Exported:
    """Put a sitter's likeness, its sidecar and preview where `program`, installed in `folder`, looks for LoRAs.

    A file of the same name is replaced if it is an older likeness of this sitter. Raises UnknownName, MissingModel if
    the sitter was not trained, UnfitModel for a damaged likeness, BadRequest for a dialect that the program does not
    read, or a file that is not ours.
    """
    record, source = _trained(name, settings)
    if program != "comfyui" and dialect != "kohya":
        raise BadRequest(
            f"The {'WebUI' if program == 'webui' else 'Forge'} does not load LoRAs in the dialect {dialect}.",
            hint="Leave --dialect out: kohya's is what all programs load.",
        )
    places, remarks = _places(program, folder)
    for place in places:
        _check_free(place / f"{source.name}.safetensors", source.name)
    files: list[Path] = []
    for place in places:
        files += _copy(record, source, place, settings, dialect)
    if not source.likeness.with_suffix(".png").is_file():
        remarks.append("There is no preview: no portraits were made of this likeness yet.")
    if program == "comfyui" and dialect == "diffusers":
        remarks.append("ComfyUI leaves out attention layers of this dialect; the others work whole.")
    return Exported(tuple(files), tuple(remarks))


def export_to_hub(
    name: str, folder: Path, settings: Settings, *, consent: bool, dialect: Dialect = "kohya"
) -> Exported:
    """Make a folder to publish: the likeness, a model card, previews. Nothing is sent. The photos stay here.

    Raises BadRequest without `consent`, the sitter's own, or if `folder` holds other files.
    """
    record, source = _trained(name, settings)
    if not consent:
        raise BadRequest(
            f"A likeness can make any picture of {source.name}: it is not made ready to publish without their consent.",
            hint="Ask them (for a pet, its owner; for a child, the parents). If they agree: --consent",
            code="no_consent",
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / f"{source.name}.safetensors").is_file():
        raise BadRequest(f"{folder} holds other files.", hint="Name an empty or a new folder.", code="file_exists")
    make_folder(folder)
    files = _copy(record, source, folder, settings, dialect)
    previews = _previews(source)
    for file, _ in previews:
        files.append(_copied(source.root / file, folder / "images" / Path(file).name))
    base = find_base(record.base, settings, summed=False)
    card = _card(record, base, read_metadata(files[0]), previews, dialect)
    files.append(write_text(folder / "README.md", card))
    return Exported(tuple(files), ("Nothing was uploaded. Look through the folder before you publish it.",))


def _trained(name: str, settings: Settings) -> tuple[SitterRecord, SitterFolder]:
    record, folder = SitterStore(settings.home).load(name)
    if not folder.likeness.is_file():
        raise MissingModel(
            f"{folder.name} has no likeness yet.", hint=f"Train one: portraitist train PHOTOS --sitter '{folder.name}'"
        )
    read_metadata(folder.likeness)  # a file that is cut off helps nobody
    return record, folder


def _places(program: Program, folder: Path) -> tuple[list[Path], list[str]]:
    """The folders for LoRAs of a program that is installed in `folder` (or in the folder that its installer makes)."""
    last = Path(_FOLDERS[program]).name
    if folder.name.lower() == last.lower():
        return [folder], []
    if folder.exists() and not folder.is_dir():
        raise BadRequest(f"{folder} is a file.", hint="Name the folder that the program is installed in.")
    inside = folder / _INSIDE[program]
    root = inside if (inside / "models").is_dir() and not (folder / "models").is_dir() else folder
    remarks = [] if (root / "models").is_dir() else [f"{folder} has no folder models; it was made."]
    places = [root / _FOLDERS[program]]
    if program != "comfyui" and (root / _EXTENSION).is_dir():
        places.append(root / _EXTENSION / "models" / "lora")
    return places, remarks


def _check_free(path: Path, name: str) -> None:
    """A LoRA of the same name is ours, or it stays. Raises BadRequest."""
    if not path.exists():
        return
    try:
        ours = read_metadata(path)
    except ModelError:
        ours = {}
    if not (ours.get("ss_output_name") == name and "portraitist.base" in ours):
        raise BadRequest(
            f"{path} exists and is no likeness of {name}.", hint="Move it away first.", code="file_exists"
        )  # fmt: skip


def _copy(
    record: SitterRecord, source: SitterFolder, place: Path, settings: Settings, dialect: Dialect
) -> list[Path]:  # fmt: skip
    """The likeness in `dialect`, its sidecar and preview, in `place`."""
    target = place / source.likeness.name
    if dialect == "kohya":
        files = [_copied(source.likeness, target)]
    else:
        slots = load_base(find_base(record.base, settings, summed=False), settings).slots()
        files = [write(target, read(source.likeness, slots), slots, dialect=dialect)]
    for end in (".json", ".png"):
        beside = source.likeness.with_suffix(end)
        if beside.is_file():
            files.append(_copied(beside, target.with_suffix(end)))
    return files


def _copied(source: Path, target: Path) -> Path:
    with replacing(target) as part:
        shutil.copyfile(source, part)
    return target


def _previews(source: SitterFolder) -> list[tuple[str, str]]:
    """(file, prompt) of the first portraits that the report names and that are still there."""
    if not source.report.is_file():
        return []
    try:
        portraits = json.loads(source.report.read_text(encoding="utf-8")).get("portraits", [])
        wanted = [(str(one["file"]), str(one.get("prompt") or "")) for one in portraits]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(f"{source.report} is damaged.", hint="Make the portraits again.") from error
    found = [(file, prompt or _prompt(source.root / file)) for file, prompt in wanted if (source.root / file).is_file()]
    return found[:_MOST_PREVIEWS]


def _prompt(file: Path) -> str:
    try:
        return str(read_request(file).get("prompt") or "")
    except BadFile:
        return ""


def _card(
    record: SitterRecord,
    base: Base,
    metadata: Mapping[str, str],
    previews: Sequence[tuple[str, str]],
    dialect: Dialect,
) -> str:
    """The model card: front matter that hubs read, then words for people."""
    phrase = f"{record.trigger} {record.class_word}".strip()
    licence = _LICENCES.get(base.licence)
    architecture = metadata.get("modelspec.architecture", "")
    kind = "stable-diffusion-xl" if "xl" in architecture else "stable-diffusion"
    head = (
        [f"license: {licence}"]
        if licence
        else ["license: other", f"license_name: {_quoted(base.licence or 'unknown')}"]
    )
    head += [f"base_model: {base.source.removeprefix('hf:')}"] if base.source.startswith("hf:") else []
    head += [f"instance_prompt: {_quoted(phrase)}", "pipeline_tag: text-to-image", "library_name: diffusers", "tags:"]
    head += [f"- {tag}" for tag in ("text-to-image", "lora", "diffusers", kind, "template:sd-lora", "portraitist")]
    if previews:
        head.append("widget:")
    for file, prompt in previews:
        head += [f"- text: {_quoted(prompt)}", "  output:", f"    url: {_quoted(f'images/{Path(file).name}')}"]
    weights = f"{record.name}.safetensors"
    told = f"A likeness (LoRA) for {base.title or base.name}, trained on {record.photos} photos."
    loads = ": WebUI, Forge, ComfyUI and diffusers load it." if dialect == "kohya" else "."
    words = [
        f"# {record.name}", "", told, "", "<Gallery />", "",
        "## Trigger words", "", f"Write `{phrase}` in the prompt.", "",
        "## Use", "", f"`{weights}` has the key names of {dialect}{loads}",
    ]  # fmt: skip
    if base.source.startswith("hf:") and dialect != "comfyui":
        words += ["", "```python", *_example(base, weights, phrase), "```"]
    words += [
        "", "## Licence and consent", "",
        f"The base's licence, {base.licence or 'which is not known'}, holds for this LoRA too. The sitter's consent to "
        "publish it was confirmed by who made this folder. Do not use it to deceive or to harm anybody.", "",
        "Made with Portraitist. All pictures here are made by a computer.", "",
    ]  # fmt: skip
    return "\n".join(["---", *head, "---", "", *words])


def _example(base: Base, weights: str, phrase: str) -> list[str]:
    return [
        "from diffusers import AutoPipelineForText2Image",
        "",
        f'pipe = AutoPipelineForText2Image.from_pretrained("{base.source.removeprefix("hf:")}")',
        f'pipe.load_lora_weights(".", weight_name={_quoted(weights)})',
        f"picture = pipe({_quoted(f'{phrase}, portrait')}).images[0]",
    ]


def _quoted(text: str) -> str:
    """A string in YAML (and Python): JSON's quotes are a part of both."""
    return json.dumps(text, ensure_ascii=False)
