"""What a command needs from the shelves and from disk: a base's networks and tagger, the styles meant for it.

Knows the settings and where a user's own library lies. Knows no sitter.
"""

from __future__ import annotations

from pathlib import Path

from portraitist import families
from portraitist.captions.tagger import Tagger
from portraitist.devices import choose_device
from portraitist.families.base import Model
from portraitist.families.found import place_of
from portraitist.generation.styled import meant_for
from portraitist.recipes import Base, Style, find_all
from portraitist.settings import Settings


def library_folders(settings: Settings) -> tuple[Path, ...]:
    """Where a user's own bases, recipes and styles are."""
    return (settings.home / "library",)


def load_base(base: Base, settings: Settings) -> Model:
    """The base's networks on the device of the settings."""
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
