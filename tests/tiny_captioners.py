"""Captioners of a few kilobytes: the real architectures with random weights, in the files in which hubs serve them."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path
from typing import Any

WORDS = "a the photo of woman man smiling in park red hat with hair and on street light standing what does describe"
WD_TAGS = (
    ("general", 9), ("explicit", 9), ("1girl", 0), ("solo", 0), ("black_hair", 0), ("smile", 0), ("hat", 0), ("^_^", 0),
    ("upper_body", 0), ("hatsune_miku", 4),
)  # fmt: skip
DANBOORU_TAGS = ("1girl", "solo", "black_hair", "smile", "hat", "portrait", "rating:safe", "rating:explicit")
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def make(architecture: str, folder: Path) -> Path:
    """Write the tiny captioner of `architecture` into `folder`; the same weights each time."""
    folder.mkdir(parents=True, exist_ok=True)
    makers = {
        "blip": _blip, "blip2": _blip2, "blip2-opt": partial(_blip2, opt=True), "florence2": _florence2, "wd14": _wd14,
        "wd14-safetensors": _wd14_safetensors, "deepdanbooru": _deepdanbooru,
    }  # fmt: skip
    import torch

    state = torch.random.get_rng_state()
    torch.manual_seed(3)
    makers[architecture](folder)
    torch.random.set_rng_state(state)
    return folder


def _blip(folder: Path) -> None:
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]
    vocabulary = {word: i for i, word in enumerate([*special, *dict.fromkeys(WORDS.split())])}
    tokenizer = BertTokenizer(vocab=vocabulary)
    tokenizer.add_special_tokens({"additional_special_tokens": ["[DEC]", "[ENC]"]})
    tokenizer.save_pretrained(folder)
    text = {
        "vocab_size": len(vocabulary), "hidden_size": 16, "encoder_hidden_size": 16, "intermediate_size": 32,
        "projection_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64,
        "bos_token_id": 5, "pad_token_id": 0, "eos_token_id": 3, "sep_token_id": 3,
    }  # fmt: skip
    config = BlipConfig(text_config=text, vision_config=_vision(16), projection_dim=16)
    _save(BlipForConditionalGeneration(config), folder, std=0.6)
    _preprocessor(folder, 32)


def _blip2(folder: Path, *, opt: bool = False) -> None:
    """With a language model like Flan-T5's, or like OPT's."""
    from transformers import Blip2Config, Blip2ForConditionalGeneration

    tokenizer = _bart_tokenizer()
    tokenizer.save_pretrained(folder)
    qformer = {
        "hidden_size": 16, "encoder_hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "vocab_size": 32,
    }  # fmt: skip
    t5 = {
        "model_type": "t5", "vocab_size": len(tokenizer), "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1,
        "num_heads": 2, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 1,
    }  # fmt: skip
    text = {
        "model_type": "opt", "vocab_size": len(tokenizer), "hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 128, "pad_token_id": 1,
        "bos_token_id": 0, "eos_token_id": 2,
    }  # fmt: skip
    config = Blip2Config(
        vision_config=_vision(16), qformer_config=qformer, text_config=text if opt else t5, num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    _save(Blip2ForConditionalGeneration(config), folder, std=0.6)
    _preprocessor(folder, 32)


def _florence2(folder: Path) -> None:
    from transformers import Florence2Config, Florence2ForConditionalGeneration

    tokenizer = _bart_tokenizer()
    tokenizer.save_pretrained(folder)
    vision = {
        "depths": (1, 1, 1, 1), "embed_dim": (8, 8, 16, 16), "num_heads": (1, 1, 2, 2), "num_groups": (1, 1, 2, 2),
        "window_size": 4, "projection_dim": 16,
    }  # fmt: skip
    text = {
        "model_type": "bart", "vocab_size": len(tokenizer), "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
        "max_position_embeddings": 128,
    }  # fmt: skip
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    config = Florence2Config(vision_config=vision, text_config=text, image_token_id=image_token)
    _save(Florence2ForConditionalGeneration(config), folder, std=0.6)
    _preprocessor(folder, 64, image_seq_length=5)


def _wd14(folder: Path) -> None:
    _write_csv(folder)
    _onnx(folder / "model.onnx", side=16, tags=len(WD_TAGS), scale=1 / 255)


def _wd14_safetensors(folder: Path) -> None:
    from transformers import Swinv2Config, Swinv2ForImageClassification

    kinds = {9: "rating:", 4: "character:", 0: ""}
    names = [kinds[kind] + name for name, kind in WD_TAGS]
    config = Swinv2Config(
        image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4,
        id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
    )  # fmt: skip
    _save(Swinv2ForImageClassification(config), folder, loud="classifier", std=8.0)
    _preprocessor(folder, 32, mean=[0.5] * 3, std=[0.5] * 3)


def _deepdanbooru(folder: Path) -> None:
    _onnx(folder / "deepdanbooru.onnx", side=16, tags=len(DANBOORU_TAGS), scale=1.0, metadata=repr(DANBOORU_TAGS))


def _onnx(path: Path, *, side: int, tags: int, scale: float, metadata: str | None = None) -> None:
    """A tagger of one layer with the inputs and outputs of the large ones: (batch, side, side, 3) to (batch, tags)."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    chance = np.random.default_rng(3)
    weights = chance.normal(0, 8.0, (3, tags)).astype(np.float32)
    nodes = [
        helper.make_node("Mul", ["input_1", "scale"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
    ]
    initial = [numpy_helper.from_array(np.float32(scale), "scale"), numpy_helper.from_array(weights, "weights")]
    graph = helper.make_graph(
        nodes, "tagger",
        [helper.make_tensor_value_info("input_1", TensorProto.FLOAT, ["batch", side, side, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", tags])], initial,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if metadata is not None:
        helper.set_model_props(model, {"tags": metadata})
    onnx.save(model, str(path))


def _write_csv(folder: Path) -> None:
    with (folder / "selected_tags.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["tag_id", "name", "category", "count"])
        writer.writerows([i, name, kind, 100] for i, (name, kind) in enumerate(WD_TAGS))


def _bart_tokenizer() -> Any:
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import BartTokenizer

    letters = sorted(ByteLevel.alphabet())
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = {piece: i for i, piece in enumerate([*special, *letters])}
    tokenizer = BartTokenizer(vocab=vocabulary, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    return tokenizer


def _vision(width: int) -> dict[str, Any]:
    return {
        "hidden_size": width, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 32, "patch_size": 16,
    }  # fmt: skip


def _save(network: Any, folder: Path, *, loud: str = "", std: float) -> None:
    """Save the network with large random matrices in `loud` (everywhere, if empty), so that every input counts."""
    import torch

    for name, weight in network.named_parameters():
        if name.startswith(loud) and weight.dim() > 1:
            torch.nn.init.normal_(weight, std=std)
    network.save_pretrained(folder)


def _preprocessor(folder: Path, side: int, mean: list[float] = MEAN, std: list[float] = STD, **more: Any) -> None:
    values = {"size": {"height": side, "width": side}, "image_mean": mean, "image_std": std, **more}
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
