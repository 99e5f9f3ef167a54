"""Says in one sentence that the memory did not suffice, where torch says it in many."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from portraitist.errors import OutOfMemory

_WORDS = ("can't allocate memory", "not enough memory", "out of memory")


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Within: torch's errors about memory become OutOfMemory; `what` names the work."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _error(what) from error
    except RuntimeError as error:  # on a processor torch raises the plain kind
        if any(word in str(error) for word in _WORDS):
            raise _error(what) from error
        raise


def _error(what: str) -> OutOfMemory:
    return OutOfMemory(
        f"There is not enough memory for {what}.",
        hint="Close other programs, or take a smaller size, a smaller batch in the recipe, or a smaller base.",
    )
