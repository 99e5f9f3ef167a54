"""What a tokenizer cannot read is told by the tokens that words fall into."""

from __future__ import annotations

from typing import Any

import pytest

from portraitist.families.parts import configs_of
from portraitist.families.reading import Unread, unread
from portraitist.families.vocabulary import load_tokenizers
from portraitist.recipes import LIBRARY

FOREIGN = (
    "一个女孩在微笑", "美丽的女人，红色连衣裙", "笑", "かわいい女の子", "여자", "женщина с рыжими волосами",
    "γυναίκα χαμόγελο", "فتاة جميلة", "שלום", "สวยงาม", "हिन्दी लड़की", "portrait of 王芳, smile",
)  # fmt: skip

READ = (
    "portrait of a woman, red dress, 35mm film, 1990s, 8k, f/1.8", "café crème brûlée", "Zoë, Beyoncé, Björk",
    "naïve façade", "Łukasz Żółkowski", "Nguyễn",
    "Łódź", "schöne Frau mit Übermut", "một cô gái đẹp", "xqzt wvrtk", "😀🎉 ♥ ★ → ①",
    "“quoted” – dash… × € № ™ ½", "Sony α7, 50µm, π", "ohwx woman, 1girl, solo", "", "e\u0301clair",
)  # fmt: skip


@pytest.fixture(scope="module", params=["clip", "mini"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    folder = configs_of("sd15") if request.param == "clip" else LIBRARY / "mini"
    return load_tokenizers(folder)["tokenizer"]


def test_other_scripts_fall_apart_and_what_english_prompts_hold_does_not(tokenizer: Any) -> None:
    assert [text for text in FOREIGN if not unread(tokenizer, text)] == []
    assert {text: found for text in READ if (found := unread(tokenizer, text))} == {}


def test_each_word_is_told_once_with_its_tokens() -> None:
    clip = load_tokenizers(configs_of("sd15"))["tokenizer"]
    found = unread(clip, "女孩, a smile, 女孩, улыбка")
    assert found[0] == Unread("女孩", ("å¥", "³", "åŃ", "©")) and [one.word for one in found] == ["女孩", "улыбка"]


class Knowing:
    """A vocabulary with some Chinese and Russian words, as newer text encoders have; others are unknown."""

    unk_token = "<unk>"

    def tokenize(self, text: str) -> list[str]:
        known = {"女孩": ["▁", "女孩"], "美丽": ["▁", "美", "丽"], "улыбка": ["▁улыб", "ка"]}
        return known.get(text, ["▁", "<unk>"])


def test_a_vocabulary_that_knows_the_language_reads_it() -> None:
    assert [one.word for one in unread(Knowing(), "女孩 美丽 улыбка สวยงาม")] == ["สวยงาม"]
