"""Where a family's parts come from: a folder in diffusers' layout, or one safetensors file in the original layout.

A file is read offline: which networks it holds is told by configurations that are shipped for each family, its tensors
are renamed by diffusers' own conversion. Knows no family but by its layout.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from torch import Tensor, nn

from portraitist.devices import Device
from portraitist.errors import UnfitModel
from portraitist.families import clip
from portraitist.families.folder import load_part, read_config, settle
from portraitist.families.recognise import PARTS, read_shapes, recognise, recognise_folder
from portraitist.recipes import LIBRARY


class Parts(Protocol):
    """What a family builds its model from; every method raises MissingModel or UnfitModel that names the part."""

    @property
    def name(self) -> str: ...

    def scheduler_config(self) -> Mapping[str, Any]: ...

    def tokenizer(self, part: str) -> Any: ...

    def network(self, part: str, kind: Any, device: Device, dtype: torch.dtype) -> Any:
        """The diffusers or transformers class `kind` with its weights, frozen, in inference mode, on `device`."""


class Folder:
    """A base in diffusers' layout: one folder for each part, weights whole or in shards."""

    def __init__(self, place: Path) -> None:
        self.name, self.family, self._place = place.name, recognise_folder(place), place

    def scheduler_config(self) -> Mapping[str, Any]:
        return read_config(self._place / "scheduler" / "scheduler_config.json")

    def tokenizer(self, part: str) -> Any:
        return clip.load_tokenizer(self._place / part)

    def network(self, part: str, kind: Any, device: Device, dtype: torch.dtype) -> Any:
        return load_part(kind, self._place / part, device, dtype)


class SingleFile:
    """A checkpoint in the layout of its first publishers (CompVis, Stability). `configs` describes its parts; without
    it the family's own configurations do."""

    def __init__(self, path: Path, configs: Path | None = None) -> None:
        self.name, self._path = path.name, path
        self._layout = recognise(read_shapes(path), path.name)
        self.family = self._layout.family
        self._configs = configs or configs_of(self.family)

    def scheduler_config(self) -> Mapping[str, Any]:
        return read_config(self._configs / "scheduler" / "scheduler_config.json")

    def tokenizer(self, part: str) -> Any:
        return clip.load_tokenizer(self._configs / part)

    def network(self, part: str, kind: Any, device: Device, dtype: torch.dtype) -> Any:
        from accelerate import init_empty_weights

        config = read_config(self._configs / part / "config.json")
        with init_empty_weights():
            network = kind(kind.config_class(**config)) if hasattr(kind, "config_class") else kind.from_config(config)
        who = f"{self.name} does not fit: its {PARTS[part]}"
        try:
            found = _CONVERSIONS[part](self._tensors(part), self._layout.stems[part], network)
        except KeyError as error:
            raise UnfitModel(f"{who} lacks {error.args[0]}.") from error
        _fill(network, found, dtype, who)
        return settle(network, device)

    def _tensors(self, part: str) -> dict[str, Tensor]:
        stem = self._layout.stems[part]
        with safe_open(self._path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys() if key.startswith(stem)}  # noqa: SIM118


def configs_of(family: str) -> Path:
    """The folder of the configurations and tokenizers that the package ships for a family."""
    return LIBRARY / "families" / family


def open_parts(place: Path, family: str, configs: Path | None = None) -> Parts:
    """The parts of the folder or file at `place`. Raises UnfitModel if they are not those of `family`."""
    parts = Folder(place) if place.is_dir() else SingleFile(place, configs)
    if parts.family != family:
        raise UnfitModel(
            f"{parts.name} is of the family {parts.family}, not {family}.", hint="Mend `family` in the base's TOML."
        )
    return parts


def _fill(network: nn.Module, found: Mapping[str, Tensor], dtype: torch.dtype, who: str) -> None:
    """Put the tensors into the empty network as `dtype`; all must be there and have its shapes. Raises UnfitModel."""
    wanted = network.state_dict()
    lacking = [name for name in wanted if name not in found]
    if lacking:
        raise UnfitModel(f"{who} lacks {len(lacking)} of {len(wanted)} tensors, the first is {lacking[0]}.")
    for name, empty in wanted.items():
        if found[name].shape != empty.shape:
            shapes = f"{tuple(found[name].shape)}, not {tuple(empty.shape)}"
            raise UnfitModel(f"{who} is of another shape: {name} is {shapes}.")
    network.load_state_dict({name: found[name].to(dtype) for name in wanted}, strict=True, assign=True)


def _unet(tensors: dict[str, Tensor], stem: str, network: Any) -> Mapping[str, Tensor]:
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    return convert_ldm_unet_checkpoint(tensors, network.config)  # type: ignore[no-any-return]


def _vae(tensors: dict[str, Tensor], stem: str, network: Any) -> Mapping[str, Tensor]:
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    return convert_ldm_vae_checkpoint(tensors, network.config)  # type: ignore[no-any-return]


def _text(tensors: dict[str, Tensor], stem: str, network: Any) -> Mapping[str, Tensor]:
    """CLIP in transformers' names (with `text_model` or, in some merged checkpoints, without), or in OpenCLIP's."""
    if stem.endswith(".model."):
        from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

        found = convert_open_clip_checkpoint(network, tensors, prefix=stem)
    else:
        found = {key.removeprefix(stem): tensor for key, tensor in tensors.items()}
    bare = {key.removeprefix("text_model."): tensor for key, tensor in found.items()}
    deeper = clip.inner(network) is not network
    projects = "text_projection.weight"
    return {f"text_model.{key}" if deeper and key != projects else key: tensor for key, tensor in bare.items()}


_CONVERSIONS: Mapping[str, Callable[[dict[str, Tensor], str, Any], Mapping[str, Tensor]]] = {
    "unet": _unet, "vae": _vae, "text_encoder": _text, "text_encoder_2": _text,
}  # fmt: skip
