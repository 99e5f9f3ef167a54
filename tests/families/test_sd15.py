"""Stable Diffusion 1.x keeps the contract of families, loads every layout, and answers like diffusers' own pipeline."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from portraitist import families
from portraitist.devices import Device, choose_device
from portraitist.errors import MissingModel, UnfitModel, UnknownName
from portraitist.families import adapters
from portraitist.families.base import Model
from portraitist.generation.generate import generate
from portraitist.recipes import Base
from portraitist.requests import PortraitRequest
from tests.contract.family import FamilyContract, noise

BASE = Base("tiny", "sd15", "file:nowhere", "tiny-1", (64, 64), "mini")


def load(folder: Path, base: Base = BASE) -> Model:
    return families.load(folder, base, choose_device("cpu"))


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    return load(tiny_base)


class TestStableDiffusion15(FamilyContract):
    """The contract."""


def test_portraits_are_those_of_diffusers_own_pipeline(model: Model, tiny_base: Path) -> None:
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(tiny_base)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, use_karras_sigmas=True)
    theirs = pipeline(
        "ohwx woman, smile", negative_prompt="hat", num_inference_steps=5, guidance_scale=4.0, output_type="np",
        height=64, width=64, generator=torch.Generator().manual_seed(9),
    ).images[0]  # fmt: skip
    request = PortraitRequest("anna", prompt="ohwx woman, smile", negative="hat", steps=5, cfg=4.0, seed=9)
    (ours,) = generate(request, model)
    assert np.abs(np.round(theirs * 255) - ours.pixels).max() <= 1


def test_sharded_and_half_precision_folders_load(model: Model, tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    model.unet.save_pretrained(tmp_path / "base" / "unet", max_shard_size="400KB")  # type: ignore[attr-defined]
    (tmp_path / "base" / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    weights = tmp_path / "base" / "text_encoder"
    model.encoders["text_encoder"].save_pretrained(weights, max_shard_size="60KB")  # type: ignore[attr-defined]
    (weights / "model.safetensors").unlink()
    assert len(list((tmp_path / "base" / "unet").glob("*-of-*.safetensors"))) > 1
    assert len(list(weights.glob("*-of-*.safetensors"))) > 1
    half = model.vae.state_dict()  # type: ignore[attr-defined]
    other = load(tmp_path / "base")
    contract = FamilyContract()
    assert torch.equal(contract.predict(other, "ohwx woman"), contract.predict(model, "ohwx woman"))
    assert all(torch.equal(value, other.vae.state_dict()[key]) for key, value in half.items())  # type: ignore[attr-defined]

    (tmp_path / "half").mkdir()
    shutil.copytree(tiny_base, tmp_path / "half", dirs_exist_ok=True)
    for part in ("unet", "vae"):
        getattr(load(tmp_path / "half"), part).half().save_pretrained(tmp_path / "half" / part, variant="fp16")
        (tmp_path / "half" / part / "diffusion_pytorch_model.safetensors").unlink()
    found = contract.predict(load(tmp_path / "half"), "ohwx woman")
    assert torch.allclose(found, contract.predict(model, "ohwx woman"), atol=0.05)


@pytest.mark.parametrize("file", ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"])
def test_a_damaged_weight_file_is_named(tiny_base: Path, tmp_path: Path, file: str) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    weights = tmp_path / "base" / f"{file}.safetensors"
    weights.write_bytes(b"\xff" * 400)
    with pytest.raises(UnfitModel, match=f"part {file.split('/')[0]}"):
        load(tmp_path / "base")


def test_a_wrong_folder_is_named(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    shutil.rmtree(tmp_path / "base" / "vae")
    with pytest.raises(MissingModel, match="part vae"):
        load(tmp_path / "base")
    weights = tmp_path / "base" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UnfitModel, match="part unet"):
        load(tmp_path / "base")
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(UnfitModel, match="part unet"):
        load(tmp_path / "base")
    with pytest.raises(UnfitModel, match="is damaged"):
        load(tiny_base, replace(BASE, sha256={"unet/diffusion_pytorch_model.safetensors": "00" * 32}))
    config = tmp_path / "base" / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps({"prediction_type": "sample"}))
    with pytest.raises(UnfitModel, match="predicts 'sample'"):
        load(tmp_path / "base")
    config.unlink()
    with pytest.raises(MissingModel, match="scheduler_config"):
        load(tmp_path / "base")
    with pytest.raises(UnknownName, match="family"):
        load(tiny_base, Base("x", "sd99", "file:x", "x", (64, 64), "mini"))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.2)])
def test_our_layers_answer_like_pefts_own(tiny_base: Path, dtype: torch.dtype, tolerance: float) -> None:
    model = families.load(tiny_base, BASE, Device(torch.device("cpu"), dtype, "as if there were AMX"))
    contract = FamilyContract()
    bare = contract.predict(model, "ohwx woman")
    trainable = model.attach(rank=4, alpha=2.0, text=True, seed=1)
    with torch.no_grad():
        for weight in trainable.all:
            weight.add_(0.1)
    trainable.publish()
    ours = contract.predict(model, "ohwx woman")
    for part in (model.unet, *model.encoders.values()):  # type: ignore[attr-defined]
        for _, layer in adapters.attached_layers(part):
            del layer.forward
    theirs = contract.predict(model, "ohwx woman")
    assert (theirs - ours).abs().mean() < tolerance * (bare - ours).abs().mean()


def test_layers_can_be_those_of_attention_alone(model: Model) -> None:
    every = len(model.attach(rank=2, alpha=2.0, text=False, seed=1).denoiser)
    model.detach()
    some = model.attach(rank=2, alpha=2.0, text=False, seed=1, layers="attention").denoiser
    names = model.attached().layers
    model.detach()
    assert 0 < len(some) < every and all("_attn" in name for name in names)


def test_a_half_precision_device_trains_float32_layers(tiny_base: Path) -> None:
    half = families.load(tiny_base, BASE, Device(torch.device("cpu"), torch.bfloat16, "as if there were AMX"))
    trainable = half.attach(rank=4, alpha=4.0, text=True, seed=1)
    assert all(weight.dtype == torch.float32 for weight in trainable.all)
    condition = half.condition(half.tokenize(["ohwx woman"]))
    answer = half.predict(noise(half, 1), half.times(torch.tensor([0.5])), condition)
    torch.autograd.backward(answer.square().mean())
    trainable.collect()
    assert answer.dtype == torch.float32 and all(weight.grad is not None for weight in trainable.all)
    assert all(weight.grad.dtype == torch.float32 for weight in trainable.all if weight.grad is not None)
