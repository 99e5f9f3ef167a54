"""Makes the page of a blind comparison from two folders, and a sitter's photos where one is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from portraitist.comparing.pairs import Pair, make_pairs
from portraitist.comparing.votes import QUESTIONS
from portraitist.files import write_text
from portraitist.images import SUFFIXES, read_picture
from portraitist.settings import Settings
from portraitist.show.versus import Versus, draw_versus
from portraitist.store.sitters import SitterStore
from portraitist.types import OnStep, Seed, Step, no_progress

PHOTOS = 6
"""Photos of the sitter that stand beside the question of likeness."""


def write_page(
    first: Path,
    second: Path,
    out: Path,
    settings: Settings,
    *,
    sitter: str | None = None,
    seed: Seed = 42,
    most: int | None = None,
    on_step: OnStep = no_progress,
) -> tuple[Pair, ...]:
    """Write the page that compares the portraits of two folders; the pairs in the order in which they are asked.

    Raises NoPhotos, UnknownName for a sitter, UnreadablePhoto, Unwritable.
    """
    pairs = make_pairs(first, second, seed=seed, most=most)
    photos = _photos(sitter, settings) if sitter is not None else []
    shown = []
    for number, pair in enumerate(pairs):
        on_step(Step("page", number, len(pairs)))
        shown.append(Versus(pair.name, read_picture(pair.a), read_picture(pair.b), pair.left))
    on_step(Step("page", len(pairs), len(pairs)))
    pictures = [read_picture(photo) for photo in photos]
    write_text(out, draw_versus(called(first, second), shown, pictures, QUESTIONS, seed))
    return pairs


def called(first: Path, second: Path) -> tuple[str, str]:
    """What the two folders are called in the result: their own names, with as many of their parents' as tell them
    apart."""
    parts = [folder.resolve().parts for folder in (first, second)]
    for count in range(1, max(map(len, parts)) + 1):
        a, b = ("/".join(own[-count:]) for own in parts)
        if a != b:
            return a, b
    return "A", "B"


def _photos(sitter: str, settings: Settings) -> Sequence[Path]:
    _, folder = SitterStore(settings.home).load(sitter)
    return sorted(file for file in folder.photos.iterdir() if file.suffix.lower() in SUFFIXES)[:PHOTOS]
