"""LoRA files of other people: those that load, whatever their names, and the reasons for those that do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from benchmarks.lora_keys import random_lora
from benchmarks.lora_networks import Network, sd15, sdxl
from portraitist.errors import UnfitModel
from portraitist.lora.formats import Lora, from_tensors, read, to_tensors
from portraitist.lora.names import kohya_unet

CLIP = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL = {"norm_num_groups": 8, "sample_size": 8}
CONV = "lora_unet_down_blocks_0_resnets_0_conv1"
LINEAR = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.fixture(scope="module")
def small() -> Network:
    """SD 1.5's architecture, narrow."""
    changes = {"block_out_channels": (16, 16, 32, 32), "cross_attention_dim": 32, "attention_head_dim": 2}
    return sd15(**changes, **SMALL, text=CLIP)


@pytest.fixture(scope="module")
def small_xl() -> Network:
    """SDXL's architecture, narrow."""
    changes = {"block_out_channels": (16, 32, 32), "cross_attention_dim": 64, "attention_head_dim": 2}
    changes |= {"addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 56}
    return sdxl(**changes, **SMALL, transformer_layers_per_block=(1, 1, 2), text=CLIP, second=CLIP)


@pytest.fixture(scope="module")
def lora(small: Network) -> Lora:
    return random_lora(small, 2, 0)


def kohya(network: Network, lora: Lora) -> dict[str, Tensor]:
    return to_tensors(lora, network.slots, "kohya", torch.float32)


def same(left: Lora, right: Lora) -> bool:
    return left.layers.keys() == right.layers.keys() and all(
        torch.allclose(layer.delta(), right.layers[name].delta(), atol=1e-5) for name, layer in left.layers.items()
    )


def of_old_diffusers(key: str) -> str:
    """As diffusers wrote before PEFT: attention by way of processors, text encoders without `lora_linear_layer`."""
    if ".attn" in key and ".to_" in key:
        key = key.replace(".to_out.0.", ".to_out.").replace(".to_", ".processor.to_")
        return key.replace(".lora_A.weight", "_lora.down.weight").replace(".lora_B.weight", "_lora.up.weight")
    if ".self_attn." in key:
        for new, old in (("q_proj", "to_q"), ("k_proj", "to_k"), ("v_proj", "to_v"), ("out_proj", "to_out")):
            key = key.replace(new, old)
        return key.replace(".lora_A.weight", "_lora.down.weight").replace(".lora_B.weight", "_lora.up.weight")
    return key.replace(".lora_A.", ".lora.down.").replace(".lora_B.", ".lora.up.")


def of_named_adapter(key: str) -> str:
    return key.replace(".lora_A.", ".lora_A.default.").replace(".lora_B.", ".lora_B.default.")


def without_text_model(key: str) -> str:
    return key.replace("text_encoder.text_model.", "text_encoder.")


@pytest.mark.parametrize("rename", [of_old_diffusers, of_named_adapter, without_text_model])
def test_diffusers_files_of_all_times_load(small: Network, lora: Lora, rename: Callable[[str], str]) -> None:
    tensors = to_tensors(lora, small.slots, "diffusers", torch.float32)
    renamed = {rename(key): tensor for key, tensor in tensors.items()}
    assert renamed.keys() != tensors.keys()
    assert same(from_tensors(renamed, {}, small.slots), lora)


def test_sdxl_files_load_with_the_names_of_either_tongue(small_xl: Network) -> None:
    lora = random_lora(small_xl, 2, 1)
    names = {name: kohya_unet(slot.path) for name, slot in small_xl.slots.items() if slot.part == "unet"}
    renamed = {}
    for key, tensor in kohya(small_xl, lora).items():
        stem, _, end = key.partition(".")
        renamed[f"{names.get(stem, stem)}.{end}"] = tensor
    assert "lora_unet_input_blocks_4_1_proj_in" in lora.layers and CONV + ".alpha" in renamed
    assert same(from_tensors(renamed, {}, small_xl.slots), lora)
    for dialect in ("diffusers", "comfyui"):
        tensors = to_tensors(lora, small_xl.slots, dialect, torch.float32)
        assert same(from_tensors(tensors, {}, small_xl.slots), lora)


def test_a_convolution_in_three_steps_is_folded(small: Network) -> None:
    """LoCon with a middle: what is added equals the three convolutions one after another."""
    chance = torch.Generator().manual_seed(3)
    down, middle, up = (torch.randn(shape, generator=chance) for shape in ((3, 16, 1, 1), (3, 3, 3, 3), (16, 3, 1, 1)))
    tensors = {"lora_down.weight": down, "lora_mid.weight": middle, "lora_up.weight": up, "alpha": torch.tensor(3.0)}
    found = from_tensors({f"{CONV}.{end}": tensor for end, tensor in tensors.items()}, {}, small.slots)
    picture = torch.randn((1, 16, 8, 8), generator=chance)
    steps = functional.conv2d(functional.conv2d(functional.conv2d(picture, down), middle, padding=1), up)
    whole = functional.conv2d(picture, found.layers[CONV].delta(), padding=1)
    assert torch.allclose(steps, whole, rtol=1e-4, atol=1e-3)


def test_a_linear_layer_that_was_stored_as_a_convolution_loads(small: Network, lora: Lora) -> None:
    tensors = kohya(small, lora)
    for end in ("lora_down.weight", "lora_up.weight"):
        tensors[f"{LINEAR}.{end}"] = tensors[f"{LINEAR}.{end}"][..., None, None]
    assert same(from_tensors(tensors, {}, small.slots), lora)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (f"{LINEAR}.dora_scale", "a DoRA"),
        ("unet.mid_block.attentions.0.proj_in.lora_magnitude_vector", "a DoRA"),
        (f"{LINEAR}.hada_w1_a", "a LoHa"),
        (f"{LINEAR}.lokr_w2_b", "a LoKr"),
        (f"{LINEAR}.diff_b", "whole differences"),
        ("bundle_emb.anna.string_to_param.*", "new words"),
        ("model.diffusion_model.out.2.weight", "a whole checkpoint"),
        ("something.else", "no LoRA that we know"),
    ],
)
def test_other_kinds_are_refused_with_a_reason(
    small: Network, lora: Lora, key: str, reason: str, tmp_path: Path
) -> None:
    save_file({**kohya(small, lora), key: torch.ones(2, 2)}, tmp_path / "theirs.safetensors")
    with pytest.raises(UnfitModel, match=rf"theirs\.safetensors holds .*{reason}"):
        read(tmp_path / "theirs.safetensors", small.slots)


def pair(stem: str, inside: int, outside: int) -> dict[str, Tensor]:
    return {f"{stem}.lora_down.weight": torch.ones(2, inside), f"{stem}.lora_up.weight": torch.ones(outside, 2)}


@pytest.mark.parametrize(
    ("tensors", "metadata", "family"),
    [
        (pair(LINEAR.replace("attn1_to_q", "attn2_to_k"), 1024, 320), {}, "an SD 2"),
        (pair("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 2048, 640), {}, "an SDXL"),
        (pair("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280, 5120), {}, "an SDXL"),
        (pair("lora_unet_double_blocks_0_img_attn_qkv", 3072, 9216), {}, "a FLUX"),
        (pair("transformer.single_transformer_blocks.0.attn.to_q", 3072, 3072), {}, "a FLUX"),
        (pair("diffusion_model.layers.0.attention.to_q", 3840, 3840), {}, "a Z-Image"),
        (pair("lora_unet_unheard_of", 8, 8), {"ss_base_model_version": "sdxl_base_v1-0"}, "an SDXL"),
        (pair("lora_unet_unheard_of", 8, 8), {"modelspec.architecture": "flux-1-dev/lora"}, "a FLUX"),
    ],
)
def test_a_lora_of_another_family_is_told_by_name(
    small: Network, tmp_path: Path, tensors: dict[str, Tensor], metadata: dict[str, str], family: str
) -> None:
    save_file(tensors, tmp_path / "film.safetensors", metadata)
    with pytest.raises(UnfitModel, match=rf"film\.safetensors is {family} LoRA; this base is SD 1\.5\."):
        read(tmp_path / "film.safetensors", small.slots)


def test_sd15_on_sdxl_is_told_too(small: Network, small_xl: Network, lora: Lora, tmp_path: Path) -> None:
    save_file(kohya(small, lora), tmp_path / "film.safetensors")
    with pytest.raises(UnfitModel, match=r"is an SD 1\.5 LoRA; this base is SDXL\."):
        read(tmp_path / "film.safetensors", small_xl.slots)


def test_broken_files_say_how(small: Network, lora: Lora, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    tensors = kohya(small, lora)
    save_file(tensors, whole)
    for size, reason in ((200, "cut off after 200 bytes"), (whole.stat().st_size - 1, "damaged or cut off")):
        cut.write_bytes(whole.read_bytes()[:size])
        with pytest.raises(UnfitModel, match=reason):
            read(cut, small.slots)
    broken = {
        "not finite": {f"{LINEAR}.lora_up.weight": torch.full((16, 2), float("nan"))},
        "the alpha": {f"{LINEAR}.alpha": torch.tensor(0.0)},
        "is no number": {f"{LINEAR}.alpha": torch.ones(3)},
        "lacks one of its two": {"lora_unet_mid.lora_up.weight": torch.ones(4, 2)},
        "dimensions": {f"{LINEAR}.lora_down.weight": torch.ones(2)},
        "does not fit its ends": {f"{LINEAR}.lora_mid.weight": torch.ones(2, 2, 3, 3)},
    }
    for reason, values in broken.items():
        save_file(tensors | values, cut)
        with pytest.raises(UnfitModel, match=reason):
            read(cut, small.slots)
    with pytest.raises(UnfitModel, match="is a folder"):
        read(tmp_path, small.slots)
