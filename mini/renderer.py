"""Pictures of people on CPU or CUDA: compiles the kernel on first use, draws, lays the look over it, counts what is
seen.

The kernel is one C++/CUDA source under `kernel/`; this module writes the struct of parameters it reads, builds it with
g++ or nvcc into a cache folder keyed by the source's hash, and calls it through ctypes. Who is drawn is `people.py`'s
business.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mini import looks
from mini import tags as words
from mini.people import PARAMS, People

KERNEL = Path(__file__).parent / "kernel"
CHANNELS = 10


@dataclass(frozen=True)
class Pictures:
    """`rgb` uint8 (n, h, w, 3); `tags` bool (n, len(TAGS)); `parts` uint8 (n, h, w).

    `landmarks` float (n, 5, 2), in pixels: eyes, nose, mouth corners.
    """

    rgb: Tensor
    tags: Tensor
    landmarks: Tensor
    parts: Tensor


class Renderer:
    """Draws `People`; `device` is "cpu", "cuda" or "cuda:N". Needs g++ or nvcc, else RuntimeError says which."""

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.kernel = _load(self.device.type == "cuda")
        needs = torch.zeros(len(words.TAGS), len(words.PARTS))
        for tag, parts in words.NEEDS.items():
            for part in parts:
                needs[words.INDEX[tag], words.PARTS.index(part)] = 1
        self.needs = needs.to(self.device)

    def __call__(self, people: People, size: tuple[int, int] = (256, 256)) -> Pictures:
        """Draws all people at `size` (width, height); memory is about 60 bytes a pixel."""
        width, height = size
        values = torch.from_numpy(people.values).to(self.device)
        n = len(people)
        buffers = torch.empty(n, height, width, CHANNELS, device=self.device)
        parts = torch.empty(n, height, width, dtype=torch.uint8, device=self.device)
        stream = torch.cuda.current_stream(self.device).cuda_stream if self.device.type == "cuda" else 0
        guard = torch.cuda.device(self.device) if self.device.type == "cuda" else torch.no_grad()
        with guard:
            code = self.kernel.draw(
                *map(_pointer, (values,)), n, width, height, _pointer(buffers), _pointer(parts), ctypes.c_void_p(stream)
            )
        if code:
            raise RuntimeError(f"the kernel failed with CUDA error {code}")
        rgb = looks.apply(buffers, parts, people, values)
        counts = torch.stack([(parts == k).sum(dim=(1, 2)) for k in range(len(words.PARTS))], dim=1).float()
        scene = torch.from_numpy(people.scene).to(self.device)
        seen = (counts @ self.needs.T >= words.VISIBLE) | (self.needs.sum(dim=1) == 0)
        return Pictures(rgb, scene & seen, landmarks(values, size), parts)


def landmarks(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixel positions (n, 5, 2) of eyes (picture's left first), nose tip and mouth corners, seen or not."""
    column = {name: values[:, i] for i, name in enumerate(PARAMS)}
    zero = torch.zeros_like(column["yaw"])
    width = column["mouth_w"]
    ez, my, nz = zero + 0.75, column["mouth_y"] * column["face_l"], 1.0 + column["nose_out"]
    points = [
        (-column["eye_x"], column["eye_y"], ez), (column["eye_x"], column["eye_y"], ez), (zero, column["nose_y"], nz),
        (-width, my, zero + 0.70), (width, my, zero + 0.70),
    ]  # fmt: skip
    head = torch.stack([torch.stack(point, dim=1) for point in points], dim=1)
    pivot = head.new_tensor([0.0, -0.80, -0.25])
    world = (
        torch.einsum("nij,nkj->nki", _rotation(column["yaw"], column["pitch"], column["roll"]), head - pivot) + pivot
    )
    aim = torch.stack([column["aim_x"], column["aim_y"], zero], dim=1)
    up = column["camera_up"]
    back = torch.stack([zero, up.sin(), up.cos()], dim=1)
    top = torch.stack([zero, up.cos(), -up.sin()], dim=1)
    offset = world - aim[:, None]
    depth = column["camera_d"][:, None] - (offset * back[:, None]).sum(-1)
    scale = column["camera_d"][:, None] / depth * size[1] / (2 * column["frame_h"][:, None])
    x = size[0] / 2 + offset[..., 0] * scale
    y = size[1] / 2 - (offset * top[:, None]).sum(-1) * scale
    return torch.stack([x, y], dim=-1)


def _rotation(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """Head to world, (n, 3, 3): the inverse of `turned` in kernel/scene.h."""
    cy, sy, cp, sp, cr, sr = yaw.cos(), yaw.sin(), pitch.cos(), pitch.sin(), roll.cos(), roll.sin()
    zero = torch.zeros_like(cy)
    rows = [
        torch.stack([cy, zero, -sy], 1),
        torch.stack([sy * sp, cp, cy * sp], 1),
        torch.stack([sy * cp, -sp, cy * cp], 1),
    ]
    rolled = [
        torch.stack([cr * row[:, 0] - sr * row[:, 1], sr * row[:, 0] + cr * row[:, 1], row[:, 2]], 1) for row in rows
    ]
    return torch.stack(rolled, dim=2)


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _load(cuda: bool) -> ctypes.CDLL:
    struct = "#pragma once\nstruct Person { float " + ", ".join(PARAMS) + "; };\n"
    sources = sorted(KERNEL.glob("*.h")) + [KERNEL / "render.cu"]
    mark = hashlib.sha256(
        b"".join(path.read_bytes() for path in sources) + struct.encode() + bytes([cuda])
    ).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "portraitist-mini"
    library = cache / f"render-{mark}.so"
    if not library.exists():
        _build(library, struct, cuda)
    return ctypes.CDLL(str(library))


def _build(library: Path, struct: str, cuda: bool) -> None:
    tool = "nvcc" if cuda else "g++"
    compiler = shutil.which(tool) or shutil.which(f"/usr/local/cuda/bin/{tool}")
    if compiler is None:
        raise RuntimeError(
            f"the renderer needs {tool} to draw on {'a GPU' if cuda else 'the CPU'}; install it and try again"
        )
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        (Path(folder) / "person.h").write_text(struct)
        built = Path(folder) / "render.so"
        flags = (
            ["-O3", "--use_fast_math", "-arch=native", "-Xcompiler", "-fPIC"]
            if cuda
            else ["-O3", "-march=native", "-ffast-math", "-fPIC", "-pthread", "-x", "c++"]
        )
        command = [
            compiler,
            *flags,
            "-std=c++17",
            "-shared",
            "-I",
            folder,
            "-I",
            str(KERNEL),
            str(KERNEL / "render.cu"),
            "-o",
            str(built),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{tool} could not build the renderer:\n{done.stderr[-2000:]}")
        built.replace(library)
