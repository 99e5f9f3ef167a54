"""Captions tell the truth about a picture and say it in many ways."""

from __future__ import annotations

import numpy as np
import pytest

from mini import captions
from mini.tags import HAIR_COLOURS, TAGS

OLD_MAN = [
    "1boy",
    "solo",
    "old",
    "grey_hair",
    "short_hair",
    "blue_eyes",
    "suit",
    "blue_clothes",
    "smile",
    "forest",
    "photo",
]


def written(count: int, **more: object) -> list[str]:
    rng = np.random.default_rng(3)
    return [captions.text(captions.write(OLD_MAN, rng, **more)) for _ in range(count)]  # type: ignore[arg-type]


def test_captions_differ_and_name_the_subject() -> None:
    texts = written(200)
    assert len(set(texts)) > 170
    assert all(any(word in text for word in ("man", "person", "1boy")) for text in texts)
    assert not any("woman" in text or "girl" in text for text in texts)


def test_no_caption_has_another_hair_colour() -> None:
    other = [f"{tag.removesuffix('_hair')} hair" for tag in HAIR_COLOURS if tag not in OLD_MAN]
    texts = [text.replace("_", " ") for text in written(300)]
    assert not any(words in text for text in texts for words in other)
    assert sum("grey" in text or "gray" in text for text in texts) > 150


def test_underscores_spaces_prose_and_triggers_all_occur() -> None:
    texts = written(400)
    assert any("grey_hair" in text for text in texts)
    assert any("blue suit" in text for text in texts)
    assert any("wearing" in text and " of " in text for text in texts)
    share = sum(text.count("ohwx ") + text.count("sks ") > 0 for text in texts) / len(texts)
    assert 0.01 < share < 0.15


@pytest.mark.parametrize("flaw", range(1, len(captions.FLAWS)))
def test_a_flaw_is_named_first(flaw: int) -> None:
    for text in written(20, flaw=flaw):
        assert any(word in text for word in captions.FLAWS[flaw])


def test_synonyms_are_of_known_tags() -> None:
    assert set(captions.SYNONYMS) <= set(TAGS)


def test_a_prompt_says_what_it_asks_for_and_always_who_it_is() -> None:
    for seed in range(200):
        pieces, asked = captions.ask(OLD_MAN, np.random.default_rng(seed))
        said = captions.text(pieces).replace("_", " ")
        assert {"old", "grey_hair", "blue_eyes", "photo"} <= set(asked) <= set(OLD_MAN) - {"solo"}
        assert ("1boy" in asked) == any(word in said.replace(",", "").split() for word in ("man", "1boy"))
        assert any(word in said for word in ("grey", "gray"))
        assert ("suit" in asked) == ("suit" in said or "formal" in said)
        assert "  " not in said


def test_no_colour_is_asked_of_a_picture_without_colour() -> None:
    for seed in range(50):
        pieces, asked = captions.ask([*OLD_MAN[:-1], "film_noir", "monochrome"], np.random.default_rng(seed))
        assert not {"grey_hair", "blue_eyes", "blue_clothes"} & set(asked)
        assert "blue" not in captions.text(pieces)
