"""Families of bases. `load` is the one place that knows their names."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from portraitist.devices import Device
from portraitist.errors import UnknownName
from portraitist.families.base import Model
from portraitist.recipes import Base
from portraitist.weights import verify

_FAMILIES: Mapping[str, str] = MappingProxyType({"sd15": "portraitist.families.sd15"})


def load(folder: Path, base: Base, device: Device) -> Model:
    """Load the base in `folder` after a look at its pins. Raises UnknownName, MissingModel or UnfitModel."""
    if base.family not in _FAMILIES:
        raise UnknownName("family", base.family, _FAMILIES)
    verify(folder, base.sha256)
    model: Model = importlib.import_module(_FAMILIES[base.family]).load(folder, base, device)
    return model
