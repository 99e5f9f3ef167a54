"""Whether the memory suffices for a request, before anything is drawn; how many pictures at a time, and in tiles where
only that does.

What a base takes for pictures is said by its family. The batch is part of the request, for another size may round
differently: it follows the memory only where the request leaves it open. Knows no sitter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

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

USUAL_BATCH = 8
"""At most so many pictures at a time where the request leaves it open: eight are 6 % faster than four on an H200
(benchmarks/results/portrait_speed.json), and who stops early loses what was begun."""


@dataclass(frozen=True)
class Room:
    """How a request has to be drawn to fit into the memory, and what to tell of it."""

    tiles: bool
    batch: int
    told: tuple[Warn, ...] = ()


def at_once(request: PortraitRequest) -> int:
    """How many pictures a request computes at a time; one where that is open and nobody has looked at the memory."""
    return 1 if request.batch == "auto" else request.batch


def needed(request: PortraitRequest, model: Model, loras: Sequence[Lora] = ()) -> int:
    """Bytes that a complete request takes beside the weights: its largest pass, and a copy of the weights that LoRAs
    change."""
    sizes = [one.size for one in plan(request, model.multiple)]
    tiles, batch = bool(request.tiles), at_once(request)
    return _kept(model, loras) + max(model.drawing_bytes(size, tiles=tiles, batch=batch) for size in sizes)


def with_room(
    request: PortraitRequest, asked: PortraitRequest, model: Model, loras: Sequence[Lora] = (), *, count: int = 1
) -> Room:
    """How a complete `request` is drawn; `asked` is as it was before, `count` how many pictures there will be.

    Where the batch was left open: as many of the pictures as fit, at most eight, in batches of one size; on a processor
    one. Tiles change pixels a little, so they are taken only where nobody has decided (`tiles` None) and nothing else
    fits. Raises OutOfMemory with the largest batch or size that fits.
    """
    batches = _open_batches(model, count) if asked.batch == "auto" else (at_once(request),)
    trials = [replace(request, batch=batch) for batch in batches]
    free = _free(model)
    if free is None:  # nobody knows what fits
        return Room(bool(request.tiles), batches[-1])
    if needed(trials[0], model, loras) <= free:
        return Room(bool(request.tiles), batches[0])
    model.forget()  # recordings of other sizes
    empty_cache()
    free = _free(model) or 0
    for trial, batch in zip(trials, batches, strict=True):
        if needed(trial, model, loras) <= free:
            return Room(bool(request.tiles), batch)
    last, need = trials[-1], needed(trials[-1], model, loras)
    tiled = replace(last, tiles=True)
    if asked.tiles is None and needed(tiled, model, loras) <= free:
        told = f"The picture needs about {_words(need)} of memory and {_words(free)} are free: it is decoded in tiles."
        return Room(True, batches[-1], (Warn("tiles", told),))
    raise _refusal(last, tiled if asked.tiles is None else last, model, loras, free)


def _open_batches(model: Model, count: int) -> tuple[int, ...]:
    """Sizes of a batch to try where the request leaves it open, the largest first."""
    device: Device = model.device
    if not device.batches:
        return (1,)
    # twelve pictures are two batches of six rather than one of eight and half of another
    even = (math.ceil(count / math.ceil(count / most)) for most in range(min(USUAL_BATCH, count), 0, -1))
    return tuple(dict.fromkeys(even))


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
    last, batch = plan(request, model.multiple)[-1].size, at_once(request)
    what = "A picture" if batch == 1 else f"A batch of {batch} pictures"
    message = (
        f"{what} of {last.width}x{last.height} on {model.base.name} needs about "
        f"{_words(needed(best, model, loras))} of memory beside the weights; {_words(free)} are free."
    )
    for fewer in range(batch - 1, 0, -1):
        if needed(replace(best, batch=fewer), model, loras) <= free:
            return OutOfMemory(message, hint=f"The largest that fits is --batch {fewer}.")
    found = _largest(replace(best, batch=1), model, loras, free)
    if found is None:
        return OutOfMemory(message, hint="Close other programs, or take a smaller base, such as mini.")
    also = f" with --hires-scale {request.hires_scale:g}" if request.hires_scale is not None else ""
    alone = " --batch 1" if batch > 1 else ""
    return OutOfMemory(
        message, hint=f"The largest of this shape that fits is --size {found.width}x{found.height}{also}{alone}."
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
