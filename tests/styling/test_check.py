"""What is found about a style: the library's are fit, and each defect is named with its key."""

from dataclasses import replace
from pathlib import Path

import pytest

from portraitist.errors import BadFile
from portraitist.generation.denied import load_deny_list
from portraitist.recipes import Style, StyleOn, find_all
from portraitist.styling.check import Tokenizers, check_file, check_style, worst

GOOD = Style("night-train", "portrait of {sitter} in a sleeping car, warm lamp", "Night train", negative="daylight")


def test_the_library_is_without_remarks(tokenizers: Tokenizers) -> None:
    denied = load_deny_list()
    found = [finding for style in find_all(Style) for finding in check_style(style, (), tokenizers, denied)]
    assert found == []


@pytest.fixture(scope="module")
def tokenizers() -> Tokenizers:
    return Tokenizers()


@pytest.mark.parametrize(
    ("style", "code", "place"),
    [
        (replace(GOOD, prompt="a sleeping car"), "no_slot", "prompt"),
        (replace(GOOD, on={"sdxl": StyleOn(prompt="a train")}), "no_slot", "on.sdxl.prompt"),
        (replace(GOOD, prompt="{sitter}, {wears}"), "unknown_slot", "prompt"),
        (replace(GOOD, size=(500, 512)), "bad_size", "size"),
        (replace(GOOD, on={"sdxl": StyleOn(cfg=99.0)}), "bad_number", "on.sdxl.cfg"),
        (replace(GOOD, sampler="Eular"), "unknown_sampler", "sampler"),
        (replace(GOOD, lora="train.safetensors"), "missing_lora", "lora"),
        (replace(GOOD, suits=()), "no_group", "suits"),
        (replace(GOOD, prompt="{sitter}, a <lora:train:0.5"), "bad_prompt", "prompt"),
        (replace(GOOD, on={"sdxl": StyleOn(negative="(blurry:99)")}), "bad_prompt", "on.sdxl.prompt"),
    ],
)
def test_what_makes_a_style_unfit(style: Style, code: str, place: str, tokenizers: Tokenizers) -> None:
    found = check_style(style, (), tokenizers)
    assert worst(found)
    assert [(one.code, one.place) for one in found if one.level == "error"] == [(code, place)]


@pytest.mark.parametrize(
    ("style", "code"),
    [
        (replace(GOOD, prompt="{sitter}, extremely beautiful girl"), "gendered"),
        (replace(GOOD, prompt="{sitter}, gentleman, top hat", suits=("man", "pet")), "gendered"),
        (replace(GOOD, negative="blurry, Warm Lamp"), "negative_repeats"),
        (replace(GOOD, prompt="{sitter}, {wears}", words={"wears": {"woman": "a gown"}}), "group_left_out"),
        (replace(GOOD, words={"wears": {"any": "a coat"}}), "unused_words"),
        (replace(GOOD, prompt="{sitter}, " + "very fine old wood, " * 20), "long"),
        (replace(GOOD, title=""), "no_title"),
        (replace(GOOD, lora_strength=0.3), "no_lora"),
    ],
)
def test_what_is_worth_a_look(style: Style, code: str, tokenizers: Tokenizers) -> None:
    found = check_style(style, (), tokenizers)
    assert not worst(found)
    assert code in [one.code for one in found]


def test_a_word_of_one_group_is_fine_in_a_style_for_it(tokenizers: Tokenizers) -> None:
    assert not check_style(replace(GOOD, prompt="{sitter} as a gentleman", suits=("man",)), (), tokenizers)


def test_a_lora_beside_the_file_is_found(tmp_path: Path, tokenizers: Tokenizers) -> None:
    style = replace(GOOD, lora="train", on={"sdxl": StyleOn(lora="hf:somebody/train")})
    file = tmp_path / "style.toml"
    assert [one.code for one in check_file(file, style, (), tokenizers)] == ["missing_lora"]
    (tmp_path / "train.safetensors").touch()
    assert not check_file(file, style, (), tokenizers)


def test_a_file_that_cannot_be_read_is_a_finding() -> None:
    (found,) = check_file(Path("night/style.toml"), BadFile("key 'promt' is wrong."))
    assert (found.style, found.level, found.code) == ("night", "error", "unreadable") and "promt" in found.message
