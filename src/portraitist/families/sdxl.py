"""Stable Diffusion XL: a U-Net told by two text encoders (CLIP ViT-L, OpenCLIP bigG), a pooled prompt and sizes.

Architecture: Podell et al. (arXiv:2307.01952), as held by diffusers.
"""

import re
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
from portraitist.recipes import Base

_STEMS = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}


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
        named = _sgm_path(path) if part == "unet" else clip.kohya_path(path)
        return _STEMS[part] + named.replace(".", "_")

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


def _sgm_path(path: str) -> str:
    """The path in Stability's own U-Net of the module at `path` in diffusers'."""
    simple = {
        "conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0", "conv_out": "out.2",
        "time_embedding.linear_2": "time_embed.2", "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2", "conv_norm_out": "out.0",
    }  # fmt: skip
    if path in simple:
        return simple[path]
    if found := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(?:down|up)samplers\.0\.conv", path):
        level = int(found[2])
        return f"input_blocks.{3 * level + 3}.0.op" if found[1] == "down" else f"output_blocks.{3 * level + 2}.2.conv"
    found = re.fullmatch(r"(down|mid|up)_block(?:s\.(\d+))?\.(resnets|attentions)\.(\d+)\.(.+)", path)
    if found is None:
        return path
    side, level, kind, number, rest = found[1], int(found[2] or 0), found[3], int(found[4]), found[5]
    if kind == "resnets":
        inner = {
            "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
            "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
        }  # fmt: skip
        rest = inner[rest]
    if side == "mid":
        return f"middle_block.{1 if kind == 'attentions' else 2 * number}.{rest}"
    place = f"input_blocks.{1 + 3 * level + number}" if side == "down" else f"output_blocks.{3 * level + number}"
    return f"{place}.{0 if kind == 'resnets' else 1}.{rest}"
