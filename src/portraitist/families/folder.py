"""Reading a base in the diffusers layout from disk: parts, whole or in shards. Never reaches for the network."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from portraitist.devices import Device
from portraitist.errors import MissingModel, UnfitModel

PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl"})
"""How files are called that can run code when they are opened."""


def read_config(path: Path) -> dict[str, Any]:
    """A JSON object. Raises MissingModel or UnfitModel."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingModel(f"The base lacks {path.parent.name}/{path.name}, looked for in {path.parent}.") from error
    except (OSError, ValueError) as error:
        raise UnfitModel(f"{path} cannot be read as JSON.") from error
    if not isinstance(value, dict):
        raise UnfitModel(f"{path} is no JSON object.")
    return value


def load_part(kind: Any, folder: Path, device: Device | None = None, dtype: torch.dtype | None = None) -> Any:
    """Build the diffusers or transformers class `kind` from a part's folder, safetensors only.

    Networks (those with a `dtype`) come frozen, in inference mode, on `device`. Raises MissingModel or UnfitModel.
    """
    if not folder.is_dir():
        raise MissingModel(f"The base lacks its part {folder.name}, looked for at {folder}.")
    _silence()
    options: dict[str, Any] = {"local_files_only": True}
    if dtype is not None:
        # transformers calls it so by now; older diffusers of those that we take do not know the new name
        name = "dtype" if kind.__module__.startswith("transformers.") else "torch_dtype"
        options |= {name: dtype, "use_safetensors": True} | _variant(folder)
    _refuse_pickles(folder)
    try:
        part = kind.from_pretrained(str(folder), **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = _damaged(folder) or next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UnfitModel(
            f"The base's part {folder.name} cannot be loaded: {reason}",
            hint="Only safetensors are loaded. Fetch the base again, or check the folder.",
        ) from error
    if dtype is None or device is None:
        return part
    return settle(part, device)


def _damaged(folder: Path) -> str:
    """Which weights of a part cannot be opened: the loaders do not say that a file is cut off."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt"):
                pass
        except (OSError, SafetensorError):
            return f"{path} is damaged or cut off ({path.stat().st_size} bytes)."
    return ""


def settle(network: Any, device: Device) -> Any:
    """The network on `device`, frozen, in inference mode."""
    network.requires_grad_(False).eval().to(device.device)
    for weight in network.parameters():
        # a tensor mapped from a file lies where the file has it; kernels round differently on another alignment
        weight.data = weight.data.clone()
    return network


def _refuse_pickles(folder: Path) -> None:
    """A part whose only weights are pickles. Raises UnfitModel with the command that converts them."""
    pickled = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICKLES)
    if pickled and not any(folder.glob("*.safetensors*")):
        raise UnfitModel(
            f"The base's part {folder.name} has only pickled weights ({pickled[0].name}), which can run code.",
            hint=f"Make a safetensors file of them: portraitist convert {pickled[0]}",
        )


def _variant(folder: Path) -> dict[str, str]:
    """`fp16` where a folder holds no other weights."""
    whole = [path for path in folder.glob("*.safetensors*") if ".fp16." not in path.name]
    return {} if whole or not any(folder.glob("*.fp16.*safetensors*")) else {"variant": "fp16"}


def _silence() -> None:
    """No bars of other libraries between our own words."""
    import diffusers
    import transformers

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
