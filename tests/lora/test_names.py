"""Layer names: golden names of SDXL and SD 1.5, there and back over every module of real architectures."""

from __future__ import annotations

import pytest
import torch

from portraitist.lora.names import KOHYA_TEXT_1, kohya_text, kohya_unet, sgm_blocks, to_diffusers, to_sgm

# names as they stand in published files: stable-diffusion-xl-base's and stable-diffusion-v1's checkpoints
SDXL = {
    "conv_in": "input_blocks.0.0",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.3.0.op",
    "down_blocks.1.resnets.0.conv_shortcut": "input_blocks.4.0.skip_connection",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q": "input_blocks.4.1.transformer_blocks.0.attn1.to_q",
    "down_blocks.2.attentions.1.transformer_blocks.9.ff.net.2": "input_blocks.8.1.transformer_blocks.9.ff.net.2",
    "mid_block.resnets.1.conv2": "middle_block.2.out_layers.3",
    "mid_block.attentions.0.proj_out": "middle_block.1.proj_out",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.2.2.conv",
    "up_blocks.1.attentions.2.proj_in": "output_blocks.5.1.proj_in",
    "up_blocks.2.resnets.2.time_emb_proj": "output_blocks.8.0.emb_layers.1",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "conv_out": "out.2",
}
SD15 = {
    "down_blocks.2.downsamplers.0.conv": "input_blocks.9.0.op",
    "down_blocks.3.resnets.1.conv1": "input_blocks.11.0.in_layers.2",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.2.1.conv",
    "up_blocks.1.upsamplers.0.conv": "output_blocks.5.2.conv",
    "up_blocks.3.attentions.2.transformer_blocks.0.norm1": "output_blocks.11.1.transformer_blocks.0.norm1",
}
SDXL_CONFIG = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
}
SD15_CONFIG = {
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2,
}


@pytest.mark.parametrize(("config", "golden"), [(SDXL_CONFIG, SDXL), (SD15_CONFIG, SD15)])
def test_names_are_those_of_published_checkpoints(config: dict[str, object], golden: dict[str, str]) -> None:
    blocks = sgm_blocks(config)
    assert {path: to_sgm(path, blocks) for path in golden} == golden
    assert {to_diffusers(name, blocks): name for name in golden.values()} == golden


@pytest.mark.parametrize("layers", [1, 2, (1, 2, 3)])
def test_every_module_goes_there_and_back(layers: int | tuple[int, ...]) -> None:
    from diffusers import UNet2DConditionModel

    config = SDXL_CONFIG | {"layers_per_block": layers, "transformer_layers_per_block": (1, 1, 2)}
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            block_out_channels=(32, 64, 64), cross_attention_dim=32, addition_embed_type="text_time",
            addition_time_embed_dim=8, projection_class_embeddings_input_dim=80, **config,
        )  # fmt: skip
    blocks = sgm_blocks(unet.config)
    paths = [path for path, module in unet.named_modules() if not list(module.children()) and list(module.parameters())]
    names = [to_sgm(path, blocks) for path in paths]
    assert len(set(names)) == len(paths) > 100
    assert [to_diffusers(name, blocks) for name in names] == paths


def test_kohya_names() -> None:
    blocks = sgm_blocks(SDXL_CONFIG)
    path = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    assert kohya_unet(path, blocks) == "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
    assert kohya_unet(path) == "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
    short, long = "encoder.layers.3.mlp.fc1", "text_model.encoder.layers.3.mlp.fc1"
    assert kohya_text(short) == kohya_text(long) == "lora_te_text_model_encoder_layers_3_mlp_fc1"
    assert kohya_text("text_projection", KOHYA_TEXT_1) == "lora_te1_text_projection"


def test_a_strange_path_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        to_sgm("nowhere.at.all", sgm_blocks(SDXL_CONFIG))
