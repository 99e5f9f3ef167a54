"""What steps of finishing cost: memory and time of a tile of Real-ESRGAN's network, seconds of the drawn styles.

    python benchmarks/finishing.py --out benchmarks/results/finishing.json

The network is RRDBNet at four times in its published size with random weights: they cost what trained ones cost. One
tile of the upscaler with its margins goes through it; its memory is what the process (on a GPU: torch) takes at its
peak beyond what it held before. Styles are drawn on a rendered person at 768 x 1024, the best of `--count` runs.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks import common
from benchmarks.common import Row, note

PICTURE = Path(__file__).resolve().parents[1] / "tests" / "data" / "people" / "a-3.jpg"


def main() -> None:
    given = common.options(__doc__, count=3, of="runs of each style", seed=42).parse_args()
    device = common.device_name(given.device)
    rows = [*_tile(device, given.seed), *_styles(given.count, given.seed)]
    common.finish("finishing", given, rows, common.describe_machine(device))


def _tile(device: str, seed: int) -> list[Row]:
    import torch

    from portraitist.finishing.networks import Network, _without_torchvision
    from portraitist.finishing.upscale import MARGIN, TILE

    with _without_torchvision():
        from spandrel.architectures.ESRGAN import ESRGAN
    torch.manual_seed(seed)
    network = Network("RRDBNet", 4, "", ESRGAN(num_filters=64, num_blocks=23, scale=4).eval().to(device), "", device)
    side = TILE + 2 * MARGIN
    before, start = _held(device), time.monotonic()
    network(torch.rand(1, 3, side, side))
    seconds = time.monotonic() - start
    return [
        note("side of a tile with its margins", side, "pixels"),
        note("memory of one tile", (_held(device) - before) / 2**30, "GiB", digits=2),
        note("time of one tile", seconds, "s", digits=1),
    ]


def _held(device: str) -> int:
    """Bytes at the peak so far."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _styles(count: int, seed: int) -> list[Row]:
    from portraitist.finishing.stylise import STYLES
    from portraitist.images import read_picture, resize
    from portraitist.types import Size

    picture = np.ascontiguousarray(resize(read_picture(PICTURE), Size(1024, 1024))[:, 128:896])
    rows = []
    for name, style in STYLES.items():
        seconds = []
        for _ in range(count):
            start = time.monotonic()
            style(picture, seed)
            seconds.append(time.monotonic() - start)
        rows.append(note(f"{name} at 768 x 1024", min(seconds), "s", digits=1))
    return rows


if __name__ == "__main__":
    common.run(main)
