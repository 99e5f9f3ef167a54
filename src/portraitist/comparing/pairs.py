"""Which portrait of one folder is shown beside which of the other. Knows files and requests, no page and no answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from portraitist.errors import InputError, NoPhotos
from portraitist.images import SUFFIXES, read_request
from portraitist.types import Seed, derive_seed


@dataclass(frozen=True)
class Pair:
    """Two portraits that are compared; `by` says what they have in common, `left` which one stands on the left."""

    name: str
    a: Path
    b: Path
    by: str
    left: str


@dataclass(frozen=True)
class _Shown:
    """A portrait with what its own request says; nothing is known of a picture from elsewhere."""

    file: Path
    style: str | None
    seed: object


def make_pairs(first: Path, second: Path, *, seed: Seed = 42, most: int | None = None) -> tuple[Pair, ...]:
    """The pairs in random order, at most `most`, each on random sides; both by `seed`.

    Portraits of the same file name belong together, then those of the same style and seed, of the same seed, of the
    same style; what is left over goes by the order of the names. Raises NoPhotos for a folder without pictures.
    """
    a, b = _portraits(first), _portraits(second)
    found: list[tuple[_Shown, _Shown, str]] = []
    rules: tuple[tuple[str, Callable[[_Shown], Hashable]], ...] = (
        ("file name", lambda one: one.file.stem),
        ("style and seed", lambda one: (one.style, one.seed) if one.seed is not None else None),
        ("seed", lambda one: str(one.seed) if one.seed is not None else None),
        ("style", lambda one: one.style),
        ("order", lambda one: "all"),
    )
    for by, key in rules:
        found += [(one, other, by) for one, other in _matched(a, b, key)]
    random = np.random.default_rng(derive_seed(seed, "compare"))
    order = random.permutation(len(found))[:most]
    sides = random.integers(0, 2, len(found))
    return tuple(
        Pair(f"pair-{place + 1:03d}", found[place][0].file, found[place][1].file, found[place][2], "ab"[sides[place]])
        for place in order
    )


def _matched(a: list[_Shown], b: list[_Shown], key: Callable[[_Shown], Hashable]) -> list[tuple[_Shown, _Shown]]:
    """Take out of both lists what belongs together by `key`, first with first; None belongs to nothing."""
    found = []
    for one in list(a):
        mine = key(one)
        other = next((other for other in b if mine is not None and key(other) == mine), None)
        if other is not None:
            found.append((one, other))
            a.remove(one)
            b.remove(other)
    return found


def _portraits(folder: Path) -> list[_Shown]:
    """The pictures of a folder; of a training's results those in `portraits`."""
    folder = folder / "portraits" if (folder / "portraits").is_dir() else folder
    if not folder.is_dir():
        told = "is no folder" if folder.exists() else "is not there"
        raise NoPhotos(f"{folder} {told}.", hint="Name two folders of portraits: portraitist compare A B")
    files: Sequence[Path] = sorted(folder.iterdir())
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file()]
    if not pictures:
        raise NoPhotos(f"{folder} holds no pictures.", hint="Name two folders of portraits: portraitist compare A B")
    return [_shown(file) for file in pictures]


def _shown(file: Path) -> _Shown:
    try:
        asked = read_request(file)
    except InputError:
        return _Shown(file, None, None)
    style = asked.get("style")
    return _Shown(file, style if isinstance(style, str) else None, asked.get("seed"))
