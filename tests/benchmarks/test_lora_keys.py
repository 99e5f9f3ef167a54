"""Other programs apply every layer of our files, by the rules that the benchmark tells; the rules can say no."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import lora_rules
from benchmarks.lora_keys import PROGRAMS, count, random_lora
from benchmarks.lora_networks import Network, sd15, sdxl
from portraitist.lora.formats import read_tensors, to_tensors, write


@pytest.fixture(scope="module", params=["sd15", "sdxl"])
def network(request: pytest.FixtureRequest) -> Network:
    """A U-Net of real depth, but narrow, and CLIPs of real size: as many layers as the real ones, fewer numbers."""
    small = {"cross_attention_dim": 16, "attention_head_dim": 2, "norm_num_groups": 4}
    if request.param == "sd15":
        return sd15(block_out_channels=(8, 16, 32, 32), **small)
    return sdxl(block_out_channels=(8, 16, 32), projection_class_embeddings_input_dim=32, **small)


def test_every_layer_is_applied_as_it_was_meant(network: Network, tmp_path: Path) -> None:
    lora = random_lora(network, 1, 0)
    modules = 1058 if len(network.layers) == 2 else 354
    tensors, _ = read_tensors(write(tmp_path / "a.safetensors", lora, network.slots))
    assert len(lora.layers) == modules
    bare = {key: tensor for key, tensor in tensors.items() if not key.endswith(".alpha")}
    for rules in PROGRAMS.values():
        assert count(lora, network, rules(tensors, network.native, network.layers)) == (modules, modules)
        # without alpha every strength would be wrong
        assert count(lora, network, rules(bare, network.native, network.layers)) == (modules, 0)


def test_the_rules_leave_out_what_the_programs_leave_out(network: Network) -> None:
    """diffusers' own names lose the attention in ComfyUI and everything in the WebUI, as users report."""
    lora = random_lora(network, 1, 0)
    tensors = to_tensors(lora, network.slots, "diffusers", torch.float32)
    attention = sum(slot.path.rpartition("attn")[1] != "" and ".to_" in slot.path for slot in network.slots.values())
    found = lora_rules.comfyui(tensors, network.native, network.layers)
    assert attention > 0 and len(found) == len(lora.layers) - attention
    assert lora_rules.webui(tensors, network.native, network.layers) == {}
