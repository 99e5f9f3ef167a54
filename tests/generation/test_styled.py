"""Styles: whose words win, and where the sitter stands in them."""

from dataclasses import replace

import pytest

from portraitist.generation.styled import with_style
from portraitist.recipes import Base, Recipe, Style, find, names
from portraitist.requests import PortraitRequest

BASE = Base("b", "sd15", "file:x", "b-1", (64, 64), "r", negative="ugly")
STYLE = Style("oil", "oil painting of {sitter}", negative="photo", strength=0.8, steps=30, size=(64, 128))


def test_a_style_fills_what_the_request_leaves_open() -> None:
    made = with_style(
        PortraitRequest("anna", style="oil", steps=7), STYLE, "ohwx woman", BASE, Recipe("r", strength=0.9)
    )
    assert made.prompt == "oil painting of ohwx woman"
    assert made.negative == "photo, ugly"
    assert (made.steps, made.strength, made.size) == (7, 0.8, (64, 128))


def test_without_a_style_the_recipe_has_the_strength() -> None:
    made = with_style(PortraitRequest("anna", prompt="a hat"), None, "ohwx woman", BASE, Recipe("r", strength=0.9))
    assert (made.prompt, made.strength, made.negative) == ("ohwx woman, a hat", 0.9, None)


def test_a_likeness_is_asked_with_the_clip_skip_that_it_was_trained_with() -> None:
    asked, recipe = PortraitRequest("anna", prompt="a hat"), Recipe("r", clip_skip=2)
    assert with_style(asked, None, "ohwx woman", BASE, recipe).clip_skip == 2
    assert with_style(replace(asked, clip_skip=1), None, "ohwx woman", BASE, recipe).clip_skip == 1
    assert with_style(asked, None, "ohwx woman", BASE).clip_skip is None


@pytest.mark.parametrize(
    ("prompt", "made"),
    [
        ("ohwx, red hat", "ohwx, red hat"),
        ("a photo of {sitter}", "a photo of ohwx man"),
        ("ohwxy hat", "ohwx man, ohwxy hat"),
    ],
)
def test_the_sitter_is_named_once(prompt: str, made: str) -> None:
    assert with_style(PortraitRequest("a", prompt=prompt), None, "ohwx man", BASE).prompt == made


def test_a_complete_request_stays_as_it_is() -> None:
    request = PortraitRequest("anna", style="oil", prompt="ohwx woman, other words", negative="n", steps=3)
    assert with_style(request, STYLE, "ohwx woman", BASE) == request


def test_the_librarys_styles_speak_words_that_mini_knows() -> None:
    tags = pytest.importorskip("mini.captions").vocabulary()
    known = {word.replace("_", " ") for word in tags}
    for name in names(Style):
        style = find(Style, name)
        assert style.prompt.startswith("{sitter}, ") and style.title and style.title_zh
        said = [part.strip() for part in (style.prompt.removeprefix("{sitter}, ") + ", " + style.negative).split(",")]
        assert not [word for word in said if word and word not in known], name
