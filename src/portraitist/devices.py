"""Which device and number format a job runs with, and why. The only place that asks what the machine can do.

torch is imported inside the functions, so that the command line can read this module without it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from portraitist.errors import DeviceUnavailable

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Device:
    """`device` and `dtype` for the heavy work; `reason` is a sentence for reports."""

    device: "torch.device"
    dtype: "torch.dtype"
    reason: str

    @property
    def type(self) -> str:
        return self.device.type


def choose_device(wanted: str = "auto") -> Device:
    """The device for `wanted` (auto, cpu, cuda, cuda:N, mps). Raises DeviceUnavailable.

    auto takes the first CUDA device, else Apple's, else the processor. On a processor bf16 is taken only where it has
    AMX (elsewhere torch converts to and fro and is slower than fp32).
    """
    import torch

    name = _available() if wanted == "auto" else wanted
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceUnavailable(f"{wanted!r} is no device.", hint="Use auto, cpu, cuda, cuda:1 or mps.") from error
    if device.type == "cuda":
        return _cuda(device)
    if device.type == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceUnavailable("There is no Apple GPU here.", hint="Set PORTRAITIST_DEVICE=auto.")
        return Device(device, torch.float32, "Apple GPU, fp32: bf16 is not complete there")
    if device.type != "cpu":
        raise DeviceUnavailable(f"{wanted!r} is not supported.", hint="Use auto, cpu, cuda, cuda:1 or mps.")
    if has_amx():
        return Device(device, torch.bfloat16, "processor with AMX: bf16 is about ten times as fast as fp32")
    return Device(device, torch.float32, "processor without AMX: fp32 is the fastest format")


def _available() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _cuda(device: "torch.device") -> Device:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        raise DeviceUnavailable(
            f"There is no device {device}; CUDA devices found: {count}.", hint="Set PORTRAITIST_DEVICE=cpu."
        )
    name = torch.cuda.get_device_name(device)
    if torch.cuda.get_device_capability(device)[0] >= 8:
        return Device(device, torch.bfloat16, f"{name}: bf16")
    return Device(device, torch.float16, f"{name} is older than Ampere: fp16")


def has_amx(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bf16 matrices in hardware (Intel AMX)."""
    try:
        flags = next(line for line in cpuinfo.read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        return False
    return "amx_bf16" in flags.split() and "amx_tile" in flags.split()
