"""Grids as they are written, and the requests of their cells."""

from __future__ import annotations

import pytest

from portraitist.errors import BadRequest
from portraitist.generation.grid import is_named, lora_strengths, parse_grid, with_settings, with_words
from portraitist.requests import PortraitRequest
from portraitist.types import LoraUse


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("cfg=4,7,10;steps=10,20", [("cfg", (4.0, 7.0, 10.0)), ("steps", (10, 20))]),
        (" CFG Scale = 4 , 7.5 ; Clip skip = 1,2 ", [("cfg", (4.0, 7.5)), ("clip_skip", (1, 2))]),
        ("steps=1-5", [("steps", (1, 2, 3, 4, 5))]),
        ("steps=1-9 (+4),20", [("steps", (1, 5, 9, 20))]),
        ("steps=10-4 (-3)", [("steps", (10, 7, 4))]),
        ("cfg=4-10 [3]", [("cfg", (4.0, 7.0, 10.0))]),
        ("strength=0.6-1 (+0.2)", [("strength", (0.6, 0.8, 1.0))]),
        ("seed=5,7", [("seed", (5, 7))]),
        ("size=64x64,64x128;sampler=DDIM,DPM++ 2M Karras", [("size", ((64, 64), (64, 128))),
                                                             ("sampler", ("DDIM", "DPM++ 2M Karras"))]),
        ('prompt="red, dark",blue;hires_scale=1.5,2;hires_upscaler=lanczos,latent',
         [("prompt", ("red, dark", "blue")), ("hires_scale", (1.5, 2.0)), ("hires_upscaler", ("lanczos", "latent"))]),
        ('prompt="a;b",c', [("prompt", ("a;b", "c"))]),
        ("lora:Ink-2=0.2,0.6;strength=-1,1", [("lora:Ink-2", (0.2, 0.6)), ("strength", (-1.0, 1.0))]),
        ("style=ink,oil;denoising=0.4", [("style", ("ink", "oil")), ("hires_denoise", (0.4,))]),
    ],
)  # fmt: skip
def test_what_grids_say(text: str, axes: list[tuple[str, tuple[object, ...]]]) -> None:
    assert [(axis.name, axis.values) for axis in parse_grid(text).axes] == axes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Column 1 .*missing"),
        ("cfg=4,7;", "Column 9 .*missing"),
        ("cfg=4,,7", "Column 7 .*missing"),
        ("cfg=", "Column 5 .*missing"),
        ("cfg", "Column 1 .*has no values"),
        ("cfg=4;stepz=2", "Column 7 .*'stepz' is no setting"),
        ("negative=a,b", "'negative' is no setting"),
        ("steps=10,2.5", "Column 10 .*'2.5' is no steps"),
        ("cfg=4,high", "Column 7 .*'high' is no cfg"),
        ("cfg=nan", "'nan' is no cfg"),
        ("size=64,128", "Column 6 .*'64' is no size"),
        ("cfg=4,7,4", "Column 9 .*4 stands twice"),
        ("cfg=4;steps=2;cfg=7", "Column 15 .*cfg stands twice"),
        ("cfg=4;steps=2;seed=1;size=64x64", "Column 22 .*at most 3"),
        ("steps=1-9 (-2)", "Column 7 .*never gets to 9"),
        ("steps=1-9 (+0)", "Column 7 .*never gets to 9"),
        ("cfg=1-9 [1]", "Column 5 .*range of 1"),
        ("seed=1-100000", "Column 6 .*100000 values"),
        ('prompt="red,blue', "Column 8 .*quotes"),
        ("lora:=1", "names no LoRA"),
        ("steps=1-20;cfg=1-20", "20 x 20 = 400 pictures; at most 100"),
    ],
)
def test_a_wrong_grid_names_the_column(text: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parse_grid(text)


def test_cells_run_along_x_first_and_have_their_settings() -> None:
    grid = parse_grid("cfg=4,7;steps=10,20;size=64x64,64x128")
    places = list(grid.places())
    assert [grid.told(place) for place in places[:3]] == [
        "cfg 4, steps 10, size 64x64", "cfg 7, steps 10, size 64x64", "cfg 4, steps 20, size 64x64",
    ]  # fmt: skip
    last = with_settings(PortraitRequest("anna", prompt="smile", seed=5), grid, places[-1])
    assert last == PortraitRequest("anna", prompt="smile", seed=5, cfg=7.0, steps=20, size=(64, 128))


def test_words_take_the_place_of_the_first_in_prompt_and_negative() -> None:
    grid = parse_grid("prompt=red,dark blue;cfg=4")
    asked = PortraitRequest("anna", prompt="red hat, red shirt", negative="red eyes")
    assert with_words(asked, grid, (0, 0)) == asked
    told = with_words(asked, grid, (1, 0))
    assert (told.prompt, told.negative) == ("dark blue hat, dark blue shirt", "dark blue eyes")
    with pytest.raises(BadRequest, match=r"looks for 'red'.*a green hat"):
        with_words(PortraitRequest("anna", prompt="a green hat"), grid, (0, 0))


def test_loras_are_named_by_name_or_file() -> None:
    assert lora_strengths(parse_grid("lora:Ink=0.2,0.6;cfg=4"), (1, 0)) == {"Ink": 0.6}
    assert is_named(LoraUse("/x/Ink.safetensors"), "Ink") and not is_named(LoraUse("ink"), "Ink")


def test_styles_and_a_prompt_exclude_each_other() -> None:
    with pytest.raises(BadRequest, match="no prompt of its own"):
        with_settings(PortraitRequest("anna", prompt="smile"), parse_grid("style=ink,oil"), (0,))
