"""Stable Diffusion 1.x: a U-Net told by CLIP's text encoder (ViT-L). `mini` is one of this family.

Architecture: Rombach et al. (arXiv:2112.10752), as held by diffusers.
"""

import torch
from torch import Tensor

from portraitist.devices import Device
from portraitist.families import clip
from portraitist.families.base import Condition, Words
from portraitist.families.parts import Parts
from portraitist.families.unet import UNetModel, check_schedule
from portraitist.lora.names import kohya_text, kohya_unet
from portraitist.recipes import Base


def load(parts: Parts, base: Base, device: Device) -> "StableDiffusion15":
    """Build the base from its parts. Raises MissingModel or UnfitModel that names the part."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    config = parts.scheduler_config()
    check_schedule(config, parts.name)
    return StableDiffusion15(
        base=base,
        device=device,
        unet=parts.network("unet", UNet2DConditionModel, device, device.dtype),
        # the autoencoder stays in float32: half formats lose shades, and in some checkpoints overflow
        vae=parts.network("vae", AutoencoderKL, device, torch.float32),
        encoders={"text_encoder": parts.network("text_encoder", CLIPTextModel, device, device.dtype)},
        tokenizer=parts.tokenizer("tokenizer"),
        scheduler_config=config,
    )


class StableDiffusion15(UNetModel):
    """A loaded base of this family; see `families.base.Model`."""

    words = Words("sd_v1", "stable-diffusion-v1/lora", "https://github.com/CompVis/stable-diffusion")

    def condition(self, tokens: Tensor, *, clip_skip: int = 1) -> Condition:
        """Chunks of a long prompt are encoded one by one and joined; `clip_skip` 2 takes the last layer but one."""
        encoder = self.encoders["text_encoder"]
        pieces = tokens.reshape(-1, self.tokenizer.model_max_length)
        if clip_skip <= 1:
            states = encoder(pieces).last_hidden_state
        else:
            states = clip.hidden(encoder(pieces, output_hidden_states=True), clip_skip - 1)
            states = clip.inner(encoder).final_layer_norm(states)
        return Condition(states.reshape(tokens.shape[0], -1, states.shape[-1]))

    def kohya_name(self, part: str, path: str) -> str:
        return kohya_unet(path) if part == "unet" else kohya_text(path)

    def _unused(self, part: str) -> int:
        return max(1, self.base.clip_skip) - 1
