"""Networks that enlarge or mend pictures, out of files that the user has put in place; their architectures by spandrel.

spandrel (MIT, chaiNNer-org) knows by the names and shapes of the tensors which network a file holds. Files are
safetensors; a pickle is first made into one by `families.pickled`, never opened here. Knows no faces.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from portraitist.errors import MissingModel, OutOfMemory, UnfitModel, UnknownName
from portraitist.weights import sha256_of

if TYPE_CHECKING:
    import torch

UPSCALERS, RESTORERS = "upscalers", "restorers"
_PICKLES = (".pth", ".pt", ".ckpt", ".bin")
_PURPOSES = {UPSCALERS: ("SR", "Restoration"), RESTORERS: ("FaceSR",)}


@dataclass(frozen=True)
class Known:
    """A model that people use: its file, where it is published (with sha256) and under which terms."""

    file: str
    folder: str
    source: str
    sha256: str
    licence: str
    free: bool = True

    @property
    def name(self) -> str:
        return Path(self.file).stem.lower()


KNOWN = (
    Known(
        "RealESRGAN_x2plus.pth", UPSCALERS,
        "https://github.com/xinntao/Real-ESRGAN/releases/download/v0.2.1/RealESRGAN_x2plus.pth",
        "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb", "BSD-3-Clause",
    ),
    Known(
        "RealESRGAN_x4plus.pth", UPSCALERS,
        "https://github.com/xinntao/Real-ESRGAN/releases/download/v0.1.0/RealESRGAN_x4plus.pth",
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1", "BSD-3-Clause",
    ),
    Known(
        "GFPGANv1.4.pth", RESTORERS,
        "https://github.com/TencentARC/GFPGAN/releases/download/v1.3.0/GFPGANv1.4.pth",
        "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
        "Apache-2.0; its LICENSE names parts of StyleGAN2 and DFDNet that are non-commercial", free=False,
    ),
    Known(
        "codeformer.pth", RESTORERS,
        "https://github.com/sczhou/CodeFormer/releases/download/v0.1.0/codeformer.pth",
        "1009e537e0c2a07d4cabce6355f53cb66767cd4b4297ec7a4a64ca4b8a5684b7",
        "S-Lab License 1.0: non-commercial", free=False,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Network:
    """A loaded network: what it makes of `size` times as many pixels a side, its terms in words, the sha256 of its file
    and the device that it runs on, in fp32."""

    name: str
    scale: int
    terms: str
    descriptor: Any
    sha256: str = ""
    device: str = "cpu"

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """float32 (batch, 3, height, width) in 0 … 1, to the same times `scale`, on the processor.

        Raises OutOfMemory for what the device cannot hold.
        """
        import torch

        try:
            with torch.inference_mode():
                made: torch.Tensor = self.descriptor(batch.to(self.device))
            return made.float().clamp(0.0, 1.0).cpu()
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(
                f"There is not enough memory on {self.device} for {self.name}.",
                hint="Close other programs that use the device, or set PORTRAITIST_DEVICE=cpu.",
            ) from error


def there(models: Path, folder: str) -> dict[str, Path]:
    """The files of a folder of the models, by name (the file's without its suffix, in small letters)."""
    place = models / folder
    found: dict[str, Path] = {}
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        if path.suffix.lower() in (".safetensors", *_PICKLES):
            name = path.stem.lower()
            if name not in found or path.suffix == ".safetensors":
                found[name] = path
    return found


def load_network(models: Path, folder: str, name: str, device: str = "cpu") -> Network:
    """The network of this name in `models`/`folder`, or of the file that `name` is the path of, on a `device`
    of torch.

    Raises UnknownName that says what exists, MissingModel that says where a known one comes from or that spandrel is
    not installed, UnfitModel for a file that is something else or is not what it is called.
    """
    path = file_of(models, folder, name)
    known = next((one for one in KNOWN if one.name == path.stem.lower() and one.folder == folder), None)
    if known is not None and path.suffix in _PICKLES and sha256_of(path) != known.sha256:
        raise UnfitModel(f"{path} is not the published {known.file}.", hint=f"Fetch it again from {known.source}")
    file = _as_safetensors(path)
    descriptor = _described(file, folder).to(device)
    terms = f"{known.licence}. {known.source}" if known else f"the terms of {path.name} are not known to us"
    return Network(path.stem, int(descriptor.scale), terms, descriptor, sha256_of(file), device)


def file_of(models: Path, folder: str, name: str) -> Path:
    """The file of the network of this name, or the one that `name` is the path of. Raises UnknownName that says what
    exists, MissingModel that says where a known one comes from."""
    path = Path(name).expanduser()
    if path.suffix.lower() in (".safetensors", *_PICKLES):
        if not path.is_file():
            raise MissingModel(f"There is no file {path}.", hint="Check the path.")
        return path
    found = there(models, folder)
    if name.lower() in found:
        return found[name.lower()]
    known = next((one for one in KNOWN if one.name == name.lower() and one.folder == folder), None)
    if known is not None:
        raise MissingModel(
            f"{known.file} ({known.licence}) is not there.",
            hint=f"Fetch it from {known.source} (sha256 {known.sha256}) and put it into {models / folder}",
        )
    published = ", ".join(one.name for one in KNOWN if one.folder == folder)
    names = [*found, *(["lanczos"] if folder == UPSCALERS else [])]
    raise UnknownName(
        folder.removesuffix("s"), name, names,
        hint=f"Here are: {', '.join(names) or 'none'}. Others go into {models / folder} as safetensors or .pth; known "
        f"with their sources are {published}.",
    )  # fmt: skip


def _as_safetensors(path: Path) -> Path:
    """The file itself, or what a pickle was made into, beside it."""
    if path.suffix.lower() == ".safetensors":
        return path
    beside = path.with_suffix(".safetensors")
    if not beside.is_file():
        from portraitist.families.pickled import convert

        convert(path, beside)
    return beside


def _described(path: Path, folder: str) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UnfitModel(f"{path} cannot be read as safetensors: {error}.", hint="Fetch it again.") from error
    loader, failures = _loader()
    try:
        descriptor = loader.load_from_state_dict(state)
    except (failures, RuntimeError, KeyError, ValueError, IndexError, AssertionError) as error:
        raise UnfitModel(
            f"{path.name} holds no network that spandrel knows.",
            hint="CodeFormer takes the package spandrel_extra_arches beside it (non-commercial).",
        ) from error
    purpose = str(getattr(descriptor, "purpose", ""))
    if purpose not in _PURPOSES[folder] or descriptor.input_channels != 3 or descriptor.output_channels != 3:
        raise UnfitModel(f"{path.name} is a network for {purpose or 'masks'}, and no {folder.removesuffix('s')}.")
    return descriptor.eval()


def _loader() -> tuple[Any, Any]:
    """spandrel's loader, and its error for networks it does not know."""
    if importlib.util.find_spec("spandrel") is None:
        raise MissingModel(
            "Networks for this take the package spandrel.", hint="Run: pip install 'portraitist[networks]'"
        )
    with _without_torchvision():
        import spandrel

        registry = spandrel.MAIN_REGISTRY
        if importlib.util.find_spec("spandrel_extra_arches") is not None:
            import spandrel_extra_arches

            spandrel_extra_arches.install(ignore_duplicates=True)
    return spandrel.ModelLoader("cpu", registry), spandrel.UnsupportedModelError


@contextmanager
def _without_torchvision() -> Iterator[None]:
    """Lets spandrel be imported where torchvision is not installed, which two of its architectures take names from.

    The names are there during the import alone: `normalize` works (RestoreFormer calls it), `rotate` belongs to a
    network for inpainting that is never loaded here.
    """
    parts = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    if parts[0] in sys.modules or importlib.util.find_spec(parts[0]) is not None:
        yield
        return
    modules = {name: ModuleType(name) for name in parts}
    functional = modules[parts[2]]
    vars(functional).update(normalize=_normalize, rotate=_refuse, InterpolationMode=object)
    vars(modules[parts[1]])["functional"] = functional
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in parts:
            sys.modules.pop(name, None)


def _normalize(tensor: torch.Tensor, mean: Any, std: Any, inplace: bool = False) -> torch.Tensor:
    """Subtract a mean and divide by a deviation, for each channel of (…, channels, height, width)."""
    import torch

    means, deviations = (torch.as_tensor(one, dtype=tensor.dtype).view(-1, 1, 1) for one in (mean, std))
    made = (tensor - means.to(tensor.device)) / deviations.to(tensor.device)
    return tensor.copy_(made) if inplace else made


def _refuse(*_: object, **__: object) -> None:
    raise UnfitModel("This network takes torchvision.", hint="Run: pip install torchvision")
