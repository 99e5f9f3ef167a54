"""The ways in which a person may read a text, for those who look for words in it. Knows no list and no prompt.

`n4ked`, `n u d e`, `n_u_d_e`, `nuuude`, `nüde`, letters of full width or in boxes, and words with a Cyrillic letter in
them are read as the plain words. What looks alike is told by Unicode's compatibility forms (UAX 15) and by a small
table of our own after the idea of its confusables (UTS 39).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import partial

_ALIKE = str.maketrans(
    "авекмнорстухіјѕԁһӏԝոս" + "αβεηικνορτυχγω" + "ıłøđɑɡɩ" + "ʀɴᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍᴏᴘꜱᴛᴜᴠᴡʏᴢ",
    "abekmhopctyxijsdhlwnu" + "abenikvoptuxyw" + "ilodagi" + "rnabcdefghijklmopstuvwyz",
)
"""Cyrillic and Armenian, Greek, Latin and small capital letters, and what they look like."""

_LEET = tuple(str.maketrans("013457@$!89", f"o{one}ea" + "stas" + f"{one}bg") for one in "il")
"""Digits and signs in the place of letters; 1 and ! stand for i or l."""

_BOXED = range(0x1F110, 0x1F200)
"""Letters in squares and circles, of which Unicode knows the plain ones by name alone."""

_CHUNK = re.compile(r"[^\s,;，、；。]+")
_WORD = re.compile(r"[^\W_]+|[,;，、；。]")
_CJK = r"[\u3040-\u30ff\u3400-\u9fff]"


def plain(text: str) -> str:
    """Small letters without marks, lookalikes and what cannot be seen; signs stay."""
    named = "".join(_unboxed(letter) for letter in text)
    parts = unicodedata.normalize("NFKD", named).casefold()
    seen = "".join(letter for letter in parts if unicodedata.category(letter) not in ("Mn", "Me", "Cf"))
    return unicodedata.normalize("NFC", seen.translate(_ALIKE))


def readings(text: str) -> tuple[str, ...]:
    """The ways to read a text that is `plain`, each as words with one space between them and around all.

    A comma stays as a word of its own, so that nothing is read across it.
    """
    found = {text}
    found |= {_in_chunks(text, partial(_unleeted, table)) for table in _LEET}
    found = {_words(one) for one in found} | {_words(_in_chunks(one, _joined)) for one in found}
    found |= {_spelled(one) for one in found}
    found |= {re.sub(r"(\w)\1{2,}", rf"\1{more}", one) for one in found for more in ("", r"\1")}
    return tuple(sorted(found))


def together(text: str) -> str:
    """A text that is `plain` without what separates its Chinese signs."""
    return re.sub(rf"(?<={_CJK})[\s_.·*|/-]+(?={_CJK})", "", text)


def pattern(entry: str) -> str:
    """The expression for an entry of a list in a reading; `*` at its end stands for any letters."""
    words = re.findall(r"[^\W_]+", plain(entry))
    return " ".join(map(re.escape, words)) + (r"\w*" if entry.endswith("*") else "")


def loose_pattern(entry: str) -> str:
    """The expression for an entry in a text that is only `plain`, whatever but commas stands between its words."""
    words = re.findall(r"[^\W_]+", plain(entry))
    if re.search(_CJK, entry):
        return "".join(map(re.escape, words))
    joined = r"(?:[^\w,]|_)*".join(map(re.escape, words))
    return rf"(?<![^\W_]){joined}" + (r"[^\W_]*" if entry.endswith("*") else r"(?![^\W_])")


def is_chinese(entry: str) -> bool:
    """Whether an entry has signs that are written without spaces."""
    return re.search(_CJK, entry) is not None


def split_camels(text: str) -> str:
    """`NudeStyle` as two words: names of files are written so."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)


def _unboxed(letter: str) -> str:
    if ord(letter) in _BOXED:
        return unicodedata.name(letter, "").rpartition("LETTER ")[2][:1] or letter
    return letter


def _in_chunks(text: str, change: Callable[[str], str]) -> str:
    return _CHUNK.sub(lambda found: change(found[0]), text)


def _unleeted(table: Mapping[int, int], chunk: str) -> str:
    """The chunk with letters for digits and signs, where it has letters at all."""
    return chunk.translate(table) if re.search(r"[a-z]", chunk) else chunk


def _joined(chunk: str) -> str:
    """`n.u-d_e` without what stands between the letters."""
    return re.sub(r"(?<=[a-z])[\W_]+(?=[a-z])", "", chunk)


def _words(text: str) -> str:
    return f" {' '.join(_WORD.findall(text))} "


def _spelled(text: str) -> str:
    """`n u d e` as one word: three single letters or more."""
    return re.sub(r"(?<= )(?:[a-z] ){3,}", lambda found: found[0].replace(" ", "") + " ", text)


def any_of(patterns: Iterable[str], *, whole: bool) -> re.Pattern[str]:
    """One expression for all; of `whole` words in a reading, or anywhere. Nothing matches an empty one."""
    told = "|".join(sorted(patterns, key=len, reverse=True)) or r"(?!)"
    return re.compile(rf"(?<= )(?:{told})(?= )" if whole else told)
