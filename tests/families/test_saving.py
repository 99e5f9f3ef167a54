"""Saving memory changes what is kept, not what comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from portraitist import families
from portraitist.devices import choose_device
from portraitist.families.base import Model, Saving
from portraitist.recipes import Base


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    base = Base("tiny", "sd15", f"file:{tiny_base}", "tiny-1", (64, 64), "test")
    return families.load(tiny_base, base, choose_device("cpu"))


def gradients(model: Model) -> tuple[list[torch.Tensor], int]:
    """Gradients of a step, and how many bytes were kept for the way back."""
    kept = {}
    trainable = model.attach(rank=4, alpha=4.0, text=False, seed=1)
    try:
        with torch.no_grad():
            for weight in trainable.all:
                weight.add_(0.01)
        trainable.publish()
        latents = torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(2))
        condition = model.condition(model.tokenize(["ohwx woman, hat", "man"]))

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            answer = model.predict(latents, model.times(torch.tensor([0.3, 0.6])), condition)
        answer.square().mean().backward()  # type: ignore[no-untyped-call]
        trainable.collect()
        return [weight.grad.clone() for weight in trainable.all if weight.grad is not None], sum(kept.values())
    finally:
        model.detach()


def test_checkpointing_keeps_less_and_gives_the_same_gradients(model: Model) -> None:
    plain, much = gradients(model)
    model.save_memory(Saving(checkpointing=True))
    try:
        saved, little = gradients(model)
    finally:
        model.save_memory(Saving())
    assert little < 0.6 * much
    assert len(plain) == len(saved) > 0 and all(torch.equal(a, b) for a, b in zip(plain, saved, strict=True))
    assert gradients(model)[1] == much


def test_slices_and_parking_give_the_same_answers(model: Model) -> None:
    pictures = list(np.random.default_rng(3).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8))
    tokens = model.tokenize(["ohwx woman"])
    latents, states = model.encode(pictures), model.condition(tokens).states
    model.save_memory(Saving(slices=True, park=True))
    try:
        assert torch.allclose(model.encode(pictures), latents, atol=1e-5)
        assert torch.equal(model.condition(tokens).states, states)
        assert torch.equal(model.condition(tokens).states, states), "also the second time"
    finally:
        model.save_memory(Saving())
    assert torch.equal(model.condition(tokens).states, states)
    encoder = model.encoders["text_encoder"]  # type: ignore[attr-defined]
    assert not encoder._forward_pre_hooks and not encoder._forward_hooks


def test_tiles_are_worked_on_one_by_one(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    vae = model.vae  # type: ignore[attr-defined]
    seen = []
    monkeypatch.setattr(
        vae.encoder, "forward", lambda pixels, _old=vae.encoder.forward: seen.append(pixels.shape) or _old(pixels)
    )
    picture = [np.zeros((576, 640, 3), dtype=np.uint8)]
    model.save_memory(Saving(tiles=True))
    try:
        assert model.encode(picture).shape == (1, 4, 72, 80)
    finally:
        model.save_memory(Saving())
    assert len(seen) > 1 and max(max(shape) for shape in seen) == 512
    model.encode([np.zeros((64, 64, 3), dtype=np.uint8)])
    assert tuple(seen[-1]) == (1, 3, 64, 64)


def test_a_model_knows_how_many_weights_it_has(model: Model) -> None:
    weights = model.weights()
    assert set(weights) == {"unet", "text_encoder", "vae"} and all(count > 1000 for count in weights.values())
