"""Photo, film, paint and ink: what a picture is made with, laid over the renderer's buffers. Torch on any device.

A look is a function of `Layers` to float (n, h, w, 3) in 0..1. It knows nothing of people; it sees colour, light, form
and edges. Sources: Kuwahara 1976 (oil), the dodge of a blurred negative (pencil).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from mini import tags as words
from mini.people import PARAMS, People


@dataclass(frozen=True)
class Layers:
    """Of n pictures: `rgb`, `albedo` (n, h, w, 3); `shade`, `edge`, `line`, `outline`, `grain` (n, h, w, 1), all 0..1;
    `seed` (n, 1, 1, 1); x, y in pixels.

    `edge` is every outline and crease; `line` only the strong ones; `outline` where depth jumps; `grain` is white noise;
    `ground` is 1 where nothing stands.
    """

    rgb: Tensor
    albedo: Tensor
    shade: Tensor
    edge: Tensor
    line: Tensor
    outline: Tensor
    grain: Tensor
    ground: Tensor
    seed: Tensor
    x: Tensor
    y: Tensor


def apply(buffers: Tensor, parts: Tensor, people: People, values: Tensor) -> Tensor:
    """Buffers (n, h, w, 10) and parts (n, h, w) as render.cu gives them to uint8 (n, h, w, 3), each in its own look."""
    out = torch.empty_like(buffers[..., :3])
    looks = torch.from_numpy(people.look).to(buffers.device)
    seeds = values[:, PARAMS.index("seed")]
    for i in sorted(set(people.look.tolist())):
        chosen = (looks == i).nonzero()[:, 0]
        out[chosen] = LOOKS[words.LOOKS[i]](_layers(buffers[chosen], parts[chosen], seeds[chosen]))
    return (out.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def _layers(buffers: Tensor, parts: Tensor, seed: Tensor) -> Layers:
    _, height, width, _ = buffers.shape
    seed = seed.view(-1, 1, 1, 1)
    y = torch.arange(height, device=buffers.device, dtype=torch.float32).view(1, -1, 1, 1)
    x = torch.arange(width, device=buffers.device, dtype=torch.float32).view(1, 1, -1, 1)
    albedo, depth, normal = buffers[..., 3:6], buffers[..., 7:8], buffers[..., 8:10]
    ground = (parts == 0).float()[..., None]
    rim = _spread((parts[..., None] != 0).float()) - _spread_low((parts[..., None] != 0).float())
    folds = (_slope(normal) * 0.85 - 0.25) * (1 - ground) + _slope(depth.clamp(-3, 3)) * 1.5
    paint = _slope(_grey(albedo)) * 2.2 - 0.25
    edge = torch.maximum(torch.maximum(folds, paint), 0.9 * rim).clamp(0, 1)
    line = torch.maximum(((folds - 0.25) * 1.4).clamp(0, 1), torch.maximum(((paint - 0.15) * 1.3).clamp(0, 1), rim))
    outline = torch.maximum(rim, (_slope(depth.clamp(-3, 3)) * 1.5 - 0.3).clamp(0, 1))
    return Layers(
        buffers[..., :3], albedo, buffers[..., 6:7], edge, line, outline, _noise(x, y, seed), ground, seed, x, y
    )


def photo(a: Layers) -> Tensor:
    return a.rgb + (a.grain - 0.5) * 0.03


def film_noir(a: Layers) -> Tensor:
    grey = _grey(a.rgb)
    grey = grey + 0.6 * (grey - 0.40) * grey * (1 - grey) * 2
    return ((grey + (a.grain - 0.5) * 0.07) * (1 - 0.35 * _vignette(a))).expand_as(a.rgb)


def sepia(a: Layers) -> Tensor:
    grey = 0.06 + 0.92 * _grey(0.5 * a.rgb + 0.5 * _blur(a.rgb, 1)) + (a.grain - 0.5) * 0.05
    return grey * grey.new_tensor([1.06, 0.86, 0.62]) + 0.10 * _vignette(a) * grey.new_tensor([0.9, 0.75, 0.5])


def oil_painting(a: Layers) -> Tensor:
    flat = 0.45 * _kuwahara(a.rgb, 2) + 0.30 * _kuwahara(a.rgb, 1) + 0.25 * a.rgb
    warm = _saturate(flat, 1.35)
    stroke = (
        torch.sin(0.55 * a.x + 0.9 * a.y + 6 * _cloud(a, 18.0)) * 0.5
        + torch.sin(1.1 * a.x - 0.7 * a.y + 9 * _cloud(a, 9.0)) * 0.5
    )
    return warm * (1 + 0.05 * stroke) + 0.012 * stroke + (a.grain - 0.5) * 0.03


def watercolor(a: Layers) -> Tensor:
    flat = _kuwahara(_blur(a.rgb * 0.55 + a.albedo * 0.45, 1), 1)
    wash = 1 - (1 - _saturate(flat, 1.25)) * 0.82
    blotch = 0.16 * (_cloud(a, 30.0) - 0.5) + 0.10 * (_cloud(a, 9.0) - 0.5)
    rim = _blur(a.edge, 1)
    sheet = (_vignette(a) * 1.9 + 0.7 * (_cloud(a, 22.0) - 0.5) - 0.75).clamp(0, 1)
    painted = (wash + blotch * (1 - wash) * 1.8) * (1 - 0.28 * rim) + (a.grain - 0.5) * 0.04
    return painted * (1 - sheet) + 0.965 * sheet


def ink_sketch(a: Layers) -> Tensor:
    grey = _grey(a.rgb)
    tone = grey * 0.65 + 0.45 * a.shade
    one, two = torch.sin(0.95 * (a.x + a.y)), torch.sin(0.95 * (a.x - a.y))
    hatch = ((0.34 - tone) * 5 > one).float() * (tone < 0.38) + ((0.20 - tone) * 6 > two).float() * (tone < 0.23)
    ink = torch.maximum(hatch.clamp(0, 1) * 0.85 * (1 - 0.65 * a.ground), torch.maximum(a.outline, 0.62 * a.line))
    ink = torch.maximum(ink, (_grey(a.albedo) < 0.15).float() * (1 - a.ground) * 0.95)
    wash = 0.30 + 0.70 * (1.08 * grey).clamp(0, 1)  # diluted ink under the lines
    return ((0.97 - 0.93 * ink * (0.92 + 0.16 * a.grain)) * wash).expand_as(a.rgb)


def pencil_sketch(a: Layers) -> Tensor:
    grey = _grey(a.rgb)
    dodge = grey / (1 - _blur(_blur(1 - grey, 4), 4)).clamp(min=0.05) * 0.92
    stroke = 0.5 + 0.5 * torch.sin(1.25 * (a.x + 0.8 * a.y) + 4 * _cloud(a, 14.0))
    tone = 0.97 - (0.85 - 0.85 * grey) * (0.80 + 0.20 * stroke) * (1 - 0.5 * a.ground)
    drawn = torch.minimum(tone, dodge.clamp(0.12, 1)) * (1 - 0.62 * torch.maximum(a.outline, 0.5 * a.line))
    return (0.05 + 0.93 * drawn + (a.grain - 0.5) * 0.07).expand_as(a.rgb)


def anime(a: Layers) -> Tensor:
    light = torch.where(a.shade > 0.42, 1.06, torch.where(a.shade > 0.24, 0.80, 0.62))
    cool = a.rgb.new_tensor([0.93, 0.90, 1.08])
    cel = _saturate(_kuwahara(a.albedo, 2), 1.30) * torch.where(light > 1, torch.ones_like(cool), cool) * light
    back = _saturate(_blur(a.rgb, 2), 1.25) * 0.85 + 0.13
    flat = cel * (1 - a.ground) + back * a.ground
    return flat * (1 - 0.80 * (a.line * 1.1).clamp(0, 1) * (1 - 0.8 * a.ground))


def neon(a: Layers) -> Tensor:
    turn = 6.283 * (0.15 * _cloud(a, 90.0) + a.y / 300 + a.seed * 0.37)
    hue = torch.cat(
        [0.55 + 0.45 * torch.cos(turn), 0.40 + 0.40 * torch.cos(turn - 2.4), 0.65 + 0.35 * torch.cos(turn - 4.2)],
        dim=-1,
    )
    tubes = torch.maximum(a.outline, 0.25 * a.line)  # eyes and lips stay darker than the skin round them
    glow = (tubes + 0.9 * _blur(tubes, 3) + 0.8 * _blur(tubes, 8)).clamp(0, 1.6) * (1 - 0.4 * a.ground)
    dark = (_grey(a.rgb) * 0.80) * a.rgb.new_tensor([0.80, 0.55, 1.25]) + a.rgb * 0.20
    return dark + hue * glow * 0.95


def pastel(a: Layers) -> Tensor:
    soft = _kuwahara(_blur(a.rgb, 1), 2) * 0.6 + a.albedo * 0.4
    chalk = (_cloud(a, 3.0) - 0.5) * 0.22 + (a.grain - 0.5) * 0.12
    return 0.34 + 0.66 * _saturate(soft, 0.95) + chalk * (0.35 + 0.65 * a.edge) - 0.12 * a.edge


LOOKS: dict[str, Callable[[Layers], Tensor]] = {
    "photo": photo, "film_noir": film_noir, "sepia": sepia, "oil_painting": oil_painting, "watercolor": watercolor,
    "ink_sketch": ink_sketch, "pencil_sketch": pencil_sketch, "anime": anime, "neon": neon, "pastel": pastel,
}  # fmt: skip


# ---- tools ---------------------------------------------------------------------------------------------------------
def _grey(rgb: Tensor) -> Tensor:
    return (rgb * rgb.new_tensor([0.299, 0.587, 0.114])).sum(dim=-1, keepdim=True)


def _saturate(rgb: Tensor, amount: float) -> Tensor:
    grey = _grey(rgb)
    return (grey + (rgb - grey) * amount).clamp(0, 1)


def _mean(x: Tensor, radius: int) -> Tensor:  # channels first
    return avg_pool2d(pad(x, (radius,) * 4, mode="replicate"), 2 * radius + 1, stride=1)


def _blur(x: Tensor, radius: int) -> Tensor:
    """Two boxes: close to a Gaussian of that radius."""
    return _mean(_mean(x.permute(0, 3, 1, 2), radius), radius).permute(0, 2, 3, 1)


def _spread(x: Tensor) -> Tensor:
    return max_pool2d(x.permute(0, 3, 1, 2), 3, stride=1, padding=1).permute(0, 2, 3, 1)


def _spread_low(x: Tensor) -> Tensor:
    return -_spread(-x)


def _slope(x: Tensor) -> Tensor:
    """Largest change within one pixel, summed over channels; one value a pixel."""
    return (_spread(x) - _spread_low(x)).sum(dim=-1, keepdim=True)


def _kuwahara(rgb: Tensor, radius: int) -> Tensor:
    """Each pixel becomes the mean of the calmest of its four neighbouring squares."""
    x = rgb.permute(0, 3, 1, 2)
    mean, square = _mean(x, radius), _mean(x * x, radius)
    spread = (square - mean * mean).sum(dim=1, keepdim=True)
    best, least = mean, spread
    for dy in (-radius, radius):
        for dx in (-radius, radius):
            other, its = torch.roll(mean, (dy, dx), (2, 3)), torch.roll(spread, (dy, dx), (2, 3))
            best = torch.where(its < least, other, best)
            least = torch.minimum(its, least)
    return best.permute(0, 2, 3, 1)


def _noise(x: Tensor, y: Tensor, seed: Tensor) -> Tensor:
    """White noise (n, h, w, 1) in 0..1 from an integer hash, equal on every device."""
    h = (x.long() * 374761393 + y.long() * 668265263 + seed.long() * 2147483647) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFF).float() / 65535


def _cloud(a: Layers, size: float) -> Tensor:
    """Smooth noise with features of `size` pixels, 0..1: four crossed waves bent by each other."""
    s, u, v = a.seed * 0.61, a.x / size, a.y / size
    wave = torch.sin(2.1 * u + 1.7 * torch.sin(1.3 * v + s)) + torch.sin(1.9 * v + 1.5 * torch.sin(1.6 * u + 2 * s))
    return 0.5 + 0.125 * (wave + torch.sin(4.3 * u - 3.1 * v + s) + torch.sin(3.7 * u + 4.9 * v + 3 * s))


def _vignette(a: Layers) -> Tensor:
    height, width = a.rgb.shape[1:3]
    return (((a.x / width - 0.5) ** 2 + (a.y / height - 0.5) ** 2) * 2.2).clamp(0, 1)
