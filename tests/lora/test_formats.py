"""LoRA files: golden names, every dialect there and back, the same pixels in plain diffusers, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from portraitist import families
from portraitist.devices import choose_device
from portraitist.errors import MissingModel, UnfitModel
from portraitist.families.base import Model
from portraitist.generation.generate import generate
from portraitist.lora.formats import DIALECTS, Dialect, Lora, LoraLayer, read, read_tensors, write
from portraitist.lora.metadata import with_hashes, write_sidecar
from portraitist.recipes import Base
from portraitist.requests import PortraitRequest
from tests.contract.family import FamilyContract

GOLDEN = (
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
    "lora_unet_down_blocks_2_attentions_0_transformer_blocks_0_attn2_to_out_0",
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj",
    "lora_unet_up_blocks_3_attentions_1_transformer_blocks_0_ff_net_2",
    "lora_te_text_model_encoder_layers_0_self_attn_q_proj",
    "lora_te_text_model_encoder_layers_1_self_attn_out_proj",
    "lora_te_text_model_encoder_layers_1_mlp_fc1",
)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    return families.load(tiny_base, Base("tiny", "sd15", "file:x", "tiny-1", (64, 64), "mini"), choose_device("cpu"))


@pytest.fixture(scope="module")
def lora(model: Model) -> Lora:
    """Rank 2 with alpha 3, so that a forgotten alpha shows."""
    made = FamilyContract().random_lora(model)
    return Lora(made.layers, {"ss_network_dim": "2", "ss_output_name": "anna"})


def deltas(lora: Lora) -> dict[str, torch.Tensor]:
    return {name: layer.delta() for name, layer in lora.layers.items()}


def alike(left: Lora, right: Lora, tolerance: float = 2e-3) -> bool:
    a, b = deltas(left), deltas(right)
    return a.keys() == b.keys() and all(torch.allclose(a[key], b[key], atol=tolerance) for key in a)


def test_the_names_are_kohyas(model: Model, lora: Lora, tmp_path: Path) -> None:
    tensors, metadata = read_tensors(write(tmp_path / "a.safetensors", lora, model.slots()))
    assert all(f"{name}.{end}" in tensors for name in GOLDEN for end in ("lora_down.weight", "lora_up.weight", "alpha"))
    stems = {key.split(".", 1)[0] for key in tensors}
    assert len(tensors) == 3 * len(stems) and all(stem.startswith(("lora_unet_", "lora_te_")) for stem in stems)
    assert all(tensors[f"{stem}.alpha"].shape == () and float(tensors[f"{stem}.alpha"]) == 3 for stem in stems)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert metadata["ss_output_name"] == "anna"


def test_the_hash_is_that_of_the_files_body(model: Model, lora: Lora, tmp_path: Path) -> None:
    path = write(tmp_path / "a.safetensors", lora, model.slots())
    data = path.read_bytes()
    told = read_tensors(path)[1]
    assert with_hashes({}, data)["sshs_model_hash"] == told["sshs_model_hash"]


def test_the_old_hash_is_that_of_the_file_as_it_was_trained(model: Model, tmp_path: Path) -> None:
    """kohya's: of 64 KiB behind the first MiB, of the file with `ss_*` alone: titles may change, the hash must not."""
    slots = model.slots()
    linear = {name: slot.shape for name, slot in slots.items() if len(slot.shape) == 2}
    rank = 2**20 // sum(sum(shape) for shape in linear.values())
    wide = {
        name: LoraLayer(torch.randn(rank, into), torch.randn(out, rank), 1.0) for name, (out, into) in linear.items()
    }
    files = [
        write(tmp_path / f"{title}.safetensors", Lora(wide, {"ss_steps": "9", "modelspec.title": title}), slots)
        for title in ("A", "another title")
    ]
    data = save(read_tensors(files[0])[0], metadata={"ss_steps": "9"})
    assert len(data) > 0x100000
    wanted = hashlib.sha256(data[0x100000 : 0x100000 + 0x10000]).hexdigest()[:8]
    assert [read_tensors(file)[1]["sshs_legacy_hash"] for file in files] == [wanted] * 2


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_reads_back(model: Model, lora: Lora, tmp_path: Path, dialect: Dialect) -> None:
    path = write(tmp_path / "a.safetensors", lora, model.slots(), dialect=dialect, dtype=torch.float32)
    assert alike(read(path, model.slots()), lora, 1e-5)


@pytest.mark.parametrize("dialect", ["kohya", "diffusers"])
def test_plain_diffusers_makes_the_same_pixels(
    model: Model, lora: Lora, tiny_base: Path, tmp_path: Path, dialect: Dialect
) -> None:
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    path = write(tmp_path / "anna.safetensors", lora, model.slots(), dialect=dialect, dtype=torch.float32)
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_base)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, use_karras_sigmas=True)
    request = PortraitRequest("anna", prompt="ohwx woman", negative="hat", steps=4, cfg=3.0, seed=5)

    def theirs() -> np.ndarray:
        made = pipeline(
            "ohwx woman", negative_prompt="hat", num_inference_steps=4, guidance_scale=3.0, output_type="np",
            height=64, width=64, generator=torch.Generator().manual_seed(5),
        )  # fmt: skip
        return np.asarray(np.round(made.images[0] * 255))

    bare = theirs()
    pipeline.load_lora_weights(tmp_path, weight_name="anna.safetensors")
    (ours,) = generate(request, model, read(path, model.slots()))
    assert np.abs(theirs() - ours.pixels).max() <= 1
    assert np.abs(bare - ours.pixels).max() > 20


def test_names_of_other_times_are_understood(model: Model, lora: Lora, tmp_path: Path) -> None:
    tensors, _ = read_tensors(write(tmp_path / "a.safetensors", lora, model.slots()))
    renamed = {key.replace("lora_te_", "lora_te1_"): tensor for key, tensor in tensors.items()}
    save_file(renamed, tmp_path / "te1.safetensors")
    assert alike(read(tmp_path / "te1.safetensors", model.slots()), lora)

    tensors, _ = read_tensors(write(tmp_path / "d.safetensors", lora, model.slots(), dialect="diffusers"))
    assert any(key.startswith("text_encoder.text_model.encoder.") for key in tensors)
    renamed = {key.replace("text_encoder.text_model.", "text_encoder."): tensor for key, tensor in tensors.items()}
    save_file(renamed, tmp_path / "new.safetensors")
    assert alike(read(tmp_path / "new.safetensors", model.slots()), lora)


def test_an_alpha_in_diffusers_metadata_counts(model: Model, lora: Lora, tmp_path: Path) -> None:
    halved = Lora({name: LoraLayer(layer.down, layer.up, 2.0) for name, layer in lora.layers.items()})
    told = json.dumps({"unet.lora_alpha": 3.0, "text_encoder.lora_alpha": 3.0})
    tensors, _ = read_tensors(write(tmp_path / "d.safetensors", halved, model.slots(), dialect="diffusers"))
    save_file(tensors, tmp_path / "told.safetensors", {"lora_adapter_metadata": told})
    assert alike(read(tmp_path / "told.safetensors", model.slots()), lora)


def test_what_does_not_fit_is_refused(model: Model, lora: Lora, tmp_path: Path) -> None:
    slots, name = model.slots(), GOLDEN[0]
    layer = lora.layers[name]
    wrong = {
        "no LoRA layers": {},
        "does not fit": {**lora.layers, "lora_unet_input_blocks_1_1_proj_in": layer},
        "another shape": {name: LoraLayer(layer.down[:, :-1], layer.up, 1.0)},
        "not finite": {name: LoraLayer(layer.down * 1e9, layer.up, 1.0)},
        "the alpha": {name: LoraLayer(layer.down, layer.up, float("nan"))},
    }
    for reason, layers in wrong.items():
        with pytest.raises(UnfitModel, match=reason):
            write(tmp_path / "wrong.safetensors", Lora(layers), slots)
    assert not list(tmp_path.iterdir())

    tensors, _ = read_tensors(write(tmp_path / "a.safetensors", lora, slots))
    broken = {
        "a DoRA": {**tensors, f"{name}.dora_scale": torch.ones(1)},
        "one of its two": {key: tensor for key, tensor in tensors.items() if key != f"{name}.lora_up.weight"},
    }
    for reason, values in broken.items():
        save_file(values, tmp_path / "b.safetensors")
        with pytest.raises(UnfitModel, match=reason):
            read(tmp_path / "b.safetensors", slots)


def test_bad_files_are_named(model: Model, tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match=r"gone\.safetensors"):
        read(tmp_path / "gone.safetensors", model.slots())
    (tmp_path / "words.safetensors").write_text("hello")
    with pytest.raises(UnfitModel, match="no safetensors file"):
        read(tmp_path / "words.safetensors", model.slots())
    with pytest.raises(UnfitModel, match="pickle"):
        read(tmp_path / "old.pt", model.slots())


def test_the_sidecar_offers_the_trigger(tmp_path: Path) -> None:
    path = write_sidecar(tmp_path / "anna.safetensors", title="Anna", phrase="ohwx woman", strength=0.9)
    assert path.name == "anna.json"
    assert json.loads(path.read_text())["activation text"] == "ohwx woman"


def test_what_diffusers_saves_itself_loads(model: Model, tiny_base: Path, tmp_path: Path) -> None:
    """A file of the usual training script: peft's layers, alpha in the metadata, convolutions among the targets."""
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    unet = UNet2DConditionModel.from_pretrained(tiny_base / "unet")
    unet.add_adapter(LoraConfig(r=2, lora_alpha=6, target_modules=["to_q", "conv1"], init_lora_weights=False))
    StableDiffusionPipeline.save_lora_weights(
        tmp_path,
        unet_lora_layers=get_peft_model_state_dict(unet),
        unet_lora_adapter_metadata=unet.peft_config["default"].to_dict(),
    )
    found = read(tmp_path / "pytorch_lora_weights.safetensors", model.slots())
    for path in ("mid_block.resnets.0.conv1", "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"):
        meant = unet.get_submodule(path).get_delta_weight("default")
        assert torch.allclose(found.layers["lora_unet_" + path.replace(".", "_")].delta(), meant, atol=1e-5)
