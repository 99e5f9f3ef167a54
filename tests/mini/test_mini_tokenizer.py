"""mini's vocabulary: every word of our captions is one token, and CLIPTokenizer reads the same files to the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mini import captions, people, tags, tokenizer

if TYPE_CHECKING:
    from pathlib import Path


def test_every_word_of_the_captions_is_one_token() -> None:
    words = {word for text in captions.vocabulary() for word in tokenizer.split(text)}
    assert [word for word in words if len(tokenizer.encode(word)) != 1] == []
    assert {"ohwx", "sks", "woman", "smiling"} <= words


def test_the_vocabulary_is_small_and_has_all_bytes() -> None:
    ids, ranks = tokenizer.tables()
    assert 1000 < len(ids) < 2000
    assert len(ids) == 512 + len(ranks) + 2
    assert set(tokenizer.alphabet()) <= set(ids)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> object:
    from transformers import CLIPTokenizer

    folder: Path = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(folder)
    return CLIPTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(
    "text", ["Hello, wörld!! (a:1.2)", "日本語 photo", 'a_b__c "x" it\'s', "ohwx woman 😀", "\tnew\nline  50mm"]
)
def test_clip_tokenizer_agrees_on_any_text(clip: object, text: str) -> None:
    assert clip(text, add_special_tokens=False).input_ids == list(tokenizer.encode(text))  # type: ignore[operator]


def test_clip_tokenizer_agrees_on_captions(clip: object) -> None:
    drawn = people.draw(np.arange(40), np.arange(40))
    rng = np.random.default_rng(0)
    for row in drawn.scene:
        pieces = captions.write(
            [tags.TAGS[i] for i in np.flatnonzero(row)], rng, flaw=int(rng.integers(9)), names=("ohwx", "Zoë", "x9")
        )
        text = captions.text(pieces)
        whole = clip(text, padding="max_length", truncation=True, max_length=77).input_ids  # type: ignore[operator]
        assert whole == tokenizer.encode_pieces(pieces)
