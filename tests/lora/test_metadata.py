"""What a LoRA file says of itself: all that other programs ask for, in their own forms."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from portraitist.lora.metadata import Origin, describe, sidecar_version, write_sidecar
from portraitist.recipes import Recipe

ORIGIN = Origin(
    name="anna", trigger="ohwx", class_word="woman", base="SDXL 1.0", base_sha256="ab" * 32,
    base_model_version="sdxl_base_v1-0", architecture="stable-diffusion-xl-v1-base/lora",
    implementation="https://github.com/Stability-AI/generative-models", prediction="v_prediction", size=(1024, 1024),
    rank=32, alpha=16.0, learning_rate=1e-4, text_learning_rate=5e-5, batch=2, steps=30, seed=7, clip_skip=2,
    started=1.5, finished=1_700_000_000.0, captions=("ohwx woman, smile", "ohwx woman, hat", "ohwx woman"),
    version="0.1", fingerprint="f" * 64, recipe=Recipe("r", optimizer="prodigy", shuffle_tags=True, flip=False),
    sizes=((1024, 1024), (896, 1152), (896, 1152)), webui_hashes=("0123abcd", "ab" * 32), planned=60,
    class_pictures=6, precision="bf16", licence="openrail++",
)  # fmt: skip

KOHYA = (  # what kohya's own reader and the WebUI's Lora tab look at
    "v2 base_model_version network_module network_dim network_alpha network_args output_name session_id sd_model_name "
    "sd_model_hash new_sd_model_hash resolution clip_skip num_train_images num_reg_images num_batches_per_epoch epoch "
    "tag_frequency bucket_info datasets dataset_dirs steps seed learning_rate unet_lr text_encoder_lr optimizer "
    "lr_scheduler training_comment training_started_at training_finished_at total_batch_size batch_size_per_device "
    "num_epochs max_train_steps mixed_precision min_bucket_reso max_bucket_reso loss_type zero_terminal_snr "
    "reg_dataset_dirs gradient_accumulation_steps network_dropout full_fp16 color_aug lowram"
)
SPEC = (
    "sai_model_spec architecture implementation title resolution date trigger_phrase usage_hint tags prediction_type "
    "description encoder_layer license"
)


def test_nothing_is_lacking_and_all_is_text() -> None:
    told = describe(ORIGIN)
    assert not [key for key in KOHYA.split() if not told.get(f"ss_{key}")]
    assert not [key for key in SPEC.split() if not told.get(f"modelspec.{key}")]
    assert all(isinstance(value, str) for value in told.values())
    assert "modelspec.author" not in told and "modelspec.thumbnail" not in told
    more = describe(replace(ORIGIN, author="Ann", thumbnail="data:image/jpeg;base64,AA"))
    assert more["modelspec.author"] == "Ann" and more["modelspec.thumbnail"].startswith("data:image/jpeg")


def test_values_have_kohyas_forms() -> None:
    told = describe(ORIGIN)
    assert told["ss_base_model_version"] == "sdxl_base_v1-0" and told["ss_resolution"] == "(1024, 1024)"
    assert told["ss_optimizer"].startswith("prodigyopt.prodigy.Prodigy(") and told["modelspec.prediction_type"] == "v"
    assert (told["ss_num_batches_per_epoch"], told["ss_epoch"]) == ("2", "15")
    assert (
        told["ss_enable_bucket"] == "True" and told["ss_shuffle_caption"] == "True" and told["ss_flip_aug"] == "False"
    )
    assert json.loads(told["ss_bucket_info"])["buckets"] == {
        "0": {"resolution": [896, 1152], "count": 2},
        "1": {"resolution": [1024, 1024], "count": 1},
    }
    assert json.loads(told["ss_tag_frequency"]) == {"1_ohwx woman": {"ohwx woman": 3, "smile": 1, "hat": 1}}
    assert json.loads(told["ss_dataset_dirs"]) == {"1_ohwx woman": {"n_repeats": 1, "img_count": 3}}
    assert json.loads(told["ss_reg_dataset_dirs"]) == {"1_woman": {"n_repeats": 1, "img_count": 6}}
    (dataset,) = json.loads(told["ss_datasets"])
    assert dataset["num_train_images"] == 3 and dataset["resolution"] == [1024, 1024]


def test_repeats_and_epochs_are_those_of_a_recipe_that_counts_so() -> None:
    told = describe(replace(ORIGIN, recipe=Recipe("k", repeats=20, epochs=10, batch=2), planned=300))
    looks = [told[f"ss_{key}"] for key in ("num_train_images", "num_batches_per_epoch", "num_epochs", "epoch")]
    assert looks == ["60", "30", "10", "1"] and told["ss_max_train_steps"] == "300"
    (dataset,) = json.loads(told["ss_datasets"])
    assert dataset["subsets"][0]["num_repeats"] == 20 and dataset["num_train_images"] == 60
    assert json.loads(told["ss_dataset_dirs"]) == {"20_ohwx woman": {"n_repeats": 20, "img_count": 3}}
    assert sum(bucket["count"] for bucket in dataset["bucket_info"]["buckets"].values()) == 60


def test_a_folder_has_no_hash_of_the_webuis() -> None:
    told = describe(replace(ORIGIN, webui_hashes=("", "")))
    assert "ss_sd_model_hash" not in told and "ss_new_sd_model_hash" not in told
    assert told["portraitist.base_sha256"] == "ab" * 32


def test_the_session_is_the_trainings_own() -> None:
    assert describe(ORIGIN)["ss_session_id"] == describe(ORIGIN)["ss_session_id"]
    assert describe(ORIGIN)["ss_session_id"] != describe(replace(ORIGIN, seed=8))["ss_session_id"]
    assert 0 <= int(describe(ORIGIN)["ss_session_id"]) < 2**32


@pytest.mark.parametrize(
    ("metadata", "version"),
    [
        (describe(ORIGIN), "SDXL"),
        (describe(replace(ORIGIN, base_model_version="sd_v1")), "SD1"),
        ({"ss_v2": "True"}, "SD2"),
        ({}, "Unknown"),
    ],
)
def test_the_sidecar_names_the_family_as_the_webui_does(metadata: dict[str, str], version: str, tmp_path: Path) -> None:
    assert sidecar_version(metadata) == version
    path = write_sidecar(tmp_path / "a.safetensors", title="A", phrase="ohwx", strength=1.0, version=version)
    assert json.loads(path.read_text())["sd version"] == version
