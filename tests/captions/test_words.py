"""Trigger, lint, edits and written captions, without files of models."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from portraitist.captions import edit
from portraitist.captions.lint import Length, lint, looks_named
from portraitist.captions.tags import load_rules
from portraitist.captions.trigger import judge
from portraitist.captions.written import with_subject, written_captions
from portraitist.errors import BadRequest
from portraitist.families.vocabulary import load_tokenizers, read_text

RULES = load_rules()


@dataclass(frozen=True)
class Reading:
    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    vocabulary: int = 49408
    tokenizer: str = "tokenizer"


@pytest.mark.parametrize(
    ("word", "reading", "codes"),
    [  # the numbers are CLIP's own
        ("ohwx", Reading(("ohwx",), (47993,)), []),
        ("sks", Reading(("sks",), (48136,)), []),
        ("<sks>", Reading(("<", "sks", ">"), (283, 48136, 285)), ["several_tokens"]),
        ("anna", Reading(("anna",), (2160,)), ["common_word"]),
        ("violin", Reading(("violin",), (17058,)), ["common_word"]),
        ("freckles", Reading(("freckles",), (48036,)), ["common_word"]),
        ("woman", Reading(("woman",), (90,), 1331), ["common_word"]),
        ("smile", Reading(("smile",), (1273,), 1331), ["common_word"]),
        ("ohwx", Reading(("ohwx",), (1192,), 1331), []),
        ("black_hair", Reading(("black", "_", "hair"), (1, 2, 3)), ["several_tokens"]),
    ],
)
def test_a_good_trigger_is_one_rare_token(word: str, reading: Reading, codes: list[str]) -> None:
    assert [one.code for one in judge(word, [reading], RULES)] == codes


def test_a_base_reads_words_by_each_of_its_tokenizers(tiny_base: Path) -> None:
    tokenizers = load_tokenizers(tiny_base)
    (reading,) = read_text(tokenizers, "ohwx")
    assert reading.tokens == ("ohwx",) and reading.room == 75 and len(reading.ids) == 1
    (reading,) = read_text(tokenizers, "<sks>")
    assert reading.tokens == ("<", "sks", ">")


def codes(captions: dict[str, str], **more: object) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.code, one.photos) for one in lint(captions, "ohwx", "woman", RULES, **more)]  # type: ignore[arg-type]


def test_lint_finds_each_kind_of_fault_and_nothing_in_good_captions() -> None:
    good = {"1": "ohwx woman, solo, smile, red shirt", "2": "Ohwx woman, looking up, outdoors"}
    assert codes(good) == []
    assert codes({"a": " "}) == [("empty", ("a",))]
    assert codes({"a": "woman, smile"}) == [("no_trigger", ("a",))]
    assert codes({"a": "ohwxx woman, smile"}) == [("no_trigger", ("a",))]
    assert codes({"a": "ohwx woman, black hair"}) == [("names_looks", ("a",))]
    assert codes({**good, "3": "ohwx woman,  solo, smile, Red shirt"}) == [("duplicate", ("1", "3"))]
    assert codes(good, length=lambda text: Length(len(text), 33)) == [("too_long", ("1",))]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ohwx woman, a woman with black hair and blue eyes, smiling", ("black hair", "blue eyes")),
        ("ohwx woman, solo, freckles, long hair, hat", ("freckles",)),
        ("ohwx woman, a woman in a red hat is standing in a park", ()),
        ("ohwx woman, an old man with a big nose looks at her", ("old", "big nose")),
        ("ohwx man, scar_on_cheek, looking at viewer", ("scar_on_cheek",)),
    ],
)
def test_looks_are_found_in_tags_and_in_sentences(text: str, named: tuple[str, ...]) -> None:
    assert looks_named(text, "ohwx", "woman", RULES) == named


def test_always_kept_looks_are_no_fault() -> None:
    assert looks_named("ohwx man, scar_on_cheek", "ohwx", "man", load_rules(keep=["scar*"])) == ()


def test_tags_are_added_removed_and_replaced() -> None:
    text = "ohwx woman, red shirt, smile, hat"
    changed = edit.changed(text, ["indoors", "smile"], ["Hat"], [("red shirt", "blue shirt")])
    assert changed == "ohwx woman, blue shirt, smile, indoors"
    assert edit.changed(text) == text


def test_a_photo_is_found_by_name_bare_name_and_number() -> None:
    captions = {"x.zip/one.jpg": "a", "two.jpg": "b"}
    assert [edit.find_photo(captions, w) for w in ("two.jpg", "one.jpg", "1")] == [
        "two.jpg",
        "x.zip/one.jpg",
        "x.zip/one.jpg",
    ]
    for wrong in ("three.jpg", "0", "3"):
        with pytest.raises(BadRequest, match="no photo"):
            edit.find_photo(captions, wrong)


def test_all_captions_go_through_an_editor_and_back() -> None:
    captions = {"one.jpg": "ohwx woman, smile", "two.jpg": ""}
    text = edit.as_text(captions)
    assert edit.from_text(text, captions) == captions
    assert edit.from_text(text.replace("smile", "sad\nhat"), captions)["one.jpg"] == "ohwx woman, sad hat"
    with pytest.raises(BadRequest, match=r"two\.jpg"):
        edit.from_text(text.replace("# two.jpg", ""), captions)


def test_written_captions_lie_beside_the_photo_or_in_the_earlier_set(tmp_path: Path) -> None:
    photos = {tmp_path / name: name for name in ("a.jpg", "b.jpg", "02-c.jpg")}
    trained = tmp_path / "set"
    trained.mkdir()
    rows = '{"file_name": "1.png", "text": "earlier a", "photo": "a.jpg"}\n'
    rows += '{"file_name": "2.png", "text": "earlier c", "photo": "old.zip/c.jpg"}\n'
    (trained / "metadata.jsonl").write_text(rows)
    (tmp_path / "a.txt").write_text("beside a")
    with pytest.raises(BadRequest, match=r"b\.jpg"):
        written_captions(photos, trained)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "b.jpg", "text": "listed b"}\n')
    assert list(written_captions(photos, trained).values()) == ["beside a", "listed b", "earlier c"]
    assert with_subject("a day out", "ohwx", "man") == "ohwx man, a day out"
    assert with_subject("photo of OHWX man", "ohwx", "man") == "photo of OHWX man"
