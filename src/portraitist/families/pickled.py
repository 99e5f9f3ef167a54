"""Pickled checkpoints made into safetensors: the only place where a format is read that could run code.

torch's restricted reader (`weights_only`) builds tensors and plain containers and refuses everything else. It runs in a
child process of limited memory, time and files (`limited.py`), so that what slips by it, or crashes it, harms little.
Knows no family; names of tensors are kept as they are.
"""

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from portraitist.errors import BadRequest, DiskFull, MissingModel, UnfitModel, Unwritable
from portraitist.families.folder import PICKLES
from portraitist.families.recognise import describe, read_shapes
from portraitist.files import replacing
from portraitist.limited import ChildDied, Header, Limited, Means

_NESTS = ("state_dict", "model_state_dict", "module", "model", "params_ema", "params")
"""Where trainers put the tensors when the file holds more than these."""

_LIBRARIES = 12 * 2**30
"""Bytes of address space that torch and its libraries map, most of them never touched."""

_LIGHTNING = "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"
_SLACK = 2**24


@dataclass(frozen=True)
class Converted:
    """What was written: the file, how many tensors and bytes, what was left out because it is no tensor, and what the
    tensors are, for people (`SD 1.5`, `a LoRA …`; empty if it is not known)."""

    file: Path
    tensors: int
    bytes: int
    dropped: tuple[str, ...]
    kind: str


def convert(source: Path, out: Path | None = None, *, seconds: float = 1800.0) -> Converted:
    """Write the tensors of the pickle `source` to `out`, whole or not at all; without `out` beside it.

    Raises MissingModel, BadRequest for a file that is no pickle by its name, UnfitModel for one that is refused,
    Unwritable, DiskFull.
    """
    if source.suffix.lower() not in PICKLES:
        raise BadRequest(
            f"{source.name} is not called like a pickle ({', '.join(sorted(PICKLES))}).",
            hint="A .safetensors file needs no conversion.",
        )
    if not source.is_file():
        raise MissingModel(f"There is no file {source}.", hint="Check the path.")
    target = out if out is not None else _beside(source)
    if target.suffix != ".safetensors":
        raise BadRequest(f"{target.name} must end with .safetensors.")
    if out is None and target.exists():
        raise Unwritable(target, "it is there already", hint="Name another file with --out, or move it away.")
    size = source.stat().st_size
    if not size:
        raise UnfitModel(f"{source.name} is empty.", hint="It was not fetched whole: fetch it again.")
    means = Means(memory=_LIBRARIES + 4 * size, seconds=seconds, file_bytes=2 * size + _SLACK, calls=1)
    with replacing(target) as temporary:
        wanted = {"source": str(source.absolute()), "target": str(temporary.absolute()), "final": str(target)}
        with Limited("portraitist.families.pickled:answer", means) as child:
            try:
                found, _ = child.call(wanted, most=0)
            except ChildDied as died:
                raise UnfitModel(f"{source.name} was given up: reading it {died.reason}.") from died
        kind = describe(read_shapes(temporary))  # proves that it can be read, too
    return Converted(target, int(found["tensors"]), target.stat().st_size, tuple(map(str, found["dropped"])), kind)


def _beside(source: Path) -> Path:
    """transformers' weights are called `model.safetensors` where they were `pytorch_model.bin`."""
    name = "model.safetensors" if source.name == "pytorch_model.bin" else f"{source.stem}.safetensors"
    return source.with_name(name)


def answer(header: Header, data: bytes) -> tuple[dict[str, Any], bytes]:
    """What the child does."""
    source, target = Path(header["source"]), Path(header["target"])
    tensors, dropped = _tensors_of(_load(source), source.name)
    whole = _apart(tensors, source)
    try:
        save_file(whole, target, metadata={"format": "pt"})
    except SafetensorError as error:
        if "No space left" in str(error):
            raise DiskFull(Path(header["final"])) from error
        raise UnfitModel(f"{source.name} cannot be written as safetensors: {error}.") from error
    return {"tensors": len(whole), "dropped": dropped[:100]}, b""


def _load(path: Path) -> Any:
    """What is in the pickle, by torch's restricted reader. Raises UnfitModel."""
    # the first checkpoints of Stable Diffusion name this class of their trainer; here it is an empty one
    empty = type("ModelCheckpoint", (), {})
    try:
        with torch.serialization.safe_globals([(empty, _LIGHTNING)]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise UnfitModel(
            f"{path.name} is not converted, for it holds more than tensors: {_reason(error)}.",
            hint="Opening such a file elsewhere can run code. Look for a safetensors file of the same model.",
        ) from error
    except (RuntimeError, ValueError, EOFError, OSError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UnfitModel(
            f"{path.name} cannot be read: {_first_line(error)}.", hint="It may be damaged: fetch it again."
        ) from error


def _reason(error: Exception) -> str:
    """torch says it in a page; the name of what it refused is enough."""
    wanted = re.search(r"GLOBAL\s+([\w.]+)", str(error))
    return f"it wants to call {wanted[1]}" if wanted else "it is no list of tensors that torch wrote"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:200]


def _tensors_of(found: Any, name: str) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors by name, and the names of what is none. Raises UnfitModel if there are no named tensors."""
    for _ in range(3):  # a state within a state is seen, more is not
        if not isinstance(found, Mapping):
            break
        nest = next((key for key in _NESTS if _holds_tensors(found.get(key))), None)
        if nest is None:
            break
        found = found[nest]
    pairs = list(found.items()) if isinstance(found, Mapping) else []
    tensors = {str(key): value for key, value in pairs if isinstance(value, Tensor) and _plain(value)}
    if not tensors:
        raise UnfitModel(f"{name} holds no named tensors, so it is neither a checkpoint nor a LoRA.")
    return tensors, [str(key) for key, _ in pairs if str(key) not in tensors]


def _holds_tensors(value: Any, deep: int = 2) -> bool:
    """Whether a mapping has tensors, or a nest in it does."""
    if not isinstance(value, Mapping):
        return False
    if any(isinstance(one, Tensor) for one in value.values()):
        return True
    return deep > 0 and any(_holds_tensors(value.get(key), deep - 1) for key in _NESTS)


def _plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_complex()


def _apart(tensors: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """Each tensor with memory of its own, since safetensors knows no sharing. Raises UnfitModel for what would grow."""
    room = 2 * source.stat().st_size + _SLACK
    wanted = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if wanted > room:
        raise UnfitModel(f"{source.name} would grow to {wanted / 2**20:.0f} MiB, which no honest file does.")
    users: dict[int, int] = {}
    for tensor in tensors.values():
        users[_storage(tensor)] = users.get(_storage(tensor), 0) + 1
    return {
        name: tensor if users[_storage(tensor)] == 1 and _fills(tensor) else tensor.detach().clone().contiguous()
        for name, tensor in tensors.items()
    }


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _fills(tensor: Tensor) -> bool:
    """Whether the tensor is all of its memory, in order."""
    return tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
