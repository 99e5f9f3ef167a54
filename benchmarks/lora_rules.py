"""Which module of a network a program would apply each layer of a LoRA file to: its rules, told anew.

`webui` is AUTOMATIC1111's 1.10.1 (Forge knows more names for these families, not fewer), `comfyui` is ComfyUI. Both are
tables of names, which are facts of the formats; nothing of either program is here, and nothing of `portraitist.lora`,
which writes the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

Target = tuple[str, str]
"""(part, path): `unet` with the first implementation's path, or a text encoder with CLIP's path below `text_model`."""

RESNET = {
    "conv1": "in_layers_2",
    "conv2": "out_layers_3",
    "time_emb_proj": "emb_layers_1",
    "conv_shortcut": "skip_connection",
}
CLIP_PATHS = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2",
)  # fmt: skip
UP_AND_DOWN = (
    (".lora_up.weight", ".lora_down.weight"),
    ("_lora.up.weight", "_lora.down.weight"),
    (".lora.up.weight", ".lora.down.weight"),
    (".lora_B.weight", ".lora_A.weight"),
    (".lora_B.default.weight", ".lora_A.default.weight"),
    (".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"),
)


@dataclass(frozen=True)
class Found:
    """A layer that a program applies: its matrices and the factor that it multiplies them with."""

    up: Tensor
    down: Tensor
    factor: float


def clip_paths(layers: int) -> Iterator[str]:
    """The linear layers of a CLIP text model below `text_model`."""
    return (f"encoder.layers.{number}.{path}" for number in range(layers) for path in CLIP_PATHS)


def webui(tensors: Mapping[str, Tensor], native: Mapping[str, str], layers: tuple[int, ...]) -> dict[Target, Found]:
    """A key is a layer's name without dots up to the first dot; only `lora_up` and `lora_down` are matrices."""
    names = _webui_names(native, layers)
    applied = {}
    for stem in dict.fromkeys(key.partition(".")[0] for key in tensors):
        target = next((names[name] for name in _webui_readings(stem) if name in names), None)
        up, down = (tensors.get(f"{stem}.lora_{end}.weight") for end in ("up", "down"))
        if target is not None and up is not None and down is not None:
            applied[target] = Found(up, down, _factor(tensors, stem, down))
    return applied


def _webui_names(native: Mapping[str, str], layers: tuple[int, ...]) -> dict[str, Target]:
    """The program's own modules by their path with _ for dots. SDXL's second encoder is OpenCLIP's, with q, k and v in
    one module; a layer for one of them is applied to its third."""
    names = {f"diffusion_model_{path.replace('.', '_')}": ("unet", path) for path in native.values()}
    first = "0_transformer_text_model_" if len(layers) > 1 else "transformer_text_model_"
    names |= {first + path.replace(".", "_"): ("text_encoder", path) for path in clip_paths(layers[0])}
    for path in clip_paths(layers[1]) if len(layers) > 1 else ():
        name = path.removeprefix("encoder.layers.").replace("self_attn", "attn").replace(".", "_")
        name = name.replace("mlp_fc1", "mlp_c_fc").replace("mlp_fc2", "mlp_c_proj")
        names[f"1_model_transformer_resblocks_{name}"] = ("text_encoder_2", path)
    return names


def _webui_readings(stem: str) -> Iterator[str]:
    """What the program takes a name for, in the order in which it tries."""
    yield _webui_converted(stem)
    yield stem.replace("lora_unet", "diffusion_model")
    yield stem.replace("lora_te1_text_model", "0_transformer_text_model")
    yield stem.replace("lora_te1_text_model", "transformer_text_model")


def _webui_converted(stem: str) -> str:
    """diffusers' block names become the first implementation's, as if each level had two layers, the first no attention
    on its way up: SD 1.x's numbers."""
    fixed = {
        "lora_unet_conv_in": "diffusion_model_input_blocks_0_0",
        "lora_unet_conv_out": "diffusion_model_out_2",
        "lora_unet_time_embedding_linear_1": "diffusion_model_time_embed_0",
        "lora_unet_time_embedding_linear_2": "diffusion_model_time_embed_2",
    }
    if stem in fixed:
        return fixed[stem]
    if found := re.fullmatch(r"lora_unet_(down|up)_blocks_(\d)_(attentions|resnets)_(\d)_(.+)", stem):
        side, level, kind, layer, rest = found.groups()
        number = 3 * int(level) + int(layer) + (1 if side == "down" else 0)
        block = f"diffusion_model_{'input' if side == 'down' else 'output'}_blocks_{number}"
        return f"{block}_0_{RESNET.get(rest, rest)}" if kind == "resnets" else f"{block}_1_{rest}"
    if found := re.fullmatch(r"lora_unet_mid_block_(attentions|resnets)_(\d)_(.+)", stem):
        kind, layer, rest = found.groups()
        place = 1 if kind == "attentions" else 2 * int(layer)
        return f"diffusion_model_middle_block_{place}_{RESNET.get(rest, rest) if kind == 'resnets' else rest}"
    if found := re.fullmatch(r"lora_unet_down_blocks_(\d)_downsamplers_0_conv", stem):
        return f"diffusion_model_input_blocks_{3 * int(found[1]) + 3}_0_op"
    if found := re.fullmatch(r"lora_unet_up_blocks_(\d)_upsamplers_0_conv", stem):
        return f"diffusion_model_output_blocks_{3 * int(found[1]) + 2}_{2 if int(found[1]) else 1}_conv"
    if found := re.fullmatch(r"lora_te_text_model_encoder_layers_(\d+_.+)", stem):
        return f"transformer_text_model_encoder_layers_{found[1]}"
    if found := re.fullmatch(r"lora_te2_text_model_encoder_layers_(\d+_.+)", stem):
        rest = found[1].replace("mlp_fc1", "mlp_c_fc").replace("mlp_fc2", "mlp_c_proj").replace("self_attn", "attn")
        return f"1_model_transformer_resblocks_{rest}"
    return stem


def comfyui(tensors: Mapping[str, Tensor], native: Mapping[str, str], layers: tuple[int, ...]) -> dict[Target, Found]:
    """The program has a table of all names that it knows; each is looked for with every ending of the two matrices."""
    applied = {}
    for stem, target in _comfyui_names(native, layers).items():
        for up_end, down_end in UP_AND_DOWN:
            up, down = tensors.get(stem + up_end), tensors.get(stem + down_end)
            if up is not None and down is not None:
                applied[target] = Found(up, down, _factor(tensors, stem, down))
    return applied


def _comfyui_names(native: Mapping[str, str], layers: tuple[int, ...]) -> dict[str, Target]:
    names: dict[str, Target] = {}
    for path, own in native.items():
        target = ("unet", own)
        names[f"diffusion_model.{own}"] = target
        names[f"lora_unet_{own.replace('.', '_')}"] = target
        names[f"lora_unet_{path.replace('.', '_')}"] = target
        old = path.replace(".to_", ".processor.to_")  # diffusers before PEFT; names of today are not known
        old = old.removesuffix(".0") if old.endswith(".to_out.0") else old
        names[old] = names[f"unet.{old}"] = target
    heads = (("text_encoder", "clip_l", ("lora_te_", "lora_te1_")), ("text_encoder_2", "clip_g", ("lora_te2_",)))
    for (part, own, prefixes), count in zip(heads, layers, strict=False):
        for path in clip_paths(count):
            names[f"{part}.text_model.{path}"] = (part, path)
            names[f"text_encoders.{own}.transformer.text_model.{path}"] = (part, path)
            for prefix in prefixes:
                names[f"{prefix}text_model_{path.replace('.', '_')}"] = (part, path)
    return names


def _factor(tensors: Mapping[str, Tensor], stem: str, down: Tensor) -> float:
    """alpha / rank; where a file has no alpha, both programs take the matrices as they are."""
    alpha = tensors.get(f"{stem}.alpha")
    return 1.0 if alpha is None else float(alpha) / float(down.shape[0])
