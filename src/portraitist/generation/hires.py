"""Hires fix as geometry: which passes a request takes, at which sizes, with how many steps. Knows no tensor.

A base draws two heads where a picture is much larger than what it has learned from. So the first pass stays at the
request's size, its picture is enlarged, and a second pass that begins in the middle of the schedule draws the details.
The order and the count of steps are those of the WebUI's hires fix (AUTOMATIC1111, `modules/processing.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from portraitist.errors import BadRequest, UnknownName
from portraitist.requests import PortraitRequest
from portraitist.types import Size

LATENT = "latent"
LANCZOS = "lanczos"
UPSCALERS = (LANCZOS, LATENT)
DENOISE = {LANCZOS: 0.4, LATENT: 0.7}
"""A latent that was enlarged needs much noise to become sharp again, a picture little."""

MAX_SCALE = 4.0
MAX_SIDE = 4096
MAX_SCHEDULE = 1000
"""Bases learn that many levels of noise; a finer schedule would only repeat some."""
_FAR = 1.8
"""A picture of more than so many times the base's own pixels is likely to repeat what it shows."""


@dataclass(frozen=True)
class Pass:
    """One run of the sampler: `steps` are those that run, the last of a schedule of `of`; `upscaler` brings the picture
    before it to `size` and is None for the first pass."""

    size: Size
    steps: int
    of: int
    upscaler: str | None = None


def plan(request: PortraitRequest, multiple: int) -> tuple[Pass, ...]:
    """The passes of a complete request; both sides of a picture are multiples of `multiple`. Raises BadRequest."""
    width, height = request.size or (0, 0)
    steps = request.steps or 1
    first = Pass(Size(width, height), steps, steps)
    if request.hires_scale is None:
        return (first,)
    denoise = request.hires_denoise or 1.0
    second = request.hires_steps or steps
    size = enlarged(first.size, request.hires_scale, multiple)
    of = max(second, int(second / denoise))
    if of > MAX_SCHEDULE:
        raise BadRequest(
            f"The last {second} steps of {of} are {denoise:g} of a schedule; it has at most {MAX_SCHEDULE} steps.",
            hint="Take a larger --hires-denoise or fewer --hires-steps.",
        )
    return first, Pass(size, second, of, request.hires_upscaler or LANCZOS)


def enlarged(size: Size, scale: float, multiple: int) -> Size:
    """`size` times `scale`, both sides rounded to multiples. Raises BadRequest where that is too large."""
    width, height = (max(multiple, round(side * scale / multiple) * multiple) for side in (size.width, size.height))
    if max(width, height) > MAX_SIDE:
        raise BadRequest(
            f"{size.width}x{size.height} times {scale:g} is {width}x{height}; at most {MAX_SIDE} pixels a side go.",
            hint="Take a smaller --hires-scale.",
        )
    return Size(width, height)


def filled(request: PortraitRequest) -> PortraitRequest:
    """The request with the numbers that hires fix leaves open; as it is without `hires_scale`.

    An upscaler beside UPSCALERS is a network, which has to be pinned. Raises BadRequest, UnknownName.
    """
    others = (request.hires_upscaler, request.hires_denoise, request.hires_steps)
    if request.hires_scale is None:
        if any(value is not None for value in others):
            raise BadRequest("Settings of hires fix without its scale.", hint="Add --hires-scale, such as 2.")
        return request
    upscaler = request.hires_upscaler or LANCZOS
    if upscaler.lower() in UPSCALERS:
        upscaler = upscaler.lower()
    elif request.hires_sha256 is None:
        raise UnknownName("upscaler", upscaler, UPSCALERS)
    denoise = DENOISE.get(upscaler, DENOISE[LANCZOS]) if request.hires_denoise is None else request.hires_denoise
    if not 1 < request.hires_scale <= MAX_SCALE:
        raise BadRequest(f"hires_scale is {request.hires_scale:g}; it must be above 1 and at most {MAX_SCALE:g}.")
    if not 0 < denoise <= 1:
        raise BadRequest(f"hires_denoise is {denoise:g}; it must be above 0 and at most 1.")
    steps = request.steps if request.hires_steps is None else request.hires_steps
    return replace(request, hires_upscaler=upscaler, hires_denoise=denoise, hires_steps=steps)


def advice(request: PortraitRequest, native: tuple[int, int], multiple: int) -> str | None:
    """What to ask for instead, where the first pass is far above what the base has learned from; else None."""
    width, height = request.size or native
    scale = (width * height / (native[0] * native[1])) ** 0.5
    if scale * scale <= _FAR or request.hires_scale is not None:
        return None
    small = [max(multiple, round(side / scale / multiple) * multiple) for side in (width, height)]
    return (
        f"{width}x{height} is far above the {native[0]}x{native[1]} that the base has learned from and may show things "
        f"twice: --size {small[0]}x{small[1]} --hires-scale {min(MAX_SCALE, round(scale, 1)):g} draws it in two passes."
    )
