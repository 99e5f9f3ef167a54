"""Portraits: the same request gives the same pixels whatever its company, and carries all that made it."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from portraitist import families
from portraitist.devices import choose_device
from portraitist.errors import BadRequest, Cancelled, OutOfMemory, UnknownName
from portraitist.families.base import Model
from portraitist.generation.generate import GenerationStep, complete, generate, picture_seeds
from portraitist.generation.portrait import Portrait
from portraitist.generation.prompts import clean
from portraitist.generation.samplers import build, sampler_names, sampler_notes, webui_names
from portraitist.images import read_request, save_png
from portraitist.lora.formats import Lora
from portraitist.recipes import Base
from portraitist.requests import PortraitRequest, from_data
from portraitist.types import Picture, Step
from tests.contract.family import FamilyContract

REQUEST = PortraitRequest("anna", prompt="ohwx woman, smile", count=3, steps=3, seed=11)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    base = Base("tiny", "sd15", "file:x", "tiny-1", (64, 64), "mini", negative="hat", cfg=3.0)
    return families.load(tiny_base, base, choose_device("cpu"))


@pytest.fixture(scope="module")
def lora(model: Model) -> Lora:
    return FamilyContract().random_lora(model)


def make(request: PortraitRequest, model: Model, lora: Lora | None = None) -> list[Portrait]:
    return list(generate(request, model, lora))


def same(left: Portrait, right: Portrait) -> bool:
    return np.array_equal(left.pixels, right.pixels)


def test_a_picture_does_not_depend_on_its_company(model: Model, lora: Lora) -> None:
    three, one = make(REQUEST, model, lora), make(replace(REQUEST, count=1), model, lora)
    assert same(three[0], one[0])
    for portrait in three:
        assert portrait.pixels.shape == (64, 64, 3) and portrait.pixels.dtype == np.uint8
        (again,) = make(portrait.request, model, lora)
        assert same(portrait, again) and again.request == portrait.request
    assert not same(three[0], three[1]) and not same(three[1], three[2])


def test_a_picture_can_be_made_again_from_its_file(model: Model, lora: Lora, tmp_path: Path) -> None:
    portrait = make(REQUEST, model, lora)[2]
    path = save_png(tmp_path / "a.png", portrait.pixels, portrait.text())
    (again,) = make(from_data(PortraitRequest, read_request(path)), model, lora)
    assert same(portrait, again)


def test_everything_in_the_request_counts(model: Model, lora: Lora) -> None:
    base = replace(REQUEST, count=1)
    (first,) = make(base, model, lora)
    others = {
        "prompt": "ohwx woman, red", "negative": "black", "seed": 12, "size": (64, 128), "sampler": "Euler",
        "steps": 4, "cfg": 5.0, "clip_skip": 2, "strength": 0.5, "hires_scale": 2.0,
    }  # fmt: skip
    for name, value in others.items():
        (other,) = make(replace(base, **{name: value}), model, lora)
        assert other.pixels.shape != first.pixels.shape or not same(first, other), name
    assert not same(first, make(base, model)[0])
    assert {item.name for item in fields(base)} - set(others) <= {
        "sitter", "style", "count", "base", "base_version", "likeness_sha256", "hires_upscaler", "hires_denoise",
        "hires_steps", "hires_sha256", "tiles", "batch", "loras", "finish",
    }  # fmt: skip


def test_what_the_request_leaves_open_comes_from_the_base(model: Model) -> None:
    full = complete(PortraitRequest("anna", prompt="ohwx,  woman ,"), model)
    assert (full.prompt, full.negative, full.size, full.cfg) == ("ohwx, woman", "hat", (64, 64), 3.0)
    assert (full.base, full.base_version, full.strength) == ("tiny", "tiny-1", 1.0)
    assert complete(full, model) == full
    assert complete(replace(full, negative=""), model).negative == ""


def test_without_guidance_the_negative_is_not_asked(model: Model) -> None:
    plain = replace(REQUEST, count=1, cfg=1.0)
    assert same(make(plain, model)[0], make(replace(plain, negative="red"), model)[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": (60, 64)}, "does not go"), ({"size": (4096, 4096)}, "too large"), ({"steps": 0}, "steps is 0"),
        ({"cfg": 99.0}, "cfg is 99"), ({"count": 0}, "count is 0"), ({"seed": -1}, "seed is -1"),
        ({"strength": float("nan")}, "strength is nan"), ({"prompt": "x" * 5000}, "5000 letters"),
        ({"clip_skip": 9}, "too much"),
    ],
)  # fmt: skip
def test_a_senseless_request_is_refused(model: Model, change: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        make(replace(REQUEST, **change), model)


def test_progress_and_cancel(model: Model) -> None:
    told: list[Step] = []
    list(generate(replace(REQUEST, sampler="Heun", count=2), model, on_step=told.append))
    assert told[-1].done == told[-1].total == len(told)
    assert isinstance(told[-1], GenerationStep) and told[-1].seconds_left == 0.0

    def stop(step: Step) -> None:
        raise Cancelled("enough")

    before = FamilyContract().predict(model, "ohwx")
    with pytest.raises(Cancelled):
        make_with = generate(REQUEST, model, FamilyContract().random_lora(model), stop)
        list(make_with)
    assert np.array_equal(before.numpy(), FamilyContract().predict(model, "ohwx").numpy())


def test_parameters_are_in_the_webuis_form(model: Model, lora: Lora) -> None:
    request = replace(REQUEST, count=1, likeness_sha256="ab" * 32, strength=0.8, clip_skip=2)
    text = make(request, model, lora)[0].text()["parameters"].splitlines()
    assert text[0] == "ohwx woman, smile <lora:anna:0.8>" and text[1] == "Negative prompt: hat"
    assert text[2].startswith(
        "Steps: 3, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 3.0, Seed: 11, Size: 64x64"
    )
    assert "Clip skip: 2" in text[2] and 'Lora hashes: "anna: abababababab"' in text[2]


@pytest.mark.parametrize("name", [name for name in sampler_names() if " 2M" in name or webui_names(name)[0] == name])
def test_every_sampler_is_repeatable(model: Model, name: str) -> None:
    request = replace(REQUEST, count=1, sampler=name, steps=3)
    (one,), (two,) = make(request, model), make(request, model)
    assert same(one, two) and one.pixels.std() > 10


@pytest.mark.parametrize("name", ["DPM++ 2M Beta", "UniPC Beta", "LCM"])
def test_schedules_of_many_steps_run_through(model: Model, name: str) -> None:
    told: list[Step] = []
    (portrait,) = generate(replace(REQUEST, count=1, sampler=name, steps=51), model, on_step=told.append)
    assert portrait.pixels.std() > 10 and told[-1].done == len(told) == 51


def test_samplers_are_found_by_many_names(model: Model) -> None:
    for name in ("DPM++ 2M Karras", "dpm++ 2m karras", "dpmpp_2m_karras", "DPM++2M-Karras"):
        assert webui_names(name) == ("DPM++ 2M", "Karras")
    assert webui_names("Euler a") == ("Euler a", "Automatic")
    assert build("DPM++ 2M Karras", model.scheduler_config).config.use_karras_sigmas is True
    for wrong in ("", "Karras", "Euler b", "DDIM Karras"):
        with pytest.raises(UnknownName, match="sampler"):
            webui_names(wrong)
    with pytest.raises(UnknownName) as caught:
        webui_names("DPM++ 2S a Karras")
    assert "DPM++ SDE comes nearest" in str(caught.value.hint)


def test_a_sampler_with_noise_of_its_own_takes_the_pictures_seed(model: Model) -> None:
    request = replace(REQUEST, sampler="DPM++ SDE Karras", steps=2, count=2)
    first, second = make(request, model)
    assert not same(first, second) and same(second, make(second.request, model)[0])


def test_seeds_of_a_request() -> None:
    seeds = picture_seeds(replace(REQUEST, count=5))
    assert seeds[0] == 11 and len(set(seeds)) == 5
    assert picture_seeds(REQUEST) == seeds[:3]


def test_prompts_are_cleaned() -> None:
    assert clean(" a ,, b\n c<lora:x:0.8>, ") == "a, b c"


def test_the_docs_name_every_sampler_and_what_is_other() -> None:
    told = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
    rows = {row.split("`")[1]: row for row in told.splitlines() if "Scheduler`" in row}
    assert set(rows) == {webui_names(name)[0] for name in sampler_names()}
    assert all(note in rows[name] for name, note in sampler_notes().items())


def test_a_picture_for_which_memory_runs_out_is_decoded_in_tiles(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    decode, tiled = type(model).decode, []

    def short(self: Any, latents: Tensor) -> list[Picture]:
        tiled.append(self.vae.use_tiling)
        if not self.vae.use_tiling:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return decode(self, latents)

    one = replace(REQUEST, count=1, steps=1)
    monkeypatch.setattr(type(model), "decode", short)
    (portrait,) = make(one, model)
    assert portrait.request.tiles is True and tiled == [False, True]
    with pytest.raises(OutOfMemory):
        make(replace(one, tiles=False), model)
    (again,) = make(portrait.request, model)
    assert same(portrait, again) and not model.vae.use_tiling  # type: ignore[attr-defined]
