"""What makes a family a family. A test module subclasses `FamilyContract` and gives the fixture `model`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from portraitist.errors import BadRequest, UnfitModel
from portraitist.families.base import Model
from portraitist.lora import formats
from portraitist.lora.formats import Lora, LoraLayer, check
from portraitist.types import Picture


def picture(model: Model, seed: int = 0) -> Picture:
    """A noisy picture of the base's own size."""
    width, height = model.base.size
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def noise(model: Model, count: int, seed: int = 0) -> torch.Tensor:
    shape = model.latent_shape(*model.base.size)
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(seed))


class FamilyContract:
    """Holds for every family on any small base with random weights. `skip` is a clip skip that changes something."""

    skip = 2

    @torch.no_grad()
    def predict(self, model: Model, *prompts: str, clip_skip: int = 1) -> torch.Tensor:
        condition = model.condition(model.tokenize(prompts), clip_skip=clip_skip)
        times = model.times(torch.full((len(prompts),), 0.5))
        return model.predict(noise(model, 1).repeat(len(prompts), 1, 1, 1), times, condition)

    def random_lora(self, model: Model, seed: int = 0) -> Lora:
        chance = torch.Generator().manual_seed(seed)
        model.attach(rank=2, alpha=3.0, text=True, seed=seed)
        layers = model.attached().layers
        model.detach()
        return Lora(
            {
                name: LoraLayer(layer.down, torch.randn(layer.up.shape, generator=chance) * 0.2, layer.alpha)
                for name, layer in layers.items()
            }
        )

    def test_pictures_become_latents_and_pictures_again(self, model: Model) -> None:
        width, height = model.base.size
        latents = model.encode([picture(model), picture(model, 1)])
        assert latents.shape == (2, *model.latent_shape(width, height)) and latents.dtype == torch.float32
        assert torch.equal(latents, model.encode([picture(model), picture(model, 1)]))
        decoded = model.decode(latents)
        assert len(decoded) == 2 and decoded[0].shape == (height, width, 3) and decoded[0].dtype == np.uint8

    def test_a_size_that_does_not_go_is_refused(self, model: Model) -> None:
        width, height = model.base.size
        for wrong in ((width + 1, height), (width, height + 4), (0, height), (-width, height)):
            with pytest.raises(BadRequest, match="does not go"):
                model.latent_shape(*wrong)

    def test_the_prompt_and_clip_skip_count(self, model: Model) -> None:
        told = self.predict(model, "ohwx woman, smile", "ohwx man", "")
        assert not torch.allclose(told[0], told[1]) and not torch.allclose(told[1], told[2])
        skipped = self.predict(model, "ohwx woman, smile", clip_skip=self.skip)
        assert not torch.allclose(told[:1], skipped)
        with pytest.raises(BadRequest, match="too much"):
            self.predict(model, "ohwx", clip_skip=99)

    def test_a_long_prompt_is_read_to_its_end(self, model: Model) -> None:
        long = "ohwx woman, " + "smile " * 90
        assert model.tokenize([long]).shape[1] > model.tokenize(["smile"]).shape[1]
        told = self.predict(model, long + "red", long + "blue")
        assert not torch.allclose(told[0], told[1])
        # beside a long prompt a short one is padded, and the batch holds together
        assert len(self.predict(model, long, "smile")) == 2

    def test_words_of_its_own_language_are_read(self, model: Model) -> None:
        assert model.unread("portrait of a woman, smile, 35mm, café") == ()
        for one in model.unread("微笑, улыбка, smile"):  # a family may read these
            assert one.word in ("微笑", "улыбка") and one.tokens

    def test_noise_is_mixed_in_along_the_schedule(self, model: Model) -> None:
        latents, mixed = noise(model, 3), noise(model, 3, seed=1)
        noised = model.noised(latents, mixed, torch.tensor([0.0, 0.5, 0.999]))
        assert noised.snr[0] > noised.snr[1] > noised.snr[2] > 0
        far = (noised.latents - latents).square().mean(dim=(1, 2, 3))
        assert far[0] < 0.01 and far[0] < far[1] < far[2]
        assert noised.target.shape == latents.shape

    def test_fresh_layers_change_nothing_and_leave_no_trace(self, model: Model) -> None:
        before = self.predict(model, "ohwx woman")
        trainable = model.attach(rank=2, alpha=2.0, text=True, seed=1)
        try:
            assert torch.allclose(self.predict(model, "ohwx woman"), before, atol=1e-6)
            assert trainable.denoiser and trainable.text and all(w.requires_grad for w in trainable.all)
            assert all(weight.dtype == torch.float32 for weight in trainable.all)
        finally:
            model.detach()
        assert torch.equal(self.predict(model, "ohwx woman"), before)

    def test_the_same_seed_gives_the_same_fresh_layers(self, model: Model) -> None:
        drawn = []
        for seed in (1, 1, 2):
            model.attach(rank=2, alpha=2.0, text=True, seed=seed)
            drawn.append(model.attached())
            model.detach()
        first, again, other = ({k: layer.down for k, layer in lora.layers.items()} for lora in drawn)
        assert all(torch.equal(first[key], again[key]) for key in first)
        assert not all(torch.equal(first[key], other[key]) for key in first)

    def test_gradients_reach_every_layer(self, model: Model) -> None:
        trainable = model.attach(rank=2, alpha=2.0, text=True, seed=1)
        try:
            with torch.no_grad():
                for weight in trainable.all:
                    weight.add_(0.01)
            condition = model.condition(model.tokenize(["ohwx woman", "smile"]))
            times = model.times(torch.tensor([0.2, 0.7]))
            torch.autograd.backward(model.predict(noise(model, 2), times, condition).square().mean())
            assert all(weight.grad is not None and float(weight.grad.abs().sum()) > 0 for weight in trainable.all)
        finally:
            model.detach()

    def test_a_trained_and_an_applied_lora_answer_alike(self, model: Model) -> None:
        lora, bare = self.random_lora(model), self.predict(model, "ohwx woman")
        check(lora, model.slots())
        with model.applied([(lora, 1.0)]):
            applied = self.predict(model, "ohwx woman")
        assert torch.equal(self.predict(model, "ohwx woman"), bare)
        trainable = model.attach(rank=2, alpha=3.0, text=True, seed=0)
        try:
            values = [matrix for layer in lora.layers.values() for matrix in (layer.down, layer.up)]
            with torch.no_grad():
                for weight, value in zip(trainable.all, values, strict=True):
                    weight.copy_(value)
            assert all(torch.equal(layer.up, lora.layers[k].up) for k, layer in model.attached().layers.items())
            attached = self.predict(model, "ohwx woman")
            with model.resting():
                assert torch.allclose(self.predict(model, "ohwx woman"), bare, atol=1e-6)
        finally:
            model.detach()
        assert not torch.allclose(applied, bare, atol=1e-2)
        assert torch.allclose(applied, attached, atol=1e-4)

    def test_the_loss_falls_in_20_steps_and_nothing_of_it_stays(self, model: Model) -> None:
        bare = self.predict(model, "ohwx woman")
        latents, drawn = model.encode([picture(model), picture(model, 1)]), noise(model, 2)
        places = torch.tensor([0.3, 0.8])
        noised, times, tokens = model.noised(latents, drawn, places), model.times(places), model.tokenize(["ohwx"] * 2)
        trainable = model.attach(rank=4, alpha=4.0, text=True, seed=1)
        try:
            optimizer = torch.optim.AdamW(trainable.all, lr=1e-2)
            losses = []
            for _ in range(20):
                answer = model.predict(noised.latents, times, model.condition(tokens))
                loss = (answer - noised.target).square().mean()
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                losses.append(float(loss.detach()))
            lora = model.attached()
            trained = self.predict(model, "ohwx woman")
        finally:
            model.detach()
        assert losses[-1] < 0.8 * losses[0]
        assert torch.equal(self.predict(model, "ohwx woman"), bare)
        with model.applied([(lora, 1.0)]):
            assert torch.allclose(self.predict(model, "ohwx woman"), trained, atol=1e-4)
        assert torch.equal(self.predict(model, "ohwx woman"), bare)

    def test_a_lora_is_written_and_read_in_every_dialect(self, model: Model, tmp_path: Path) -> None:
        lora = self.random_lora(model)
        for dialect in get_args(formats.Dialect):
            formats.write(tmp_path / "a.safetensors", lora, model.slots(), dtype=torch.float32, dialect=dialect)
            found = formats.read(tmp_path / "a.safetensors", model.slots())
            assert found.layers.keys() == lora.layers.keys()
            for name, layer in lora.layers.items():
                assert torch.allclose(found.layers[name].delta(), layer.delta(), atol=1e-5)

    def test_pictures_need_not_be_square(self, model: Model) -> None:
        width, height = model.base.size[0], model.base.size[1] * 2
        tall = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        latents = model.encode([tall])
        assert latents.shape == (1, *model.latent_shape(width, height))
        with torch.no_grad():
            answer = model.predict(latents, model.times(torch.tensor([0.5])), model.condition(model.tokenize(["ohwx"])))
        assert answer.shape == latents.shape
        assert model.decode(latents)[0].shape == tall.shape

    def test_strength_and_several_loras(self, model: Model) -> None:
        one, two = self.random_lora(model, 1), self.random_lora(model, 2)
        bare = self.predict(model, "ohwx woman")
        with model.applied([(one, 0.0)]):
            assert torch.equal(self.predict(model, "ohwx woman"), bare)
        with model.applied([(one, 0.5), (two, 0.5)]):
            both = self.predict(model, "ohwx woman")
        with model.applied([(two, 0.5), (one, 0.5)]):
            assert torch.allclose(self.predict(model, "ohwx woman"), both, atol=1e-4)
        with model.applied([(one, 0.5)]):
            assert not torch.allclose(self.predict(model, "ohwx woman"), both, atol=1e-3)

    def test_a_strange_lora_is_refused_and_nothing_is_changed(self, model: Model) -> None:
        bare = self.predict(model, "ohwx woman")
        strange = Lora({"lora_unet_nowhere": LoraLayer(torch.ones(1, 4), torch.ones(4, 1), 1.0)})
        with pytest.raises(UnfitModel, match="does not fit"):
            check(strange, model.slots())
        with pytest.raises(UnfitModel), model.applied([(self.random_lora(model), 1.0), (strange, 1.0)]):
            pass
        assert torch.equal(self.predict(model, "ohwx woman"), bare)
