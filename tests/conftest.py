"""Fixtures for every test: a whole base of a few kilobytes with random weights, in the layout of the embedded one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# torch's threads spin while they wait for each other, which slows a busy machine down; see `portraitist.cli.main`
os.environ.setdefault("GOMP_SPINCOUNT", "0")
# fp32 on every machine: where a processor has AMX numbers would be of bf16, too coarse for what is compared here
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")

_WORDS = (
    "ohwx sks woman man girl boy person smile photo anime red blue green shirt outdoors indoors glasses hat hair short "
    "long black blonde brown portrait looking viewer grey watercolor sketch at solo a of the in with wearing"
)
TINY_WORDS = tuple(_WORDS.split())
TINY_TAGS = ("1girl", "1boy", "solo", "black_hair", "long_hair", "glasses", "hat", "smile", "outdoors")


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder (SD 1.5's architecture, a U-Net of 0.2 M parameters, 64 x 64 pictures) plus `tagger/`."""
    return make_tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with SDXL's architecture, two text encoders and 64 x 64 pictures."""
    from tests.tiny_sdxl import make_tiny_sdxl

    return make_tiny_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch on one thread stands for a device on which a picture's place in a batch does not matter."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_tiny_base(folder: Path) -> Path:
    """Write the tiny base into `folder`; the same weights each time."""
    import torch
    from diffusers import PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    state = torch.random.get_rng_state()
    torch.manual_seed(1)
    tokenizer = make_tokenizer()
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 16, 32, 32), layers_per_block=1, cross_attention_dim=32,
        attention_head_dim=2, norm_num_groups=8,
    )  # fmt: skip
    # A fresh U-Net's last layer answers with small numbers whatever the prompt; louder weights make every input count.
    torch.nn.init.normal_(unet.conv_out.weight, std=0.2)
    vae = make_tiny_vae(0.18215)
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            projection_dim=32, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    scheduler = PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000,
        set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1, prediction_type="epsilon",
    )  # fmt: skip
    StableDiffusionPipeline(
        vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler, safety_checker=None,
        feature_extractor=None, image_encoder=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    _write_tagger(folder / "tagger")
    torch.random.set_rng_state(state)
    return folder


def make_tiny_vae(scaling: float) -> Any:
    """An autoencoder for 64 x 64 pictures."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=8, latent_channels=4, sample_size=64,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, scaling_factor=scaling,
    )  # fmt: skip


def make_tokenizer(pad: str = "<|endoftext|>") -> Any:
    """CLIP's byte-level BPE over `TINY_WORDS`: each a single token, everything else falls into letters."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(letter + "</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in TINY_WORDS:
        left = word[0]
        for i, letter in enumerate(word[1:], start=1):
            right = letter + "</w>" if i == len(word) - 1 else letter
            if (left, right) not in merges:
                merges.append((left, right))
                pieces.append(left + right)
            left += right
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77, pad_token=pad)


def _write_tagger(folder: Path) -> None:
    from transformers import ResNetConfig, ResNetForImageClassification

    labels = dict(enumerate(TINY_TAGS))
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=len(labels),
        id2label=labels, label2id={tag: i for i, tag in labels.items()}, problem_type="multi_label_classification",
    )  # fmt: skip
    ResNetForImageClassification(config).save_pretrained(folder)
    stored = json.loads((folder / "config.json").read_text())
    assert len(stored["id2label"]) == len(TINY_TAGS)
