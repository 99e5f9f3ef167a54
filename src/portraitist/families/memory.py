"""Says in one sentence that the memory did not suffice or the device was lost, where torch says it in many."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from portraitist.errors import DeviceLost, OutOfMemory, ResourceError

_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
# what the drivers say when a card hangs, falls off the bus, has a broken memory cell or gets nonsense to do
_DEVICE = (
    "CUDA error",
    "HIP error",
    "CUDA driver error",
    "CUBLAS_STATUS_",
    "CUDNN_STATUS_",
    "device is lost",
    "GPU is lost",
    "uncorrectable ECC",
    "No CUDA GPUs are available",
    "MPS backend error",
)


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Within: torch's errors about memory become OutOfMemory, those about a lost device DeviceLost.

    `what` names the work.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(what) from error
    except RuntimeError as error:  # on a processor torch raises the plain kind, and drivers have many kinds
        told = _told(str(error), what)
        if told is None:
            raise
        raise told from error


def _told(text: str, what: str) -> ResourceError | None:
    if any(words in text for words in _MEMORY):
        return _out_of_memory(what)
    if any(words in text for words in _DEVICE):
        reason = text.strip().splitlines()[0].rstrip(".")
        return DeviceLost(
            f"The device was lost during {what}: {reason}.",
            hint="Start again (a training with --resume). If it comes back: look at nvidia-smi, the card's heat and "
            "power, restart the machine, or set PORTRAITIST_DEVICE=cpu.",
        )
    return None


def _out_of_memory(what: str) -> OutOfMemory:
    return OutOfMemory(
        f"There is not enough memory for {what}.",
        hint="Close other programs, or take a smaller size, a smaller batch in the recipe, or a smaller base.",
    )
