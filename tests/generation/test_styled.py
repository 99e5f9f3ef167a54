"""Styles: whose words win, and where the sitter stands in them."""

from dataclasses import replace

import pytest

from portraitist.generation.styled import meant_for, on_base, with_style
from portraitist.recipes import GROUPS, Base, Recipe, Style, StyleOn, find, find_all
from portraitist.requests import PortraitRequest

BASE = Base("b", "sd15", "file:x", "b-1", (64, 64), "r", negative="ugly")
STYLE = Style("oil", "oil painting of {sitter}", negative="photo", strength=0.8, steps=30, size=(64, 128))
LIBRARY = find_all(Style)
SHOWN = (
    "anime, black-and-white, business, city, forest, golden-hour, id-photo, ink, library, neon-art, neon-night, oil, "
    "old-photo, pastel, pencil, studio, summer-hat, watercolour, winter"
)


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


@pytest.mark.parametrize(
    ("subject", "prompt"),
    [
        ("ohwx woman", "ohwx woman in a gown, by woman light"),
        ("sks boy", "sks boy in a coat, by boy light, small"),
        ("ohwx cat", "ohwx cat with a bow, by cat light"),
        ("ohwx person", "ohwx person in a coat, by person light"),
        ("woman, 1girl, red hair", "woman, 1girl, red hair in a gown, by woman light"),
    ],
)
def test_words_go_by_the_sitters_group(subject: str, prompt: str) -> None:
    words = {
        "wears": {"woman": "in a gown", "pet": "with a bow", "any": "in a coat"},
        "more": {"child": "small"},
    }
    style = Style("s", "{sitter} {wears}, by {class} light, {more}", words=words)
    assert with_style(PortraitRequest("a", style="s"), style, subject, BASE).prompt == prompt


def test_a_bases_own_words_beat_its_familys_and_the_styles() -> None:
    style = replace(
        STYLE, on={"sd15": StyleOn(prompt="{sitter}, family", cfg=2.0), "b": StyleOn(prompt="{sitter}, own")}
    )
    asked = PortraitRequest("anna", style="oil")
    own = with_style(asked, style, "x", BASE)
    assert (own.prompt, own.cfg, own.steps) == ("x, own", None, 30)
    family = with_style(asked, style, "x", replace(BASE, name="other"))
    assert (family.prompt, family.cfg) == ("x, family", 2.0)
    assert with_style(asked, style, "x", replace(BASE, name="other", family="sdxl")).prompt == "oil painting of x"


def test_a_style_says_which_bases_it_is_for() -> None:
    sdxl = replace(BASE, name="own file", family="sdxl")
    assert meant_for(STYLE, BASE) and meant_for(STYLE, sdxl)
    assert meant_for(replace(STYLE, bases=("sdxl",)), sdxl) and not meant_for(replace(STYLE, bases=("sdxl",)), BASE)
    assert not meant_for(replace(STYLE, not_for=("b",)), BASE)


def test_mini_knows_every_word_that_its_styles_ask_it_for() -> None:
    tags = pytest.importorskip("mini.captions").vocabulary()
    known, mini = {word.replace("_", " ") for word in tags}, find(Base, "mini")
    drawn = [on_base(style, mini) for style in LIBRARY if meant_for(style, mini)]
    assert len(drawn) >= 40
    for style in drawn:
        assert style.prompt.startswith("{sitter}, ") and style.tags, style.name
        asked = [part.strip() for part in style.prompt.removeprefix("{sitter}, ").split(",")]
        said = [*asked, *(part.strip() for part in style.negative.split(","))]
        assert not [word for word in said if word and word not in known], style.name
        assert {tag.replace("_", " ") for tag in style.tags} <= set(asked), style.name
    assert len({frozenset(style.tags) for style in drawn}) == len(drawn), "two styles that nobody can tell apart"


def test_the_library_has_a_look_for_everybody() -> None:
    assert len(LIBRARY) >= 60
    assert all(style.title and style.title_zh and style.about for style in LIBRARY)
    assert all(set(style.suits) == set(GROUPS) for style in LIBRARY)
    assert len({style.title for style in LIBRARY}) == len({style.title_zh for style in LIBRARY}) == len(LIBRARY)
    assert {style.name for style in LIBRARY if style.shown} == set(SHOWN.split(", "))
