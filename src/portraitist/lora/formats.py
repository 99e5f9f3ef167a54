"""LoRA files: one canonical form, and the two dialects that the world writes (kohya, diffusers/PEFT). safetensors only.

A layer's canonical name is kohya's (`lora_unet_mid_block_attentions_0_proj_in`), for it is what WebUI, Forge, ComfyUI
and diffusers all load. Which layers a base has is told by its family as `Slots`; no family is known here. The rules are
facts of the formats (kohya-ss/sd-scripts `networks/lora.py`, diffusers `loaders/lora_pipeline.py`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from portraitist.errors import MissingModel, UnfitModel
from portraitist.files import write_bytes
from portraitist.lora.metadata import with_hashes

_DOWN = (".lora_down.weight", ".lora_A.weight", ".lora.down.weight", ".lora_linear_layer.down.weight")
_UP = (".lora_up.weight", ".lora_B.weight", ".lora.up.weight", ".lora_linear_layer.up.weight")
_ALPHA = ".alpha"
_PICKLES = frozenset({".pt", ".pth", ".bin", ".ckpt"})


@dataclass(frozen=True)
class Slot:
    """A place in a base where a LoRA layer can sit: the part (`unet`, `text_encoder`), the module's path in it, and
    the shape of its weight, (out, in) or (out, in, kernel, kernel)."""

    part: str
    path: str
    shape: tuple[int, ...]


Slots = Mapping[str, Slot]
"""Every slot of a base by its kohya name."""


@dataclass(frozen=True)
class LoraLayer:
    """`down` (rank, in) and `up` (out, rank), convolutions (rank, in, k, k) and (out, rank, 1, 1).

    What is added to the base's weight is strength x alpha / rank x up @ down.
    """

    down: Tensor
    up: Tensor
    alpha: float

    @property
    def rank(self) -> int:
        return int(self.down.shape[0])

    def delta(self, device: torch.device | None = None) -> Tensor:
        """float32, shaped like the base's weight, at strength 1; computed on `device`."""
        down, up = self.down.to(device).float(), self.up.to(device).float()
        flat = up.flatten(1) @ down.flatten(1)
        return (self.alpha / self.rank) * flat.reshape(up.shape[0], *down.shape[1:])


@dataclass(frozen=True)
class Lora:
    """A LoRA in the canonical form: layers by kohya name, and the file's metadata."""

    layers: Mapping[str, LoraLayer]
    metadata: Mapping[str, str] = field(default_factory=dict)


def write(path: Path, lora: Lora, slots: Slots, *, dtype: torch.dtype = torch.float16) -> Path:
    """Write a kohya file, whole or not at all, and prove that it reads back.

    `sshs_*` hashes are added to the metadata. Raises UnfitModel if the LoRA does not fit `slots`, Unwritable, DiskFull.
    """
    check(lora, slots)
    tensors = to_kohya(lora, dtype)
    wild = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if wild:
        raise UnfitModel(f"{path.name} is not written: {wild[0]} is not finite in {str(dtype).removeprefix('torch.')}.")
    data = serialise(tensors, metadata=dict(with_hashes(lora.metadata, serialise(tensors))))
    write_bytes(path, data)
    found = read(path, slots)
    if found.layers.keys() != lora.layers.keys():
        raise UnfitModel(f"{path} does not read back as it was written.")
    return path


def write_diffusers(path: Path, lora: Lora, slots: Slots, *, dtype: torch.dtype = torch.float16) -> Path:
    """Write the diffusers/PEFT dialect, whole or not at all; same errors as `write`."""
    check(lora, slots)
    return write_bytes(path, serialise(to_diffusers(lora, slots, dtype), metadata={"format": "pt", **lora.metadata}))


def read(path: Path, slots: Slots) -> Lora:
    """Read a LoRA file of either dialect and check it against the base's slots.

    Raises MissingModel, or UnfitModel for a pickle, a broken file or a LoRA of another family.
    """
    tensors, metadata = read_tensors(path)
    lora = from_tensors(tensors, metadata, slots, name=path.name)
    check(lora, slots, name=path.name)
    return lora


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and metadata of a safetensors file. Raises MissingModel or UnfitModel."""
    if path.suffix.lower() in _PICKLES:
        raise UnfitModel(
            f"{path.name} is a pickle, which can run code when it is opened.",
            hint="Convert it to safetensors on a machine that you can lose.",
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError as error:
        raise MissingModel(f"The LoRA {path} is missing.") from error
    except (OSError, SafetensorError) as error:
        raise UnfitModel(f"{path.name} is no safetensors file that can be read.") from error


def to_kohya(lora: Lora, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of a kohya file: `lora_down`, `lora_up` and a scalar `alpha` for each layer."""
    tensors = {}
    for name, layer in sorted(lora.layers.items()):
        tensors[f"{name}.lora_down.weight"] = layer.down.to(dtype).contiguous()
        tensors[f"{name}.lora_up.weight"] = layer.up.to(dtype).contiguous()
        tensors[f"{name}.alpha"] = torch.tensor(layer.alpha, dtype=dtype)
    return tensors


def to_diffusers(lora: Lora, slots: Slots, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors of a diffusers/PEFT file. Alpha is folded into `lora_B`, for most loaders take it to be the rank."""
    tensors = {}
    for name, layer in sorted(lora.layers.items()):
        stem = f"{slots[name].part}.{slots[name].path}"
        tensors[f"{stem}.lora_A.weight"] = layer.down.to(dtype).contiguous()
        tensors[f"{stem}.lora_B.weight"] = (layer.up.float() * (layer.alpha / layer.rank)).to(dtype).contiguous()
    return tensors


def from_tensors(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], slots: Slots, *, name: str = "the LoRA"
) -> Lora:
    """The canonical form of either dialect's tensors. A missing alpha means alpha = rank. Raises UnfitModel."""
    canonical = _canonical_names(slots)
    told = _told_alphas(metadata)
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        stem, part = _split(key, name)
        parts.setdefault(stem, {})[part] = tensor
    layers = {}
    for stem, found in parts.items():
        if "down" not in found or "up" not in found:
            raise UnfitModel(f"{name}: layer {stem} lacks one of its two matrices.")
        alpha = float(found["alpha"]) if "alpha" in found else told(stem, float(found["down"].shape[0]))
        layers[canonical(stem)] = LoraLayer(found["down"], found["up"], alpha)
    return Lora(layers, dict(metadata))


def check(lora: Lora, slots: Slots, *, name: str = "the LoRA") -> None:
    """Every layer must have its slot, the right shapes and a usable alpha. Raises UnfitModel that names the layer."""
    if not lora.layers:
        raise UnfitModel(f"{name} holds no LoRA layers.")
    unknown = [layer for layer in lora.layers if layer not in slots]
    if unknown:
        raise UnfitModel(
            f"{name} does not fit this base: {len(unknown)} of its {len(lora.layers)} layers have no place in it, "
            f"the first is {unknown[0]}.",
            hint="A LoRA works on bases of the family that it was trained on.",
        )
    for key, layer in lora.layers.items():
        shape = slots[key].shape
        one = (1,) * (len(shape) - 2)
        wanted = ((layer.rank, *shape[1:]), (shape[0], layer.rank, *one))
        if (tuple(layer.down.shape), tuple(layer.up.shape)) != wanted:
            raise UnfitModel(f"{name} does not fit this base: layer {key} has another shape.")
        if not layer.alpha > 0 or layer.alpha == float("inf"):
            raise UnfitModel(f"{name}: layer {key} has the alpha {layer.alpha}.")


def _split(key: str, name: str) -> tuple[str, str]:
    for part, endings in (("down", _DOWN), ("up", _UP), ("alpha", (_ALPHA,))):
        for ending in endings:
            if key.endswith(ending):
                return key.removesuffix(ending), part
    raise UnfitModel(f"{name} holds {key}, which is no plain LoRA.", hint="DoRA, LoHa and LoKr are not supported.")


def _canonical_names(slots: Slots) -> Callable[[str], str]:
    """A function from a layer's name in either dialect to its kohya name."""
    names = {f"{slot.part}.{slot.path}": name for name, slot in slots.items()}
    # transformers before 5.6 has one level more in CLIP's text model; files of both times are about
    names |= {key.replace("text_encoder.", "text_encoder.text_model.", 1): name for key, name in names.items()}
    names |= {name.replace("lora_te_", "lora_te1_", 1): name for name in slots}

    def canonical(stem: str) -> str:
        return names.get(stem.replace(".processor.", "."), stem)

    return canonical


def _told_alphas(metadata: Mapping[str, str]) -> Callable[[str, float], float]:
    """Alphas that diffusers keeps in its metadata (`lora_adapter_metadata`), by `<part>.lora_alpha`."""
    try:
        told = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except json.JSONDecodeError:
        told = {}

    def alpha(stem: str, rank: float) -> float:
        part, _, path = stem.partition(".")
        pattern = told.get(f"{part}.alpha_pattern")
        if isinstance(pattern, dict) and path in pattern:
            return float(pattern[path])
        return float(told.get(f"{part}.lora_alpha") or rank)

    return alpha
