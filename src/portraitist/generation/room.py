"""Whether the memory suffices for a request, before anything is drawn; and in tiles where only that does.

What a base takes for a picture is said by its family. Pictures are drawn one at a time, whatever the memory: a batch of
another size may round differently, and a picture depends on its seed and request alone. Knows no sitter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from portraitist.devices import Device, empty_cache, free_memory
from portraitist.errors import BadRequest, OutOfMemory
from portraitist.families.base import Model
from portraitist.generation.hires import plan
from portraitist.lora.formats import Lora
from portraitist.requests import PortraitRequest, Warn
from portraitist.types import Size

_GB = 1e9
_STEPS = 64
"""Of how many sizes the largest that fits is sought."""


def needed(request: PortraitRequest, model: Model, loras: Sequence[Lora] = ()) -> int:
    """Bytes that a complete request takes beside the weights: its largest pass, and a copy of the weights that LoRAs
    change."""
    sizes = [one.size for one in plan(request, model.multiple)]
    return _kept(model, loras) + max(model.drawing_bytes(size, tiles=bool(request.tiles)) for size in sizes)


def with_room(
    request: PortraitRequest, asked: PortraitRequest, model: Model, loras: Sequence[Lora] = ()
) -> tuple[bool, tuple[Warn, ...]]:
    """Whether a complete `request` has to be drawn in tiles, and what to tell; `asked` is as it was before.

    Tiles change pixels a little, so they are taken only where nobody has decided (`tiles` None) and nothing else fits.
    Raises OutOfMemory with the largest size that fits.
    """
    need, free = needed(request, model, loras), _free(model)
    if free is None or need <= free:
        return bool(request.tiles), ()
    model.forget()  # recordings of other sizes
    empty_cache()
    free = _free(model) or 0
    if need <= free:
        return bool(request.tiles), ()
    tiled = replace(request, tiles=True)
    less = needed(tiled, model, loras)
    if asked.tiles is None and less <= free:
        told = f"The picture needs about {_words(need)} of memory and {_words(free)} are free: it is decoded in tiles."
        return True, (Warn("tiles", told),)
    raise _refusal(request, tiled if asked.tiles is None else request, model, loras, free)


def _free(model: Model) -> int | None:
    device: Device = model.device
    return free_memory(device)


def _kept(model: Model, loras: Sequence[Lora]) -> int:
    slots = model.slots()
    names = {name for lora in loras for name in lora.layers if name in slots}
    return sum(math.prod(slots[name].shape) for name in names) * model.device.dtype.itemsize


def _refusal(
    request: PortraitRequest, best: PortraitRequest, model: Model, loras: Sequence[Lora], free: int
) -> OutOfMemory:
    last = plan(request, model.multiple)[-1].size
    message = (
        f"A picture of {last.width}x{last.height} on {model.base.name} needs about "
        f"{_words(needed(best, model, loras))} of memory beside the weights; {_words(free)} are free."
    )
    found = _largest(best, model, loras, free)
    if found is None:
        return OutOfMemory(message, hint="Close other programs, or take a smaller base, such as mini.")
    also = f" with --hires-scale {request.hires_scale:g}" if request.hires_scale is not None else ""
    return OutOfMemory(
        message, hint=f"The largest of this shape that fits is --size {found.width}x{found.height}{also}."
    )


def _largest(request: PortraitRequest, model: Model, loras: Sequence[Lora], free: int) -> Size | None:
    """The largest size of the request's shape that fits."""
    step, (width, height) = model.multiple, request.size or model.base.size
    for part in range(_STEPS - 1, 0, -1):
        size = Size(*(max(step, side * part // _STEPS // step * step) for side in (width, height)))
        try:
            if needed(replace(request, size=(size.width, size.height)), model, loras) <= free:
                return size
        except BadRequest:
            continue
    return None


def _words(count: int) -> str:
    return f"{count / _GB:.1f} GB" if count >= _GB / 10 else f"{count / 1e6:.0f} MB"
