"""Makes mini's own CLIP vocabulary: byte-pair merges in which every word of our captions is one token.

The two files (`vocab.json`, `merges.txt`) are read by `transformers.CLIPTokenizer`. `encode` is the same encoding
without transformers, for captions by the hundred thousand; it does not know special tokens inside the text. Byte
alphabet, word ends and rank order are those of CLIP (Radford et al. 2021).
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import regex

from mini import captions

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 77  # tokens of a prompt, start and end included
START, END = "<|startoftext|>", "<|endoftext|>"
_SPLIT = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE)


def alphabet() -> list[str]:
    """One printable character for each byte 0–255: itself where it prints, else one from U+0100 up."""
    prints = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte) if byte in prints else chr(next(spare)) for byte in range(256)]


def split(text: str) -> list[str]:
    """Words, single digits and runs of punctuation, in lower case."""
    return [str(word) for word in _SPLIT.findall(" ".join(text.lower().split()))]


def learn_merges(texts: list[str]) -> list[tuple[str, str]]:
    """Merges until every word of `texts` is one symbol: the most frequent pair first, ties by the alphabet."""
    letters = alphabet()
    pieces = {}
    for word in sorted({word for text in texts for word in split(text)}):
        symbols = [letters[byte] for byte in word.encode()]
        pieces[word] = [*symbols[:-1], symbols[-1] + "</w>"]
    merges: list[tuple[str, str]] = []
    while True:
        pairs = Counter(pair for symbols in pieces.values() for pair in pairwise(symbols))
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word, symbols in pieces.items():
            if len(symbols) > 1:
                pieces[word] = _merge(symbols, best)


def _merge(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for symbol in symbols:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return merged


@lru_cache(maxsize=1)
def tables() -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """(token → id, merge → rank) of mini's vocabulary."""
    letters = sorted(alphabet())
    merges = learn_merges(captions.vocabulary())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges), START, END]
    return {token: i for i, token in enumerate(tokens)}, {pair: i for i, pair in enumerate(merges)}


@lru_cache(maxsize=65536)
def _word_ids(word: str) -> tuple[int, ...]:
    ids, ranks = tables()
    letters = alphabet()
    symbols = [letters[byte] for byte in word.encode()]
    symbols[-1] += "</w>"
    while len(symbols) > 1:
        best = min(pairwise(symbols), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        symbols = _merge(symbols, best)
    return tuple(ids[symbol] for symbol in symbols)


@lru_cache(maxsize=65536)
def encode(text: str) -> tuple[int, ...]:
    """Token ids of a text, without start, end and padding."""
    return tuple(token for word in split(text) for token in _word_ids(word))


def encode_pieces(pieces: list[str]) -> list[int]:
    """77 ids of a caption: start, the pieces with commas between, cut after 75, end, padded with end."""
    ids, _ = tables()
    comma = encode(",")
    found = [ids[START]]
    for i, piece in enumerate(pieces):
        found += (*comma, *encode(piece)) if i else encode(piece)
    return (found[: LENGTH - 1] + [ids[END]] * LENGTH)[:LENGTH]


def save(folder: Path) -> None:
    """Writes the tokenizer folder of a diffusers pipeline."""
    folder.mkdir(parents=True, exist_ok=True)
    ids, ranks = tables()
    config = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "bos_token": START, "eos_token": END,
        "pad_token": END, "unk_token": END,
        "do_lower_case": True, "add_prefix_space": False, "errors": "replace",
    }  # fmt: skip
    special = {name: config[name] for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    _json(folder / "vocab.json", ids, indent=None)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in ranks), encoding="utf-8")
    _json(folder / "tokenizer_config.json", config)
    _json(folder / "special_tokens_map.json", special)


def _json(path: Path, value: object, indent: int | None = 2) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")
