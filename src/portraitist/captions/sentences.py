"""Captioners that write a sentence: BLIP, BLIP-2 and Florence-2, as transformers holds them, each from a local folder.

Sentences are never pruned: a rule that takes a word out of a sentence breaks it. Knows no hub and no training set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from portraitist.captions.describe import Description
from portraitist.captions.eyes import Eyes, read_eyes
from portraitist.devices import Device
from portraitist.errors import MissingModel, OutOfMemory, UnfitModel
from portraitist.faces import Face
from portraitist.types import Picture

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "blip": "BlipForConditionalGeneration",
        "blip2": "Blip2ForConditionalGeneration",
        "florence2": "Florence2ForConditionalGeneration",
    }
)

TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model")


@dataclass(frozen=True)
class SentenceCaptioner:
    """A loaded network with its words. `ask` makes the inputs of `generate` beside the pixels."""

    name: str
    network: Any
    tokenizer: Any
    eyes: Eyes
    ask: Callable[[], Any]
    max_tokens: int

    def describe(self, photo: Picture, crop: Picture, face: Face | None) -> Description:
        """One sentence about the crop, the likeliest of three beams; the same for the same crop each time."""
        import torch

        network = self.network
        pixels = torch.from_numpy(self.eyes.see(crop)).to(network.device, network.dtype)
        prompt = self.ask()
        inputs = {} if prompt is None else {"input_ids": prompt, "attention_mask": torch.ones_like(prompt)}
        with torch.no_grad(), _memory_for(self.name):
            told = network.generate(
                pixel_values=pixels, max_new_tokens=self.max_tokens, num_beams=3, do_sample=False,
                no_repeat_ngram_size=3, **inputs,
            )  # fmt: skip
        told = told.tolist()[0]
        begun = [] if prompt is None else prompt.tolist()[0]
        if begun and told[: len(begun)] == begun:  # networks without an encoder repeat the question
            told = told[len(begun) :]
        return Description(sentence=clean(self.tokenizer.decode(told, skip_special_tokens=True)))


def load(
    architecture: str, name: str, folder: Path, device: Device, prompt: str = "", max_tokens: int = 40
) -> SentenceCaptioner:
    """Load the captioner in `folder`: config.json, tokenizer, `preprocessor_config.json`, safetensors.

    40 tokens are enough for a sentence; with trigger and class word it still goes into one chunk of CLIP (75). Raises
    MissingModel, UnfitModel or OutOfMemory.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    if not (folder / "config.json").is_file():
        raise MissingModel(f"The captioner {folder} has no config.json.", hint="Fetch it again.")
    if not any((folder / name).is_file() for name in TOKENIZERS):  # transformers would make an empty one
        raise MissingModel(f"The captioner {folder} has no tokenizer.", hint="Fetch it again.")
    eyes = read_eyes(folder)
    transformers.utils.logging.disable_progress_bar()
    dtype = torch.float32 if device.type == "cpu" else device.dtype
    _check_memory(name, folder, device)
    try:
        kind = getattr(transformers, CLASSES[architecture])
        with _memory_for(name):
            network = kind.from_pretrained(str(folder), local_files_only=True, use_safetensors=True, dtype=dtype)
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnfitModel(
            f"The captioner {folder} cannot be loaded: {reason}", hint="Only safetensors are loaded. Fetch it again."
        ) from error
    with _memory_for(name):
        network.requires_grad_(False).eval().to(device.device)
    ask = {"blip": _ask_blip, "blip2": _ask_blip2, "florence2": _ask_florence}[architecture]
    return SentenceCaptioner(name, network, tokenizer, eyes, lambda: ask(network, tokenizer, eyes, prompt), max_tokens)


def _check_memory(name: str, folder: Path, device: Device) -> None:
    """Refuse weights that are larger than the machine's memory, before the system ends the process for it."""
    need = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    known = hasattr(os, "sysconf") and {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(os.sysconf_names)
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else need
    if device.type == "cpu" and need > there:
        raise OutOfMemory(
            f"The captioner {name!r} takes {need / 1e9:.0f} GB of memory; this machine has {there / 1e9:.0f} GB.",
            hint="Use a smaller one, such as --captioner florence2.",
        )


@contextmanager
def _memory_for(name: str) -> Iterator[None]:
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        hint = "Use a smaller one, such as --captioner florence2, or set PORTRAITIST_DEVICE=cpu."
        raise OutOfMemory(f"There is not enough memory for the captioner {name!r}.", hint=hint) from error


def clean(text: str) -> str:
    """One line without special tokens, doubled blanks and a full stop at its end."""
    return " ".join(re.sub(r"<[^<>]*>", " ", text).split()).strip(" .,;")


def _ask_blip(network: Any, tokenizer: Any, eyes: Eyes, prompt: str) -> Any:
    """BLIP begins by itself, or goes on from a prompt without its end token."""
    if not prompt:
        return None
    return tokenizer(prompt, return_tensors="pt").input_ids.to(network.device)


def _ask_blip2(network: Any, tokenizer: Any, eyes: Eyes, prompt: str) -> Any:
    """A place for each of the picture's query tokens, then the prompt."""
    import torch

    config = network.config
    words = tokenizer(prompt or "a photo of", add_special_tokens=True).input_ids
    if not config.text_config.is_encoder_decoder and words and words[-1] == tokenizer.eos_token_id:
        words = words[:-1]  # a decoder that has read the end says no more
    places = [config.image_token_index] * config.num_query_tokens
    return torch.tensor([places + words], device=network.device)


def _ask_florence(network: Any, tokenizer: Any, eyes: Eyes, prompt: str) -> Any:
    """A place for each of the picture's tokens, then the task in words; a task token is no word to this network."""
    import torch

    count = eyes.tokens or (eyes.side // 32) ** 2 + 1
    words = tokenizer(prompt or "What does the image describe?").input_ids
    return torch.tensor([[network.config.image_token_id] * count + words], device=network.device)
