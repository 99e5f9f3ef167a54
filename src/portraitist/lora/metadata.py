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

from portraitist.files import write_text


@dataclass(frozen=True)
class Origin:
    """Where a likeness comes from, as far as its file tells. `base_model_version` and `architecture` are the family's
    words (`sd_v1`, `stable-diffusion-v1/lora`), times are seconds since 1970, `size` is (width, height)."""

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


def describe(origin: Origin) -> dict[str, str]:
    """The metadata of a likeness, without the hashes of its tensors."""
    width, height = origin.size
    phrase = f"{origin.trigger} {origin.class_word}".strip()
    return {
        "ss_v2": "False",
        "ss_base_model_version": origin.base_model_version,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(origin.rank),
        "ss_network_alpha": str(origin.alpha),
        "ss_network_args": "{}",
        "ss_output_name": origin.name,
        "ss_sd_model_name": origin.base,
        "ss_new_sd_model_hash": origin.base_sha256,
        "ss_resolution": f"({width}, {height})",
        "ss_clip_skip": str(origin.clip_skip),
        "ss_num_train_images": str(len(origin.captions)),
        "ss_tag_frequency": json.dumps({f"1_{phrase}": _tag_counts(origin.captions)}, ensure_ascii=False),
        "ss_steps": str(origin.steps),
        "ss_seed": str(origin.seed),
        "ss_learning_rate": str(origin.learning_rate),
        "ss_unet_lr": str(origin.learning_rate),
        "ss_text_encoder_lr": str(origin.text_learning_rate),
        "ss_total_batch_size": str(origin.batch),
        "ss_optimizer": "torch.optim.AdamW",
        "ss_training_comment": f"portraitist {origin.version}",
        "ss_training_started_at": str(origin.started),
        "ss_training_finished_at": str(origin.finished),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": origin.architecture,
        "modelspec.implementation": origin.implementation,
        "modelspec.title": origin.name,
        "modelspec.resolution": f"{width}x{height}",
        "modelspec.date": datetime.fromtimestamp(origin.finished, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "modelspec.trigger_phrase": phrase,
        "modelspec.usage_hint": f"Write '{phrase}' in the prompt.",
        "modelspec.prediction_type": origin.prediction,
        "portraitist.base": origin.base,
        "portraitist.trigger": origin.trigger,
        "portraitist.class_word": origin.class_word,
        "portraitist.fingerprint": origin.fingerprint,
    }


def with_hashes(metadata: Mapping[str, str], data: bytes) -> dict[str, str]:
    """`metadata` with kohya's two hashes of the safetensors bytes `data` (serialised without metadata)."""
    (header,) = struct.unpack("<Q", data[:8])
    body = data[8 + header :]
    legacy = hashlib.sha256(data[0x100000 : 0x100000 + 0x10000]).hexdigest()[:8]
    return {
        **metadata,
        "sshs_model_hash": hashlib.sha256(body).hexdigest(),
        "sshs_legacy_hash": legacy,
        "modelspec.hash_sha256": "0x" + hashlib.sha256(body).hexdigest(),
    }


def write_sidecar(lora: Path, *, title: str, phrase: str, strength: float, negative: str = "") -> Path:
    """Write `<lora>.json` beside the file: the WebUI then offers the trigger words with one click."""
    values = {
        "description": title,
        "sd version": "SD1",
        "activation text": phrase,
        "preferred weight": strength,
        "negative text": negative,
        "notes": "Made with Portraitist.",
    }
    return write_text(lora.with_suffix(".json"), json.dumps(values, ensure_ascii=False, indent=2) + "\n")


def _tag_counts(captions: Iterable[str]) -> dict[str, int]:
    tags = (tag.strip() for caption in captions for tag in caption.split(","))
    return dict(Counter(tag for tag in tags if tag).most_common())
