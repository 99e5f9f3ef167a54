"""Networks of the full size of Stable Diffusion 1.5 and SDXL, with random weights, made on the GPU in a second.

The configurations are the published ones (runwayml/stable-diffusion-v1-5, stabilityai/stable-diffusion-xl-base-1.0).
mini's tokenizer stands in for CLIP's: what the tokens are has no part in the speed.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "clip_sample": False,
}
_SD15 = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "block_out_channels": (320, 640, 1280, 1280),
    "attention_head_dim": 8,
}
_SDXL = {
    "sample_size": 128,
    "cross_attention_dim": 2048,
    "block_out_channels": (320, 640, 1280),
    "attention_head_dim": (5, 10, 20),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


@dataclass
class Networks:
    """The parts of a base with random weights on the GPU; `added` is whether it is SDXL."""

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    added: bool

    def told(self, batch: int, dtype: torch.dtype) -> Tensor:
        """What a resting text encoder says to a batch."""
        width = self.unet.config.cross_attention_dim
        return torch.randn((batch, 77, width), device="cuda", dtype=dtype)

    def added_conditions(self, batch: int, dtype: torch.dtype) -> dict[str, Tensor] | None:
        """SDXL's pooled words and sizes."""
        if not self.added:
            return None
        sizes = torch.tensor([1024, 1024, 0, 0, 1024, 1024], device="cuda", dtype=dtype)
        return {
            "text_embeds": torch.ones((batch, 1280), device="cuda", dtype=dtype),
            "time_ids": sizes.repeat(batch, 1),
        }


def make_networks(xl: bool, dtype: torch.dtype = torch.float32) -> Networks:
    """All parts, frozen. SDXL comes with CLIP-L alone here, which rests."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from portraitist.weights import resolve

    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("cuda"):
            unet = UNet2DConditionModel(**(_SDXL if xl else _SD15))
            text = CLIPTextModel(CLIPTextConfig(**_clip_large()))
            torch.set_default_dtype(torch.float32)
            vae = AutoencoderKL(
                block_out_channels=(128, 256, 512, 512),
                layers_per_block=2,
                latent_channels=4,
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                sample_size=1024 if xl else 512,
                scaling_factor=0.13025 if xl else 0.18215,
            )
    finally:
        torch.set_default_dtype(before)
    for part in (unet, vae, text):
        part.requires_grad_(False).eval()
    tokenizer = CLIPTokenizer.from_pretrained(str(resolve("package:library") / "mini" / "tokenizer"))
    return Networks(unet, vae, text, tokenizer, xl)


def make_model(xl: bool, dtype: torch.dtype = torch.bfloat16) -> Any:
    """A base of the family in question, as if it had been loaded."""
    from portraitist.devices import Device
    from portraitist.families.sd15 import StableDiffusion15
    from portraitist.families.sdxl import StableDiffusionXL
    from portraitist.recipes import Base

    made = make_networks(xl, dtype)
    family, side = ("sdxl", 1024) if xl else ("sd15", 512)
    parts = {
        "base": Base("random", family, "file:random", "random", (side, side), "portrait"),
        "device": Device(torch.device("cuda", 0), dtype, "a benchmark"),
        "unet": made.unet,
        "vae": made.vae,
        "tokenizer": made.tokenizer,
        "scheduler_config": _SCHEDULE,
    }
    if not xl:
        return StableDiffusion15(encoders={"text_encoder": made.text_encoder}, **parts)
    encoders = {"text_encoder": made.text_encoder, "text_encoder_2": _clip_big(dtype)}
    return StableDiffusionXL(encoders=encoders, second_pad=0, **parts)


def free(networks: Networks | None) -> None:
    """Give the memory of networks back."""
    if networks is not None:
        networks.unet = networks.vae = networks.text_encoder = None
    gc.collect()
    torch.cuda.empty_cache()


def _clip_large() -> dict[str, Any]:
    return {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "projection_dim": 768,
        "hidden_act": "quick_gelu",
        "eos_token_id": 49407,
        "bos_token_id": 49406,
    }


def _clip_big(dtype: torch.dtype) -> Any:
    """OpenCLIP's bigG."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        hidden_size=1280,
        intermediate_size=5120,
        num_hidden_layers=32,
        num_attention_heads=20,
        projection_dim=1280,
        hidden_act="gelu",
        eos_token_id=49407,
        bos_token_id=49406,
    )
    with torch.device("cuda"):
        return CLIPTextModelWithProjection(config).to(dtype).requires_grad_(False).eval()
