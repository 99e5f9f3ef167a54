"""Captions that somebody wrote: beside the photos, or in the training set that a sitter has already.

Beside a photo they lie in kohya's `.txt` or `.caption`, in the words of its folder (`20_ohwx woman`), or in
the folder's `metadata.jsonl`. Knows no captioner and prunes nothing: what is written stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from portraitist.captions import kohya
from portraitist.captions.dataset import METADATA, captions_of, read_rows
from portraitist.captions.tags import subject
from portraitist.errors import BadRequest

_NUMBER = re.compile(r"^\d{2}-")
"""What a sitter's folder puts before the name of a photo that it keeps."""


def written_captions(photos: Mapping[Path, str], trained: Path | None = None) -> dict[Path, str]:
    """The caption of each photo; `photos` maps paths to the names in reports, `trained` is the sitter's present set.

    Raises BadRequest that names the photos without a caption, BadFile for a file that cannot be read.
    """
    earlier = _by_name(trained) if trained is not None and (trained / METADATA).is_file() else {}
    found = {path: _beside(path) or _earlier(name, earlier) for path, name in photos.items()}
    missing = [photos[path] for path, text in found.items() if not text]
    if missing:
        raise BadRequest(
            f"No caption is written for {', '.join(missing[:5])}{' and others' if len(missing) > 5 else ''}.",
            hint="Write it into a .txt beside the photo, or use another --captioner.",
        )
    return {path: text for path, text in found.items() if text}


def with_subject(text: str, trigger: str, class_word: str) -> str:
    """The caption with trigger and class word in front, unless it names the trigger already."""
    if trigger.lower() in re.findall(r"[^\s,.;:]+", text.lower()):
        return text
    return f"{subject(trigger, class_word)}, {text}" if text else subject(trigger, class_word)


def _beside(path: Path) -> str | None:
    text = kohya.caption_of(path)
    if text or not (path.parent / METADATA).is_file():
        return text
    return next((row.caption for row in read_rows(path.parent) if row.file == path.name), None)


def _by_name(folder: Path) -> dict[str, str]:
    """Captions by photo; by the bare name of its file too, where only one photo has it."""
    named = {name: row.caption for name, row in captions_of(read_rows(folder)).items()}
    times = Counter(_bare(name) for name in named)
    return {_bare(name): text for name, text in named.items() if times[_bare(name)] == 1} | named


def _earlier(name: str, earlier: Mapping[str, str]) -> str | None:
    return earlier.get(name) or earlier.get(_bare(name))


def _bare(name: str) -> str:
    return _NUMBER.sub("", name.rsplit("/", 1)[-1])
