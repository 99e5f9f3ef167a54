"""The judge: a recogniser of rendered people that marks portraits and has no part in making, choosing or ranking them.

    Judge.load().embed([picture, …])  →  float64 (n, 128), unit vectors; NaN where there is not exactly one face

Nothing under `src` may import it. How it was trained: `mini/train_judge.py` and the README beside this file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mini.networks import Judge as Network
    from portraitist.faces import Face, Faces
    from portraitist.types import Landmarks, Picture

FOLDER = Path(__file__).parent
DIMENSIONS = 128
_EYES = ((33, 133), (362, 263))
_NOSE, _MOUTH = 1, (61, 291)
_LONGEST = 384  # pixels; larger pictures are shrunk first, so that the small view does not flicker


class Judge:
    """The loaded network and the face stack that finds the faces for it."""

    def __init__(self, network: Network, faces: Faces, size: int) -> None:
        self._network, self._faces, self._size = network, faces, size

    @classmethod
    def load(cls, folder: Path = FOLDER, *, faces: Faces | None = None, device: str = "cpu") -> Judge:
        """Read judge.json and judge.safetensors of `folder`. Raises MissingModel without them or the face models."""
        from safetensors.torch import load_file

        from mini.networks import Judge as Network
        from portraitist.errors import MissingModel
        from portraitist.faces import Faces
        from portraitist.settings import load_settings

        for name in ("judge.json", "judge.safetensors"):
            if not (folder / name).is_file():
                raise MissingModel(
                    f"The judge has no {name} in {folder}.", hint="See mini/README.md on how it is made."
                )
        config = json.loads((folder / "judge.json").read_text(encoding="utf-8"))
        network = Network(tuple(config["widths"]), tuple(config["depths"]))
        weights = load_file(folder / "judge.safetensors")
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
        network.requires_grad_(False).eval().to(device)
        return cls(network, faces or Faces.load(load_settings().models_folder / "faces"), config["size"])

    def embed(self, pictures: Sequence[Picture]) -> NDArray[np.float64]:
        """float64 (n, 128) of uint8 (height, width, 3) pictures; NaN where there is not exactly one face."""
        found = [self._faces.detect(picture) for picture in pictures]
        return self.embed_found(pictures, [faces[0] if len(faces) == 1 else None for faces in found])

    def embed_found(self, pictures: Sequence[Picture], faces: Sequence[Face | None]) -> NDArray[np.float64]:
        """The same for faces that were found before; NaN for None."""
        rows = np.full((len(pictures), DIMENSIONS), np.nan)
        for i, (picture, face) in enumerate(zip(pictures, faces, strict=True)):
            if face is not None:
                rows[i] = self._embed_one(picture, five_points(face.mesh))
        return rows

    def _embed_one(self, picture: Picture, points: NDArray[np.float64]) -> NDArray[np.float64]:
        import torch

        from mini.train_judge import crop
        from portraitist.images import fit, to_tensor

        view, factor = fit(picture, _LONGEST)
        device = next(self._network.parameters()).device
        place = torch.from_numpy(points * factor).float()[None].to(device)
        with torch.no_grad():
            row = self._network(crop(to_tensor([view]).to(device), place, self._size))[0]
        return row.double().cpu().numpy()


def five_points(mesh: Landmarks) -> NDArray[np.float64]:
    """(5, 2) pixels of a mesh (468, 3): middles of the eyes (picture's left first), nose tip, corners of the mouth."""
    points = [mesh[list(pair), :2].mean(axis=0) for pair in _EYES]
    return np.stack([*points, mesh[_NOSE, :2], *(mesh[i, :2] for i in _MOUTH)])


def distances(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 − cosine of rows (n, 128) with rows (n, 128): 0 … 2; NaN where one of them is."""
    return 1.0 - (one * other).sum(axis=-1)


def auc(same: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Share of pairs (one distance of `same`, one of `other`) in which the first is smaller; ties count half.

    None where one of the two is empty.
    """
    if not len(same) or not len(other):
        return None
    ordered = np.sort(other)
    below, upto = np.searchsorted(ordered, same, "left"), np.searchsorted(ordered, same, "right")
    return float(1.0 - (below + upto).mean() / 2 / len(ordered))
