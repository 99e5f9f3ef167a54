"""Changing captions: tags added, removed and replaced, and all captions as one text for an editor. Touches no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from portraitist.captions.tags import spelled
from portraitist.errors import BadRequest

_HEAD = (
    "# The caption of each photo stands below its name. Lines that begin with # are names: leave them as they are.\n"
)


def changed(
    caption: str,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    replace: Sequence[tuple[str, str]] = (),
) -> str:
    """The caption with tags changed, each between commas; trigger and class word in front stay in front."""
    parts = [part.strip() for part in caption.split(",") if part.strip()]
    gone = {spelled(tag) for tag in remove}
    parts = [part for part in parts if spelled(part) not in gone]
    for old, new in replace:
        parts = [new.strip() if spelled(part) == spelled(old) else part for part in parts]
    known = {spelled(part) for part in parts}
    parts += [tag.strip() for tag in dict.fromkeys(add) if tag.strip() and spelled(tag) not in known]
    return ", ".join(dict.fromkeys(part for part in parts if part))


def find_photo(captions: Mapping[str, str], wanted: str) -> str:
    """The photo that is meant: by its name, its bare file name, or its number from 1 on. Raises BadRequest."""
    names = list(captions)
    if wanted in captions:
        return wanted
    bare = [name for name in names if name.rsplit("/", 1)[-1] == wanted]
    if len(bare) == 1:
        return bare[0]
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return names[int(wanted) - 1]
    raise BadRequest(f"The set has no photo {wanted!r}.", hint=f"Its photos are {', '.join(names)}.")


def as_text(captions: Mapping[str, str]) -> str:
    """All captions for an editor."""
    return _HEAD + "".join(f"\n# {photo}\n{text}\n" for photo, text in captions.items())


def from_text(text: str, captions: Mapping[str, str]) -> dict[str, str]:
    """The captions out of an edited text. Raises BadRequest for a name that was lost or is not known."""
    found: dict[str, list[str]] = {}
    photo: str | None = None
    for line in text.removeprefix(_HEAD).splitlines():
        if line.startswith("#"):
            photo = line[1:].strip()
            found.setdefault(photo, [])
        elif photo is not None and line.strip():
            found[photo].append(line.strip())
    if set(found) != set(captions):
        lost = ", ".join(sorted(set(found) ^ set(captions)))
        raise BadRequest(f"The names of the photos do not fit any more: {lost}.", hint="Leave the lines with # alone.")
    return {photo: " ".join(lines) for photo, lines in found.items()}
