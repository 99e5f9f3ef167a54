"""Ways to save memory on networks of diffusers and transformers. Each can be turned on and off. Knows no family."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

TILE = 512
"""Pixels: the side of what an autoencoder works on where it works in tiles."""

PIXELS_AT_ONCE = 8 * 512 * 512
"""So many pixels an autoencoder is given at once."""

_HOOKS = "_parked_by"


def checkpointing(network: Any, wanted: bool) -> None:
    """Let blocks of a diffusers network compute their inner values again on the way back (Chen et al.,
    arXiv:1604.06174). Nothing random happens in a block at rest, so no random state is kept, and a CUDA graph can
    record it."""
    if wanted:
        network.enable_gradient_checkpointing(_again)
    else:
        network.disable_gradient_checkpointing()


def _again(block: nn.Module, *values: Any) -> Any:
    return checkpoint(block.__call__, *values, use_reentrant=False, preserve_rng_state=False)


def encode_in_parts(vae: Any, *, slices: bool, tiles: bool) -> None:
    """Let an autoencoder of diffusers work on one picture, or on one tile of 512 x 512 pixels, at a time."""
    vae.use_slicing, vae.use_tiling = slices, tiles
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    vae.tile_sample_min_size = TILE if tiles else vae.config.sample_size
    vae.tile_latent_min_size = vae.tile_sample_min_size // scale


def park(network: Any, device: torch.device, wanted: bool) -> None:
    """Keep a network beside the device, on the processor's memory, but for the time of a use."""
    for hook in getattr(network, _HOOKS, ()):
        hook.remove()
    hooks = []
    if wanted:
        hooks.append(network.register_forward_pre_hook(lambda module, _: module.to(device) and None))
        hooks.append(network.register_forward_hook(lambda module, *_: module.to("cpu") and None))
    setattr(network, _HOOKS, tuple(hooks))
    network.to("cpu" if wanted else device)


@contextmanager
def present(network: Any, device: torch.device) -> Iterator[None]:
    """Within: a parked network is on the device, for uses that are no call of the whole of it."""
    parked = bool(getattr(network, _HOOKS, ()))
    if parked:
        network.to(device)
    try:
        yield
    finally:
        if parked:
            network.to("cpu")
