"""LoRA files of other people: what kind they are, which family they were made for, and why they cannot be used.

Only plain LoRA (convolutions included) is used. The endings are facts of the formats: KohakuBlueleaf/LyCORIS, PEFT,
the WebUI's `extensions-builtin/Lora`. Families are told by names and shapes first, by metadata last.
"""

import re
from collections.abc import Mapping

from portraitist.errors import UnfitModel
from portraitist.lora.canonical import Slots

_OTHER_KINDS = (
    (
        r"\.(dora_scale|lora_magnitude_vector(\.\w+)?(\.weight)?)$",
        "a DoRA: programs disagree about what its magnitudes mean, so it would not look as its author meant",
    ),
    (r"\.hada_(w1|w2|t1|t2)(_[ab])?$", "a LoHa: its layers are products of two LoRAs, which are not supported"),
    (r"\.lokr_(w1|w2|t2)(_[ab])?$", "a LoKr: its layers are Kronecker products, which are not supported"),
    (r"\.(diff|diff_b|set_weight|w_norm|b_norm)$", "whole differences of weights, not a LoRA alone"),
    (r"\.(oft_blocks|oft_diag|oft_R(\.\w+)?\.weight)$", "an OFT: it turns weights, which is not supported"),
    (r"\.on_input$", "an (IA)3: it scales weights, which is not supported"),
    (r"\.[ab][12]\.weight$", "a GLoRA, which is not supported"),
    (r"^bundle_emb\.|string_to_param|emb_params$", "new words (a textual inversion), which are not supported"),
    (r"\.lora_[AB](\.\w+)?\.bias$|\.lora_(up|down)\.bias$", "biases of its layers, which are not supported"),
    (r"^(model\.diffusion_model|first_stage_model|cond_stage_model|conditioner)\.", "a whole checkpoint, not a LoRA"),
)
_PARTS = (  # what the layers are called in families that we do not have
    (r"joint_blocks", "SD 3"),
    (r"double_blocks|single_blocks|single_transformer_blocks", "FLUX"),
    (r"transformer_blocks[._]\d+[._](img_mlp|txt_mlp|img_mod|txt_mod)", "Qwen-Image"),
    (r"noise_refiner|context_refiner|layers[._]\d+[._]attention[._]", "Z-Image"),
    (r"blocks[._]\d+[._]cross_attn", "Wan"),
    (r"transformer_blocks[._]\d+[._]attn[._]add_[kqv]_proj", "SD 3"),
)
_WIDTHS = {768: "SD 1.5", 1024: "SD 2", 2048: "SDXL", 1280: "SDXL refiner"}
"""How wide the states are that the U-Net's second attention reads: CLIP-L, OpenCLIP-H, both of SDXL, bigG alone."""
_SAID = (
    (r"sdxl|stable-diffusion-xl", "SDXL"),
    (r"sd_v1|stable-diffusion-v1", "SD 1.5"),
    (r"sd_v2|stable-diffusion-v2", "SD 2"),
    (r"flux", "FLUX"),
    (r"sd3|stable-diffusion-3", "SD 3"),
)


def refuse_other_kind(key: str, name: str) -> UnfitModel:
    """The error for a file with a tensor `key` that belongs to no plain LoRA."""
    reason = next((reason for ending, reason in _OTHER_KINDS if re.search(ending, key)), None)
    if reason is None:
        return UnfitModel(f"{name} holds {key}, which belongs to no LoRA that we know.")
    return UnfitModel(f"{name} holds {reason}.", hint="Ask its author for a plain LoRA (LoRA or LoCon).")


def unfit(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str], slots: Slots, name: str) -> UnfitModel:
    """The error for a LoRA that does not fit a base: by the family's name where both can be told.

    `shapes` are those of the down matrices by the layers' names, canonical where the base has the layer.
    """
    hint = "A LoRA works on bases of the family that it was trained on."
    own, other = family_of_slots(slots), family_of_layers(shapes) or _said(metadata)
    if other is not None and other != own:
        return UnfitModel(f"{name} is {_one(other)} LoRA; this base is {own}.", hint=hint)
    unknown = [layer for layer in shapes if layer not in slots]
    if unknown:
        return UnfitModel(
            f"{name} does not fit this base: {len(unknown)} of its {len(shapes)} layers have no place in it, "
            f"the first is {unknown[0]}.",
            hint=hint,
        )
    wrong = next((layer for layer, shape in shapes.items() if shape[1:] != slots[layer].shape[1:]), next(iter(shapes)))
    return UnfitModel(
        f"{name} does not fit this base: layer {wrong} has another shape. It was made for a base of another size.",
        hint=hint,
    )


def family_of_slots(slots: Slots) -> str:
    """The family of a base in words, by its parts and shapes."""
    if any(slot.part == "text_encoder_2" or slot.path.startswith("add_embedding") for slot in slots.values()):
        return "SDXL"
    width = next((slot.shape[1] for slot in slots.values() if slot.path.endswith("attn2.to_k")), 0)
    return "SD 2" if width == 1024 else "SD 1.5"


def family_of_layers(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The family that a LoRA's layers speak of, or None if they do not tell."""
    for pattern, family in _PARTS:
        if any(re.search(pattern, layer) for layer in shapes):
            return family
    for layer, shape in shapes.items():
        if re.search(r"attn2[._]to_[kv]$", layer) and len(shape) > 1 and shape[1] in _WIDTHS:
            return _WIDTHS[shape[1]]
    layers = " ".join(shapes)
    if re.search(r"lora_te2_|text_encoder_2\.|clip_g\.|add_embedding|label_emb", layers):
        return "SDXL"
    if re.search(r"mid[\w.]*transformer_blocks[._][1-9]", layers):
        return "SDXL"
    return "SD 1.5" if re.search(r"(down|up)_blocks[._]3[._]|put_blocks[._](9|10|11)[._]", layers) else None


def _said(metadata: Mapping[str, str]) -> str | None:
    said = f"{metadata.get('modelspec.architecture', '')} {metadata.get('ss_base_model_version', '')}".lower()
    return next((family for pattern, family in _SAID if re.search(pattern, said)), None)


def _one(family: str) -> str:
    return f"an {family}" if family.startswith("SD") else f"a {family}"
