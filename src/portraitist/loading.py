"""What a command needs from the shelves and from disk: a base's networks and tagger, the styles meant for it, what
prompts are refused for.

Knows the settings and where a user's own library lies. Knows no sitter.
"""

from __future__ import annotations

from pathlib import Path

from portraitist import families
from portraitist.captions.tagger import Tagger
from portraitist.devices import choose_device
from portraitist.errors import MissingModel, UnknownName
from portraitist.families.base import Model
from portraitist.families.found import place_of
from portraitist.generation.denied import DenyList, load_deny_list, refuse
from portraitist.generation.styled import meant_for, with_style
from portraitist.recipes import LIBRARY, Base, Style, find_all
from portraitist.requests import PortraitRequest
from portraitist.settings import Settings


def library_folders(settings: Settings) -> tuple[Path, ...]:
    """Where a user's own bases, recipes and styles are."""
    return (settings.home / "library",)


def deny_list(settings: Settings) -> DenyList:
    """What prompts are refused for: the package's list with the user's own, as the settings say. Raises BadFile."""
    return load_deny_list(library_folders(settings), switched_off=not settings.deny_list)


def check_words(request: PortraitRequest, style: Style | None, told: str, base: Base, settings: Settings) -> None:
    """Raises Denied for words that the deny-list refuses, those of the style and of the sitter (`told`: trigger and
    class word) filled in."""
    refuse(with_style(request, style, told, base), told, deny_list(settings))


def load_base(base: Base, settings: Settings) -> Model:
    """The base's networks on the device of the settings; `models.Models` keeps them."""
    return families.load(place_of(base, settings), base, choose_device(settings.device))


def load_tagger(base: Base, settings: Settings) -> Tagger | None:
    """The tagger beside a base, or None."""
    folder = place_of(base, settings) / "tagger"
    return Tagger.load(folder) if folder.is_dir() else None


def styles_of(settings: Settings, base: Base) -> tuple[Style, ...]:
    """The styles that a training on `base` shows by itself, the photo-like ones first."""
    found = find_all(Style, library_folders(settings))
    meant = [style for style in found if style.shown and meant_for(style, base)]
    return tuple(sorted(meant, key=lambda style: (not style.photo, style.name)))


def lora_of(style: Style, settings: Settings) -> Path | None:
    """The file of a style's own LoRA, or None where it has none: a path, or a file in the style's folder.

    Raises MissingModel where it is not there.
    """
    if style.lora is None:
        return None
    folders = [root / "styles" / style.name for root in (*library_folders(settings), LIBRARY)]
    places = (folder / name for folder in (Path(), *folders) for name in (style.lora, f"{style.lora}.safetensors"))
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise MissingModel(
            f"The style {style.name!r} has no LoRA {style.lora}.", hint=f"Put it into {folders[0]}, beside style.toml."
        )
    return found


def find_lora(name: str, settings: Settings) -> Path:
    """The file of another LoRA: a path, or `NAME.safetensors` anywhere below `library/loras` of the home folder.

    Raises UnknownName with those that are there.
    """
    path = Path(name)
    if path.suffix == ".safetensors" and path.is_file():
        return path.resolve()
    places = [root / "loras" for root in library_folders(settings)]
    found = {file.stem: file for place in places for file in sorted(place.rglob("*.safetensors"))}
    if name.removesuffix(".safetensors") not in found:
        hint = f"There are: {', '.join(sorted(found))}." if found else f"Put LoRA files (.safetensors) into {places[0]}"
        raise UnknownName("LoRA", name, hint=hint)
    return found[name.removesuffix(".safetensors")]
