"""The dialects that LoRA files speak: names and tensors in each, to and from the canonical form. No files, no family.

    kohya      lora_unet_<path with _>.lora_down.weight, .lora_up.weight, .alpha        every program
    diffusers  unet.<diffusers path>.lora_A.weight, .lora_B.weight                      diffusers, PEFT
    comfyui    diffusion_model.<SGM path>.lora_A.weight, .lora_B.weight, .alpha         ComfyUI's name for every model

The rules are facts of the formats (kohya-ss/sd-scripts `networks/lora.py`, diffusers `loaders/lora_pipeline.py`,
ComfyUI `comfy/lora.py`; the convolution in the middle: KohakuBlueleaf/LyCORIS `locon.py`).
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from portraitist.errors import UnfitModel
from portraitist.lora.canonical import Lora, LoraLayer, Slot, Slots
from portraitist.lora.names import kohya_text, kohya_unet, sgm_blocks_of, to_sgm, with_text_model
from portraitist.lora.strangers import refuse_other_kind

Dialect = Literal["kohya", "diffusers", "comfyui"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)

_ENDS = (
    ("down", re.compile(r"(\.lora_down|\.lora_A(\.\w+)?|[._]lora\.down|\.lora_linear_layer\.down)\.weight$")),
    ("up", re.compile(r"(\.lora_up|\.lora_B(\.\w+)?|[._]lora\.up|\.lora_linear_layer\.up)\.weight$")),
    ("mid", re.compile(r"\.lora_mid\.weight$")),
    ("alpha", re.compile(r"\.alpha$")),
)
_CLIP = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
_KOHYA_TEXT = {"text_encoder": ("lora_te_", "lora_te1_"), "text_encoder_2": ("lora_te2_",)}


def to_tensors(lora: Lora, slots: Slots, dialect: Dialect, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of a file in `dialect`.

    diffusers takes alpha from nothing that other programs read, so it is folded into `lora_B`: then alpha is the rank,
    which every program assumes where nothing is said.
    """
    down, up = ("lora_down", "lora_up") if dialect == "kohya" else ("lora_A", "lora_B")
    stems = _stems(slots, dialect)
    tensors = {}
    for name, layer in sorted(lora.layers.items()):
        stem, factor = stems[name], layer.alpha / layer.rank if dialect == "diffusers" else 1.0
        tensors[f"{stem}.{down}.weight"] = layer.down.to(dtype).contiguous()
        tensors[f"{stem}.{up}.weight"] = (layer.up.float() * factor).to(dtype).contiguous()
        if dialect != "diffusers":
            tensors[f"{stem}.alpha"] = torch.tensor(layer.alpha, dtype=dtype)
    return tensors


def from_tensors(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], slots: Slots, *, name: str = "the LoRA"
) -> Lora:
    """The canonical form of any dialect's tensors. A missing alpha means alpha = rank.

    Layers without a slot keep the name that they have in the file. Raises UnfitModel for what is no plain LoRA.
    """
    known = _known_stems(slots)
    told = _told_alphas(metadata)
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        part, stem = _split(key, name)
        parts.setdefault(stem, {})[part] = tensor
    layers: dict[str, LoraLayer] = {}
    for stem, found in parts.items():
        place = known.get(stem.replace(".processor.", ".").removeprefix("base_model.model."), stem)
        if place in layers:
            raise UnfitModel(f"{name} holds layer {place} twice, under two names.")
        layer = _layer(stem, found, told, name)
        layers[place] = layer.shaped(slots[place].shape) if place in slots else layer
    return Lora(layers, dict(metadata))


def _layer(
    stem: str, found: Mapping[str, Tensor], told: Callable[[str, float], float], name: str
) -> LoraLayer:  # fmt: skip
    if "down" not in found or "up" not in found:
        raise UnfitModel(f"{name}: layer {stem} lacks one of its two matrices.", hint="Fetch the file again.")
    down, up = found["down"], found["up"]
    if down.ndim not in (2, 4) or up.ndim not in (2, 4) or not down.numel() or not up.numel():
        raise UnfitModel(f"{name}: layer {stem} has matrices of {down.ndim} and {up.ndim} dimensions, or empty ones.")
    if "alpha" in found and found["alpha"].numel() != 1:
        raise UnfitModel(f"{name}: the alpha of layer {stem} is no number.")
    alpha = float(found["alpha"]) if "alpha" in found else told(stem, float(down.shape[0]))
    return LoraLayer(_with_middle(down, found["mid"], stem, name) if "mid" in found else down, up, alpha)


def _with_middle(down: Tensor, middle: Tensor, stem: str, name: str) -> Tensor:
    """A convolution in three steps (1x1 to the rank, k x k in the rank, 1x1 out) as one in two: (rank, in, k, k)."""
    if middle.ndim != 4 or down.shape[2:] != (1, 1) or middle.shape[1] != down.shape[0]:
        raise UnfitModel(f"{name}: the middle of layer {stem} does not fit its ends.")
    return torch.einsum("mnkl,ni->mikl", middle.float(), down.float().flatten(1))


def _split(key: str, name: str) -> tuple[str, str]:
    """The kind of matrix that `key` names, and the layer's stem."""
    for part, ending in _ENDS:
        if found := ending.search(key):
            return part, key[: found.start()]
    raise refuse_other_kind(key, name)


def _stems(slots: Slots, dialect: Dialect) -> dict[str, str]:
    """Each slot's stem in `dialect` by its kohya name."""
    if dialect == "kohya":
        return {name: name for name in slots}
    if dialect == "diffusers":
        return {name: _diffusers(slot) for name, slot in slots.items()}
    blocks = _blocks(slots)
    return {name: _comfyui(slot, blocks) for name, slot in slots.items()}


def _diffusers(slot: Slot) -> str:
    return f"{slot.part}.{slot.path if slot.part == 'unet' else with_text_model(slot.path)}"


def _comfyui(slot: Slot, blocks: Mapping[str, str]) -> str:
    if slot.part in _CLIP:
        return f"text_encoders.{_CLIP[slot.part]}.transformer.{with_text_model(slot.path)}"
    return f"diffusion_model.{to_sgm(slot.path, blocks) if slot.part == 'unet' else slot.path}"


def _blocks(slots: Slots) -> dict[str, str]:
    return sgm_blocks_of(slot.path for slot in slots.values() if slot.part == "unet")


def _known_stems(slots: Slots) -> dict[str, str]:
    """The kohya name of each slot by every stem that files of any dialect and time have for it."""
    blocks = _blocks(slots)
    known = {}
    for name, slot in slots.items():
        known[name] = name
        for stem in (*_aliases(slot, blocks), _comfyui(slot, blocks)):
            known[stem] = name
    return known


def _aliases(slot: Slot, blocks: Mapping[str, str]) -> list[str]:
    """diffusers' stems, new and old, and kohya's in both of a U-Net's tongues."""
    if slot.part == "unet":
        paths = [slot.path, slot.path.removesuffix(".0")] if slot.path.endswith(".to_out.0") else [slot.path]
        both = [kohya_unet(slot.path), kohya_unet(slot.path, blocks)]
        return [*paths, *(f"unet.{path}" for path in paths), *both]
    whole = with_text_model(slot.path)
    old = re.sub(r"self_attn\.(q|k|v|out)_proj$", r"self_attn.to_\1", whole)  # diffusers before 0.18
    stems = [f"{slot.part}.{path}" for path in (whole, whole.removeprefix("text_model."), old)]
    return [*stems, *(kohya_text(slot.path, prefix) for prefix in _KOHYA_TEXT.get(slot.part, ()))]


def _told_alphas(metadata: Mapping[str, str]) -> Callable[[str, float], float]:
    """Alphas that diffusers keeps in its metadata (`lora_adapter_metadata`), by `<part>.lora_alpha`."""
    try:
        told = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except json.JSONDecodeError:
        told = {}
    if not isinstance(told, dict):
        told = {}

    def alpha(stem: str, rank: float) -> float:
        part, _, path = stem.partition(".")
        pattern = told.get(f"{part}.alpha_pattern")
        value = pattern.get(path) if isinstance(pattern, dict) else None
        value = value or told.get(f"{part}.lora_alpha")
        return float(value) if isinstance(value, int | float) else rank

    return alpha
