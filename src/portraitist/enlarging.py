"""The network that enlarges a picture between the passes of hires fix: found by its name, and pinned in the request.

Knows the folder of models. What the passes are is said in `generation.hires`, how a network works in `finishing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from portraitist.devices import choose_device
from portraitist.errors import UnfitModel, UnknownName
from portraitist.finishing import networks, upscale
from portraitist.generation import hires
from portraitist.models import Models
from portraitist.requests import PortraitRequest
from portraitist.settings import Settings
from portraitist.types import Picture, Size

Enlarge = Callable[[Picture, Size], Picture]


def with_upscaler(
    request: PortraitRequest, settings: Settings, models: Models
) -> tuple[PortraitRequest, Enlarge | None]:
    """The request with its upscaler pinned by sha256, and the loaded network; as it is where it takes none.

    Raises UnknownName that says what is there, MissingModel for one that is not or without spandrel, UnfitModel where
    the file is another than the one that is pinned.
    """
    name = request.hires_upscaler
    if request.hires_scale is None or name is None or name.lower() in hires.UPSCALERS:
        return request, None
    folder = settings.models_folder
    try:
        network = models.network(folder, networks.UPSCALERS, name, str(choose_device(settings.device).device))
    except UnknownName as error:
        known = ", ".join((*hires.UPSCALERS, *networks.there(folder, networks.UPSCALERS)))
        raise UnknownName(
            "upscaler", name,
            hint=f"There are: {known}. Others go into {folder / networks.UPSCALERS}, as safetensors or .pth.",
        ) from error  # fmt: skip
    found = network.sha256
    if request.hires_sha256 not in (None, found):
        raise UnfitModel(
            f"The upscaler {name} is another file than the one that this portrait was made with.",
            hint="Ask for a new portrait.",
        )
    pinned = replace(request, hires_sha256=found)
    return pinned, lambda picture, size: upscale.enlarge(picture, size, network)
