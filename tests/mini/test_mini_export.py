"""What leaves the training: copies keep what was set after the model was made; a decoder can learn alone."""

import torch

from mini import export, networks, train_vae
from mini.loop import Clock


def test_the_scale_of_the_latents_survives_the_copy() -> None:
    vae = networks.autoencoder(networks.TINY)
    vae.register_to_config(scaling_factor=0.5)
    assert export.copy_half(vae).config.scaling_factor == 0.5


def test_a_decoder_learns_alone() -> None:
    vae = networks.autoencoder(networks.TINY)
    trainer = train_vae.Trainer(vae, train_vae.Setup(1.0, batch=2, only_decoder=True), torch.device("cpu"))
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    real = torch.rand(2, 3, 64, 64) * 2 - 1
    for _ in range(2):
        trainer.step(real, torch.ones(2, 1, 64, 64), Clock(100.0))
    moved = {name for name, weight in vae.state_dict().items() if not torch.equal(weight, before[name])}
    assert any(name.startswith("decoder") for name in moved)
    assert not any(name.startswith("encoder") for name in moved)
