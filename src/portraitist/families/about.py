"""What is known of a base without loading it: whether it is here, from where, under which licence, by which sums.

For `portraitist bases`. Fetches nothing but in `pull`. Knows no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from portraitist.errors import BadFile, MissingModel, UnfitModel
from portraitist.families.found import find_base, hub_model_of, hub_place, path_of, place_of, weights_sum
from portraitist.hub import COMMIT, have, read_record
from portraitist.recipes import Base, find_each
from portraitist.settings import Settings
from portraitist.types import OnStep, no_progress
from portraitist.weights import resolve, sha256_of

UNKNOWN = "not known: ask where it comes from"


@dataclass(frozen=True)
class BaseFacts:
    """A base as people ask for it. `place` is where it lies, or would lie once fetched; `bytes` what lies there.

    `sha256` is the sum that tells it from others (the single file's, or that of the U-Net's first file), "" where it
    was not asked for or nothing is there. `revision` is the commit that came from the hub, or will; `held_to` says by
    what a fetch is checked. `files` are the sums that were written down at the fetch.
    """

    name: str
    title: str
    family: str
    size: tuple[int, int]
    source: str
    version: str
    licence: str
    recipe: str
    present: bool
    place: str
    megabytes: int
    bytes: int = 0
    sha256: str = ""
    revision: str = ""
    held_to: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def list_bases(settings: Settings) -> tuple[tuple[BaseFacts, ...], tuple[BadFile, ...]]:
    """All bases of the library, the user's own among them, by name, and what is wrong with the others."""
    found, broken = find_each(Base, (settings.home / "library",))
    return tuple(_facts(base, settings) for base in found), broken


def tell_base(name: str, settings: Settings) -> BaseFacts:
    """A base by its name or path, with the sum of its weights where it is here. Raises what `find_base` does."""
    base = find_base(name, settings)
    facts = _facts(base, settings, licence=UNKNOWN if path_of(name, settings) is not None else "")
    return _facts(base, settings, sha256=weights_sum(base, settings), licence=facts.licence) if facts.present else facts


def pull_base(name: str, settings: Settings, on_step: OnStep = no_progress) -> BaseFacts:
    """Fetch a base of the library, unless it is here; a fetch that was broken off goes on where it stopped.

    Raises what `place_of` does.
    """
    place_of(find_base(name, settings, summed=False), settings, on_step)
    return tell_base(name, settings)


def check_sums(name: str, settings: Settings) -> int:
    """Compare a fetched base's files with the sums written down at the fetch; how many there were.

    Raises MissingModel if it is not here or has no record, UnfitModel that names the first file that differs.
    """
    base = find_base(name, settings, summed=False)
    folder = hub_place(base, settings)
    record = read_record(folder) if base.source.startswith("hf:") else None
    if record is None and base.source.startswith("hf:") and not folder.is_dir():
        raise MissingModel(f"{base.name} is not here yet.", hint=f"Run: portraitist bases pull {base.name}")
    if record is None:
        raise MissingModel(
            f"No sums of {base.name} are written down: only what is fetched from a hub has them.",
            hint=f"Its own sum: portraitist bases info {name}",
        )
    for file, told in record.sha256.items():
        if not (folder / file).is_file():
            raise MissingModel(f"{file} of {base.name} is missing.", hint=f"Run: portraitist bases pull {base.name}")
        if sha256_of(folder / file) != told:
            raise UnfitModel(
                f"{file} of {base.name} is not what was fetched: it is damaged or was changed.",
                hint=f"Remove {folder / file}, then run: portraitist bases pull {base.name}",
            )
    return len(record.sha256)


def _facts(base: Base, settings: Settings, *, sha256: str = "", licence: str = "") -> BaseFacts:
    place, present, revision, held_to, files = _lies(base, settings)
    return BaseFacts(
        name=base.name,
        title=base.title or base.name,
        family=base.family,
        size=base.size,
        source=base.source,
        version=base.version,
        licence=licence or base.licence or UNKNOWN,
        recipe=base.recipe,
        present=present,
        place=str(place),
        megabytes=base.megabytes,
        bytes=_bytes_of(place) if present else 0,
        sha256=sha256,
        revision=revision,
        held_to=held_to,
        files=files,
    )


def _lies(base: Base, settings: Settings) -> tuple[Path, bool, str, str, Mapping[str, str]]:
    """Place, whether it is there, revision, by what a fetch is checked, sums written down."""
    if not base.source.startswith("hf:"):
        try:
            return resolve(base.source), True, "", "the pins of its TOML" if base.sha256 else "", {}
        except MissingModel:
            return Path(base.source.partition(":")[2]), False, "", "", {}
    folder, model = hub_place(base, settings), hub_model_of(base)
    record = read_record(folder)
    if base.sha256:
        held_to = "the sums pinned in its TOML"
    elif COMMIT.fullmatch(base.revision):
        held_to = "the pinned commit, and the sums that the hub states for it"
    elif record is not None:
        held_to = "the commit and sums of the first fetch"
    else:
        held_to = "the sums that the hub states; what comes first is written down, and later fetches are held to it"
    files = record.sha256 if record is not None else {}
    return folder, have(folder, model), record.revision if record else base.revision, held_to, files


def _bytes_of(place: Path) -> int:
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
