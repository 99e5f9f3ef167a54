"""A fused network answers like diffusers' own; the kernels like plain torch, where there is a GPU."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn import functional

from portraitist.families import fused

SMALL = {
    "sample_size": 8,
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}


def network(**options: Any) -> Any:
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(**SMALL, **options).requires_grad_(False).eval()
    for weight in unet.parameters():  # biases and scales that are not 0 and 1
        weight.data.add_(torch.randn(weight.shape) * 0.05)
    return unet


def answer(unet: Any, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """The answer, and the gradient at the latents."""
    chance = torch.Generator().manual_seed(1)
    latents = torch.randn((2, 4, 8, 8), generator=chance).to(device).requires_grad_()
    told = torch.randn((2, 5, 16), generator=chance).to(device)
    given = unet(latents, torch.tensor([3, 700], device=device), told, return_dict=False)[0]
    torch.autograd.backward(given.square().mean())
    assert latents.grad is not None
    return given.detach(), latents.grad


@pytest.mark.parametrize("options", [{}, {"use_linear_projection": True}])
def test_a_fused_network_answers_like_the_plain_one(options: dict[str, Any]) -> None:
    plain = network(**options)
    other = copy.deepcopy(plain)
    fused.fuse(other)
    for one, two in zip(answer(plain), answer(other), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_blocks_that_are_built_otherwise_are_left_alone() -> None:
    unet = network(resnet_time_scale_shift="scale_shift")
    fused.fuse(unet)
    resnets = [block for block in unet.modules() if type(block).__name__ == "ResnetBlock2D"]
    assert resnets and not any("forward" in vars(block) for block in resnets)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("channels", [32, 96, 320])
@pytest.mark.parametrize("silu", [False, True])
def test_the_kernels_compute_what_torch_computes(channels: int, silu: bool) -> None:
    torch.manual_seed(0)
    last = torch.channels_last
    norm = torch.nn.GroupNorm(8, channels, device="cuda").requires_grad_(False)
    norm.weight.data.normal_()
    x = torch.randn((2, channels, 9, 13), device="cuda").contiguous(memory_format=last).requires_grad_()
    extra = torch.randn((2, channels), device="cuda")
    ours = fused.group_norm(x, norm, extra=extra, silu=silu)
    theirs = norm(x + extra[:, :, None, None])
    theirs = functional.silu(theirs) if silu else theirs
    slope = torch.randn_like(theirs)
    for one, two in zip(
        (ours, *torch.autograd.grad(ours, x, slope)), (theirs, *torch.autograd.grad(theirs, x, slope)), strict=True
    ):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
    both = torch.randn((3, 7, 2 * channels), device="cuda", requires_grad=True)
    value, inner = both.chunk(2, dim=-1)
    ours, theirs = fused.gate(both), value * functional.gelu(inner)
    slope = torch.randn_like(theirs)
    for one, two in zip(
        (ours, *torch.autograd.grad(ours, both, slope)),
        (theirs, *torch.autograd.grad(theirs, both, slope)),
        strict=True,
    ):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
