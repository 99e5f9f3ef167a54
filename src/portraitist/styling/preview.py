"""The preview of a style: one small picture, of a sitter or of somebody in words, by the sitter's base or another.

Knows the order of the work. The picture goes into the user's library, also for a style of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from portraitist.captions.tags import subject
from portraitist.errors import BadRequest, MissingModel
from portraitist.families.base import Model
from portraitist.families.found import find_base
from portraitist.generation.generate import complete, generate
from portraitist.generation.room import with_room
from portraitist.generation.styled import check_meant, on_base, with_style
from portraitist.images import fit, save_jpeg
from portraitist.loading import check_words, library_folders, load_base, lora_of
from portraitist.lora.formats import Lora, read
from portraitist.recipes import Recipe, Style, find
from portraitist.requests import PortraitRequest
from portraitist.settings import Settings
from portraitist.store.sitters import SitterStore
from portraitist.styling.shelf import folder_of
from portraitist.types import OnStep, Seed, no_progress

LONGEST = 224
"""Pixels of a preview's longer side."""

QUALITY = 75

SOMEBODY = "woman"


@dataclass(frozen=True)
class Preview:
    """A preview that was drawn: where, by which base, with which words."""

    style: str
    file: Path
    base: str
    prompt: str
    seed: Seed


def draw_preview(
    style: Style,
    settings: Settings,
    *,
    sitter: str | None = None,
    words: str = SOMEBODY,
    base: str | None = None,
    seed: Seed = 42,
    out: Path | None = None,
    on_step: OnStep = no_progress,
) -> Preview:
    """Draw a style's preview: of a trained `sitter` on its own base, else of `words` by the bare `base` (mini).

    Raises UnknownName, Denied, BadRequest for a style that is not for the base, MissingModel for a sitter that was not
    trained.
    """
    file = out if out is not None else folder_of(style.name, settings) / "preview.jpg"
    if sitter is None:
        found = find_base(base or "mini", settings)
        here = on_base(style, found)
        check_words(PortraitRequest("", style=style.name), style, words, found, settings)
        check_meant(here, found)
        place = lora_of(here, settings)
        model = load_base(found, settings)
        own = read(place, model.slots()) if place is not None else None
        return preview_by(
            model, style, words, file, lora=own, strength=here.lora_strength, seed=seed, on_step=on_step
        )  # fmt: skip
    record, folder = SitterStore(settings.home).load(sitter)
    if base is not None and base != record.base:
        raise BadRequest(f"{sitter!r} was trained on {record.base}, not on {base}.", hint="Leave --base out.")
    found = find_base(record.base, settings)
    check_meant(style, found)
    told = subject(record.trigger, record.class_word)
    check_words(PortraitRequest("", style=style.name), style, told, found, settings)
    if not folder.likeness.is_file():
        raise MissingModel(
            f"The sitter {sitter!r} has no likeness yet.", hint=f"portraitist train PHOTOS --sitter '{sitter}'"
        )
    model = load_base(found, settings)
    recipe = find(Recipe, record.recipe or found.recipe, library_folders(settings))
    lora = read(folder.likeness, model.slots())
    return preview_by(model, style, told, file, lora=lora, recipe=recipe, seed=seed, on_step=on_step)


def preview_by(
    model: Model,
    style: Style,
    words: str,
    file: Path,
    *,
    lora: Lora | None = None,
    recipe: Recipe | None = None,
    strength: float | None = None,
    seed: Seed = 42,
    on_step: OnStep = no_progress,
) -> Preview:
    """Draw a preview with a loaded base and write it as JPEG. `strength` is that of `lora`. Raises OutOfMemory."""
    asked = PortraitRequest("", style=style.name, seed=seed, base=model.base.name, strength=strength)
    filled = with_style(asked, style, words, model.base, recipe)
    room = with_room(complete(filled, model), filled, model, [lora] if lora is not None else [])
    (made,) = generate(replace(filled, tiles=True) if room.tiles else filled, model, lora, on_step)
    save_jpeg(file, fit(made.pixels, LONGEST)[0], quality=QUALITY)
    return Preview(style.name, file, model.base.name, made.request.prompt or "", made.seed)
