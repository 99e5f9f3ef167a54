"""CLIP's text encoders, as Stable Diffusion uses them: long prompts in chunks, hidden states, the vocabulary.

The chunks of 75 tokens are an idea of AUTOMATIC1111's WebUI. The vocabulary that the package ships is OpenAI's
(https://github.com/openai/CLIP, MIT), of which only the merges are kept: they say the rest. Knows no denoiser.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from portraitist.errors import BadRequest
from portraitist.families.folder import load_part
from portraitist.recipes import LIBRARY

_MAX_CHUNKS = 4
_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


def load_tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer as configured in `folder`, with CLIP's own vocabulary unless the folder has one of its own.

    Raises MissingModel or UnfitModel.
    """
    from transformers import CLIPTokenizer

    if any(folder.glob("merges.txt")) or any(folder.glob("tokenizer.json")) or not folder.is_dir():
        return load_part(CLIPTokenizer, folder)
    merges = (LIBRARY / "families" / "clip" / "merges.txt").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place)
        (whole / "merges.txt").write_text(merges, encoding="utf-8")
        (whole / "vocab.json").write_text(json.dumps(_vocabulary(merges)), encoding="utf-8")
        for config in folder.glob("*.json"):
            (whole / config.name).write_bytes(config.read_bytes())
        return load_part(CLIPTokenizer, whole)


def _vocabulary(merges: str) -> dict[str, int]:
    """Every token in the order of CLIP's own file: bytes, bytes that end a word, merges, the two marks."""
    letters = list(_letters())
    pieces = [*letters, *(letter + "</w>" for letter in letters)]
    pieces += ["".join(line.split()) for line in merges.splitlines()[1:]]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return {piece: number for number, piece in enumerate(pieces)}


def _letters() -> Iterator[str]:
    """A printable letter for each byte: first the bytes that are one themselves, then the others from 256 on."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    yield from map(chr, shown)
    yield from (chr(256 + number) for number in range(256 - len(shown)))


def tokenize(tokenizer: Any, prompts: Sequence[str], chunks: int | None = None) -> Tensor:
    """int64 (batch, tokens), as `families.base.Model.tokenize` says, on the processor."""
    room = tokenizer.model_max_length - 2
    ids = [tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids for prompt in prompts]
    count = max([1, chunks or 1, *(-(-len(row) // room) for row in ids)])
    count = min(count, _MAX_CHUNKS)
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    rows = []
    for row in ids:
        pieces = [row[room * i : room * (i + 1)] for i in range(count)]
        rows.append([[begin, *piece, end, *[pad] * (room - len(piece))] for piece in pieces])
    return torch.tensor(rows, dtype=torch.int64).flatten(1)


def repadded(pieces: Tensor, end: int, pad: int) -> Tensor:
    """The tokens (pieces, length) with `pad` in all places after the first `end`."""
    ends = (pieces == end).long()
    return pieces.masked_fill(ends.cumsum(1) - ends > 0, pad)


def hidden(output: Any, skip: int) -> Tensor:
    """The hidden states that are `skip` layers before the last (0: the last one's own), as they come out of the layer.

    Raises BadRequest if there are not so many.
    """
    states = output.hidden_states
    if skip + 1 >= len(states):
        raise BadRequest(f"Clip skip {skip + 1} is too much: this base takes 1 to {len(states) - 1}.")
    return torch.as_tensor(states[-skip - 1])


def inner(encoder: nn.Module) -> Any:
    """The text model within: transformers before 5.6, and encoders with a projection, keep it one level deeper."""
    return getattr(encoder, "text_model", encoder)


def targets(encoder: nn.Module, unused: int) -> list[str]:
    """The paths of the linear layers that a LoRA is trained on; none in the last `unused` layers."""
    layers = inner(encoder).encoder.layers
    idle = {module for layer in layers[len(layers) - unused :] for module in layer.modules()}
    return [
        path
        for path, module in encoder.named_modules()
        if isinstance(module, nn.Linear) and path.rpartition(".")[2] in _TARGETS and module not in idle
    ]
