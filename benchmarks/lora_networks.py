"""Networks of real size on torch's meta device (shapes without weights), as slots for LoRA layers.

    NETWORKS["sdxl"]() -> the slots, and diffusers' path of each U-Net module by its name in the first implementation

That second table is a golden list: the modules are enumerated here from the architecture's numbers, and diffusers' own
converter of single-file checkpoints says which of its modules each one is. `portraitist.lora.names` takes no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.full_size import config
from portraitist.lora.formats import Slot
from portraitist.lora.names import KOHYA_TEXT, KOHYA_TEXT_1, KOHYA_TEXT_2, kohya_text, kohya_unet, sgm_blocks

CLIP_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


@dataclass(frozen=True)
class Network:
    """`slots` by kohya name; `native` is the first implementation's path of each U-Net module by diffusers' path;
    `layers` counts the layers of each text encoder."""

    slots: Mapping[str, Slot]
    native: Mapping[str, str]
    layers: tuple[int, ...]


def sd15(**changes: Any) -> Network:
    """Stable Diffusion 1.5; `changes` to the U-Net's config make it smaller."""
    text = changes.pop("text", config("sd15", "text_encoder"))
    unet = _unet(config("sd15", "unet") | changes)
    slots = _unet_slots(unet, None) | _text_slots("text_encoder", KOHYA_TEXT, text)
    return Network(slots, _native(unet), (text["num_hidden_layers"],))


def sdxl(*, sgm: bool = True, **changes: Any) -> Network:
    """SDXL; without `sgm` its U-Net's layers are named by diffusers' blocks."""
    text = changes.pop("text", config("sdxl", "text_encoder"))
    second = changes.pop("second", config("sdxl", "text_encoder_2"))
    unet = _unet(config("sdxl", "unet") | changes)
    slots = _unet_slots(unet, sgm_blocks(unet.config) if sgm else None)
    slots |= _text_slots("text_encoder", KOHYA_TEXT_1, text) | _text_slots("text_encoder_2", KOHYA_TEXT_2, second)
    return Network(slots, _native(unet), (text["num_hidden_layers"], second["num_hidden_layers"]))


NETWORKS: Mapping[str, Callable[..., Network]] = {"sd15": sd15, "sdxl": sdxl}


def _unet(settings: Mapping[str, Any]) -> Any:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(**settings)


def _layers(module: nn.Module) -> Iterator[tuple[str, tuple[int, ...]]]:
    for path, layer in module.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            yield path, tuple(layer.weight.shape)


def _unet_slots(unet: nn.Module, blocks: Mapping[str, str] | None) -> dict[str, Slot]:
    return {kohya_unet(path, blocks): Slot("unet", path, shape) for path, shape in _layers(unet)}


def _text_slots(part: str, prefix: str, settings: Mapping[str, Any]) -> dict[str, Slot]:
    """The layers that trainers know: those of the transformer, not the projection of the whole prompt."""
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device("meta"):
        encoder = CLIPTextModel(CLIPTextConfig(**settings))
    found = _layers(encoder)
    return {
        kohya_text(path, prefix): Slot(part, path, shape)
        for path, shape in found
        if path.rpartition(".")[2] in CLIP_LAYERS
    }


def _native(unet: Any) -> dict[str, str]:
    """The first implementation's path of each linear layer and convolution, by diffusers' path of it."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    config = unet.config
    names = [f"model.diffusion_model.{name}.{end}" for name in native_modules(config) for end in ("weight", "bias")]
    converted = convert_ldm_unet_checkpoint({name: name for name in names}, dict(config))
    native = {}
    for path, _ in _layers(unet):
        native[path] = converted[f"{path}.weight"].removeprefix("model.diffusion_model.").removesuffix(".weight")
    return native


def native_modules(config: Mapping[str, Any]) -> Iterator[str]:
    """Every module with weights of the first implementation's U-Net, norms too, in its own order."""
    levels = len(config["block_out_channels"])
    depths = config["transformer_layers_per_block"]
    depths = (depths,) * levels if isinstance(depths, int) else tuple(depths)
    attends = ["Attn" in kind for kind in config["down_block_types"]]
    yield from ("time_embed.0", "time_embed.2")
    if config["addition_embed_type"]:
        yield from ("label_emb.0.0", "label_emb.0.2")
    yield "input_blocks.0.0"
    number = 1
    for level in range(levels):
        for layer in range(2):
            wider = level > 0 and layer == 0 and _width(config, level) != _width(config, level - 1)
            yield from _block(f"input_blocks.{number}", wider, depths[level] if attends[level] else 0)
            number += 1
        if level < levels - 1:
            yield f"input_blocks.{number}.0.op"
            number += 1
    yield from _resnet("middle_block.0", False)
    yield from _transformer("middle_block.1", depths[-1])
    yield from _resnet("middle_block.2", False)
    number = 0
    for level in reversed(range(levels)):
        for layer in range(3):
            depth = depths[level] if attends[level] else 0
            yield from _block(f"output_blocks.{number}", True, depth)
            if layer == 2 and level > 0:
                yield f"output_blocks.{number}.{2 if depth else 1}.conv"
            number += 1
    yield from ("out.0", "out.2")


def _width(config: Mapping[str, Any], level: int) -> int:
    return int(config["block_out_channels"][level])


def _block(name: str, wider: bool, depth: int) -> Iterator[str]:
    yield from _resnet(f"{name}.0", wider)
    if depth:
        yield from _transformer(f"{name}.1", depth)


def _resnet(name: str, wider: bool) -> Iterator[str]:
    yield from _below(name, ("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3"))
    if wider:
        yield f"{name}.skip_connection"


def _transformer(name: str, depth: int) -> Iterator[str]:
    yield from _below(name, ("norm", "proj_in", "proj_out"))
    inner = ("ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3")
    for number in range(depth):
        block = f"{name}.transformer_blocks.{number}"
        yield from _below(block, inner)
        for attention in ("attn1", "attn2"):
            yield from _below(f"{block}.{attention}", ("to_q", "to_k", "to_v", "to_out.0"))


def _below(name: str, rest: Iterable[str]) -> Iterator[str]:
    return (f"{name}.{end}" for end in rest)
