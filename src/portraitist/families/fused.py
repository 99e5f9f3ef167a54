"""A U-Net of diffusers with fewer passes over memory: the same answers up to rounding.

`fuse` gives the blocks of a network other ways to compute what they compute: normalisation, time and activation in one
pass, a bias and what it is added to in another, gated units in one, and pictures that stay channels-last throughout
(diffusers' own blocks fall back to the other layout twice in every attention). Elsewhere than on CUDA, or where a
weight that usually rests is trained, a block does what diffusers does. Knows no family and no LoRA.
"""

from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def fuse(network: nn.Module) -> None:
    """Let the blocks of `network` compute with fewer passes where they are of a kind that is known here."""
    from diffusers.models.activations import GEGLU
    from diffusers.models.attention_processor import Attention
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    for block in network.modules():
        if isinstance(block, ResnetBlock2D) and _is_plain(block):
            block.forward = partial(_resnet, block)
        elif isinstance(block, GEGLU):
            block.forward = partial(_geglu, block)
        elif isinstance(block, Attention) and _is_bare(block):
            block.forward = partial(_attention, block)
        elif isinstance(block, Transformer2DModel) and block.is_input_continuous:
            block._operate_on_continuous_inputs = partial(_enter_transformer, block)
            block._get_output_for_continuous_inputs = partial(_leave_transformer, block)


def can_fuse(device: torch.device) -> bool:
    """Whether there are kernels for `device`."""
    return device.type == "cuda" and find_spec("triton") is not None


def group_norm(x: Tensor, norm: nn.GroupNorm, *, extra: Tensor | None = None, silu: bool = False) -> Tensor:
    """silu(norm(x + extra)), with or without the parts in question; `extra` is (batch, channels) or None.

    On CUDA three passes of Triton over channels-last memory, else plain torch.
    """
    if _kernels_fit(x, norm.weight, extra):
        from portraitist.families.kernels import GroupNorm

        x = x.contiguous(memory_format=torch.channels_last)
        more = None if extra is None else extra.contiguous()
        plan = (norm.weight, norm.bias, norm.num_groups, norm.eps, silu)
        return torch.as_tensor(GroupNorm.apply(x, more, *plan))  # type: ignore[no-untyped-call]
    x = norm(x if extra is None else x + extra[:, :, None, None])
    return functional.silu(x) if silu else x


def gate(both: Tensor) -> Tensor:
    """value * gelu(gate) of `both`, (…, 2 * width): the value's half comes first."""
    if _kernels_fit(both):
        from portraitist.families.kernels import Gate

        return torch.as_tensor(Gate.apply(both))  # type: ignore[no-untyped-call]
    value, inner = both.chunk(2, dim=-1)
    return value * functional.gelu(inner)


def add_bias(x: Tensor, bias: Tensor | None, other: Tensor) -> Tensor:
    """x + bias + other; `bias` is (channels,) or None, the others (batch, channels, height, width)."""
    if bias is None:
        return x + other
    if _kernels_fit(x, bias):
        from portraitist.families.kernels import AddBias

        last = torch.channels_last
        x, other = x.contiguous(memory_format=last), other.contiguous(memory_format=last)
        return torch.as_tensor(AddBias.apply(x, bias, other))  # type: ignore[no-untyped-call]
    return x + bias[None, :, None, None] + other


def _kernels_fit(x: Tensor, *resting: Tensor | None) -> bool:
    """The kernels make no gradients for what usually rests."""
    return can_fuse(x.device) and not any(weight is not None and weight.requires_grad for weight in resting)


def _is_plain(block: Any) -> bool:
    return (
        block.time_embedding_norm == "default"
        and block.upsample is None
        and block.downsample is None
        and block.output_scale_factor == 1.0
        and block.dropout.p == 0.0
        and isinstance(block.nonlinearity, nn.SiLU)
        and isinstance(block.norm1, nn.GroupNorm)
    )


def _is_bare(block: Any) -> bool:
    return (
        block.rescale_output_factor == 1.0
        and not block.residual_connection
        and block.spatial_norm is None
        and block.group_norm is None
        and not block.norm_cross
        and block.norm_q is None
        and block.norm_k is None
        and block.to_out[1].p == 0.0
    )


def _resnet(block: Any, values: Tensor, temb: Tensor | None, *_: Any, **__: Any) -> Tensor:
    """What ResnetBlock2D answers. The time is added to the first convolution's bias, where both are one value a
    channel, and the second's bias to what is added to it."""
    hidden = group_norm(values, block.norm1, silu=True)
    hidden, bias = _convolve(block.conv1, hidden)
    extra = None if bias is None else bias.expand(len(values), -1)
    if temb is not None and block.time_emb_proj is not None:
        time = block.time_emb_proj(temb if block.skip_time_act else functional.silu(temb))
        extra = time if bias is None else time + bias
    hidden = group_norm(hidden, block.norm2, extra=extra, silu=True)
    hidden, bias = _convolve(block.conv2, hidden)
    if block.conv_shortcut is not None:
        values, more = _convolve(block.conv_shortcut, values)
        bias = more if bias is None else bias if more is None else bias + more
    return add_bias(hidden, bias, values)


def _convolve(layer: Any, values: Tensor) -> tuple[Tensor, Tensor | None]:
    """The layer's answer without its bias, and the bias; both together where the layer is no plain convolution."""
    if type(layer) is not nn.Conv2d or (layer.bias is not None and layer.bias.requires_grad):
        return layer(values), None
    return functional.conv2d(values, layer.weight, None, layer.stride, layer.padding), layer.bias


def _geglu(block: Any, values: Tensor, *_: Any, **__: Any) -> Tensor:
    return gate(block.proj(values))


def _attention(
    block: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *_: Any, **__: Any
) -> Tensor:
    """What Attention answers without masks, and without the division by 1 at its end."""
    told = hidden_states if encoder_hidden_states is None else encoder_hidden_states
    parts = (block.to_q(hidden_states), block.to_k(told), block.to_v(told))
    query, key, value = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2) for part in parts)
    answer = functional.scaled_dot_product_attention(query, key, value)
    return torch.as_tensor(block.to_out[0](answer.transpose(1, 2).flatten(2)))


def _enter_transformer(block: Any, values: Tensor) -> tuple[Tensor, int]:
    """(batch, height x width, channels) of a picture: in channels-last memory the same bytes."""
    values = group_norm(values, block.norm)
    if not block.use_linear_projection:
        values = block.proj_in(values)
    width = values.shape[1]
    values = values.permute(0, 2, 3, 1).flatten(1, 2)
    return (block.proj_in(values) if block.use_linear_projection else values), width


def _leave_transformer(
    block: Any,
    hidden_states: Tensor,
    residual: Tensor,
    batch_size: int,
    height: int,
    width: int,
    inner_dim: int,
) -> Tensor:
    """A picture again, and what went around the block added."""
    if block.use_linear_projection:
        hidden_states = block.proj_out(hidden_states)
    picture = hidden_states.reshape(batch_size, height, width, -1).permute(0, 3, 1, 2)
    if block.use_linear_projection:
        return picture + residual
    picture, bias = _convolve(block.proj_out, picture)
    return add_bias(picture, bias, residual)
