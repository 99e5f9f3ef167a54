"""Bases by path: a folder, a folder in a folder, one safetensors file; what is none is called by its name."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from portraitist import families
from portraitist.devices import choose_device
from portraitist.errors import FetchFailed, MissingModel, UnfitModel, UnknownName
from portraitist.families.base import Model
from portraitist.families.folder import load_part
from portraitist.families.found import find_base, lasting_name, place_of, webui_hashes, weights_sum
from portraitist.families.parts import configs_of
from portraitist.families.vocabulary import load_tokenizers, read_text
from portraitist.recipes import Base
from portraitist.settings import Settings
from portraitist.weights import sha256_of
from tests.contract.family import FamilyContract
from tests.fake_hub import COMMIT, open_for, serve
from tests.tiny_sdxl import single


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", offline=True)


@pytest.fixture(scope="module")
def full_size() -> Mapping[str, dict[str, torch.Tensor]]:
    """The tensors of real checkpoints, by family, as names and shapes without values."""
    return {family: single(*networks(family)) for family in ("sd15", "sdxl")}


def networks(family: str) -> list[Any]:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    configs = configs_of(family)
    read = {part.parent.name: json.loads(part.read_text()) for part in configs.glob("*/config.json")}
    with torch.device("meta"):
        built = [UNet2DConditionModel.from_config(read["unet"]), AutoencoderKL.from_config(read["vae"])]
        built.append(CLIPTextModel(CLIPTextConfig(**read["text_encoder"])))
        if "text_encoder_2" in read:
            built.append(CLIPTextModelWithProjection(CLIPTextConfig(**read["text_encoder_2"])))
    return built


def write_header(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Path:
    """A safetensors file of float16 zeros that takes no room on the disk."""
    at, header = 0, {}
    for name, shape in shapes.items():
        size = 2 * int(torch.tensor(shape).prod()) if shape else 2
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    data = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(data)) + data)
        file.truncate(8 + len(data) + at)
    return path


def shapes_of(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("family", "size", "parameters"), [("sd15", (512, 512), 859_520_964), ("sdxl", (1024, 1024), 2_567_463_684)]
)
def test_a_single_file_is_told_by_its_header(
    full_size: Mapping[str, dict[str, torch.Tensor]], tmp_path: Path, settings: Settings, family: str,
    size: tuple[int, int], parameters: int,
) -> None:  # fmt: skip
    tensors = full_size[family]
    unet = [tensor.numel() for name, tensor in tensors.items() if name.startswith("model.diffusion_model.")]
    assert sum(unet) == parameters  # what the publishers' papers and cards say
    path = write_header(tmp_path / "nothing-in-the-name.safetensors", shapes_of(tensors))
    base = find_base(str(path), settings, summed=False)
    assert (base.family, base.size, base.name) == (family, size, "nothing-in-the-name")


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_what_a_single_file_lacks_is_named(
    full_size: Mapping[str, dict[str, torch.Tensor]], tmp_path: Path, settings: Settings, family: str
) -> None:
    shapes = shapes_of(full_size[family])
    without = {name: shape for name, shape in shapes.items() if not name.startswith("first_stage_model.")}
    with pytest.raises(UnfitModel, match=r"no VAE \(autoencoder\) in it"):
        find_base(str(write_header(tmp_path / "a.safetensors", without)), settings)
    bare = {name: shape for name, shape in without.items() if name.startswith("model.diffusion_model.")}
    with pytest.raises(UnfitModel, match=r"no VAE \(autoencoder\) and no text encoder"):
        find_base(str(write_header(tmp_path / "b.safetensors", bare)), settings)


SD15 = {
    "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
}
SDXL = {
    "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
    "model.diffusion_model.label_emb.0.0.weight": (1280, 2816),
    "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, 2048),
}
IN = "model.diffusion_model.input_blocks.0.0.weight"


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"double_blocks.0.img_attn.qkv.weight": (9216, 3072)}, "is a FLUX.1 checkpoint; families known: SD 1.5, SDXL"),
        ({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (9216, 3072)}, "is a FLUX.1 checkpoint"),
        ({"model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight": (4, 4)}, "a Stable Diffusion 3"),
        ({**SD15, IN: (320, 9, 3, 3)}, "is an SD 1.5 checkpoint for inpainting"),
        ({**SDXL, IN: (320, 9, 3, 3)}, "is an SDXL checkpoint for inpainting"),
        ({**SD15, "cond_stage_model.model.ln_final.weight": (1024,)}, "is a Stable Diffusion 2 checkpoint"),
        ({**SDXL, "conditioner.embedders.0.model.ln_final.weight": (1280,)}, "is an SDXL refiner"),
        ({**SDXL, "v_pred": (), "ztsnr": ()}, "an SDXL checkpoint that predicts velocity"),
        ({"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": (4, 4)}, "is a LoRA"),
        ({"unet.down_blocks.0.attentions.0.proj_in.lora_A.weight": (4, 4)}, "is a LoRA"),
        ({"input_blocks.0.0.weight": (320, 4, 3, 3)}, "is an SD 1.5 U-Net alone"),
        ({"down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3)}, "is a U-Net alone, in diffusers' layout"),
        ({"encoder.conv_in.weight": (128, 3, 3, 3)}, "is a VAE alone"),
        ({"control_model.input_blocks.0.0.weight": (320, 4, 3, 3)}, "is a ControlNet"),
        ({"emb_params": (4, 768)}, "is a textual inversion"),
        ({"something": (1,)}, "holds no model that is known"),
    ],
)  # fmt: skip
def test_other_files_are_called_by_their_names(
    tmp_path: Path, settings: Settings, shapes: dict[str, tuple[int, ...]], said: str
) -> None:
    path = write_header(tmp_path / "sd15.safetensors", {name: shape[:1] + shape[1:] for name, shape in shapes.items()})
    with pytest.raises(UnfitModel, match="families known") as caught:
        find_base(str(path), settings)
    assert said in str(caught.value)


def test_pickles_damage_and_wrong_paths(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "old.ckpt").write_bytes(b"\x80\x02.")
    with pytest.raises(UnfitModel, match="is a pickle") as caught:
        find_base(str(tmp_path / "old.ckpt"), settings)
    assert f"portraitist convert {tmp_path / 'old.ckpt'}" in str(caught.value.hint)
    cut = write_header(tmp_path / "cut.safetensors", SD15)
    with cut.open("r+b") as file:
        file.truncate(cut.stat().st_size - 100)
    with pytest.raises(UnfitModel, match=r"cut\.safetensors is no safetensors file"):
        find_base(str(cut), settings)
    with pytest.raises(MissingModel, match="There is no base at"):
        find_base(str(tmp_path / "nowhere" / "x.safetensors"), settings)
    with pytest.raises(MissingModel, match="name too long"):
        find_base(f"{tmp_path}/{'x' * 300}", settings)
    with pytest.raises(UnknownName):
        find_base("~nobody-here", settings)
    with pytest.raises(UnknownName, match="no base named 'dreamy'") as unknown:
        find_base("dreamy", settings)
    assert "mini" in str(unknown.value.hint) and ".safetensors" in str(unknown.value.hint)


def test_a_folder_is_told_by_its_configurations(
    tiny_base: Path, tiny_sdxl: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_base, tmp_path / "film" / "film")
    shutil.copytree(tiny_sdxl, tmp_path / "sd15")  # a name that lies
    for name in ("film", "film/film"):
        base = find_base(str(tmp_path / name), settings)
        assert (base.family, base.name, base.size) == ("sd15", "film", (64, 64))
    weights = tmp_path / "film" / "film" / "unet" / "diffusion_pytorch_model.safetensors"
    assert base.version == f"film-{sha256_of(weights)[:10]}" and weights_sum(base, settings) == sha256_of(weights)
    assert find_base(str(tmp_path / "sd15"), settings).family == "sdxl"
    (tmp_path / "sd15" / "model_index.json").unlink()
    assert find_base(str(tmp_path / "sd15"), settings).family == "sdxl"
    monkeypatch.chdir(tmp_path / "film")
    assert lasting_name("film", settings) == str(tmp_path / "film" / "film")
    assert lasting_name("mini", settings) == "mini"
    (tmp_path / "film" / "mini").mkdir()
    assert find_base("mini", settings).version.startswith("mini-")  # the library's comes first


def test_the_version_follows_the_weights(tiny_base: Path, tmp_path: Path, settings: Settings) -> None:
    shutil.copytree(tiny_base, tmp_path / "film")
    first = find_base(str(tmp_path / "film"), settings)
    assert find_base(str(tmp_path / "film"), settings) == first
    weights = tmp_path / "film" / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert find_base(str(tmp_path / "film"), settings).version != first.version


def test_the_webui_knows_hashes_of_single_files_alone(tiny_base: Path, tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "large.safetensors"
    file.write_bytes(bytes(0x100000) + b"x" * 0x20000)
    base = Base("large", "sd15", f"file:{file}", "large-1", (64, 64), "short", checksum=sha256_of(file))
    # the hash that the WebUI showed before version 1.0: 64 KiB behind the first MiB
    assert webui_hashes(base) == (hashlib.sha256(b"x" * 0x10000).hexdigest()[:8], sha256_of(file))
    assert webui_hashes(find_base(str(tiny_base), settings)) == ("", "")


def change(folder: Path, **values: Any) -> None:
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"in_channels": 9}, "for inpainting"),
        ({"cross_attention_dim": 1024, "use_linear_projection": True}, "a Stable Diffusion 2 base"),
        ({"addition_embed_type": "text_time", "cross_attention_dim": 1280}, "an SDXL refiner"),
        ({"time_cond_proj_dim": 256}, "a latent consistency model"),
        ({"_class_name": "FluxTransformer2DModel"}, "a FluxTransformer2DModel"),
    ],
)
def test_other_folders_are_called_by_their_names(
    tiny_base: Path, tmp_path: Path, settings: Settings, values: dict[str, Any], said: str
) -> None:
    for part in ("unet", "vae"):
        (tmp_path / "base" / part).mkdir(parents=True)
        shutil.copy(tiny_base / part / "config.json", tmp_path / "base" / part / "config.json")
    change(tmp_path / "base", **values)
    with pytest.raises(UnfitModel, match="families known") as caught:
        find_base(str(tmp_path / "base"), settings)
    assert said in str(caught.value)


def test_what_a_folder_lacks_is_named(tiny_base: Path, tmp_path: Path, settings: Settings) -> None:
    shutil.copytree(tiny_base, tmp_path / "film")
    shutil.rmtree(tmp_path / "film" / "vae")
    shutil.rmtree(tmp_path / "film" / "tokenizer")
    with pytest.raises(MissingModel, match="lacks vae and tokenizer"):
        find_base(str(tmp_path / "film"), settings)
    (tmp_path / "flux").mkdir()
    (tmp_path / "flux" / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(UnfitModel, match="flux holds a FluxPipeline; families known"):
        find_base(str(tmp_path / "flux"), settings)
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "a.safetensors").touch()
    with pytest.raises(UnfitModel, match="no base in diffusers' layout") as caught:
        find_base(str(tmp_path / "loras"), settings)
    assert str(tmp_path / "loras" / "a.safetensors") in str(caught.value.hint)


def test_weights_of_a_folder_that_are_cut_off_are_named(tiny_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_base / "unet", tmp_path / "unet"))
    weights = folder / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(UnfitModel, match=r"diffusion_pytorch_model\.safetensors is damaged or cut off \(5000 bytes\)"):
        load_part(UNet2DConditionModel, folder, choose_device("cpu"), torch.float32)


def test_a_folder_with_pickled_weights_says_how_to_convert_them(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "film")
    part = tmp_path / "film" / "unet"
    (part / "diffusion_pytorch_model.safetensors").rename(part / "diffusion_pytorch_model.bin")
    base = Base("film", "sd15", "file:x", "1", (64, 64), "portrait")
    with pytest.raises(UnfitModel, match="only pickled weights") as caught:
        families.load(tmp_path / "film", base, choose_device("cpu"))
    assert f"portraitist convert {part / 'diffusion_pytorch_model.bin'}" in str(caught.value.hint)


@pytest.mark.parametrize(("family", "fixture"), [("sd15", "tiny_base"), ("sdxl", "tiny_sdxl")])
def test_a_single_file_answers_like_its_folder(
    request: pytest.FixtureRequest, tmp_path: Path, family: str, fixture: str
) -> None:
    folder = request.getfixturevalue(fixture)
    base = Base("tiny", family, "file:x", "1", (64, 64), "portrait", configs=f"file:{folder}")
    whole: Any = families.load(folder, base, choose_device("cpu"))
    tensors = single(whole.unet, whole.vae, *whole.encoders.values())
    tensors["model_ema.decay"] = torch.ones(1)  # what publishers leave in
    tensors["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(tensors, tmp_path / "film.safetensors")
    found: Any = families.load(tmp_path / "film.safetensors", base, choose_device("cpu"))
    for part in ("unet", "vae"):
        ours, theirs = getattr(found, part).state_dict(), getattr(whole, part).state_dict()
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    contract = FamilyContract()
    prompts = ("ohwx woman, smile", "ohwx")
    assert torch.equal(contract.predict(found, *prompts), contract.predict(whole, *prompts))
    older = {name.replace(".transformer.text_model.", ".transformer."): tensors[name] for name in tensors}
    save_file({name: tensor.half() for name, tensor in older.items()}, tmp_path / "half.safetensors")
    half: Model = families.load(tmp_path / "half.safetensors", base, choose_device("cpu"))
    assert torch.allclose(contract.predict(half, *prompts), contract.predict(whole, *prompts), atol=0.05)


def test_a_base_of_another_family_than_said_is_refused(tiny_base: Path, tiny_sdxl: Path) -> None:
    for folder, family in ((tiny_base, "sdxl"), (tiny_sdxl, "sd15")):
        with pytest.raises(UnfitModel, match=f"is of the family .*, not {family}"):
            families.load(folder, Base("x", family, "file:x", "1", (64, 64), "portrait"), choose_device("cpu"))


def test_a_single_file_of_another_build_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    base = Base("tiny", "sd15", "file:x", "1", (64, 64), "portrait", configs=f"file:{tiny_base}")
    model: Any = families.load(tiny_base, base, choose_device("cpu"))
    tensors = single(model.unet, model.vae, *model.encoders.values())
    path = tmp_path / "film.safetensors"
    middle = "model.diffusion_model.middle_block.1.proj_in.weight"
    save_file({name: tensor for name, tensor in tensors.items() if name != middle}, path)
    with pytest.raises(UnfitModel, match="its U-Net lacks 1 of"):
        families.load(path, base, choose_device("cpu"))
    save_file({**tensors, middle: torch.zeros(2, 2, 1, 1)}, path)
    with pytest.raises(UnfitModel, match="its U-Net is of another shape: mid_block"):
        families.load(path, base, choose_device("cpu"))


def test_a_single_file_reads_words_as_its_family_does(
    full_size: Mapping[str, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    path = write_header(tmp_path / "any.safetensors", shapes_of(full_size["sdxl"]))
    assert [one.tokenizer for one in read_text(load_tokenizers(path), "ohwx")] == ["tokenizer", "tokenizer_2"]


@pytest.mark.parametrize(("family", "pads"), [("sd15", [49407]), ("sdxl", [49407, 0])])
def test_the_shipped_vocabulary_is_clips(family: str, pads: list[int]) -> None:
    tokenizers = load_tokenizers(configs_of(family))
    for word, number in {"sks": 48136, "ohwx": 47993, "a": 320, "photo": 1125, "woman": 2308}.items():
        assert {reading.ids for reading in read_text(tokenizers, word)} == {(number,)}
    assert {len(reading.tokens) for reading in read_text(tokenizers, "<sks>")} == {3}
    assert [tokenizer.pad_token_id for tokenizer in tokenizers.values()] == pads
    assert {len(tokenizer) for tokenizer in tokenizers.values()} == {49408}


def test_a_base_of_a_hub_is_fetched_once(
    tiny_base: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_base, tmp_path / "hub" / "maker" / "film")
    base = replace(find_base("sd15", settings), name="film", source="hf:maker/film", revision=COMMIT)
    base = replace(base, files=tuple(pattern.replace(".fp16", "") for pattern in base.files))
    with serve(tmp_path / "hub") as served:
        open_for(monkeypatch, served)
        place = place_of(base, settings.model_copy(update={"offline": False}))
    assert place_of(base, settings) == place  # the second time no hub is needed
    model = families.load(place, base, choose_device("cpu"))
    own = families.load(tiny_base, replace(base, source="file:x"), choose_device("cpu"))
    assert torch.equal(FamilyContract().predict(model, "ohwx"), FamilyContract().predict(own, "ohwx"))


def test_bases_of_a_hub_are_not_fetched_offline(settings: Settings) -> None:
    assert {find_base(name, settings).family for name in ("sd15", "sdxl")} == {"sd15", "sdxl"}
    with pytest.raises(FetchFailed, match="forbids fetching"):
        place_of(Base("x", "sd15", "hf:someone/x", "1", (512, 512), "portrait", files=("unet/*",)), settings)
