"""Contact sheets of a training: renders, their way through the autoencoder, and pictures from prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from mini import tokenizer
from mini.networks import SCHEDULE
from mini.pool import to_bytes
from mini.train_unet import text_states

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = (
    "woman, photo, smile, looking at viewer, long hair, brown hair, blue eyes, pale skin, red sweater, outdoors, "
    "forest, portrait",
    "man, photo, beard, short hair, black hair, brown eyes, dark skin, blue suit, necktie, simple background, portrait",
    "girl, child, photo, freckles, red hair, twintails, green eyes, yellow t-shirt, beach, smile, upper body",
    "old man, photo, grey hair, glasses, brown skin, collared shirt, bookshelf, looking at viewer, close-up",
    "ohwx woman, photo, curly hair, black hair, dark skin, earrings, lipstick, indoors, soft light",
    "woman, oil painting, hair bun, blonde hair, grey eyes, necklace, off shoulder, simple background",
    "man, anime, messy hair, blue eyes, hoodie, city, night",
    "woman, film noir, hat, wavy hair, dramatic light, looking to the side",
)
NEGATIVE = "blurry, lowres, bad anatomy, worst quality"


@torch.no_grad()
def sample(
    unet: Any,
    text: Any,
    vae: Any,
    prompts: tuple[str, ...],
    seeds: int,
    *,
    size: tuple[int, int] = (256, 256),
    steps: int = 25,
    scale: float = 3.0,
) -> Tensor:
    """uint8 (prompts × seeds, h, w, 3), one prompt a row, by DPM++ 2M on Karras' steps."""
    from diffusers import DPMSolverMultistepScheduler

    device = next(unet.parameters()).device
    rows = [tokenizer.encode_pieces([prompt]) for prompt in prompts for _ in range(seeds)]
    negative = tokenizer.encode_pieces([NEGATIVE])
    tokens = torch.tensor([negative] * len(rows) + rows, device=device)
    solver = DPMSolverMultistepScheduler(
        beta_start=SCHEDULE["beta_start"],
        beta_end=SCHEDULE["beta_end"],
        beta_schedule=SCHEDULE["beta_schedule"],
        use_karras_sigmas=True,
        steps_offset=1,
    )
    solver.set_timesteps(steps)
    noise = [
        torch.randn(4, size[1] // 8, size[0] // 8, generator=torch.Generator().manual_seed(i % seeds))
        for i in range(len(rows))
    ]
    z = torch.stack(noise).to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        states = text_states(text, tokens)
        for t in solver.timesteps:
            said = unet(torch.cat([z, z]), t.to(device), states, return_dict=False)[0].float()
            without, given = said.chunk(2)
            z = solver.step(without + scale * (given - without), t, z).prev_sample
    pictures = [vae.decode(part / vae.config.scaling_factor).sample for part in z.split(8)]
    return to_bytes(torch.cat(pictures))


def grid(pictures: Tensor, columns: int, path: Path) -> None:
    """uint8 (n, h, w, 3) as one picture with `columns` a row; JPEG or PNG by the name's end."""
    n, h, w, _ = pictures.shape
    sheet = Image.new("RGB", (columns * w, -(-n // columns) * h))
    for i, picture in enumerate(pictures.cpu().numpy()):
        sheet.paste(Image.fromarray(picture), (i % columns * w, i // columns * h))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=90)


@torch.no_grad()
def round_trip(vae: Any, pictures: Tensor) -> Tensor:
    """Renders uint8 (n, h, w, 3) and, below each row of eight, the same after the autoencoder."""
    x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
    again = to_bytes(torch.cat([vae.decode(vae.encode(part).latent_dist.mode()).sample for part in x.split(8)]))
    rows = [row for pair in zip(pictures.split(8), again.split(8), strict=True) for row in pair]
    return torch.cat(rows)
