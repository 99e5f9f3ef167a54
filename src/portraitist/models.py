"""Loaded models, kept from request to request by whoever owns the `Models`.

Loading a base takes seconds, putting another sitter's LoRA on one that is loaded takes a moment: a likeness is added to
the weights where they lie and taken off bit for bit, so recordings of CUDA graphs live on. Knows no request.
"""

from __future__ import annotations

import gc
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from portraitist import families
from portraitist.devices import Device, choose_device, empty_cache, free_memory
from portraitist.errors import OutOfMemory
from portraitist.faces import Faces
from portraitist.families.base import Model
from portraitist.families.found import place_of
from portraitist.families.memory import enough_memory
from portraitist.families.sizes import weight_bytes
from portraitist.finishing.networks import Network, file_of, load_network
from portraitist.recipes import Base
from portraitist.settings import Settings

T = TypeVar("T")
_GB = 1e9


@dataclass(frozen=True)
class _Kept:
    """A loaded thing; `state` says which files it was loaded from, as they were then, `where` on which device."""

    value: Any
    state: object
    size: int
    where: str


class Models:
    """Bases, finishing networks and face models that stay loaded; the least recently used go first when room is needed.

    `budget` is how many bytes of weights are kept at most (None: as many as the device has room for). What is larger
    than the budget is loaded all the same, alone. A file that changed since is loaded anew.

    Threads may share one: what is asked of it takes turns, and who draws holds `turn` meanwhile, because a likeness
    changes the weights of the base for as long as it draws. Separate `Models` know nothing of each other.
    """

    def __init__(self, budget: int | None = None) -> None:
        self._budget = budget
        self._kept: OrderedDict[tuple[object, ...], _Kept] = OrderedDict()
        self._lock = threading.RLock()

    def __enter__(self) -> Models:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Within: no other thread is handed a model, nor draws with one. The same thread may enter again."""
        with self._lock:
            yield

    @property
    def names(self) -> tuple[str, ...]:
        """What is loaded, the least recently used first."""
        with self._lock:
            return tuple(str(key[1]) for key in self._kept)

    @property
    def size(self) -> int:
        """Bytes of the weights that are loaded."""
        with self._lock:
            return sum(one.size for one in self._kept.values())

    def base(self, base: Base, settings: Settings) -> Model:
        """The base on the device of the settings, loaded at most once. Raises what `families.load` raises, and
        OutOfMemory where it does not fit even alone."""
        place, device = place_of(base, settings), choose_device(settings.device)
        key = ("base", base.name, str(device.device), str(device.dtype))
        # all that is known of the base counts: words and pins of a user's own may have changed since
        state = (repr(base), _state(place))
        size = weight_bytes(place, device.dtype.itemsize)
        return self._keep(key, state, size, device, lambda: families.load(place, base, device))

    def network(self, models: Path, folder: str, name: str, device: str = "cpu") -> Network:
        """A finishing network by name, on a device of torch, loaded at most once. Raises what
        `finishing.networks.load_network` raises."""
        file, place = file_of(models, folder, name), choose_device(device)
        key = ("network", file.stem, folder, str(file), device)
        return self._keep(key, _state(file), _size(file), place, lambda: load_network(models, folder, name, device))

    def faces(self, settings: Settings) -> Faces:
        """The face models of the settings, loaded at most once. Raises what `Faces.load` raises."""
        folder = settings.models_folder / "faces"
        state = _state(folder) if folder.is_dir() else ()  # loading tells what is missing
        return self._keep(
            ("faces", f"faces {settings.faces}", str(folder)), state, sum(size for _, size, _ in state),
            choose_device("cpu"), lambda: Faces.load(folder, names=settings.faces, offline=settings.offline),
        )  # fmt: skip

    def release(self) -> None:
        """Let go of all; the memory is free once nobody else holds a model."""
        with self._lock:
            self._kept.clear()
            _collect()

    def _keep(self, key: tuple[object, ...], state: object, size: int, device: Device, load: Callable[[], T]) -> T:
        with self._lock:
            found = self._kept.get(key)
            if found is not None and found.state == state:
                self._kept.move_to_end(key)
                value: T = found.value
                return value
            self._kept.pop(key, None)  # of files that are no longer there
            del found
            self._make_room(size, device, str(key[1]))
            with enough_memory(f"loading {key[1]}"):
                value = load()
            self._kept[key] = _Kept(value, state, size, str(device.device))
            return value

    def _make_room(self, size: int, device: Device, name: str) -> None:
        """Drop what was not used for longest until `size` more bytes fit. Raises OutOfMemory."""
        where = str(device.device)
        while self._kept and self._is_over(size, device):
            oldest = next((key for key, one in self._kept.items() if one.where == where), None)
            del self._kept[oldest if oldest is not None else next(iter(self._kept))]
            _collect()
        free = free_memory(device)
        if free is not None and size > free:
            raise OutOfMemory(
                f"The weights of {name} take about {size / _GB:.1f} GB; on {where} {free / _GB:.1f} GB are free.",
                hint="Close other programs, take a smaller base, or set PORTRAITIST_DEVICE=cpu.",
            )

    def _is_over(self, size: int, device: Device) -> bool:
        if self._budget is not None and self.size + size > self._budget:
            return True
        free = free_memory(device)
        return free is not None and size > free


def _collect() -> None:
    gc.collect()  # networks hold each other in circles
    empty_cache()


def _state(place: Path) -> tuple[tuple[str, int, int], ...]:
    """Every file of a model with its size and time: another file is another state. Hashing gigabytes again for each
    request would take longer than drawing."""
    if not place.is_dir():
        files = [place]
    else:
        files = [Path(root) / name for root, _, names in os.walk(place) for name in names]
    return tuple(sorted((str(one), stat.st_size, stat.st_mtime_ns) for one in files for stat in [one.stat()]))


def _size(file: Path) -> int:
    return file.stat().st_size
