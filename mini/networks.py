"""The shapes of mini's networks: a Stable Diffusion 1.5 in small, a tagger and the benchmarks' judge. Weights come from
training.

Sizes are chosen so that all fp16 weights of the package stay below 39.5 MB and no file is above 15 MiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, ResNetConfig, ResNetForImageClassification

from mini import tokenizer
from mini.tags import TAGS

if TYPE_CHECKING:
    from collections.abc import Mapping

NATIVE = 256  # pixels
BUCKETS = ((256, 256), (256, 384), (384, 256))  # (width, height)
JUDGE_SIZE = 144  # pixels; the judge sees its picture at this size
# Noise schedule of Stable Diffusion 1.5.
SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "prediction_type": "epsilon",
}  # fmt: skip


@dataclass(frozen=True)
class Widths:
    """Channels of every network; `tiny` is for tests."""

    unet: tuple[int, ...] = (96, 128, 192, 128)
    unet_heads: int = 4
    vae: tuple[int, ...] = (32, 64, 96, 112)
    vae_groups: int = 16
    text: int = 192
    text_layers: int = 4
    tagger: tuple[int, ...] = (32, 64, 96, 160)
    tagger_depths: tuple[int, ...] = (2, 3, 3, 1)
    judge: tuple[int, ...] = (32, 64, 128, 192)
    judge_depths: tuple[int, ...] = (1, 2, 2, 2)


FULL = Widths()
TINY = Widths((32, 32, 32, 32), 4, (16, 16, 16, 16), 8, 32, 2, (8, 8, 8, 8), (1, 1, 1, 1), (8, 8, 8, 8), (1, 1, 1, 1))


def autoencoder(widths: Widths = FULL) -> AutoencoderKL:
    """8× smaller, 4 channels: (b, 3, h, w) in [-1, 1] ↔ (b, 4, h/8, w/8)."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=widths.vae, layers_per_block=1, latent_channels=4, norm_num_groups=widths.vae_groups,
        sample_size=NATIVE,
    )  # fmt: skip


def unet(widths: Widths = FULL) -> UNet2DConditionModel:
    """Predicts the noise in latents (b, 4, h, w) from the step and the text's states (b, 77, width)."""
    return UNet2DConditionModel(
        sample_size=NATIVE // 8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=widths.unet,
        cross_attention_dim=widths.text, attention_head_dim=widths.unet_heads,
    )  # fmt: skip


def text_encoder(widths: Widths = FULL) -> CLIPTextModel:
    ids, _ = tokenizer.tables()
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(ids),
            hidden_size=widths.text,
            intermediate_size=4 * widths.text,
            num_hidden_layers=widths.text_layers,
            num_attention_heads=widths.text // 32,
            max_position_embeddings=tokenizer.LENGTH,
            projection_dim=widths.text,
            hidden_act="quick_gelu",
            bos_token_id=ids[tokenizer.START],
            eos_token_id=ids[tokenizer.END],
            pad_token_id=ids[tokenizer.END],
        )
    )


def tagger(widths: Widths = FULL) -> ResNetForImageClassification:
    """Logits (b, len(TAGS)) of pictures (b, 3, 256, 256) in [-1, 1]; the names are in the configuration."""
    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=widths.tagger[0],
            hidden_sizes=list(widths.tagger),
            depths=list(widths.tagger_depths),
            layer_type="basic",
            id2label=dict(enumerate(TAGS)),
            label2id={tag: i for i, tag in enumerate(TAGS)},
            problem_type="multi_label_classification",
        )
    )


class Judge(nn.Module):
    """Embeds a picture of a face: (b, 3, JUDGE_SIZE, JUDGE_SIZE) in [-1, 1] → unit vectors (b, 128).

    A plain residual network with a flattened 3×3 grid before its last layer, so that it knows where in the face a
    feature lies.
    """

    def __init__(
        self, widths: tuple[int, ...] = FULL.judge, depths: tuple[int, ...] = FULL.judge_depths, size: int = 128
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 5, 2, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
        )
        blocks: list[nn.Module] = []
        last = widths[0]
        for width, depth in zip(widths, depths, strict=True):
            blocks += [_Residual(last if i == 0 else width, width, 2 if i == 0 else 1) for i in range(depth)]
            last = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.BatchNorm1d(last * 9), nn.Linear(last * 9, size, bias=False)
        )
        self.norm = nn.BatchNorm1d(size, affine=False)

    def forward(self, pictures: Tensor) -> Tensor:
        return nn.functional.normalize(self.norm(self.head(self.blocks(self.stem(pictures)))).float(), dim=1)


class _Residual(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
        )
        self.two = nn.Sequential(nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after))
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.skip = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.two(self.one(x)) + self.skip(x))


def count(module: nn.Module) -> int:
    """Number of weights."""
    return sum(p.numel() for p in module.parameters())


def half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """fp16 copies on the CPU; counters stay as they are."""
    return {
        k: (v.detach().to("cpu", torch.float16) if v.is_floating_point() else v.detach().cpu()).contiguous()
        for k, v in state.items()
    }
