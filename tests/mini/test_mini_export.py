"""What leaves the training: copies keep what was set after the model was made."""

from mini import export, networks


def test_the_scale_of_the_latents_survives_the_copy() -> None:
    vae = networks.autoencoder(networks.TINY)
    vae.register_to_config(scaling_factor=0.5)
    assert export.copy_half(vae).config.scaling_factor == 0.5
