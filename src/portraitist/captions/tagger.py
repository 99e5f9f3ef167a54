"""Tags of a picture: a small multi-label classifier that lies beside its base (`tagger/`), as DeepDanbooru is asked.

Each base that brings a tagger brings its own words; what they mean for a sitter is said in `tags.py`. Knows no prompts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from portraitist.errors import MissingModel, UnfitModel
from portraitist.images import crop, resize, size_of, to_tensor
from portraitist.types import Box, Picture, Size

SIDE = 256
"""Pixels a side of the square that the network sees."""

THRESHOLD = 0.5
"""A tag with at least this score (0 … 1) is said of the picture."""


class Tagger:
    """The loaded network. `names` are its tags in Danbooru's spelling; `load` makes one."""

    def __init__(self, network: Any, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._network = network

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Tagger":
        """Load the tagger in `folder` (config.json with id2label, model.safetensors) in float32.

        Raises MissingModel if it is not there, UnfitModel if it cannot be read.
        """
        import torch
        import transformers
        from safetensors import SafetensorError

        for name in ("config.json", "model.safetensors"):
            if not (folder / name).is_file():
                raise MissingModel(f"The tagger {folder} has no {name}.", hint="Only bases with a tagger tell tags.")
        transformers.utils.logging.disable_progress_bar()
        options = {"local_files_only": True, "use_safetensors": True, "dtype": torch.float32}
        try:
            network = transformers.AutoModelForImageClassification.from_pretrained(str(folder), **options)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise UnfitModel(f"The tagger {folder} cannot be loaded.", hint="Install the package again.") from error
        labels = network.config.id2label
        network.requires_grad_(False).eval().to(device)
        return cls(network, [labels[index] for index in range(len(labels))])

    def scores(self, pictures: Sequence[Picture], batch: int = 16) -> list[dict[str, float]]:
        """Tag → score 0 … 1 of each picture, of any size."""
        parts = [pictures[start : start + batch] for start in range(0, len(pictures), batch)]
        return [row for part in parts for row in self._scores(part)]

    def tags(self, picture: Picture, threshold: float = THRESHOLD) -> tuple[str, ...]:
        """The tags of a picture from `threshold` on, the surest first."""
        return chosen(self.scores([picture])[0], threshold)

    def logits(self, batch: Any) -> Any:
        """The network's bare answers (batch, tags) to a tensor (batch, 3, height, width)."""
        return self._network(batch.to(next(self._network.parameters()).device)).logits

    def _scores(self, pictures: Sequence[Picture]) -> list[dict[str, float]]:
        import torch

        with torch.no_grad():
            rows = self.logits(to_tensor([square(picture) for picture in pictures])).float().sigmoid().tolist()
        return [dict(zip(self.names, row, strict=True)) for row in rows]


def chosen(scores: Mapping[str, float], threshold: float = THRESHOLD) -> tuple[str, ...]:
    """The tags with a score of at least `threshold`, the surest first."""
    return tuple(tag for tag, score in sorted(scores.items(), key=lambda item: -item[1]) if score >= threshold)


def square(picture: Picture) -> Picture:
    """The whole picture in a square of `SIDE` pixels, its edge repeated where it is too short."""
    size = size_of(picture)
    side = max(size.width, size.height)
    box = Box((size.width - side) // 2, (size.height - side) // 2, side, side)
    return resize(picture if size.width == size.height else crop(picture, box), Size(SIDE, SIDE))
