"""Stable Diffusion XL: a U-Net told by two text encoders (CLIP ViT-L, OpenCLIP bigG), a pooled prompt and sizes.

Architecture: Podell et al. (arXiv:2307.01952), as held by diffusers.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from portraitist.devices import Device
from portraitist.errors import UnfitModel
from portraitist.families import clip
from portraitist.families.base import Condition, Words
from portraitist.families.parts import Parts
from portraitist.families.unet import UNetModel, check_schedule
from portraitist.lora.names import KOHYA_TEXT_1, KOHYA_TEXT_2, kohya_text, kohya_unet, sgm_blocks
from portraitist.recipes import Base


def load(parts: Parts, base: Base, device: Device) -> "StableDiffusionXL":
    """Build the base from its parts. Raises MissingModel or UnfitModel that names the part."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    config = parts.scheduler_config()
    check_schedule(config, parts.name)
    tokenizer, second = parts.tokenizer("tokenizer"), parts.tokenizer("tokenizer_2")
    if tokenizer.get_vocab() != second.get_vocab():
        raise UnfitModel(f"The two tokenizers of {parts.name} have different vocabularies, which is not supported.")
    encoder = parts.network("text_encoder", CLIPTextModel, device, device.dtype)
    bigger = parts.network("text_encoder_2", CLIPTextModelWithProjection, device, device.dtype)
    return StableDiffusionXL(
        base=base,
        device=device,
        unet=parts.network("unet", UNet2DConditionModel, device, device.dtype),
        # SDXL's own autoencoder overflows in float16 and loses shades in bfloat16
        vae=parts.network("vae", AutoencoderKL, device, torch.float32),
        encoders={"text_encoder": encoder, "text_encoder_2": bigger},
        tokenizer=tokenizer,
        second_pad=second.pad_token_id,
        scheduler_config=config,
    )


class StableDiffusionXL(UNetModel):
    """A loaded base of this family; see `families.base.Model`.

    `Condition.extra["pooled"]` (batch, width) is what bigG makes of the whole prompt (its first chunk, as in kohya's
    trainer). Sizes are told as those of the picture itself, uncropped: crops are cut to look like whole pictures.
    """

    words = Words(
        "sdxl_base_v1-0", "stable-diffusion-xl-v1-base/lora", "https://github.com/Stability-AI/generative-models"
    )

    def __init__(self, *, second_pad: int, **parts: Any) -> None:
        super().__init__(**parts)
        self._second_pad = second_pad
        self._blocks = sgm_blocks(self.unet.config)

    def condition(self, tokens: Tensor, *, clip_skip: int = 1) -> Condition:
        """Both encoders' states side by side, from the last layer but one, as SDXL was trained.

        `clip_skip` 1 (the WebUI's default) and 2 (what people write for that layer) mean this; 3 is a layer earlier.
        """
        batch = tokens.shape[0]
        pieces = tokens.reshape(-1, self.tokenizer.model_max_length)
        first = self.encoders["text_encoder"](pieces, output_hidden_states=True)
        padded = clip.repadded(pieces, self.tokenizer.eos_token_id, self._second_pad)
        second = self.encoders["text_encoder_2"](padded, output_hidden_states=True)
        skip = _skipped(clip_skip)
        states = torch.cat([clip.hidden(first, skip), clip.hidden(second, skip)], dim=-1)
        pooled = second.text_embeds.reshape(batch, -1, second.text_embeds.shape[-1])[:, 0]
        return Condition(states.reshape(batch, -1, states.shape[-1]), {"pooled": pooled})

    def kohya_name(self, part: str, path: str) -> str:
        """Stability's own names for the U-Net: the WebUI knows only some of diffusers' here."""
        if part == "unet":
            return kohya_unet(path, self._blocks)
        return kohya_text(path, KOHYA_TEXT_1 if part == "text_encoder" else KOHYA_TEXT_2)

    def _unused(self, part: str) -> int:
        return _skipped(self.base.clip_skip) if part == "text_encoder" else 0  # the pooled prompt needs all of bigG

    def _added(self, latents: Tensor, condition: Condition) -> Mapping[str, Any]:
        height, width = (side * self._scale for side in latents.shape[2:])
        # filled on the device, one by one: a copy from the processor could not be captured in a CUDA graph
        sizes = [latents.new_full((len(latents), 1), float(value)) for value in (height, width, 0, 0, height, width)]
        pooled = condition.extra["pooled"].to(self.device.dtype)
        return {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": torch.cat(sizes, dim=1)}}


def _skipped(clip_skip: int) -> int:
    """How many layers before the last one the states are taken."""
    return max(2, clip_skip) - 1
