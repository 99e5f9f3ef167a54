"""Families of bases. `load` is the one place that knows their names."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from portraitist.devices import Device
from portraitist.errors import UnknownName
from portraitist.families.base import Model
from portraitist.recipes import Base

_FAMILIES: Mapping[str, str] = MappingProxyType({"sd15": "portraitist.families.sd15"})


def load(folder: Path, base: Base, device: Device) -> Model:
    """Load the base in `folder`. Raises UnknownName, MissingModel or UnfitModel."""
    if base.family not in _FAMILIES:
        raise UnknownName("family", base.family, _FAMILIES)
    model: Model = importlib.import_module(_FAMILIES[base.family]).load(folder, base, device)
    return model
