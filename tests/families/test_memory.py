"""Too little memory is one sentence with exit code 4; other errors pass."""

from __future__ import annotations

import pytest
import torch

from portraitist.errors import OutOfMemory
from portraitist.families.memory import enough_memory


def test_too_little_memory_is_one_sentence() -> None:
    with pytest.raises(OutOfMemory, match="for the portrait") as caught, enough_memory("the portrait"):
        torch.empty(2**60)
    assert caught.value.exit_code == 4
    with pytest.raises(OutOfMemory), enough_memory("the portrait"):
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"), enough_memory("the portrait"):
        raise RuntimeError("shapes differ")
