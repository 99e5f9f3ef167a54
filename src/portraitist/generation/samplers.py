"""Samplers by the names that people know from AUTOMATIC1111's WebUI, as diffusers' schedulers.

A name is a sampler and, after it, a noise schedule: "DPM++ 2M Karras", "Euler a", `dpmpp_2m_karras` all work. Which
model is sampled is not known here. Source of the pairs: the WebUI's `sd_samplers` and diffusers' scheduler overview;
where the two differ, `note` says how.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from portraitist.errors import UnknownName


@dataclass(frozen=True)
class Sampler:
    """`title` is the WebUI's name, `scheduler` diffusers' class, `options` what that class is built with.

    `spaced`: whether the class can space its noise levels by sigma. `seeded`: whether it draws its noise itself, from a
    seed of its own. `note` says what is other than in the WebUI.
    """

    title: str
    scheduler: str
    options: Mapping[str, Any] = field(default_factory=dict)
    spaced: bool = True
    seeded: bool = False
    note: str = ""


@dataclass(frozen=True)
class Schedule:
    """How the noise levels are spaced; `options` are added to the sampler's."""

    title: str
    options: Mapping[str, Any] = field(default_factory=dict)


_SDE = {"algorithm_type": "sde-dpmsolver++"}
_TWICE = "two looks at the picture a step, as there"

_SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        "ddim": Sampler("DDIM", "DDIMScheduler", {"clip_sample": False}, spaced=False),
        "plms": Sampler("PLMS", "PNDMScheduler", {"skip_prk_steps": True}, spaced=False),
        "euler": Sampler("Euler", "EulerDiscreteScheduler"),
        "eulera": Sampler("Euler a", "EulerAncestralDiscreteScheduler", spaced=False),
        "heun": Sampler("Heun", "HeunDiscreteScheduler", note=_TWICE),
        "lms": Sampler("LMS", "LMSDiscreteScheduler"),
        "lcm": Sampler("LCM", "LCMScheduler", spaced=False, note="made for bases with an LCM LoRA and few steps"),
        "dpm2": Sampler("DPM2", "KDPM2DiscreteScheduler", note=_TWICE),
        "dpm2a": Sampler("DPM2 a", "KDPM2AncestralDiscreteScheduler", note=_TWICE),
        "dpmpp2m": Sampler("DPM++ 2M", "DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
        "dpmpp2msde": Sampler(
            "DPM++ 2M SDE", "DPMSolverMultistepScheduler", _SDE, note="its noise is drawn step by step, not by a tree"
        ),
        "dpmpp3msde": Sampler(
            "DPM++ 3M SDE", "DPMSolverMultistepScheduler", {**_SDE, "solver_order": 3},
            note="its noise is drawn step by step, not by a tree",
        ),
        "dpmppsde": Sampler("DPM++ SDE", "DPMSolverSDEScheduler", seeded=True, note=_TWICE),
        "unipc": Sampler("UniPC", "UniPCMultistepScheduler"),
    }
)  # fmt: skip

_SCHEDULES: Mapping[str, Schedule] = MappingProxyType(
    {
        "": Schedule("Automatic"),
        "karras": Schedule("Karras", {"use_karras_sigmas": True}),
        "exponential": Schedule("Exponential", {"use_exponential_sigmas": True}),
        "beta": Schedule("Beta", {"use_beta_sigmas": True}),
        "sgmuniform": Schedule("SGM Uniform", {"timestep_spacing": "trailing"}),
        "simple": Schedule("Simple", {"timestep_spacing": "trailing"}),
    }
)

_BY_SIGMA = frozenset({"karras", "exponential", "beta"})

_MISSING: Mapping[str, str] = MappingProxyType(
    {
        "dpmpp2sa": "DPM++ SDE", "dpmfast": "DPM++ 2M", "dpmadaptive": "DPM++ 2M", "restart": "Heun",
        "ddimcfgpp": "DDIM", "ddpm": "Euler a", "deis": "UniPC",
    }
)  # fmt: skip
"""Samplers of the WebUI that diffusers has not, and what comes nearest."""


def sampler_names() -> tuple[str, ...]:
    """Every name that `build` takes, in the WebUI's spelling."""
    return tuple(
        f"{sampler.title} {schedule.title}" if ending else sampler.title
        for sampler in _SAMPLERS.values()
        for ending, schedule in _SCHEDULES.items()
        if sampler.spaced or ending not in _BY_SIGMA
    )


def sampler_notes() -> Mapping[str, str]:
    """What is other than in the WebUI, by its name of the sampler; nothing for those that are the same."""
    return {sampler.title: sampler.note for sampler in _SAMPLERS.values() if sampler.note}


def webui_names(name: str) -> tuple[str, str]:
    """(sampler, schedule) in the WebUI's spelling. Raises UnknownName."""
    sampler, schedule = _find(name)
    return sampler.title, schedule.title


def build(name: str, config: Mapping[str, Any], *, seeds: Sequence[int] = (0,)) -> Any:
    """A fresh diffusers scheduler called `name` for a base with the scheduler config `config`.

    `seeds`, one for each picture of a batch, are for those that draw noise themselves. Raises UnknownName.
    """
    import diffusers

    sampler, schedule = _find(name)
    kind = getattr(diffusers, sampler.scheduler)
    own = {"noise_sampler_seed": [*seeds] if len(seeds) > 1 else seeds[0]} if sampler.seeded else {}
    return kind.from_config(dict(config), **sampler.options, **schedule.options, **own)


def _find(name: str) -> tuple[Sampler, Schedule]:
    key = re.sub(r"[^a-z0-9+]", "", name.lower()).replace("++", "pp")
    for ending in sorted(_SCHEDULES, key=len, reverse=True):
        stem = key.removesuffix(ending)
        if key.endswith(ending) and stem in _SAMPLERS and (_SAMPLERS[stem].spaced or ending not in _BY_SIGMA):
            return _SAMPLERS[stem], _SCHEDULES[ending]
    for stem, nearest in _MISSING.items():
        if key.startswith(stem):
            hint = f"diffusers has no such sampler; {nearest} comes nearest."
            raise UnknownName("sampler", name, hint=hint)
    raise UnknownName("sampler", name, sampler_names())
