"""How a base reads words: its tokenizers alone, without its networks. Knows nothing of triggers, captions or families.

Every base in the diffusers layout keeps its tokenizers in `tokenizer`, `tokenizer_2`, …; each has its own reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portraitist.errors import MissingModel
from portraitist.families import clip
from portraitist.families.folder import load_part
from portraitist.families.parts import configs_of
from portraitist.families.recognise import read_shapes, recognise


@dataclass(frozen=True)
class Reading:
    """A text as one tokenizer reads it: `ids` and `tokens` without marks of beginning and end; `vocabulary` is how many
    tokens there are, in the order of how common they are; `room` is how many the text encoder reads at once."""

    tokenizer: str
    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    vocabulary: int
    room: int


def load_tokenizers(base: Path) -> Mapping[str, Any]:
    """The tokenizers of the base at `base` (a folder, or a single file: those of its family), by their parts' names.

    Raises MissingModel or UnfitModel.
    """
    folder = base if base.is_dir() else configs_of(recognise(read_shapes(base), base.name).family)
    places = sorted(path for path in folder.glob("tokenizer*") if path.is_dir())
    if not places:
        raise MissingModel(f"The base has no tokenizer, looked for in {folder}.")
    return {place.name: _load(place) for place in places}


def _load(place: Path) -> Any:
    from transformers import AutoTokenizer

    own = any(place.glob("tokenizer.json")) or any(place.glob("*vocab*")) or any(place.glob("*.model"))
    return load_part(AutoTokenizer, place) if own else clip.load_tokenizer(place)


def read_text(tokenizers: Mapping[str, Any], text: str) -> tuple[Reading, ...]:
    """What each tokenizer makes of `text`."""
    return tuple(_read(name, tokenizer, text) for name, tokenizer in tokenizers.items())


def _read(name: str, tokenizer: Any, text: str) -> Reading:
    ids = tokenizer(text, add_special_tokens=False).input_ids
    pieces = tokenizer.convert_ids_to_tokens(ids)
    tokens = tuple(piece.replace("</w>", "").lstrip("Ġ▁") for piece in pieces)
    longest = min(int(tokenizer.model_max_length), 512)  # tokenizers without a limit say a huge number
    room = longest - tokenizer.num_special_tokens_to_add()
    return Reading(name, tokens, tuple(ids), len(tokenizer), room)
