"""An upscaler for tests."""

import importlib.util
from pathlib import Path

import pytest

from portraitist.finishing.networks import _without_torchvision as without_torchvision


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """An upscaler of a few kilobytes with Real-ESRGAN's architecture."""
    if importlib.util.find_spec("spandrel") is None:
        pytest.skip("spandrel is not installed")
    import torch
    from safetensors.torch import save_file

    with without_torchvision():
        from spandrel.architectures.ESRGAN import ESRGAN
    torch.manual_seed(3)
    save_file(ESRGAN(num_filters=8, num_blocks=1, scale=2).state_dict(), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"
