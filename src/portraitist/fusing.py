"""What fusion needs of a trained sitter: the photos to lay on, and the photos that judge. Reads the sitter's folder.

Photos that were held out to measure the likeness are neither: a score would be worth nothing after them.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from portraitist.errors import MissingModel
from portraitist.faces import Faces, distance
from portraitist.finishing.fusion import Gate
from portraitist.finishing.matching import Source
from portraitist.finishing.sources import read_sources
from portraitist.measure import check_recogniser, read_record
from portraitist.photos.intake import find_photos
from portraitist.recipes import Style
from portraitist.store.sitters import SitterFolder
from portraitist.types import Embedding
from portraitist.weights import sha256_of

_DRAWN = (
    "anime|brushstrokes|cartoon|chalk|charcoal|comic|crayon|doodle|drawing|engraving|etching|gouache|illustration|ink|"
    "lineart|manga|oil|painting|pastel|pencil|sketch|watercolou?r|woodcut"
)
"""Words of prompts that ask for no photograph."""


def fusion_of(folder: SitterFolder, faces: Faces) -> tuple[tuple[Source, ...], Gate]:
    """The sources and the gate of a sitter, for `finishing.fusion.fuse`.

    Raises MissingModel for a sitter without photos or without a training, UnfitModel when the photos were measured by
    another recogniser.
    """
    _read_files(folder)
    record = read_record(folder.faces)
    check_recogniser(record, faces.recogniser.name)
    trained, unseen = ([np.array(face) for face in part] for part in (record.training, record.held_out))
    sources = read_sources(find_photos([folder.photos]), faces, trained)
    free = tuple(source for source in sources if not _nearer(source.embedding, unseen, trained))
    return free, Gate(faces, [(source.name, source.embedding) for source in free], record.d_words)


def photos_sha256(folder: SitterFolder) -> str:
    """One sha256 of all that fusion reads of a sitter: its photos, by name, and the record of their faces.

    Raises MissingModel for a sitter without them.
    """
    digest = hashlib.sha256()
    for file in _read_files(folder):
        digest.update(f"{file.name}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def _read_files(folder: SitterFolder) -> list[Path]:
    if not folder.photos.is_dir() or not folder.faces.is_file():
        raise MissingModel(
            f"The sitter {folder.name!r} has no photos to fuse with.",
            hint=f"Train it: portraitist train PHOTOS --sitter '{folder.name}'",
        )
    return [*sorted(file for file in folder.photos.rglob("*") if file.is_file()), folder.faces]


def is_drawn(style: Style | None, prompt: str | None) -> bool:
    """Whether a portrait is painted or drawn: by its style or, without one, by the words of its prompt."""
    if style is not None:
        return not style.photo
    return re.search(rf"\b({_DRAWN})\b", (prompt or "").lower()) is not None


def _nearer(face: Embedding, ones: Sequence[Embedding], others: Sequence[Embedding]) -> bool:
    """Whether the nearest of `ones` is nearer than the nearest of `others`: the files say not what was held out."""
    far = [min((distance(np.asarray(face), one) for one in part), default=np.inf) for part in (ones, others)]
    return far[0] < far[1]
