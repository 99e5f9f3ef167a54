"""Hires fix: sizes and steps are planned without a picture, the second pass adds details and can be repeated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from portraitist import families
from portraitist.devices import choose_device
from portraitist.errors import BadRequest, UnknownName
from portraitist.families.base import Model
from portraitist.generation.generate import complete, generate
from portraitist.generation.hires import advice, filled, plan
from portraitist.recipes import Base
from portraitist.requests import PortraitRequest
from portraitist.types import Size, Step

REQUEST = PortraitRequest(
    "anna", prompt="ohwx woman", size=(64, 64), steps=4, cfg=3.0, sampler="Euler", hires_scale=2.0
)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    base = Base("tiny", "sd15", "file:x", "tiny-1", (64, 64), "mini")
    return families.load(tiny_base, base, choose_device("cpu"))


def draw(request: PortraitRequest, model: Model) -> np.ndarray:
    (portrait,) = generate(request, model)
    return portrait.pixels


@pytest.mark.parametrize(
    ("size", "scale", "final"),
    [
        ((512, 768), 2.0, (1024, 1536)), ((512, 768), 1.5, (768, 1152)), ((512, 512), 1.3, (640, 640)),
        ((448, 640), 1.9, (832, 1216)), ((64, 64), 1.01, (64, 64)),
    ],
)  # fmt: skip
def test_both_sides_grow_and_stay_multiples(size: tuple[int, int], scale: float, final: tuple[int, int]) -> None:
    request = filled(replace(REQUEST, size=size, hires_scale=scale))
    first, second = plan(request, 64)
    assert first.size == Size(*size) and second.size == Size(*final)


@pytest.mark.parametrize(
    ("settings", "steps", "of"),
    [
        ({}, 4, 10), ({"hires_upscaler": "latent"}, 4, 5), ({"hires_steps": 3, "hires_denoise": 0.5}, 3, 6),
        ({"hires_denoise": 1.0}, 4, 4), ({"steps": 20, "hires_denoise": 0.38}, 20, 52),
    ],
)  # fmt: skip
def test_as_many_steps_run_as_are_asked_for(settings: dict[str, object], steps: int, of: int) -> None:
    second = plan(filled(replace(REQUEST, **settings)), 64)[1]
    assert (second.steps, second.of) == (steps, of)


def test_the_picture_is_larger_and_every_setting_counts(model: Model) -> None:
    first = draw(REQUEST, model)
    assert first.shape == (128, 128, 3) and np.array_equal(first, draw(complete(REQUEST, model), model))
    for name, value in {"hires_upscaler": "latent", "hires_denoise": 0.9, "hires_steps": 2, "seed": 7}.items():
        assert not np.array_equal(first, draw(replace(REQUEST, **{name: value}), model)), name


@pytest.mark.parametrize("sampler", ["Euler a", "DDIM", "Heun", "DPM++ 2M Karras", "DPM++ SDE Karras", "LMS", "UniPC"])
def test_every_kind_of_sampler_can_begin_in_the_middle(model: Model, sampler: str) -> None:
    told: list[Step] = []
    request = replace(REQUEST, sampler=sampler, steps=3)
    (portrait,) = generate(request, model, on_step=told.append)
    assert portrait.pixels.std() > 10 and np.array_equal(portrait.pixels, draw(portrait.request, model))
    assert told[-1].done == told[-1].total == len(told)


def test_lcm_begins_in_the_middle_of_a_schedule_longer_than_its_own(model: Model) -> None:
    told: list[Step] = []
    request = replace(REQUEST, sampler="LCM", steps=1, hires_steps=4, hires_denoise=0.07)
    (portrait,) = generate(request, model, on_step=told.append)
    assert portrait.pixels.std() > 10 and told[-1].done == len(told) == 5


def test_the_webui_reads_what_was_asked(model: Model) -> None:
    (portrait,) = generate(replace(REQUEST, hires_upscaler="latent"), model)
    told = portrait.text()["parameters"]
    assert "Denoising strength: 0.7, Hires upscale: 2, Hires steps: 4, Hires upscaler: Latent" in told


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hires_scale": 0.5}, "above 1"), ({"hires_scale": 9.0}, "at most 4"), ({"hires_denoise": 0.0}, "above 0"),
        ({"hires_denoise": 0.003}, "at most 1000 steps"),
        ({"hires_scale": None, "hires_steps": 4}, "without its scale"), ({"hires_steps": 999}, "between 1 and 150"),
        ({"size": (2048, 2048), "hires_scale": 4.0}, "at most 4096"),
    ],
)  # fmt: skip
def test_senseless_settings_are_refused(model: Model, settings: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        complete(replace(REQUEST, **settings), model)
    with pytest.raises(UnknownName, match="upscaler"):
        complete(replace(REQUEST, hires_upscaler="magic"), model)


def test_a_picture_far_above_the_base_is_better_drawn_twice() -> None:
    asked = replace(REQUEST, hires_scale=None, size=(1024, 1536))
    assert "--size 448x640 --hires-scale 2.4" in str(advice(asked, (512, 512), 64))
    assert advice(replace(asked, size=(512, 768)), (512, 512), 64) is None
    assert advice(replace(asked, hires_scale=2.0), (512, 512), 64) is None
