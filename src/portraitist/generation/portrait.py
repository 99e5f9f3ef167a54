"""What a generation gives back, and the words that travel inside the picture file. Knows no network and no torch."""

from dataclasses import dataclass
from pathlib import Path

from portraitist import __version__
from portraitist.requests import PortraitRequest, to_json
from portraitist.types import Picture, Seed

KEY = "portraitist"
"""The chunk of a PNG that holds a portrait's request."""


@dataclass(frozen=True)
class Portrait:
    """A made picture and everything that made it.

    `request` is complete (no None that could change the pixels), has `count` 1 and the picture's own `seed`: asked
    again it gives the same pixels on the same machine.
    """

    pixels: Picture
    seed: Seed
    request: PortraitRequest

    def text(self) -> dict[str, str]:
        """The PNG's text chunks: `parameters` for other programs, `portraitist` for us."""
        return {"parameters": parameters(self.request), KEY: to_json(self.request)}


def parameters(request: PortraitRequest) -> str:
    """A complete request in the form that AUTOMATIC1111's WebUI writes into its pictures and reads back."""
    from portraitist.generation.samplers import webui_names

    sampler, schedule = webui_names(request.sampler or "")
    width, height = request.size or (0, 0)
    named = [(request.sitter, request.likeness_sha256), *((Path(use.name).stem, use.sha256) for use in request.loras)]
    hashes = ", ".join(f"{name}: {sha256[:12]}" for name, sha256 in named if sha256)
    values = {
        "Steps": request.steps,
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": request.cfg,
        "Seed": request.seed,
        "Size": f"{width}x{height}",
        "Denoising strength": request.hires_denoise,
        "Hires upscale": None if request.hires_scale is None else f"{request.hires_scale:g}",
        "Hires steps": request.hires_steps,
        "Hires upscaler": _upscaler(request),
        "Model": request.base_version or request.base,
        "Clip skip": request.clip_skip if (request.clip_skip or 1) > 1 else None,
        "Lora hashes": f'"{hashes}"' if hashes else None,
        "Version": f"portraitist {__version__}",
    }
    tail = ", ".join(f"{key}: {value}" for key, value in values.items() if value is not None)
    lora = f" <lora:{request.sitter}:{request.strength:g}>" if request.likeness_sha256 and request.strength else ""
    lora += "".join(f" <lora:{Path(use.name).stem}:{use.strength or 0:g}>" for use in request.loras)
    negative = f"Negative prompt: {request.negative}\n" if request.negative else ""
    return f"{request.prompt or ''}{lora}\n{negative}{tail}"


def _upscaler(request: PortraitRequest) -> str | None:
    """The WebUI calls its own `Lanczos` and `Latent`, and a network as its file."""
    name = request.hires_upscaler
    return name and (name.title() if request.hires_sha256 is None else Path(name).stem)
