"""A whole SDXL of a few kilobytes with random weights, as a diffusers folder; and bases as single files.

`write_single` knows the original names (CompVis' and Stability's U-Net and VAE, OpenCLIP's text encoder) by tables of
its own, the other way round than the code that reads them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from tests.conftest import make_tiny_vae, make_tokenizer

_UNET_SIMPLE = {
    "conv_in": "input_blocks.0.0", "conv_out": "out.2", "conv_norm_out": "out.0",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN_CLIP = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip


def make_tiny_sdxl(folder: Path) -> Path:
    """Write SDXL's architecture at 64 x 64 pixels into `folder`; the same weights each time."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    first, second = make_tokenizer(), make_tokenizer(pad="!")
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 16, 32), layers_per_block=1, cross_attention_dim=56,
        attention_head_dim=(2, 2, 4), norm_num_groups=8, transformer_layers_per_block=(1, 1, 2),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=24 + 6 * 8,
    )  # fmt: skip
    torch.nn.init.normal_(unet.conv_out.weight, std=0.2)
    marks = {"bos_token_id": first.bos_token_id, "eos_token_id": first.eos_token_id}
    common = {"vocab_size": len(first), "num_hidden_layers": 3, "num_attention_heads": 2, **marks}
    encoder = CLIPTextModel(CLIPTextConfig(hidden_size=32, intermediate_size=64, projection_dim=32, **common))
    bigger = CLIPTextModelWithProjection(
        CLIPTextConfig(hidden_size=24, intermediate_size=48, projection_dim=24, hidden_act="gelu", **common)
    )
    torch.nn.init.normal_(bigger.text_projection.weight, std=0.2)
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1
    )
    StableDiffusionXLPipeline(
        vae=make_tiny_vae(0.13025), text_encoder=encoder, text_encoder_2=bigger, tokenizer=first, tokenizer_2=second,
        unet=unet, scheduler=scheduler, add_watermarker=False,
    ).save_pretrained(folder)  # fmt: skip
    torch.random.set_rng_state(state)
    return folder


def single(unet: Any, vae: Any, encoder: Any, bigger: Any = None) -> dict[str, Tensor]:
    """The tensors of a single-file checkpoint with these networks, by their original names."""
    clip = "cond_stage_model.transformer." if bigger is None else "conditioner.embedders.0.transformer."
    tensors = {f"model.diffusion_model.{name}": tensor for name, tensor in ldm_unet(unet).items()}
    tensors |= {f"first_stage_model.{name}": tensor for name, tensor in ldm_vae(vae).items()}
    for name, tensor in encoder.state_dict().items():
        tensors[f"{clip}text_model.{name.removeprefix('text_model.')}"] = tensor
    if bigger is not None:
        tensors |= {f"conditioner.embedders.1.model.{n}": t for n, t in open_clip(bigger.state_dict()).items()}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def ldm_unet(unet: Any) -> dict[str, Tensor]:
    per, told = unet.config.layers_per_block + 1, [kind.startswith("Cross") for kind in unet.config.up_block_types]
    found = {}
    for name, tensor in unet.state_dict().items():
        path, _, end = name.rpartition(".")
        found[f"{_ldm_path(path, per, told)}.{end}"] = tensor
    return found


def _ldm_path(path: str, per: int, told: list[bool]) -> str:
    if path in _UNET_SIMPLE:
        return _UNET_SIMPLE[path]
    if match := re.fullmatch(r"down_blocks\.(\d+)\.downsamplers\.0\.conv", path):
        return f"input_blocks.{per * (int(match[1]) + 1)}.0.op"
    if match := re.fullmatch(r"up_blocks\.(\d+)\.upsamplers\.0\.conv", path):
        return f"output_blocks.{per * (int(match[1]) + 1) - 1}.{2 if told[int(match[1])] else 1}.conv"
    match = re.fullmatch(r"(down_blocks|up_blocks|mid_block)\.(?:(\d+)\.)?(resnets|attentions)\.(\d+)\.(.+)", path)
    assert match, path
    attends, number = match[3] == "attentions", int(match[4])
    rest = match[5] if attends else _RESNET[match[5]]
    if match[1] == "mid_block":
        return f"middle_block.{1 if attends else 2 * number}.{rest}"
    place = per * int(match[2]) + number + (1 if match[1] == "down_blocks" else 0)
    return f"{'input' if match[1] == 'down_blocks' else 'output'}_blocks.{place}.{int(attends)}.{rest}"


def ldm_vae(vae: Any) -> dict[str, Tensor]:
    last = len(vae.config.block_out_channels) - 1
    found = {}
    for name, tensor in vae.state_dict().items():
        new = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
        new = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", new)
        new = re.sub(r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{last - int(m[1])}.block", new)
        new = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{last - int(m[1])}.upsample", new)
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", new)
        new = new.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        if "mid_block.attentions.0." in new:
            head, _, tail = new.partition("mid_block.attentions.0.")
            layer, _, end = tail.rpartition(".")
            new = f"{head}mid.attn_1.{_VAE_ATTENTION[layer]}.{end}"
            tensor = tensor[:, :, None, None] if tensor.dim() == 2 else tensor
        found[new] = tensor
    return found


def open_clip(state: dict[str, Tensor]) -> dict[str, Tensor]:
    import torch

    found = {}
    for name, tensor in state.items():
        path = name.removeprefix("text_model.").removeprefix("encoder.layers.")
        number, _, layer = path.partition(".")
        if not number.isdigit():
            new = {
                "embeddings.token_embedding.weight": "token_embedding.weight",
                "embeddings.position_embedding.weight": "positional_embedding",
                "final_layer_norm.weight": "ln_final.weight", "final_layer_norm.bias": "ln_final.bias",
                "text_projection.weight": "text_projection",
            }[path]  # fmt: skip
            found[new] = tensor.T if new == "text_projection" else tensor
        elif layer.startswith("self_attn.q_proj"):
            three = [state[name.replace("q_proj", f"{which}_proj")] for which in "qkv"]
            found[f"transformer.resblocks.{number}.attn.in_proj_{layer.rpartition('.')[2]}"] = torch.cat(three)
        elif "k_proj" not in layer and "v_proj" not in layer:
            layer, _, end = layer.rpartition(".")
            found[f"transformer.resblocks.{number}.{_OPEN_CLIP[layer]}.{end}"] = tensor
    return found
