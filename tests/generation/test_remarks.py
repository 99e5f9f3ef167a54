"""What is told about a request and stops nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from portraitist import families
from portraitist.devices import choose_device
from portraitist.families.base import Model
from portraitist.generation.generate import complete
from portraitist.generation.remarks import remarks, tags
from portraitist.recipes import Base
from portraitist.requests import PortraitRequest, Warn

ASKED = PortraitRequest("anna", prompt="ohwx woman, smile, red shirt")


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    base = Base("tiny", "sd15", "file:", "tiny-1", (64, 64), "mini")
    return families.load(tiny_base, base, choose_device("cpu"))


def told(model: Model, **change: object) -> tuple[Warn, ...]:
    return remarks(complete(replace(ASKED, **change), model), model)  # type: ignore[arg-type]


def test_tags_are_compared_as_they_are_read() -> None:
    assert tags("(Red_Shirt:1.3),  smile , [[SMILE]] BREAK hat \\(blue\\), <lora:ink:0.5>") == (
        "red shirt", "smile", "hat (blue)",
    )  # fmt: skip
    assert tags("") == ()


@pytest.mark.parametrize(
    ("prompt", "negative", "named"),
    [
        ("ohwx woman, smile, red shirt", "smile, blurry", "1 of the prompt's 3 tags and takes them back: smile."),
        ("ohwx woman, smile, red shirt", "((Smile)), (red_shirt:1.4)", "2 of the prompt's 3 tags"),
        ("ohwx woman, (smile:1.2), <lora:ink:1>", "blurry, smile", "1 of the prompt's 2 tags"),
        ("ohwx woman, smile, red shirt, hat", "smile", None),
        ("ohwx woman, smile, red shirt", "smiling, red", None),
        ("ohwx woman, smile, red shirt", "", None),
    ],
)
def test_a_negative_that_repeats_a_third_of_the_prompt_is_told(
    model: Model, prompt: str, negative: str, named: str | None
) -> None:
    # the tiny base has no LoRA: the prompt goes as it is after `<lora:…>` was taken out
    found = [one for one in told(model, prompt=prompt, negative=negative) if one.code == "negative_repeats"]
    assert [named in one.message for one in found] == ([True] if named else [])


def test_a_language_that_the_base_cannot_read_is_told_with_its_tokens(model: Model) -> None:
    (warning,) = told(model, prompt="ohwx woman, 微笑")
    assert warning.code == "unread_language" and "in the prompt" in warning.message
    assert "微笑 is å ¾ ® ç ¬ ĳ" in warning.message and "tiny" in warning.message
    (warning,) = told(model, negative="размыто")
    assert "in the negative prompt" in warning.message
    assert told(model, prompt="ohwx woman, café, 8k 😀") == ()


def test_a_size_far_above_the_bases_own_is_told(model: Model) -> None:
    (warning,) = told(model, size=(128, 128))
    assert warning.code == "large" and "--hires-scale 2" in warning.message
