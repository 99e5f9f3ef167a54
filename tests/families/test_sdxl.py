"""SDXL keeps the contract of families, answers like diffusers' own pipeline, and writes the names that UIs know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from portraitist import families
from portraitist.devices import choose_device
from portraitist.families.base import Model
from portraitist.generation.generate import generate
from portraitist.recipes import Base
from portraitist.requests import PortraitRequest
from tests.contract.family import FamilyContract

BASE = Base("tiny", "sdxl", "file:nowhere", "tiny-1", (64, 64), "portrait")


@pytest.fixture(scope="module")
def model(tiny_sdxl: Path) -> Model:
    return families.load(tiny_sdxl, BASE, choose_device("cpu"))


class TestStableDiffusionXL(FamilyContract):
    """The contract."""

    skip = 3  # 1 and 2 both mean the layer that SDXL was trained on


@pytest.mark.parametrize("prompt", ["ohwx woman, smile", "ohwx"])
def test_portraits_are_those_of_diffusers_own_pipeline(model: Model, tiny_sdxl: Path, prompt: str) -> None:
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_sdxl, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, use_karras_sigmas=True)
    theirs = pipeline(
        prompt, negative_prompt="hat", num_inference_steps=3, guidance_scale=4.0, output_type="np",
        height=64, width=96, generator=torch.Generator().manual_seed(9),
    ).images[0]  # fmt: skip
    request = PortraitRequest("anna", prompt=prompt, negative="hat", steps=3, cfg=4.0, seed=9, size=(96, 64))
    (ours,) = generate(request, model)
    assert np.abs(np.round(theirs * 255) - ours.pixels).max() <= 1


def test_the_two_usual_clip_skips_mean_the_same(model: Model) -> None:
    contract = FamilyContract()
    assert torch.equal(contract.predict(model, "ohwx"), contract.predict(model, "ohwx", clip_skip=2))


def test_layers_have_stabilitys_names(model: Model) -> None:
    names = model.slots()
    for name in (
        "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q",
        "lora_unet_middle_block_1_proj_in",
        "lora_unet_output_blocks_1_2_conv",
        "lora_unet_label_emb_0_2",
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj",
        "lora_te2_text_model_encoder_layers_2_mlp_fc2",
    ):
        assert name in names
    assert not [name for name in names if "down_blocks" in name or "up_blocks" in name]


def test_layers_that_do_not_reach_the_picture_are_not_trained(model: Model) -> None:
    model.attach(rank=2, alpha=2.0, text=True, seed=1)
    try:
        names = model.attached().layers
    finally:
        model.detach()
    assert "lora_te1_text_model_encoder_layers_1_mlp_fc1" in names
    assert "lora_te1_text_model_encoder_layers_2_mlp_fc1" not in names  # the last but one is taken
    assert "lora_te2_text_model_encoder_layers_2_mlp_fc1" in names  # the pooled prompt needs it
