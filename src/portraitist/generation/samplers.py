"""Samplers by the names that people know from AUTOMATIC1111's WebUI, as diffusers' schedulers.

A name is a sampler and, after it, a noise schedule: "DPM++ 2M Karras", "Euler a", `dpmpp_2m_karras` all work. Which
model is sampled is not known here. Source of the pairs: the WebUI's `sd_samplers` and diffusers' scheduler overview.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from portraitist.errors import UnknownName


@dataclass(frozen=True)
class Sampler:
    """`title` is the WebUI's name, `scheduler` diffusers' class, `options` what that class is built with."""

    title: str
    scheduler: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Schedule:
    """How the noise levels are spaced; `options` are added to the sampler's."""

    title: str
    options: Mapping[str, Any] = field(default_factory=dict)


_SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "ddim": Sampler("DDIM", "DDIMScheduler", {"clip_sample": False}),
        "plms": Sampler("PLMS", "PNDMScheduler", {"skip_prk_steps": True}),
        "euler": Sampler("Euler", "EulerDiscreteScheduler"),
        "eulera": Sampler("Euler a", "EulerAncestralDiscreteScheduler"),
        "heun": Sampler("Heun", "HeunDiscreteScheduler"),
        "dpm2": Sampler("DPM2", "KDPM2DiscreteScheduler"),
        "dpmpp2m": Sampler("DPM++ 2M", "DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
        "dpmpp2msde": Sampler("DPM++ 2M SDE", "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        "unipc": Sampler("UniPC", "UniPCMultistepScheduler"),
    }
)

_SCHEDULES: Mapping[str, Schedule] = MappingProxyType(
    {
        "": Schedule("Automatic"),
        "karras": Schedule("Karras", {"use_karras_sigmas": True}),
        "exponential": Schedule("Exponential", {"use_exponential_sigmas": True}),
        "sgmuniform": Schedule("SGM Uniform", {"timestep_spacing": "trailing"}),
    }
)

_WITHOUT_SIGMAS = frozenset({"ddim", "plms", "eulera"})
"""Samplers whose diffusers class cannot space its noise levels by sigma."""


def sampler_names() -> tuple[str, ...]:
    """Every name that `build` takes, in the WebUI's spelling."""
    return tuple(
        f"{sampler.title} {schedule.title}" if ending else sampler.title
        for key, sampler in _SAMPLERS.items()
        for ending, schedule in _SCHEDULES.items()
        if not (key in _WITHOUT_SIGMAS and ending in ("karras", "exponential"))
    )


def webui_names(name: str) -> tuple[str, str]:
    """(sampler, schedule) in the WebUI's spelling. Raises UnknownName."""
    sampler, schedule = _find(name)
    return sampler.title, schedule.title


def build(name: str, config: Mapping[str, Any]) -> Any:
    """A fresh diffusers scheduler called `name` for a base with the scheduler config `config`. Raises UnknownName."""
    import diffusers

    sampler, schedule = _find(name)
    kind = getattr(diffusers, sampler.scheduler)
    return kind.from_config(dict(config), **sampler.options, **schedule.options)


def _find(name: str) -> tuple[Sampler, Schedule]:
    key = re.sub(r"[^a-z0-9+]", "", name.lower()).replace("++", "pp")
    for ending in sorted(_SCHEDULES, key=len, reverse=True):
        stem = key.removesuffix(ending)
        if key.endswith(ending) and stem in _SAMPLERS:
            if stem in _WITHOUT_SIGMAS and ending in ("karras", "exponential"):
                break
            return _SAMPLERS[stem], _SCHEDULES[ending]
    raise UnknownName("sampler", name, sampler_names())
