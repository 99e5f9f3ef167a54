"""Loading of upscalers and restorers: tiny random networks of the real architectures, as the files that people have."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from portraitist.errors import DeviceUnavailable, OutOfMemory, UnfitModel
from portraitist.finishing.networks import RESTORERS, UPSCALERS, Network, load_network
from portraitist.finishing.networks import _without_torchvision as without_torchvision
from portraitist.finishing.restore import SIDE, restore
from portraitist.finishing.steps import Tools
from portraitist.finishing.upscale import enlarge, tiled, upscale
from portraitist.types import Size
from tests.people import person

pytestmark = pytest.mark.skipif(importlib.util.find_spec("spandrel") is None, reason="spandrel is not installed")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real-ESRGAN's RRDBNet (4x) as `tiny.safetensors`, and its pickle `old.pth` as its authors publish theirs."""
    with without_torchvision():
        from spandrel.architectures.ESRGAN import ESRGAN
    folder = tmp_path_factory.mktemp("models")
    (folder / UPSCALERS).mkdir()
    torch.manual_seed(3)
    state = ESRGAN(num_filters=8, num_blocks=1, scale=4).state_dict()
    save_file(state, folder / UPSCALERS / "tiny.safetensors")
    torch.save({"params_ema": state}, folder / UPSCALERS / "old.pth")
    return folder


def test_an_esrgan_is_known_by_its_tensors(models: Path) -> None:
    network = load_network(models, UPSCALERS, "Tiny")
    picture = person("a-1")[:40, :56]
    made = upscale(picture, Size(112, 80), "tiny", models=models)
    assert network.scale == 4 and made.shape == (80, 112, 3)
    assert np.array_equal(made, upscale(picture, Size(112, 80), "tiny", models=models))
    assert enlarge(picture, Size(224, 160), network).std() > 0
    assert "torchvision" not in sys.modules or importlib.util.find_spec("torchvision") is not None


def test_tiles_make_the_picture_that_one_piece_makes(models: Path) -> None:
    network = load_network(models, UPSCALERS, "tiny")
    picture = person("a-1")[:96, :80]
    whole, parts = tiled(picture, network, 256), tiled(picture, network, 40, 24)
    assert np.abs(whole.astype(int) - parts).max() <= 1


def test_a_pickle_is_converted_and_not_opened(models: Path) -> None:
    network = load_network(models, UPSCALERS, str(models / UPSCALERS / "old.pth"))
    assert network.scale == 4 and (models / UPSCALERS / "old.safetensors").is_file()


def test_files_that_are_something_else_are_refused(models: Path, tmp_path: Path) -> None:
    strange = tmp_path / "strange.safetensors"
    save_file({"weight": torch.zeros(2)}, strange)
    with pytest.raises(UnfitModel, match="no network that spandrel knows"):
        load_network(models, UPSCALERS, str(strange))
    with pytest.raises(UnfitModel, match="no restorer"):
        load_network(models, RESTORERS, str(models / UPSCALERS / "tiny.safetensors"))
    fake = tmp_path / "GFPGANv1.4.pth"
    fake.write_bytes(b"x")
    with pytest.raises(UnfitModel, match="not the published"):
        load_network(models, RESTORERS, str(fake))


def test_networks_run_on_the_device_of_the_settings(models: Path) -> None:
    def tools(device: str) -> Tools:
        return Tools(None, lambda picture: picture[..., 0], models, device=device)  # type: ignore[arg-type]

    used = tools("cpu")
    network = used.network(UPSCALERS, "tiny")
    assert network.device == "cpu" and used.network(UPSCALERS, "tiny") is network and len(network.sha256) == 64
    with pytest.raises(DeviceUnavailable, match="abacus"):
        tools("abacus").network(UPSCALERS, "tiny")

    def full(batch: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(OutOfMemory, match="not enough memory on cpu for large"):
        tiled(person("a-1")[:8, :8], Network("large", 4, "", full))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_draws_what_the_processor_draws(models: Path) -> None:
    picture = person("a-1")[:40, :56]
    here, there = (tiled(picture, load_network(models, UPSCALERS, "tiny", device)) for device in ("cpu", "cuda"))
    assert np.abs(here.astype(int) - there).max() <= 2


def test_a_restorer_changes_the_face_alone(faces: object, models: Path) -> None:
    from portraitist.faces import Faces

    assert isinstance(faces, Faces)
    picture = person("a-1")
    seen: list[tuple[int, ...]] = []

    def grey(batch: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(batch.shape))
        return torch.full_like(batch, 0.5)

    network = Network("grey", 1, "", grey)
    found = faces.detect(picture)
    made = restore(picture, found, network)
    x, y = (round(float(value)) for value in found[0].mesh[4, :2])
    assert seen == [(1, 3, SIDE, SIDE)] and abs(int(made[y, x, 0]) - 128) <= 1
    same = restore(picture, found, Network("same", 1, "", lambda batch: batch))
    assert np.abs(same.astype(int) - picture).mean() < 3
