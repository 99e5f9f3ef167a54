"""Several pictures at a time: each is the same whatever its place and company, and memory decides how many."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from portraitist import families
from portraitist.devices import Device, choose_device
from portraitist.errors import BadRequest, OutOfMemory
from portraitist.families.base import Model
from portraitist.generation import room
from portraitist.generation.generate import GenerationStep, complete, generate
from portraitist.generation.portrait import Portrait
from portraitist.generation.remarks import idle
from portraitist.images import read_request, save_png
from portraitist.recipes import Base
from portraitist.requests import PortraitRequest, from_data
from portraitist.types import Size, Step

REQUEST = PortraitRequest("anna", prompt="ohwx woman, smile", negative="hat", cfg=3.0, count=4, steps=2, seed=11)
SAMPLERS = ("Euler a", "DPM++ 2M Karras", "DPM++ SDE Karras", "LCM")

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")),
]


BASE = Base("tiny", "sd15", "file:x", "tiny-1", (64, 64), "mini", negative="hat", cfg=3.0)


@pytest.fixture(scope="module", params=DEVICES)
def model(request: pytest.FixtureRequest, tiny_base: Path, one_thread: None) -> Model:
    plain = Device(torch.device("cpu"), torch.float32, "a test")
    return families.load(tiny_base, BASE, plain if request.param == "cpu" else choose_device("cuda"))


def make(request: PortraitRequest, model: Model) -> list[Portrait]:
    return list(generate(request, model))


@pytest.mark.parametrize(
    "asked",
    [
        *({"sampler": sampler} for sampler in SAMPLERS),
        {"cfg": 1.0},
        {"sampler": "Euler a", "hires_scale": 2.0, "hires_denoise": 0.6},
        {"hires_scale": 2.0, "hires_upscaler": "Lanczos", "hires_denoise": 0.6, "size": (64, 64)},
    ],
    ids=lambda asked: " ".join(str(value) for value in asked.values()),
)
def test_a_picture_of_a_batch_depends_on_its_seed_and_request_alone(model: Model, asked: dict[str, object]) -> None:
    request = replace(REQUEST, batch=3, **asked)  # type: ignore[arg-type]
    four, two = make(request, model), make(replace(request, count=2), model)
    assert len(four) == 4 and np.array_equal(four[0].pixels, two[0].pixels)
    for portrait in (four[3], two[1]):  # the one beside fillings, the other second of two
        (alone,) = make(portrait.request, model)
        assert np.array_equal(alone.pixels, portrait.pixels) and alone.request == portrait.request
    assert np.array_equal(four[1].pixels, two[1].pixels)
    pixels = [one.pixels for one in four]
    assert all(not np.array_equal(left, right) for left, right in pairwise(pixels))


def test_a_batch_changes_a_picture_by_rounding_alone(model: Model) -> None:
    for sampler in ("Euler a", "DPM++ SDE Karras"):  # the noise of a picture is its own
        request = replace(REQUEST, sampler=sampler, cfg=1.5, count=2)
        for one, three in zip(make(request, model), make(replace(request, batch=2), model), strict=True):
            assert np.abs(one.pixels.astype(int) - three.pixels).mean() < 3


def test_a_png_names_the_size_of_the_batch(model: Model, tmp_path: Path) -> None:
    portrait = make(replace(REQUEST, batch=2), model)[1]
    file = save_png(tmp_path / "one.png", portrait.pixels, portrait.text())
    read = from_data(PortraitRequest, read_request(file))
    assert read.batch == 2 and read.count == 1 and np.array_equal(make(read, model)[0].pixels, portrait.pixels)


def test_progress_counts_the_pictures_of_a_batch(model: Model) -> None:
    heard: list[Step] = []
    list(generate(replace(REQUEST, batch=3), model, on_step=heard.append))
    steps = [one.done for one in heard if isinstance(one, GenerationStep)]
    assert steps == [3, 6, 7, 8] and {one.total for one in heard} == {8}


@pytest.mark.parametrize("batch", [0, 33, -1])
def test_a_senseless_batch_is_refused(model: Model, batch: int) -> None:
    with pytest.raises(BadRequest, match="batch"):
        complete(replace(REQUEST, batch=batch), model)


def test_a_batch_of_words_is_refused() -> None:
    with pytest.raises(BadRequest, match="'batch' is wrong"):
        from_data(PortraitRequest, {"sitter": "anna", "batch": "many"})


def test_what_a_batch_computes_for_nothing_is_told() -> None:
    four, five = replace(REQUEST, batch=4), replace(REQUEST, batch=5)
    assert idle(four, four, 5)[0].message.endswith("3 are computed for nothing.")
    assert not idle(five, five, 5) and not idle(REQUEST, REQUEST, 5)


def test_the_memory_decides_how_many_where_that_is_left_open(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = replace(REQUEST, batch="auto")
    full = complete(asked, model)

    def sized(batch: int) -> int:
        return model.drawing_bytes(Size(64, 64), batch=batch)

    def found(free: int | None, count: int = 20) -> int:
        monkeypatch.setattr(room, "free_memory", lambda device: free)
        return room.with_room(full, asked, model, count=count).batch

    assert found(None) == 1  # nobody knows what fits
    if model.device.type == "cpu":  # its pictures are decoded alone, which takes more than denoising them does
        monkeypatch.setattr(model, "device", Device(torch.device("cuda"), torch.float32, "a test"))
    assert found(10**12, count=24) == 8 and found(10**12, count=12) == 6 and found(10**12, count=2) == 2
    few = [model.drawing_bytes(Size(64, 64), batch=batch) for batch in (8, 6, 1)]
    assert found(few[0], count=24) == 8 and found(few[1], count=24) == 6 and found(few[2], count=24) == 1
    with pytest.raises(OutOfMemory, match="A picture of 64x64"):
        found(sized(1) // 50)


def test_a_processor_draws_one_picture_at_a_time(tiny_base: Path) -> None:
    model = families.load(tiny_base, BASE, choose_device("cpu"))
    for asked in (replace(REQUEST, batch=4), replace(REQUEST, batch="auto")):
        full = complete(asked, model)
        assert full.batch == 1 and room.with_room(full, asked, model, count=4).batch == 1
        told = idle(full, asked, 4)
        assert [warn.code for warn in told] == (["batch"] if asked.batch == 4 else [])
    four = make(replace(REQUEST, batch=4), model)
    for portrait, one in zip(four, make(REQUEST, model), strict=True):
        assert np.array_equal(portrait.pixels, one.pixels) and portrait.request == one.request
    with pytest.raises(BadRequest, match="batch"):
        complete(replace(REQUEST, batch=33), model)


def test_a_batch_over_the_memory_is_refused_with_one_that_fits(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = replace(REQUEST, batch=8, tiles=False)
    monkeypatch.setattr(room, "free_memory", lambda device: model.drawing_bytes(Size(64, 64), batch=3))
    with pytest.raises(OutOfMemory, match="A batch of 8 pictures of 64x64") as told:
        room.with_room(complete(asked, model), asked, model)
    assert told.value.hint == "The largest that fits is --batch 3."
