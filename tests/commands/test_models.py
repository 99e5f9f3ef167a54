"""Models that stay loaded: the second request loads nothing, another sitter changes the LoRA alone, and no pixel."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from portraitist import families
from portraitist import models as kept_models
from portraitist.devices import Device, free_memory
from portraitist.errors import MissingModel, OutOfMemory, UnfitModel, UnknownName
from portraitist.faces import Faces
from portraitist.families.base import Model
from portraitist.families.found import find_base
from portraitist.families.sizes import weight_bytes
from portraitist.finishing.networks import _without_torchvision as without_torchvision
from portraitist.generation import room as memory
from portraitist.generation.grid import parse_grid
from portraitist.grids import plan_portrait_grid
from portraitist.images import read_picture, read_png_text
from portraitist.models import Models
from portraitist.portraying import plan_portraits, portrait_again, portrait_sitter
from portraitist.recipes import Base
from portraitist.requests import PortraitRequest
from portraitist.settings import Settings, load_settings
from portraitist.types import Picture, Size
from portraitist.weights import sha256_of
from tests.commands.drawn_sitter import put_sitter
from tests.commands.tiny_home import home, own_home

__all__ = ["home", "own_home"]

ASKED = PortraitRequest("mia", prompt="ohwx woman, smile", count=1, seed=5, size=(64, 64))


@pytest.fixture(scope="module", autouse=True)
def sitters(home: Path, tiny_base: Path, faces: Faces) -> None:
    put_sitter(home, tiny_base, faces, "mia")
    put_sitter(home, tiny_base, faces, "zoe", seed=9)


@pytest.fixture
def settings(home: Path) -> Settings:
    return load_settings(home)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the bases that were loaded, in order."""
    told: list[str] = []
    load = families.load

    def counting(place: Path, base: Base, device: Device) -> Model:
        told.append(base.name)
        return load(place, base, device)

    monkeypatch.setattr(families, "load", counting)
    yield told


def shelf(place: Path, name: str = "tiny") -> Base:
    return Base(name, "sd15", f"file:{place}", "tiny-1", (64, 64), "short", steps=2, sampler="DDIM")


def test_the_next_request_loads_nothing_and_each_sitter_stays_the_same(
    settings: Settings, faces: Faces, tmp_path: Path, loaded: list[str]
) -> None:
    def draw(sitter: str, models: Models | None) -> Picture:
        made = portrait_sitter(replace(ASKED, sitter=sitter), settings, faces, out=tmp_path, models=models)
        return read_picture(tmp_path / made.portraits[0].file)

    fresh = {sitter: draw(sitter, None) for sitter in ("mia", "zoe")}
    assert loaded == ["tiny"] * 2 and not np.array_equal(fresh["mia"], fresh["zoe"])
    with Models() as models:
        for sitter in ("mia", "zoe", "mia"):
            assert np.array_equal(draw(sitter, models), fresh[sitter]), sitter
        plan_portraits(ASKED, settings, models=models)
        again = portrait_again(tmp_path / "prompt-5.png", settings, faces, out=tmp_path / "again", models=models)
        assert np.array_equal(read_picture(Path(again.folder) / again.portraits[0].file), fresh["mia"])
        assert loaded == ["tiny"] * 3 and models.names == ("tiny",) and models.size > 0
    assert models.names == () and models.size == 0


def test_a_request_that_fails_leaves_the_base_as_it_was(settings: Settings, faces: Faces, tmp_path: Path) -> None:
    def cancel(step: object) -> None:
        raise KeyError("stop")

    models, base = Models(), shelf(tmp_path)
    made = portrait_sitter(ASKED, settings, faces, out=tmp_path / "a", models=models)
    with pytest.raises(KeyError, match="stop") as kept:  # whoever keeps the error keeps its frames
        portrait_sitter(
            replace(ASKED, sitter="zoe"), settings, faces, out=tmp_path / "b", on_step=cancel, models=models
        )
    again = portrait_sitter(ASKED, settings, faces, out=tmp_path / "b", models=models)
    pictures = [read_picture(Path(one.folder) / one.portraits[0].file) for one in (made, again)]
    assert kept.value is not None and np.array_equal(*pictures) and base.name in models.names


def test_the_least_recently_used_go_first(settings: Settings, tiny_base: Path, loaded: list[str]) -> None:
    a, b, c = (shelf(tiny_base, name) for name in "abc")
    one = weight_bytes(tiny_base, 4)
    models = Models(budget=2 * one)
    first = models.base(a, settings)
    models.base(b, settings)
    assert models.base(a, settings) is first and one == sum(first.weights().values()) * 4
    models.base(c, settings)
    assert models.names == ("a", "c") and loaded == ["a", "b", "c"]
    small = Models(budget=1)
    small.base(a, settings)
    small.base(b, settings)
    assert small.names == ("b",)  # what does not fit into the budget is loaded, alone


def test_what_cannot_be_loaded_leaves_the_others(
    settings: Settings, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, good = Models(), shelf(tiny_base)
    first = models.base(good, settings)
    with pytest.raises(UnfitModel):
        models.base(replace(good, name="wrong", family="sdxl"), settings)
    monkeypatch.setattr(kept_models, "weight_bytes", lambda place, itemsize: 2**60)
    with pytest.raises(OutOfMemory, match="weights of huge take about"):
        models.base(replace(good, name="huge"), settings)
    assert "wrong" not in models.names and "huge" not in models.names
    assert first.decode(torch.zeros(1, 4, 8, 8))[0].shape == (64, 64, 3)  # it belongs to whoever draws with it


def test_a_base_that_changed_on_disk_is_loaded_anew(settings: Settings, tiny_base: Path, loaded: list[str]) -> None:
    models, base = Models(), shelf(tiny_base)
    first = models.base(base, settings)
    config = tiny_base / "model_index.json"
    stat = config.stat()
    os.utime(config, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert models.base(base, settings) is not first
    assert models.base(replace(base, cfg=3.0), settings).base.cfg == 3.0
    assert loaded == ["tiny"] * 3 and models.names == ("tiny",)


def test_face_models_stay_loaded_too(settings: Settings, tmp_path: Path) -> None:
    with Models() as models:
        first = models.faces(settings)
        assert models.faces(settings) is first and models.names == ("faces embedded",) and models.size > 10**6
        with pytest.raises(MissingModel):
            models.faces(settings.model_copy(update={"models": tmp_path}))
        assert models.faces(settings) is first


def test_threads_take_turns(settings: Settings, tiny_base: Path, loaded: list[str]) -> None:
    models, found = Models(), []
    threads = [threading.Thread(target=lambda: found.append(models.base(shelf(tiny_base), settings))) for _ in range(3)]
    with models.turn():
        for thread in threads:
            thread.start()
        assert not found
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1 and loaded == ["tiny"]


def test_free_memory_of_a_processor_is_what_the_system_says(tmp_path: Path) -> None:
    device = Device(torch.device("cpu"), torch.float32, "")
    (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable: 7 kB\n")
    assert free_memory(device, meminfo=tmp_path / "meminfo") == 7 * 1024
    assert free_memory(device, meminfo=tmp_path / "nothing") is None


@pytest.mark.skipif(importlib.util.find_spec("spandrel") is None, reason="spandrel is not installed")
def test_a_learned_upscaler_enlarges_between_the_passes_and_is_pinned(
    settings: Settings, faces: Faces, tmp_path: Path
) -> None:
    with without_torchvision():
        from spandrel.architectures.ESRGAN import ESRGAN
    file = tmp_path / "upscalers" / "Tiny.safetensors"
    file.parent.mkdir()
    torch.manual_seed(3)
    network = ESRGAN(num_filters=8, num_blocks=1, scale=2).state_dict()
    save_file(network, file)
    own = settings.model_copy(update={"models": tmp_path})
    asked = replace(ASKED, hires_scale=2.0, hires_upscaler="tiny", hires_denoise=0.5, steps=2)
    models = Models()
    plan = plan_portraits(asked, own, models=models)
    assert [one.upscaler for one in plan.passes] == [None, "tiny"] and plan.request.hires_sha256 == sha256_of(file)
    with pytest.raises(UnknownName) as told:
        portrait_sitter(replace(asked, hires_upscaler="magic"), own, faces, out=tmp_path / "none", models=models)
    assert told.value.hint and "lanczos, latent, tiny" in told.value.hint and not (tmp_path / "none").exists()
    made = portrait_sitter(asked, own, faces, out=tmp_path / "made", models=models)
    png = Path(made.folder) / made.portraits[0].file
    first = read_picture(png)
    plain = portrait_sitter(replace(asked, hires_upscaler="lanczos"), own, faces, out=tmp_path / "plain", models=models)
    assert not np.array_equal(first, read_picture(Path(plain.folder) / plain.portraits[0].file))
    assert "Hires upscaler: tiny" in read_png_text(png)["parameters"] and "Tiny" in models.names
    again = portrait_again(png, own, faces, out=tmp_path / "again", models=models)
    assert np.array_equal(first, read_picture(Path(again.folder) / again.portraits[0].file))
    save_file({name: tensor + 1 for name, tensor in network.items()}, file)
    with pytest.raises(UnfitModel, match="The upscaler tiny is another file"):
        portrait_again(png, own, faces, out=tmp_path / "never", models=models)
    assert not (tmp_path / "never").exists()


def test_a_request_over_the_memory_is_refused_before_anything_is_written(
    settings: Settings, faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, large = Models(), replace(ASKED, size=(1024, 512))
    model = models.base(find_base("tiny", settings), settings)
    free = model.drawing_bytes(Size(512, 256)) + 2_000_000  # the copy of what the likeness changes
    monkeypatch.setattr(memory, "free_memory", lambda device: free)
    for asked, fits in ((large, (512, 256)), (replace(large, hires_scale=2.0), (256, 128))):
        asked = replace(asked, tiles=False)
        with pytest.raises(OutOfMemory, match="beside the weights") as told:
            portrait_sitter(asked, settings, faces, out=tmp_path / "out", models=models)
        assert f"--size {fits[0]}x{fits[1]}" in str(told.value.hint)
        assert plan_portraits(replace(asked, size=fits), settings, models=models).request.size == fits
        with pytest.raises(OutOfMemory):
            plan_portraits(asked, settings, models=models)
    assert not (tmp_path / "out").exists()


def test_where_only_tiles_fit_they_are_taken_told_and_pinned(
    settings: Settings, faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, asked = Models(), replace(ASKED, size=(1024, 64), steps=1)
    whole = portrait_sitter(asked, settings, faces, out=tmp_path / "whole", models=models)
    free = models.base(find_base("tiny", settings), settings).drawing_bytes(Size(1024, 64)) - 1
    with monkeypatch.context() as patch:
        patch.setattr(memory, "free_memory", lambda device: free)
        made = portrait_sitter(asked, settings, faces, out=tmp_path / "tiles", models=models)
    png = tmp_path / "tiles" / made.portraits[0].file
    assert "tiles" in [one.code for one in made.warnings] and '"tiles": true' in read_png_text(png)["portraitist"]
    again = portrait_again(png, settings, faces, out=tmp_path / "again", models=models)  # though memory suffices now
    pictures = [read_picture(Path(one.folder) / one.portraits[0].file) for one in (whole, made, again)]
    assert np.array_equal(pictures[1], pictures[2]) and not np.array_equal(pictures[0], pictures[1])
    after = portrait_sitter(asked, settings, faces, out=tmp_path / "after", models=models)
    assert np.array_equal(pictures[0], read_picture(tmp_path / "after" / after.portraits[0].file))


def test_a_grid_tells_that_it_is_decoded_in_tiles(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    models, asked = Models(), replace(ASKED, count=1, size=(1024, 64))
    free = models.base(find_base("tiny", settings), settings).drawing_bytes(Size(1024, 64)) - 1
    monkeypatch.setattr(memory, "free_memory", lambda device: free)
    planned = plan_portrait_grid(asked, parse_grid("cfg=2,3"), settings, models=models)
    assert [one.code for one in planned.warnings].count("tiles") == 1
    assert all(cell.request.tiles for cell in planned.cells)
