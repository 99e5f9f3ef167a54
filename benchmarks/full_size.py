"""Networks of the full size of Stable Diffusion 1.5 and SDXL, with random weights, made on the GPU in a second.

The configurations are those that the library ships for single files. mini's tokenizer stands in for CLIP's: what the
tokens are has no part in the speed.
"""

from __future__ import annotations

import gc
import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from portraitist.recipes import LIBRARY


def config(family: str, part: str) -> dict[str, Any]:
    """What the library ships of a part of a family (`sd15`, `sdxl`): its configuration as published, without notes."""
    folder = LIBRARY / "families" / family / part
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    read = json.loads((folder / name).read_text(encoding="utf-8"))
    return {key: value for key, value in read.items() if not key.startswith("_")}


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

    family = "sdxl" if xl else "sd15"
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("cuda"):
            unet = UNet2DConditionModel(**config(family, "unet"))
            text = CLIPTextModel(CLIPTextConfig(**config(family, "text_encoder")))
            torch.set_default_dtype(torch.float32)
            vae = AutoencoderKL(**config(family, "vae"))
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
        "scheduler_config": config(family, "scheduler"),
    }
    if not xl:
        return StableDiffusion15(encoders={"text_encoder": made.text_encoder}, **parts)
    encoders = {"text_encoder": made.text_encoder, "text_encoder_2": second_encoder(dtype)}
    return StableDiffusionXL(encoders=encoders, second_pad=0, **parts)


def free(networks: Networks | None) -> None:
    """Give the memory of networks back."""
    if networks is not None:
        networks.unet = networks.vae = networks.text_encoder = None
    gc.collect()
    torch.cuda.empty_cache()


def second_encoder(dtype: torch.dtype) -> Any:
    """OpenCLIP's bigG."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    with torch.device("cuda"):
        return (
            CLIPTextModelWithProjection(CLIPTextConfig(**config("sdxl", "text_encoder_2")))
            .to(dtype)
            .requires_grad_(False)
            .eval()
        )
