"""LoRA files: written whole or not at all and proved, read in any dialect, refused with a reason. safetensors only.

The canonical form is in `canonical`, the dialects are in `dialects`; no family is known here.
"""

import struct
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from portraitist.errors import MissingModel, UnfitModel
from portraitist.files import replacing
from portraitist.lora.canonical import Lora, LoraLayer, Slot, Slots
from portraitist.lora.dialects import DIALECTS, Dialect, from_tensors, to_tensors
from portraitist.lora.metadata import immutable, with_hashes
from portraitist.lora.proof import prove
from portraitist.lora.strangers import unfit

__all__ = [
    "DIALECTS", "Dialect", "Lora", "LoraLayer", "Slot", "Slots", "check", "from_tensors", "read", "read_metadata",
    "read_tensors", "to_tensors", "write",
]  # fmt: skip

_PICKLES = frozenset({".pt", ".pth", ".bin", ".ckpt"})


def write(
    path: Path, lora: Lora, slots: Slots, *, dialect: Dialect = "kohya", dtype: torch.dtype = torch.float16
) -> Path:
    """Write a file in `dialect`, whole or not at all, and prove that it reads back: every layer, every delta.

    `sshs_*` hashes are added to the metadata. Raises UnfitModel if the LoRA does not fit `slots`, Unwritable, DiskFull.
    """
    check(lora, slots)
    tensors = to_tensors(lora, slots, dialect, dtype)
    wild = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if wild:
        raise UnfitModel(f"{path.name} is not written: {wild[0]} is not finite in {str(dtype).removeprefix('torch.')}.")
    told = {"format": "pt", **lora.metadata}  # transformers and diffusers ask for the format
    with replacing(path) as part:
        part.write_bytes(serialise(tensors, metadata=with_hashes(told, serialise(tensors, metadata=immutable(told)))))
        prove(lora, read(part, slots), dtype, path.name)
    return path


def read(path: Path, slots: Slots) -> Lora:
    """Read a LoRA file of any dialect and check it against the base's slots.

    Raises MissingModel, or UnfitModel for a pickle, a broken file, another kind than LoRA, or another family's.
    """
    tensors, metadata = read_tensors(path)
    lora = from_tensors(tensors, metadata, slots, name=path.name)
    check(lora, slots, name=path.name)
    for name, layer in lora.layers.items():
        if not (layer.down.float().isfinite().all() and layer.up.float().isfinite().all()):
            raise UnfitModel(f"{path.name} is damaged: layer {name} holds numbers that are not finite.")
    return lora


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and metadata of a safetensors file. Raises MissingModel or UnfitModel."""
    if path.suffix.lower() in _PICKLES:
        raise UnfitModel(
            f"{path.name} is a pickle, which can run code when it is opened.",
            hint=f"Convert it: portraitist convert {path}",
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError as error:
        raise MissingModel(f"The LoRA {path} is missing.") from error
    except (OSError, SafetensorError) as error:
        raise _broken(path) from error


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata alone. Raises MissingModel or UnfitModel."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return dict(file.metadata() or {})
    except FileNotFoundError as error:
        raise MissingModel(f"The LoRA {path} is missing.") from error
    except (OSError, SafetensorError) as error:
        raise _broken(path) from error


def check(lora: Lora, slots: Slots, *, name: str = "the LoRA") -> None:
    """Every layer must have its slot, the right shapes and a usable alpha. Raises UnfitModel that names the layer."""
    if not lora.layers:
        raise UnfitModel(f"{name} holds no LoRA layers.")
    shapes = {key: tuple(layer.down.shape) for key, layer in lora.layers.items()}
    if any(key not in slots for key in shapes):
        raise unfit(shapes, lora.metadata, slots, name)
    for key, layer in lora.layers.items():
        shape = slots[key].shape
        one = (1,) * (len(shape) - 2)
        wanted = ((layer.rank, *shape[1:]), (shape[0], layer.rank, *one))
        if (tuple(layer.down.shape), tuple(layer.up.shape)) != wanted:
            raise unfit({key: shapes[key], **shapes}, lora.metadata, slots, name)
        if not layer.alpha > 0 or layer.alpha == float("inf"):
            raise UnfitModel(f"{name}: layer {key} has the alpha {layer.alpha}.")


def _broken(path: Path) -> UnfitModel:
    """The error for a file that safetensors cannot open; one that is cut off says how much is there."""
    hint = "Fetch or copy it again."
    if path.is_dir():
        return UnfitModel(f"{path} is a folder, not a LoRA file.")
    try:
        with path.open("rb") as file:
            size, head = path.stat().st_size, file.read(8)
    except OSError:
        return UnfitModel(f"{path} cannot be read.", hint="Look at its permissions.")
    header = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if 2 <= header <= 100_000_000 and header + 8 > size:
        return UnfitModel(f"{path.name} is cut off after {size} bytes.", hint=hint)
    return UnfitModel(f"{path.name} is no safetensors file that can be read: it is damaged or cut off.", hint=hint)
