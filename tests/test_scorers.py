"""Learned scorers by name: a tiny CLIP with a head, BRISQUE where OpenCV's contrib modules are, and what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from portraitist.devices import choose_device
from portraitist.errors import BadRequest, MissingModel, UnfitModel
from portraitist.ranking.scorers import load_aesthetic, load_scorers
from portraitist.settings import Settings

GREY = np.full((40, 24, 3), 90, np.uint8)
NOISE = np.random.default_rng(2).integers(0, 255, (40, 24, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of a few kilobytes that sees 32 pixels, and a head of two layers."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = tmp_path_factory.mktemp("models") / "scorers" / "taste"
    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16,
        projection_dim=12,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(4)
        CLIPVisionModelWithProjection(config).save_pretrained(folder)
        head = {"layers.0.weight": torch.randn(6, 12), "layers.0.bias": torch.zeros(6),
                "layers.10.weight": torch.randn(1, 6), "layers.10.bias": torch.tensor([5.0])}  # fmt: skip
    save_file(head, folder / "head.safetensors")
    eyes = {"size": {"shortest_edge": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(eyes))
    return folder


def test_a_head_on_clip_marks_by_its_own_layers(folder: Path) -> None:
    scorer = load_aesthetic(folder, choose_device("cpu"))
    marks = scorer.score([GREY, NOISE])
    assert scorer.name == "taste" and marks == scorer.score([GREY, NOISE]) and marks[0] != marks[1]
    assert scorer.score([NOISE]) == pytest.approx(marks[1:], abs=1e-5)
    with torch.no_grad():
        middle = np.ascontiguousarray(GREY[8:32])
        pixels = torch.from_numpy(scorer.eyes.see(middle))
        embedded = torch.nn.functional.normalize(scorer.network(pixel_values=pixels).image_embeds, dim=-1)
        stored = list(scorer.head)
        by_hand = (embedded @ stored[0].weight.T) @ stored[1].weight.T + 5.0
    assert marks[0] == pytest.approx(float(by_hand) / 10, abs=1e-5)


def test_a_scorer_is_found_by_name_or_path(folder: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, models=folder.parents[1], device="cpu")  # type: ignore[call-arg]
    assert [scorer.name for scorer in load_scorers(["taste"], settings)] == ["taste"]
    assert [scorer.name for scorer in load_scorers([str(folder)], settings)] == ["taste"]
    with pytest.raises(MissingModel, match="nobody") as missing:
        load_scorers(["nobody"], settings)
    assert "head.safetensors" in (missing.value.hint or "") and "choosing.md" in (missing.value.hint or "")
    with pytest.raises(BadRequest, match="twice"):
        load_scorers(["taste", "taste"], settings)


@pytest.mark.parametrize("name", ["config.json", "head.safetensors", "model.safetensors", "preprocessor_config.json"])
def test_a_missing_file_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    for file in folder.iterdir():
        if file.name != name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(MissingModel, match=name.replace(".", r"\.")):
        load_aesthetic(tmp_path, choose_device("cpu"))


@pytest.mark.parametrize(
    "head",
    [
        {"weight": torch.zeros(1, 5), "bias": torch.zeros(1)},
        {"weight": torch.zeros(2, 12), "bias": torch.zeros(2)},
        {"layers.0.weight": torch.zeros(1, 12)},
        {"other": torch.zeros(1)},
    ],
)
def test_a_head_that_does_not_fit_is_refused(folder: Path, tmp_path: Path, head: dict[str, torch.Tensor]) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    save_file(head, tmp_path / "head.safetensors")
    with pytest.raises(UnfitModel, match="cannot be loaded"):
        load_aesthetic(tmp_path, choose_device("cpu"))


def test_brisque_says_what_it_lacks(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, models=tmp_path)  # type: ignore[call-arg]
    with pytest.raises(MissingModel, match="brisque_model_live") as missing:
        load_scorers(["brisque"], settings)
    assert "opencv_contrib" in (missing.value.hint or "")


def test_brisque_is_turned_so_that_more_is_better(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a stand-in for OpenCV, whose two files are not ours to bring."""
    import sys
    from types import ModuleType, SimpleNamespace

    seen: list[np.ndarray] = []

    class Measure:
        def compute(self, picture: np.ndarray) -> tuple[float, ...]:
            seen.append(picture)
            return (30.0 if len(seen) == 1 else 130.0, 0.0, 0.0, 0.0)

    cv2 = ModuleType("cv2")
    cv2.error = ValueError  # type: ignore[attr-defined]
    cv2.quality = SimpleNamespace(QualityBRISQUE_create=lambda model, limits: Measure())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    place = tmp_path / "scorers" / "brisque"
    place.mkdir(parents=True)
    for name in ("brisque_model_live.yml", "brisque_range_live.yml"):
        (place / name).write_text("")
    (scorer,) = load_scorers(["brisque"], Settings(home=tmp_path, models=tmp_path))  # type: ignore[call-arg]
    blue = np.zeros((8, 8, 3), np.uint8)
    blue[..., 2] = 200
    assert scorer.score([blue, blue]) == [pytest.approx(0.7), 0.0]
    assert seen[0][0, 0].tolist() == [200, 0, 0], "OpenCV wants blue first"
    del cv2.quality
    with pytest.raises(MissingModel, match="contrib"):
        load_scorers(["brisque"], Settings(home=tmp_path, models=tmp_path))  # type: ignore[call-arg]
