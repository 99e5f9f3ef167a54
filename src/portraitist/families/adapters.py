"""LoRA on any torch module: layers by peft for training, weights added in for generation. Knows no family.

LoRA is by Hu et al. (arXiv:2106.09685); the layers are peft's (`peft.tuners.lora`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from portraitist.lora.formats import Lora, LoraLayer, Slot, Slots
from portraitist.types import Seed, derive_seed

_ADAPTER = "likeness"


def find_slots(parts: Mapping[str, nn.Module], prefixes: Mapping[str, str]) -> dict[str, Slot]:
    """Every linear layer and convolution of `parts`, by kohya name: the part's prefix, the path with `_` for dots."""
    slots = {}
    for part, module in parts.items():
        for path, layer in module.named_modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d)) and ".lora_" not in path:
                path = path.removesuffix(".base_layer")
                name = prefixes[part] + path.replace(".", "_")
                slots[name] = Slot(part, path, tuple(layer.weight.shape))
    return slots


def attach(module: nn.Module, targets: Sequence[str], *, rank: int, alpha: float, seed: Seed) -> None:
    """Put peft's LoRA layers on the linear layers of `module` whose paths end with one of `targets`.

    The weights are float32 and drawn from `seed` alone: `down` uniform as in Hu et al.'s code, `up` zero.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets), init_lora_weights=False)
    inject_adapter_in_model(config, module, adapter_name=_ADAPTER)
    for path, layer in attached_layers(module):
        whole = layer.get_base_layer().weight.dtype == torch.float32
        layer.forward = partial(_folded if whole else _beside, layer)
        down, up = layer.lora_A[_ADAPTER].weight, layer.lora_B[_ADAPTER].weight
        generator = torch.Generator().manual_seed(derive_seed(seed, path))
        bound = 1.0 / math.sqrt(down.shape[1])
        start = torch.empty(down.shape, dtype=torch.float32).uniform_(-bound, bound, generator=generator)
        down.data = start.to(down.device)
        up.data = torch.zeros(up.shape, dtype=torch.float32, device=up.device)
        if not whole:
            half = layer.get_base_layer().weight.dtype
            layer.working = tuple(matrix.detach().to(half).requires_grad_() for matrix in (down, up))


def _folded(layer: Any, values: Tensor) -> Tensor:
    """What peft's layer answers, with up @ down added to the weight instead of to the output.

    In narrow networks this is a third less arithmetic (the weight is far smaller than the activations) and spares two
    passes over the output. Only for float32: in a half format a small update would be lost in the weight's rounding.
    """
    base = layer.base_layer
    if layer._disable_adapters:
        return functional.linear(values, base.weight, base.bias)
    down, up = layer.lora_A[_ADAPTER].weight, layer.lora_B[_ADAPTER].weight
    weight = torch.addmm(base.weight, up, down, alpha=layer.scaling[_ADAPTER])
    return functional.linear(values, weight, base.bias)


def _beside(layer: Any, values: Tensor) -> Tensor:
    """What peft's layer answers, in the base's half format, computed with the working copies of its weights."""
    base = layer.base_layer
    if layer._disable_adapters:
        return functional.linear(values, base.weight, base.bias)
    down, up = layer.working
    scale = layer.scaling[_ADAPTER]
    return torch.as_tensor(_Beside.apply(values, base.weight, base.bias, down, up, scale))  # type: ignore[no-untyped-call]


class _Beside(torch.autograd.Function):
    """x W' + b + scale * (x down') up', in as few kernels as cuBLAS needs: three forward, five back.

    torch's own graph of the same would copy the answer once more, and cast, transpose and scale in passes of their own.
    The base's weight rests.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        flat = values.flatten(0, -2)
        inner = flat @ down.t()
        answer = functional.linear(flat, weight, bias)
        answer.addmm_(inner, up.t(), alpha=scale)
        ctx.save_for_backward(flat, weight, down, up, inner)
        ctx.scale, ctx.shape = scale, values.shape
        return answer.view(*values.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        flat, weight, down, up, inner = ctx.saved_tensors
        given = grad.flatten(0, -2)
        back = given @ up if ctx.scale == 1.0 else (given @ up).mul_(ctx.scale)
        up_grad = given.t() @ inner if ctx.scale == 1.0 else (given.t() @ inner).mul_(ctx.scale)
        values_grad = None
        if ctx.needs_input_grad[0]:
            values_grad = (given @ weight).addmm_(back, down).view(ctx.shape)
        return values_grad, None, None, back.t() @ flat, up_grad, None


def attached_layers(module: nn.Module) -> list[tuple[str, Any]]:
    """(path, peft layer) of every LoRA layer in `module`, in the module's own order."""
    from peft.tuners.lora import LoraLayer as PeftLayer

    return [(path, layer) for path, layer in module.named_modules() if isinstance(layer, PeftLayer)]


def weights(module: nn.Module) -> list[nn.Parameter]:
    """The LoRA parameters of `module`: down, up, down, up …"""
    return [
        matrices[_ADAPTER].weight for _, layer in attached_layers(module) for matrices in (layer.lora_A, layer.lora_B)
    ]


def working(module: nn.Module) -> list[Tensor]:
    """The copies in the base's half format that the layers compute with, in the order of `weights`; else nothing."""
    return [copy for _, layer in attached_layers(module) for copy in getattr(layer, "working", ())]


def collect(module: nn.Module, prefix: str, alpha: float, tensors: Sequence[Tensor]) -> dict[str, LoraLayer]:
    """The layers of `module` in the canonical form; `tensors` in the order of `weights`. Copies, on the processor."""
    copies = [tensor.detach().float().cpu().clone() for tensor in tensors]
    paths = [path for path, _ in attached_layers(module)]
    return {
        prefix + path.replace(".", "_"): LoraLayer(copies[2 * i], copies[2 * i + 1], alpha)
        for i, path in enumerate(paths)
    }


def detach(module: nn.Module) -> None:
    """Take peft's layers off again. The base's layers were never changed."""
    for path, layer in attached_layers(module):
        base = layer.get_base_layer()
        base.requires_grad_(False)
        module.set_submodule(path, base)
    if hasattr(module, "peft_config"):
        del module.peft_config


@contextmanager
def resting(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Within: the LoRA layers of `modules` add nothing."""
    layers = [layer for module in modules for _, layer in attached_layers(module)]
    for layer in layers:
        layer._disable_adapters = True  # peft's own switch also turns off gradients, and walks the model each time
    try:
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False


@contextmanager
def applied(parts: Mapping[str, nn.Module], slots: Slots, loras: Sequence[tuple[Lora, float]]) -> Iterator[None]:
    """Within: the weights of `parts` have the LoRAs times their strengths added (in float32, then rounded).

    Copies of the old values are put back, so nothing drifts. The weights stay where they lie: recordings read them.
    """
    names = sorted({name for lora, strength in loras if strength for name in lora.layers})
    kept: list[tuple[nn.Parameter, Tensor]] = []
    try:
        for name in names:
            weight = parts[slots[name].part].get_submodule(slots[name].path).weight
            assert isinstance(weight, nn.Parameter)
            total = weight.data.float()
            for lora, strength in loras:
                if strength and name in lora.layers:
                    total = total + strength * lora.layers[name].delta(weight.device)
            kept.append((weight, weight.data.clone()))
            weight.data.copy_(total)
        yield
    finally:
        for weight, data in kept:
            weight.data.copy_(data)
