"""Too little memory is one sentence with exit code 4; other errors pass."""

from __future__ import annotations

import pytest
import torch

from portraitist.errors import DeviceLost, OutOfMemory
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


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA to enable device-side assertions.",
        "CUDA error: uncorrectable ECC error encountered",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "No CUDA GPUs are available",
    ],
)
def test_a_lost_device_is_named_with_the_next_step(text: str) -> None:
    with pytest.raises(DeviceLost, match="during the training") as caught, enough_memory("the training"):
        raise torch.AcceleratorError(text)
    assert caught.value.exit_code == 4 and "--resume" in str(caught.value.hint)
    assert "\n" not in caught.value.message and caught.value.message.endswith(".")
    with pytest.raises(OutOfMemory), enough_memory("the training"):
        raise torch.AcceleratorError("CUDA error: out of memory")
