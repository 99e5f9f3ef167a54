"""Triton kernels for the passes between the multiplications of a U-Net: normalise, activate, gate, add.

Pictures are (batch, channels, height, width) in channels-last memory, so a kernel sees rows of channels. Sums are
float32. The weights of the base rest in every training, so no kernel makes gradients for them. Only for CUDA; what
they compute, in plain torch, is in `fused.py`, which also decides who uses them. Group normalisation is Wu & He's
(arXiv:1803.08494), the gated unit Shazeer's GEGLU (arXiv:2002.05202).
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_ROWS = 128
_CHANNELS = 64
_FLAT = 1024


@triton.jit
def _place(picture, row, column, size, channels, rows: tl.constexpr, columns: tl.constexpr):
    """Offsets and mask of a tile of rows x columns of one picture, and its channels."""
    at = row * rows + tl.arange(0, rows)
    channel = column * columns + tl.arange(0, columns)
    mask = (at < size)[:, None] & (channel < channels)[None, :]
    return (picture * size + at)[:, None] * channels + channel[None, :], mask, channel


@triton.jit
def _sums(values, extra, sums, size, channels, chunks, added: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr):
    """Per picture, chunk of rows and channel: the sum of the values, and of their squares."""
    picture, chunk, column = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    place, mask, channel = _place(picture, chunk, column, size, channels, rows, columns)
    x = tl.load(values + place, mask, other=0.0).to(tl.float32)
    if added:
        more = tl.load(extra + picture * channels + channel, channel < channels, other=0.0).to(tl.float32)
        x = tl.where(mask, x + more[None, :], 0.0)
    out = sums + ((picture * chunks + chunk) * 2) * channels + channel
    tl.store(out, tl.sum(x, 0), channel < channels)
    tl.store(out + channels, tl.sum(x * x, 0), channel < channels)


@triton.jit
def _group(sums, picture, group, channels, width, chunks, some: tl.constexpr, wide: tl.constexpr):
    """The two sums of one group over all chunks."""
    chunk, channel = tl.arange(0, some), tl.arange(0, wide)
    mask = (chunk < chunks)[:, None] & (channel < width)[None, :]
    place = sums + (picture * chunks + chunk)[:, None] * 2 * channels + group * width + channel[None, :]
    first = tl.sum(tl.sum(tl.load(place, mask, other=0.0), 1), 0)
    second = tl.sum(tl.sum(tl.load(place + channels, mask, other=0.0), 1), 0)
    return first, second


@triton.jit
def _moments(sums, stats, channels, width, chunks, groups, count, eps, some: tl.constexpr, wide: tl.constexpr):
    """Mean and 1 / deviation of each group."""
    picture, group = tl.program_id(0), tl.program_id(1)
    first, second = _group(sums, picture, group, channels, width, chunks, some, wide)
    mean = first / count
    variance = tl.maximum(second / count - mean * mean, 0.0)
    place = stats + (picture * groups + group) * 2
    tl.store(place, mean)
    tl.store(place + 1, 1.0 / tl.sqrt(variance + eps))


@triton.jit
def _means(sums, means, channels, width, chunks, groups, count, some: tl.constexpr, wide: tl.constexpr):
    """Means of the two sums of each group."""
    picture, group = tl.program_id(0), tl.program_id(1)
    first, second = _group(sums, picture, group, channels, width, chunks, some, wide)
    place = means + (picture * groups + group) * 2
    tl.store(place, first / count)
    tl.store(place + 1, second / count)


@triton.jit
def _normal(x, extra, stats, picture, channel, channels, width, groups, added: tl.constexpr):
    """The normalised tile, and 1 / deviation of its channels."""
    inside = channel < channels
    if added:
        x += tl.load(extra + picture * channels + channel, inside, other=0.0).to(tl.float32)[None, :]
    place = stats + (picture * groups + channel // width) * 2
    mean = tl.load(place, inside, other=0.0)
    scale = tl.load(place + 1, inside, other=0.0)
    return (x - mean[None, :]) * scale[None, :], scale


@triton.jit
def _forward(
    values, extra, stats, weight, bias, out, size, channels, width, groups,
    added: tl.constexpr, silu: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr,
):  # fmt: skip
    picture = tl.program_id(0)
    place, mask, channel = _place(picture, tl.program_id(1), tl.program_id(2), size, channels, rows, columns)
    x = tl.load(values + place, mask, other=0.0).to(tl.float32)
    normal, _ = _normal(x, extra, stats, picture, channel, channels, width, groups, added)
    inside = channel < channels
    y = normal * tl.load(weight + channel, inside, other=0.0).to(tl.float32)[None, :]
    y += tl.load(bias + channel, inside, other=0.0).to(tl.float32)[None, :]
    if silu:
        y = y * tl.sigmoid(y)
    tl.store(out + place, y.to(out.dtype.element_ty), mask)


@triton.jit
def _weighted(
    grad, normal, weight, bias, place, mask, channel, channels, silu: tl.constexpr
):  # fmt: skip
    """The gradient of the normalised tile."""
    inside = channel < channels
    scale = tl.load(weight + channel, inside, other=0.0).to(tl.float32)[None, :]
    slope = tl.load(grad + place, mask, other=0.0).to(tl.float32)
    if silu:
        y = normal * scale + tl.load(bias + channel, inside, other=0.0).to(tl.float32)[None, :]
        gate = tl.sigmoid(y)
        slope *= gate * (1.0 + y * (1.0 - gate))
    return slope * scale


@triton.jit
def _backward_sums(
    values, extra, stats, weight, bias, grad, sums, size, channels, width, groups, chunks,
    added: tl.constexpr, silu: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr,
):  # fmt: skip
    picture, chunk, column = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    place, mask, channel = _place(picture, chunk, column, size, channels, rows, columns)
    x = tl.load(values + place, mask, other=0.0).to(tl.float32)
    normal, _ = _normal(x, extra, stats, picture, channel, channels, width, groups, added)
    slope = tl.where(mask, _weighted(grad, normal, weight, bias, place, mask, channel, channels, silu), 0.0)
    out = sums + ((picture * chunks + chunk) * 2) * channels + channel
    tl.store(out, tl.sum(slope, 0), channel < channels)
    tl.store(out + channels, tl.sum(slope * normal, 0), channel < channels)


@triton.jit
def _backward(
    values, extra, stats, means, weight, bias, grad, out, size, channels, width, groups,
    added: tl.constexpr, silu: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr,
):  # fmt: skip
    picture = tl.program_id(0)
    place, mask, channel = _place(picture, tl.program_id(1), tl.program_id(2), size, channels, rows, columns)
    x = tl.load(values + place, mask, other=0.0).to(tl.float32)
    normal, scale = _normal(x, extra, stats, picture, channel, channels, width, groups, added)
    slope = _weighted(grad, normal, weight, bias, place, mask, channel, channels, silu)
    inside = channel < channels
    mean = means + (picture * groups + channel // width) * 2
    first = tl.load(mean, inside, other=0.0)[None, :]
    second = tl.load(mean + 1, inside, other=0.0)[None, :]
    answer = (slope - first - normal * second) * scale[None, :]
    tl.store(out + place, answer.to(out.dtype.element_ty), mask)


class GroupNorm(torch.autograd.Function):
    """silu(group_norm(x + extra)), with or without the parts in question; see `fused.group_norm`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, extra: Tensor | None, weight: Tensor, bias: Tensor, groups: int, eps: float, silu: bool
    ) -> Tensor:
        batch, channels, height, width = x.shape
        size, per = height * width, channels // groups
        chunks = triton.cdiv(size, _ROWS)
        grid = (batch, chunks, triton.cdiv(channels, _CHANNELS))
        tile = {"rows": _ROWS, "columns": _CHANNELS}
        sums = torch.empty((batch, chunks, 2, channels), dtype=torch.float32, device=x.device)
        stats = torch.empty((batch, groups, 2), dtype=torch.float32, device=x.device)
        out = torch.empty_like(x)
        added = extra is not None
        more = extra if extra is not None else x
        _sums[grid](x, more, sums, size, channels, chunks, added=added, **tile)
        whole = {"some": triton.next_power_of_2(chunks), "wide": triton.next_power_of_2(per)}
        _moments[(batch, groups)](sums, stats, channels, per, chunks, groups, size * per, eps, **whole)
        _forward[grid](x, more, stats, weight, bias, out, size, channels, per, groups, added=added, silu=silu, **tile)
        ctx.save_for_backward(x, more, stats, weight, bias)
        ctx.plan = (groups, silu, added)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, more, stats, weight, bias = ctx.saved_tensors
        groups, silu, added = ctx.plan
        batch, channels, height, width = x.shape
        size, per = height * width, channels // groups
        chunks = triton.cdiv(size, _ROWS)
        grid = (batch, chunks, triton.cdiv(channels, _CHANNELS))
        flags = {"added": added, "silu": silu, "rows": _ROWS, "columns": _CHANNELS}
        grad = grad.contiguous(memory_format=torch.channels_last)
        sums = torch.empty((batch, chunks, 2, channels), dtype=torch.float32, device=x.device)
        means = torch.empty((batch, groups, 2), dtype=torch.float32, device=x.device)
        out = torch.empty_like(x)
        _backward_sums[grid](x, more, stats, weight, bias, grad, sums, size, channels, per, groups, chunks, **flags)
        whole = {"some": triton.next_power_of_2(chunks), "wide": triton.next_power_of_2(per)}
        _means[(batch, groups)](sums, means, channels, per, chunks, groups, size * per, **whole)
        _backward[grid](x, more, stats, means, weight, bias, grad, out, size, channels, per, groups, **flags)
        return out, None, None, None, None, None, None


@triton.jit
def _gelu(x):
    """The exact GELU and its slope."""
    share = 0.5 * (1.0 + tl.erf(x * 0.7071067811865476))
    return x * share, share + x * 0.3989422804014327 * tl.exp(-0.5 * x * x)


@triton.jit
def _gate_forward(both, out, width, total, block: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    mask = at < total
    place = both + (at // width) * 2 * width + at % width
    value = tl.load(place, mask, other=0.0).to(tl.float32)
    gate, _ = _gelu(tl.load(place + width, mask, other=0.0).to(tl.float32))
    tl.store(out + at, (value * gate).to(out.dtype.element_ty), mask)


@triton.jit
def _gate_backward(both, grad, out, width, total, block: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    mask = at < total
    place = (at // width) * 2 * width + at % width
    value = tl.load(both + place, mask, other=0.0).to(tl.float32)
    gate, slope = _gelu(tl.load(both + place + width, mask, other=0.0).to(tl.float32))
    given = tl.load(grad + at, mask, other=0.0).to(tl.float32)
    tl.store(out + place, (given * gate).to(out.dtype.element_ty), mask)
    tl.store(out + place + width, (given * value * slope).to(out.dtype.element_ty), mask)


class Gate(torch.autograd.Function):
    """value * gelu(gate) of a (…, 2 * width) tensor; see `fused.gate`."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        both = both.contiguous()
        width = both.shape[-1] // 2
        out = torch.empty((*both.shape[:-1], width), dtype=both.dtype, device=both.device)
        _gate_forward[(triton.cdiv(out.numel(), _FLAT),)](both, out, width, out.numel(), block=_FLAT)
        ctx.save_for_backward(both)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (both,) = ctx.saved_tensors
        grad, out = grad.contiguous(), torch.empty_like(both)
        _gate_backward[(triton.cdiv(grad.numel(), _FLAT),)](both, grad, out, grad.shape[-1], grad.numel(), block=_FLAT)
        return out


@triton.jit
def _add(x, bias, other, out, channels, total, block: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    mask = at < total
    value = tl.load(x + at, mask, other=0.0).to(tl.float32) + tl.load(other + at, mask, other=0.0).to(tl.float32)
    value += tl.load(bias + at % channels, mask, other=0.0).to(tl.float32)
    tl.store(out + at, value.to(out.dtype.element_ty), mask)


class AddBias(torch.autograd.Function):
    """x + bias + other; see `fused.add_bias`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, other: Tensor) -> Tensor:
        out = torch.empty_like(x)
        _add[(triton.cdiv(x.numel(), _FLAT),)](x, bias, other, out, x.shape[1], x.numel(), block=_FLAT)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad, None, grad
