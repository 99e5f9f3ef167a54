"""Sitters for tests of portraits that were never trained: a likeness of random numbers and one face, in a tiny home."""

from __future__ import annotations

from pathlib import Path

import torch

from portraitist import families, measure
from portraitist.devices import choose_device
from portraitist.faces import Faces
from portraitist.lora import formats
from portraitist.lora.formats import Lora, LoraLayer
from portraitist.recipes import Base
from portraitist.store.sitters import SitterFolder, SitterRecord, SitterStore


def put_sitter(
    home: Path, place: Path, faces: Faces, name: str, class_word: str = "woman", *, seed: int = 2
) -> SitterFolder:
    """A sitter of the base `tiny`, whose files lie in `place`."""
    record = SitterRecord(name=name, trigger="ohwx", class_word=class_word, base="tiny", created="", photos=3)
    folder = SitterStore(home).create(record)
    model = families.load(place, Base("tiny", "sd15", "file:", "tiny-1", (64, 64), "short"), choose_device("cpu"))
    model.attach(rank=2, alpha=2.0, text=False, seed=1)
    layers = model.attached().layers
    model.detach()
    chance = torch.Generator().manual_seed(seed)
    lora = Lora({
        name: LoraLayer(layer.down, torch.randn(layer.up.shape, generator=chance) * 0.2, layer.alpha)
        for name, layer in layers.items()
    })  # fmt: skip
    formats.write(folder.likeness, lora, model.slots())
    measure.write_record(folder.faces, measure.FaceRecord(faces.recogniser.name, ((0.1,) * 128, (0.11,) * 128)))
    return folder
