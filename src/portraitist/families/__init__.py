"""Families of bases. `load` is the one place that knows their names."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from portraitist.devices import Device
from portraitist.errors import UnknownName
from portraitist.families.base import Model
from portraitist.families.parts import open_parts
from portraitist.recipes import Base
from portraitist.weights import resolve, verify

_FAMILIES: Mapping[str, str] = MappingProxyType(
    {"sd15": "portraitist.families.sd15", "sdxl": "portraitist.families.sdxl"}
)


def load(place: Path, base: Base, device: Device) -> Model:
    """Load the base at `place`, a folder or a single file, after a look at its pins.

    Raises UnknownName, MissingModel or UnfitModel.
    """
    if base.family not in _FAMILIES:
        raise UnknownName("family", base.family, _FAMILIES)
    verify(place, base.sha256)
    parts = open_parts(place, base.family, resolve(base.configs) if base.configs else None)
    model: Model = importlib.import_module(_FAMILIES[base.family]).load(parts, base, device)
    return model
