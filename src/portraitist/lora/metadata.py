"""What a LoRA file says about itself: kohya's `ss_*`, Stability's `modelspec.*`, and the WebUI's sidecar.

All values are strings. The names are facts of the formats: kohya-ss/sd-scripts `train_network.py` and
`library/sai_model_spec.py` (ModelSpec 1.0.1), the WebUI's Lora extension. Knows no tensors.
"""

import hashlib
import json
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from portraitist.files import write_text
from portraitist.recipes import Recipe

_OPTIMIZERS: Mapping[str, str] = MappingProxyType(
    {
        "adamw": "torch.optim.adamw.AdamW",
        "adamw8bit": "bitsandbytes.optim.adamw.AdamW8bit",
        "prodigy": "prodigyopt.prodigy.Prodigy",
        "adafactor": "transformers.optimization.Adafactor",
        "lion": "lion_pytorch.lion_pytorch.Lion",
    }
)

_FIXED: Mapping[str, str] = MappingProxyType(
    {
        "ss_color_aug": "False",
        "ss_debiased_estimation": "False",
        "ss_full_fp16": "False",
        "ss_loss_type": "l2",
        "ss_lowram": "False",
        "ss_multires_noise_iterations": "None",
        "ss_network_dropout": "None",
        "ss_scale_weight_norms": "None",
        "ss_zero_terminal_snr": "False",
    }
)
"""What kohya's trainer offers and ours has one answer to."""


@dataclass(frozen=True)
class Origin:
    """Where a likeness comes from, as far as its file tells. `base_model_version` and `architecture` are the family's
    words (`sd_v1`, `stable-diffusion-v1/lora`), times are seconds since 1970, `size` is (width, height); `sizes` are
    those that the photos were trained in, one a photo; `thumbnail` is a data URL of a small picture.

    `base_sha256` tells the base from others; `webui_hashes` are the WebUI's old and new hash of its checkpoint, empty
    for a folder, which has none. `steps` are those done, `planned` those that the recipe asks for; `precision` is
    kohya's word for the numbers that the networks ran in; `licence` that of the base.
    """

    name: str
    trigger: str
    class_word: str
    base: str
    base_sha256: str
    base_model_version: str
    architecture: str
    implementation: str
    prediction: str
    size: tuple[int, int]
    rank: int
    alpha: float
    learning_rate: float
    text_learning_rate: float
    batch: int
    steps: int
    seed: int
    clip_skip: int
    started: float
    finished: float
    captions: tuple[str, ...]
    version: str
    fingerprint: str = ""
    recipe: Recipe | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    author: str = ""
    thumbnail: str = ""
    webui_hashes: tuple[str, str] = ("", "")
    planned: int = 0
    class_pictures: int = 0
    precision: str = "no"
    licence: str = ""


def describe(origin: Origin) -> dict[str, str]:
    """The metadata of a likeness, without the hashes of its tensors."""
    told = {**_kohya(origin), **_data(origin), **_FIXED, **_spec(origin)}
    if origin.recipe is not None:
        told |= _numbers(origin, origin.recipe)
    return told | {
        "portraitist.base": origin.base,
        "portraitist.base_sha256": origin.base_sha256,
        "portraitist.trigger": origin.trigger,
        "portraitist.class_word": origin.class_word,
        "portraitist.fingerprint": origin.fingerprint,
    }


def sidecar_version(metadata: Mapping[str, str]) -> str:
    """The WebUI's word for the family of a LoRA, as its Lora tab tells it from the metadata."""
    version = metadata.get("ss_base_model_version", "")
    if version.startswith("sdxl_"):
        return "SDXL"
    return "SD2" if metadata.get("ss_v2") == "True" else "SD1" if metadata else "Unknown"


def _kohya(origin: Origin) -> dict[str, str]:
    """Who, on what, how long."""
    old, new = origin.webui_hashes
    return {
        "ss_v2": "False",
        "ss_base_model_version": origin.base_model_version,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(origin.rank),
        "ss_network_alpha": str(origin.alpha),
        "ss_network_args": "{}",
        "ss_output_name": origin.name,
        "ss_session_id": str(_session(origin)),
        "ss_sd_model_name": origin.base,
        **({"ss_sd_model_hash": old, "ss_new_sd_model_hash": new} if new else {}),
        "ss_clip_skip": str(origin.clip_skip),
        "ss_steps": str(origin.steps),
        "ss_max_train_steps": str(origin.planned or origin.steps),
        "ss_mixed_precision": origin.precision,
        "ss_seed": str(origin.seed),
        "ss_learning_rate": str(origin.learning_rate),
        "ss_unet_lr": str(origin.learning_rate),
        "ss_text_encoder_lr": str(origin.text_learning_rate),
        "ss_optimizer": "torch.optim.adamw.AdamW",
        "ss_training_comment": f"portraitist {origin.version}",
        "ss_training_started_at": str(origin.started),
        "ss_training_finished_at": str(origin.finished),
    }


def _data(origin: Origin) -> dict[str, str]:
    """The photos, as kohya's programs tell a set: a folder `<repeats>_<words>`, its tags, its buckets.

    An epoch looks at each photo `repeats` times; where a recipe counts visits, it is one look at each.
    """
    width, height = origin.size
    repeats = origin.recipe.repeats if origin.recipe is not None and origin.recipe.epochs else 1
    looks = repeats * len(origin.captions)
    folder = f"{repeats}_{_phrase(origin)}"
    tags, dataset = {folder: _tag_counts(origin.captions)}, _dataset(origin, folder, repeats)
    batches = -(-looks // max(1, origin.batch))
    return {
        "ss_resolution": f"({width}, {height})",
        "ss_num_train_images": str(looks),
        "ss_num_reg_images": str(origin.class_pictures),
        "ss_num_batches_per_epoch": str(batches),
        "ss_num_epochs": str(-(-(origin.planned or origin.steps) // max(1, batches))),
        "ss_epoch": str(-(-origin.steps // max(1, batches))),
        "ss_batch_size_per_device": str(origin.batch),
        "ss_total_batch_size": str(origin.batch),
        "ss_gradient_accumulation_steps": "1",
        "ss_enable_bucket": str(dataset["enable_bucket"]),
        "ss_min_bucket_reso": str(dataset["min_bucket_reso"]),
        "ss_max_bucket_reso": str(dataset["max_bucket_reso"]),
        "ss_bucket_info": json.dumps(dataset["bucket_info"]),
        "ss_datasets": json.dumps([{**dataset, "tag_frequency": tags}], ensure_ascii=False),
        "ss_dataset_dirs": json.dumps(_folder(folder, repeats, len(origin.captions)), ensure_ascii=False),
        "ss_reg_dataset_dirs": json.dumps(
            _folder(f"1_{origin.class_word}", 1, origin.class_pictures), ensure_ascii=False
        ),
        "ss_tag_frequency": json.dumps(tags, ensure_ascii=False),
    }


def _folder(name: str, repeats: int, pictures: int) -> dict[str, dict[str, int]]:
    return {name: {"n_repeats": repeats, "img_count": pictures}} if pictures else {}


def _dataset(origin: Origin, folder: str, repeats: int) -> dict[str, Any]:
    """The one set of `ss_datasets`; its buckets count looks, as kohya's do."""
    sizes = Counter(origin.sizes or (origin.size,) * len(origin.captions))
    buckets = {
        str(number): {"resolution": list(size), "count": repeats * count}
        for number, (size, count) in enumerate(sorted(sizes.items()))
    }
    sides = [side for size in sizes for side in size] or list(origin.size)
    subset = {
        "img_count": len(origin.captions),
        "num_repeats": repeats,
        "image_dir": folder,
        "class_tokens": _phrase(origin),
        "is_reg": False,
    }
    if origin.recipe is not None:
        subset |= {
            "flip_aug": origin.recipe.flip,
            "random_crop": origin.recipe.crops_per_photo > 1,
            "shuffle_caption": origin.recipe.shuffle_tags,
            "keep_tokens": origin.recipe.keep_tags,
        }
    return {
        "is_dreambooth": True,
        "batch_size_per_device": origin.batch,
        "num_train_images": repeats * len(origin.captions),
        "num_reg_images": origin.class_pictures,
        "resolution": list(origin.size),
        "enable_bucket": len(buckets) > 1,
        "min_bucket_reso": min(sides),
        "max_bucket_reso": max(sides),
        "bucket_info": {"buckets": buckets, "mean_img_ar_error": 0.0},
        "subsets": [subset],
    }


def _numbers(origin: Origin, recipe: Recipe) -> dict[str, str]:
    """What else the recipe says, in kohya's words."""
    optimizer = _OPTIMIZERS.get(recipe.optimizer, recipe.optimizer)
    betas = "" if recipe.optimizer == "adafactor" else f",betas={recipe.betas}"  # it has none
    return {
        "ss_optimizer": f"{optimizer}(weight_decay={recipe.weight_decay}{betas})",
        "ss_lr_scheduler": recipe.schedule,
        "ss_lr_warmup_steps": str(recipe.warmup),
        "ss_max_grad_norm": str(recipe.max_grad_norm),
        "ss_max_token_length": str(recipe.tokens),
        "ss_noise_offset": str(recipe.noise_offset or None),
        "ss_min_snr_gamma": str(recipe.min_snr_gamma),
        "ss_prior_loss_weight": str(recipe.class_weight if recipe.class_images else recipe.prior_weight),
        "ss_caption_dropout_rate": str(recipe.caption_dropout),
        "ss_caption_tag_dropout_rate": str(recipe.tag_dropout),
        "ss_shuffle_caption": str(recipe.shuffle_tags),
        "ss_keep_tokens": str(recipe.keep_tags),
        "ss_flip_aug": str(recipe.flip),
        "ss_random_crop": str(recipe.crops_per_photo > 1),
        "ss_cache_latents": "True",
        "portraitist.recipe": recipe.name,
    }


def _spec(origin: Origin) -> dict[str, str]:
    """ModelSpec 1.0.1."""
    width, height = origin.size
    phrase = _phrase(origin)
    spec = {
        "sai_model_spec": "1.0.1",
        "architecture": origin.architecture,
        "implementation": origin.implementation,
        "title": origin.name,
        "description": f"A likeness (LoRA) of {origin.name} on {origin.base}.",
        "resolution": f"{width}x{height}",
        "date": datetime.fromtimestamp(origin.finished, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "trigger_phrase": phrase,
        "usage_hint": f"Write '{phrase}' in the prompt.",
        "tags": "portrait, lora",
        "prediction_type": "v" if origin.prediction == "v_prediction" else "epsilon",
        "encoder_layer": str(origin.clip_skip),
        "author": origin.author,
        "license": origin.licence,
        "thumbnail": origin.thumbnail,
    }
    return {f"modelspec.{key}": value for key, value in spec.items() if value}


def _phrase(origin: Origin) -> str:
    return f"{origin.trigger} {origin.class_word}".strip()


def _session(origin: Origin) -> int:
    """kohya draws a number for each run; ours is the same for the same training."""
    text = f"{origin.name} {origin.fingerprint} {origin.seed}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def immutable(metadata: Mapping[str, str]) -> dict[str, str]:
    """What kohya's hashes are taken over: what was trained with, not what a user may write later."""
    return {key: value for key, value in metadata.items() if key.startswith("ss_")}


def with_hashes(metadata: Mapping[str, str], data: bytes) -> dict[str, str]:
    """`metadata` with kohya's two hashes of the safetensors bytes `data` (serialised with `immutable` metadata)."""
    (header,) = struct.unpack("<Q", data[:8])
    body = hashlib.sha256(data[8 + header :]).hexdigest()
    legacy = hashlib.sha256(data[0x100000 : 0x100000 + 0x10000]).hexdigest()[:8]
    return {
        **metadata,
        "sshs_model_hash": body,
        "sshs_legacy_hash": legacy,
        "modelspec.hash_sha256": f"0x{body}",
    }


def write_sidecar(
    lora: Path, *, title: str, phrase: str, strength: float, negative: str = "", version: str = "SD1"
) -> Path:
    """Write `<lora>.json` beside the file: the WebUI then offers the trigger words with one click.

    `version` is the WebUI's word for the family, as `sidecar_version` says.
    """
    values = {
        "description": title,
        "sd version": version,
        "activation text": phrase,
        "preferred weight": strength,
        "negative text": negative,
        "notes": "Made with Portraitist.",
    }
    return write_text(lora.with_suffix(".json"), json.dumps(values, ensure_ascii=False, indent=2) + "\n")


def _tag_counts(captions: Iterable[str]) -> dict[str, int]:
    tags = (tag.strip() for caption in captions for tag in caption.split(","))
    return dict(Counter(tag for tag in tags if tag).most_common())
