"""Another day's training: begins with the weights that are shipped instead of with random ones.

`restore` lays fp16 weights of a shipped folder into a state folder, `begin` puts them into new networks. A network may
have grown since: blocks that the file does not have start as doing nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mini.loop import Flat, save_tensors, say

if TYPE_CHECKING:
    from pathlib import Path

    from mini import networks


def restore(folder: Path, judge: Path | None, state: Path, widths: networks.Widths) -> None:
    """Starting weights from a shipped base and the folder of the judge; optimisers are fresh.

    The U-Net goes on from `unet.safetensors`; autoencoder, tagger and judge begin with `start/*.safetensors` and are
    trained for the seconds of their stages (0 leaves them as they are).
    """
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    from mini import networks as shapes

    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
    text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    flat = Flat([unet, text], torch.device("cpu"))
    flat.steps = 2000  # the average is a good one from the start
    flat.save(state / "unet.safetensors", elapsed=0.0)
    files = {
        "vae": folder / "vae" / "diffusion_pytorch_model.safetensors",
        "tagger": folder / "tagger" / "model.safetensors",
        "judge": judge / "judge.safetensors" if judge else None,
    }
    found = {name: file for name, file in files.items() if file is not None and file.exists()}
    for name, file in found.items():
        save_tensors(_floats(load_file(file)), state / "start" / f"{name}.safetensors")
    say("restore", unet=shapes.count(unet), widths=widths.unet, start=sorted(found))


def begin(network: nn.Module, state: Path, name: str) -> None:
    """Puts starting weights into a new network, if there are any. ValueError when they are of another network."""
    path = state / "start" / f"{name}.safetensors"
    if not path.exists():
        return
    given = load_file(path)
    missing, foreign = network.load_state_dict(given, strict=False)
    if foreign:
        raise ValueError(f"{path.name} has weights that {name} lacks: {foreign[0]}")
    _silence(network, missing)
    say(name, begins="with the shipped weights", added=len(missing))


def _silence(network: nn.Module, missing: list[str]) -> None:
    """New residual blocks add nothing at first: the last scale before their sum is 0."""
    scales = dict(network.named_parameters())
    for name in missing:
        if name.endswith("layer.1.normalization.weight"):  # a basic block's second convolution, in transformers
            scales[name].data.zero_()


def _floats(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
