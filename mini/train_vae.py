"""Trains mini's autoencoder on rendered pictures.

Loss: absolute error and error of edges at three scales, heavier round eyes, nose and mouth; a patch discriminator in
the later part of the time, its gradient scaled to the reconstruction's (Esser et al. 2021); a small KL term. Latents
are also flipped and shrunk before decoding, so that they behave like pictures (Kouzelis et al. 2025, "EQ-VAE"), which
makes them easier to denoise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mini.loop import Clock, Curve, Flat, say, say_compiled

if TYPE_CHECKING:
    from pathlib import Path

    from mini.pool import Pool

KL = 3e-4
EDGES = 1.0
ADVERSARY_FROM = 0.45  # share of the time
ADVERSARY = 0.25
RATE = 8e-4
NEAR = 3.4  # weight from which a pixel counts as one of eyes, nose or mouth
SHRUNK = 8  # one step in so many is made at half size


@dataclass(frozen=True)
class Setup:
    """How a training of the autoencoder runs; `batch` is of one rank. `only_decoder` leaves the latents as they are."""

    seconds: float
    batch: int = 32
    seed: int = 7
    compiled: bool = False
    only_decoder: bool = False
    rate: float = RATE
    world: int = 1
    rank: int = 0


class Patches(nn.Module):
    """Discriminator of patches of 34 pixels: (b, 3, h, w) → (b, 1, h/8, w/8)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for k in (1, 2):
            before, after = width * 2 ** (k - 1), width * 2**k
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.GroupNorm(8, after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width * 4, 1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def weight_map(points: Tensor, size: tuple[int, int]) -> Tensor:
    """(n, 1, h, w) weights of pixels: 1 far from the face, up to 6.5 at the `points` (n, 5, 2); `size` is (h, w)."""
    h, w = size
    y = torch.arange(0, h, 4, device=points.device) + 2.0
    x = torch.arange(0, w, 4, device=points.device) + 2.0
    eyes = (points[:, 1] - points[:, 0]).norm(dim=1)
    reach = torch.maximum(eyes, (points[:, 3:].mean(1) - points[:, :2].mean(1)).norm(dim=1)).clamp(min=8.0)[
        :, None, None
    ]
    total = torch.zeros(len(points), len(y), len(x), device=points.device)
    for k in range(points.shape[1]):
        square = (x[None, None, :] - points[:, k, 0, None, None]) ** 2 + (
            y[None, :, None] - points[:, k, 1, None, None]
        ) ** 2
        total = torch.maximum(total, torch.exp(-square / (2 * (0.28 * reach) ** 2)))
    centre = points.mean(dim=1)
    square = (x[None, None, :] - centre[:, 0, None, None]) ** 2 + (y[None, :, None] - centre[:, 1, None, None]) ** 2
    whole = torch.exp(-square / (2 * (1.1 * reach) ** 2))
    return functional.interpolate(
        (1 + 4 * total + 1.5 * whole)[:, None], size=size, mode="bilinear", align_corners=False
    )


def reconstruction(out: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of absolute errors of values and of edges at full, half and quarter size."""
    weight = weight / weight.mean(dim=(1, 2, 3), keepdim=True)
    loss = (weight * (out - real).abs()).mean()
    error = out - real
    for scale in range(3):
        if scale:
            error, weight = functional.avg_pool2d(error, 2), functional.avg_pool2d(weight, 2)
        across, down = error[..., 1:] - error[..., :-1], error[:, :, 1:] - error[:, :, :-1]
        loss = loss + EDGES / 3 * ((weight[..., 1:] * across.abs()).mean() + (weight[:, :, 1:] * down.abs()).mean())
    return loss


class Trainer:
    """One autoencoder, its discriminator and their optimisers."""

    def __init__(self, vae: Any, setup: Setup, device: torch.device) -> None:
        self.vae, self.setup, self.device = vae, setup, device
        vae.train()
        for module in (vae.encoder, vae.quant_conv):
            module.requires_grad_(not setup.only_decoder)
        self.flat = Flat([vae], device, decay=1e-3)
        self.patches = Patches().to(device)
        self.foe = Flat([self.patches], device, betas=(0.5, 0.99), decay=0.0)
        self.encode, self.decode = self._encode, self._decode
        if setup.compiled:
            self.encode, self.decode = torch.compile(self._encode), torch.compile(self._decode)
        self.dice = torch.Generator(device).manual_seed(setup.seed + 1009 * setup.rank)

    def _encode(self, x: Tensor) -> Tensor:
        moments: Tensor = self.vae.quant_conv(self.vae.encoder(x))
        return moments

    def _decode(self, z: Tensor) -> Tensor:
        out: Tensor = self.vae.decoder(self.vae.post_quant_conv(z))
        return out

    def step(self, real: Tensor, weight: Tensor, clock: Clock) -> dict[str, Tensor]:
        """One step of the autoencoder and, late, of the discriminator. Shapes (b, 3, h, w), (b, 1, h, w)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            mean, spread = self.encode(real).float().chunk(2, dim=1)
            spread = spread.clamp(-20, 8)
            z = mean + (0.5 * spread).exp() * torch.randn(mean.shape, device=self.device, generator=self.dice)
            kl = 0.5 * (mean**2 + spread.exp() - 1 - spread).mean()
            step = clock.steps
            if step % 2:
                z, real, weight = z.flip(-1), real.flip(-1), weight.flip(-1)
            # The compiled decoder knows one shape; the shrunk pictures go the ordinary way.
            if step % SHRUNK == SHRUNK - 1:
                z, real, weight = (functional.interpolate(t, scale_factor=0.5, mode="area") for t in (z, real, weight))
                out = self._decode(z)
            else:
                out = self.decode(z)
        leaf = out.detach().float().requires_grad_()
        loss = reconstruction(leaf, real, weight)
        (gradient,) = torch.autograd.grad(loss, leaf)
        losses = {"loss": loss, "kl": kl, "mse": functional.mse_loss(leaf.detach(), real)}
        if clock.share > ADVERSARY_FROM and step % SHRUNK != SHRUNK - 1:
            gradient = gradient + self._adversary(leaf, gradient, losses)
        if kl.requires_grad:
            torch.autograd.backward([out, kl * KL], [gradient.to(out.dtype), None])
        else:  # only the decoder learns
            out.backward(gradient.to(out.dtype))
        self.flat.step(clock.rate(self.setup.rate), world=self.setup.world, average=0.998)
        if "adversary" in losses:
            self._train_patches(leaf.detach(), real, losses, clock)
        return losses

    def _adversary(self, leaf: Tensor, gradient: Tensor, losses: dict[str, Tensor]) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            fooled = -self.patches(leaf).float().mean()
        (push,) = torch.autograd.grad(fooled, leaf)
        losses["adversary"] = fooled
        return push * (ADVERSARY * gradient.norm() / (push.norm() + 1e-8))

    def _train_patches(self, out: Tensor, real: Tensor, losses: dict[str, Tensor], clock: Clock) -> None:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            judged = self.patches(torch.cat([real, out])).float()
        true, false = judged.chunk(2)
        loss = functional.relu(1 - true).mean() + functional.relu(1 + false).mean()
        loss.backward()
        losses["patches"] = loss
        self.foe.step(min(4e-4, 2 * clock.rate(4e-4)), world=self.setup.world)


def train(vae: Any, pools: list[Pool], setup: Setup, device: torch.device, out: Path) -> None:
    """Trains for `setup.seconds` on batches of the first pool, now and then of the others; leaves the average."""
    trainer = Trainer(vae, setup, device)
    curve = Curve("decoder" if setup.only_decoder else "vae", out, quiet=setup.rank > 0)
    clock = Clock(setup.seconds, world=setup.world)
    choose = torch.Generator().manual_seed(setup.seed + 1009 * setup.rank)
    while True:
        # Shapes other than the native one are few: they only keep the middle's attention from being surprised.
        pool = (
            pools[1 + (clock.steps // 32) % (len(pools) - 1)] if len(pools) > 1 and clock.steps % 16 == 9 else pools[0]
        )
        index = torch.randint(
            len(pool), (setup.batch if pool is pools[0] else setup.batch // 2 + 1,), generator=choose
        ).to(device)
        real = pool.pictures(index)
        weight = weight_map(pool.points[index], (real.shape[2], real.shape[3]))
        if pool is not pools[0] and setup.compiled:
            fast, trainer.encode, trainer.decode = (trainer.encode, trainer.decode), trainer._encode, trainer._decode
            losses = trainer.step(real, weight, clock)
            trainer.encode, trainer.decode = fast
        else:
            losses = trainer.step(real, weight, clock)
        if setup.compiled and clock.steps == 0:
            say_compiled("vae")
        curve.add(len(real) * setup.world, **{k: v for k, v in losses.items() if k not in ("adversary", "patches")})
        if not clock.tick(device):
            break
    curve.flush()
    trainer.flat.use_average()
    vae.requires_grad_(False).eval()
    say("vae", steps=clock.steps, seconds=round(clock.elapsed()))


def warm(vae: Any, setup: Setup, device: torch.device, size: int) -> None:
    """A few steps on noise: fills the compiler's cache while other stages run."""
    trainer, clock = Trainer(vae, setup, device), Clock(1.0)
    for _ in range(3):
        real = torch.rand(setup.batch, size, size, 3, device=device).permute(0, 3, 1, 2) * 2 - 1
        trainer.step(real, torch.ones(setup.batch, 1, size, size, device=device), clock)
        clock.steps += 1
    say_compiled("vae")


@torch.no_grad()
def measure(vae: Any, pool: Pool, batch: int = 32) -> dict[str, float]:
    """PSNR in dB of whole pictures and round eyes, nose and mouth; the latents' mean and spread."""
    whole, face, weights, means, squares, values = 0.0, 0.0, 0.0, 0.0, 0.0, 0
    for start in range(0, len(pool), batch):
        real = pool.pictures(slice(start, start + batch))
        z = vae.encode(real).latent_dist.mode()
        error = ((vae.decode(z).sample.clamp(-1, 1) - real) / 2).square().mean(1, keepdim=True)
        near = (weight_map(pool.points[start : start + batch], (real.shape[2], real.shape[3])) > NEAR).float()
        whole += float(error.mean()) * len(real)
        face, weights = face + float((error * near).sum()), weights + float(near.sum())
        means, squares, values = means + float(z.sum()), squares + float(z.square().sum()), values + z.numel()
    mean = means / values
    return {
        "psnr": round(-10 * float(torch.tensor(whole / len(pool)).log10()), 2),
        "psnr_face": round(-10 * float(torch.tensor(face / max(weights, 1)).log10()), 2),
        "latent_mean": mean, "latent_std": (squares / values - mean**2) ** 0.5,
    }  # fmt: skip
