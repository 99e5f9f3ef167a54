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
from portraitist.types import Span

_MAX_CHUNKS = 4
_COMMA_BACK = 20
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


def tokenize_spans(tokenizer: Any, prompts: Sequence[Sequence[Span]]) -> tuple[Tensor, Tensor]:
    """Tokens int64 and their weights float32, both (batch, tokens), of prompts in pieces.

    Where a chunk of 75 ends amid words, it ends at a comma among its last 20 tokens, if there is one: both are ways of
    AUTOMATIC1111's WebUI. All prompts get as many chunks as the longest. Raises BadRequest beyond `_MAX_CHUNKS`.
    """
    room = tokenizer.model_max_length - 2
    (comma,) = tokenizer(",", add_special_tokens=False).input_ids[:1] or (-1,)
    rows = [_chunks(tokenizer, spans, room, comma) for spans in prompts]
    count = max(len(row) for row in rows)
    if count > _MAX_CHUNKS:
        raise BadRequest(f"The prompt takes {count} chunks of {room} tokens; at most {_MAX_CHUNKS} go.")
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    tokens, weights = [], []
    for row in rows:
        whole = [*row, *([[]] * (count - len(row)))]
        tokens.append([[begin, *(one for one, _ in piece), end, *[pad] * (room - len(piece))] for piece in whole])
        weights.append([[1.0, *(one for _, one in piece), 1.0, *[1.0] * (room - len(piece))] for piece in whole])
    return torch.tensor(tokens, dtype=torch.int64).flatten(1), torch.tensor(weights).flatten(1)


def _chunks(tokenizer: Any, spans: Sequence[Span], room: int, comma: int) -> list[list[tuple[int, float]]]:
    """(token, weight) pairs in chunks of at most `room`, at least one chunk."""
    chunks: list[list[tuple[int, float]]] = [[]]
    for span in spans:
        if span.new_chunk:
            chunks.append([])
            continue
        for token in tokenizer(span.text, add_special_tokens=False, verbose=False).input_ids:
            if len(chunks[-1]) == room:
                chunks.append(_after_comma(chunks[-1], comma) if token != comma else [])
            chunks[-1].append((token, span.weight))
    return chunks


def _after_comma(chunk: list[tuple[int, float]], comma: int) -> list[tuple[int, float]]:
    """What stands behind the last comma of a full chunk, taken out of it; nothing if that is too much."""
    places = [place for place, (token, _) in enumerate(chunk) if token == comma]
    if not places or len(chunk) - 1 - places[-1] > _COMMA_BACK:
        return []
    moved = chunk[places[-1] + 1 :]
    del chunk[places[-1] + 1 :]
    return moved


def weighed(states: Tensor, weights: Tensor, length: int) -> Tensor:
    """States (batch, tokens, width) times the weights of their tokens, each chunk of `length` brought back to its mean.

    As AUTOMATIC1111's WebUI does it (`modules/sd_hijack_clip.py`), but for each prompt on its own. States of prompts
    without weights stay as they are.
    """
    batch, _, width = states.shape
    pieces = states.float().reshape(batch, -1, length, width)
    factors = weights.to(states.device).reshape(batch, -1, length, 1)
    heavier = pieces * factors
    before, after = (values.mean(dim=(2, 3), keepdim=True) for values in (pieces, heavier))
    plain = (factors == 1).all(dim=2, keepdim=True)
    return torch.where(plain, pieces, heavier * (before / after)).reshape(states.shape).to(states.dtype)


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
