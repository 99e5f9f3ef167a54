"""Names of layers: a diffusers U-Net's paths and those of the first implementation (SGM), CLIP's paths, kohya's names.

    down_blocks.1.attentions.0.proj_in  <->  input_blocks.4.1.proj_in  <->  lora_unet_input_blocks_4_1_proj_in

kohya files of SDXL, and ComfyUI's own dialect of every U-Net, speak SGM names (Stability-AI/generative-models,
`sgm/modules/diffusionmodules/openaimodel.py`); how the blocks are numbered follows from the U-Net's config. Pure
functions of words: no tensors, no family.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

KOHYA_UNET = "lora_unet_"
KOHYA_TEXT = "lora_te_"
KOHYA_TEXT_1 = "lora_te1_"
KOHYA_TEXT_2 = "lora_te2_"
"""kohya's prefixes: the U-Net, the one text encoder of SD 1.x, the first (CLIP-L) and second (bigG) of SDXL."""

_OUTSIDE = (
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    ("add_embedding.linear_1", "label_emb.0.0"),
    ("add_embedding.linear_2", "label_emb.0.2"),
    ("conv_in", "input_blocks.0.0"),
    ("conv_norm_out", "out.0"),
    ("conv_out", "out.2"),
)
_IN_A_RESNET = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
)
_TEXT_MODEL = ("encoder.", "embeddings.", "final_layer_norm")


def sgm_blocks(config: Mapping[str, Any]) -> dict[str, str]:
    """The SGM name of each block of a U-Net by its diffusers name: `down_blocks.1.resnets.0` to `input_blocks.4.0`.

    `config` is a diffusers `UNet2DConditionModel`'s: `down_block_types`, `up_block_types`, `layers_per_block`.
    """
    down, up = tuple(config["down_block_types"]), tuple(config["up_block_types"])
    layers = config["layers_per_block"]
    counts = (layers,) * len(down) if isinstance(layers, int) else tuple(layers)
    blocks = dict(_OUTSIDE)
    blocks |= _down_blocks(down, counts)
    blocks |= {
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }
    return blocks | _up_blocks(up, counts[::-1])


def sgm_blocks_of(paths: Iterable[str]) -> dict[str, str]:
    """`sgm_blocks` of the U-Net whose modules have these diffusers paths: the layers are counted."""
    layers: dict[str, set[str]] = {}
    attended = set()
    for path in paths:
        if found := re.match(r"((?:down|up)_blocks\.\d+)\.(resnets|attentions)\.(\d+)\.", path):
            layers.setdefault(found[1], set())
            if found[2] == "resnets":
                layers[found[1]].add(found[3])
            else:
                attended.add(found[1])
    down, up = (sum(name.startswith(side) for name in layers) for side in ("down", "up"))
    return sgm_blocks(
        {
            "down_block_types": ["Attn" * (f"down_blocks.{level}" in attended) for level in range(down)],
            "up_block_types": ["Attn" * (f"up_blocks.{level}" in attended) for level in range(up)],
            "layers_per_block": [len(layers[f"down_blocks.{level}"]) for level in range(down)],
        }
    )


def to_sgm(path: str, blocks: Mapping[str, str]) -> str:
    """The SGM path of a module of a diffusers U-Net; `blocks` are from `sgm_blocks`. KeyError for a strange path."""
    stem, rest = _in_block(path, blocks)
    if ".resnets." in f".{stem}":
        rest = _renamed(rest, dict(_IN_A_RESNET))
    return f"{blocks[stem]}.{rest}" if rest else blocks[stem]


def to_diffusers(path: str, blocks: Mapping[str, str]) -> str:
    """The diffusers path of a module by its SGM path; the reverse of `to_sgm`. Raises KeyError for an unknown block."""
    known = {sgm: name for name, sgm in blocks.items()}
    stem, rest = _in_block(path, known)
    name = known[stem]
    if ".resnets." in f".{name}":
        rest = _renamed(rest, {sgm: ours for ours, sgm in _IN_A_RESNET})
    return f"{name}.{rest}" if rest else name


def with_text_model(path: str) -> str:
    """A module's path in CLIP's text model as files have it; transformers from 5.6 on leaves out `text_model`."""
    return f"text_model.{path}" if path.startswith(_TEXT_MODEL) else path


def kohya_unet(path: str, blocks: Mapping[str, str] | None = None) -> str:
    """kohya's name for a module of a diffusers U-Net: SGM's with `blocks` (SDXL), diffusers' own without (SD 1.x)."""
    return KOHYA_UNET + (path if blocks is None else to_sgm(path, blocks)).replace(".", "_")


def kohya_text(path: str, prefix: str = KOHYA_TEXT) -> str:
    """kohya's name for a module of a CLIP text encoder; `prefix` says which encoder."""
    return prefix + with_text_model(path).replace(".", "_")


def _down_blocks(types: tuple[str, ...], counts: tuple[int, ...]) -> dict[str, str]:
    blocks, number = {}, 1
    for level, (kind, count) in enumerate(zip(types, counts, strict=True)):
        for layer in range(count):
            blocks[f"down_blocks.{level}.resnets.{layer}"] = f"input_blocks.{number}.0"
            if "Attn" in kind:
                blocks[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{number}.1"
            number += 1
        if level < len(types) - 1:
            blocks[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
            number += 1
    return blocks


def _up_blocks(types: tuple[str, ...], counts: tuple[int, ...]) -> dict[str, str]:
    """Each level has one layer more than on the way down; its last layer's block also enlarges."""
    blocks, number = {}, 0
    for level, (kind, count) in enumerate(zip(types, counts, strict=True)):
        for layer in range(count + 1):
            blocks[f"up_blocks.{level}.resnets.{layer}"] = f"output_blocks.{number}.0"
            if "Attn" in kind:
                blocks[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{number}.1"
            if layer == count and level < len(types) - 1:
                place = 2 if "Attn" in kind else 1
                blocks[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{number}.{place}.conv"
            number += 1
    return blocks


def _in_block(path: str, blocks: Mapping[str, str]) -> tuple[str, str]:
    """The block that `path` lies in, and the path inside it."""
    words = path.split(".")
    for end in range(len(words), 0, -1):
        stem = ".".join(words[:end])
        if stem in blocks:
            return stem, ".".join(words[end:])
    raise KeyError(path)


def _renamed(rest: str, names: Mapping[str, str]) -> str:
    stem = next((name for name in names if rest == name or rest.startswith(f"{name}.")), None)
    return rest if stem is None else names[stem] + rest.removeprefix(stem)
