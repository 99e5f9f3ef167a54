"""Which device and number format a job runs with, and why. The only place that asks what the machine can do.

torch is imported inside the functions, so that the command line can read this module without it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from portraitist.errors import DeviceUnavailable

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Device:
    """`device` and `dtype` for the heavy work; `reason` is a sentence for reports.

    `batches`: whether several pictures at a time are worth it. On a processor they are not: there each is rounded
    according to its place among the others and to the number of threads, and would not come out the same alone.
    """

    device: "torch.device"
    dtype: "torch.dtype"
    reason: str
    batches: bool = True

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
        return Device(device, torch.bfloat16, "processor with AMX: bf16 is about ten times as fast as fp32", False)
    return Device(device, torch.float32, "processor without AMX: fp32 is the fastest format", False)


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
    """Whether the processor multiplies bf16 matrices in hardware (Intel AMX), and torch's oneDNN may use that: its own
    ONEDNN_MAX_CPU_ISA can forbid it."""
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    if most not in ("", "DEFAULT", "ALL") and "AMX" not in most:
        return False
    try:
        flags = next(line for line in cpuinfo.read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        return False
    return "amx_bf16" in flags.split() and "amx_tile" in flags.split()


def free_memory(device: Device, *, meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that can still be had on a device: on CUDA what is free and what torch holds unused, on a processor what
    the system and this process' own limit (control groups of Linux) leave; None where that cannot be said."""
    if device.type == "cuda":
        import torch

        free, total = torch.cuda.mem_get_info(device.device)
        held, used = torch.cuda.memory_reserved(device.device), torch.cuda.memory_allocated(device.device)
        limit = round(torch.cuda.get_per_process_memory_fraction(device.device) * total)
        return max(0, min(free + held - used, limit - used))
    if device.type != "cpu":
        return None
    try:
        line = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable:"))
        free = int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return None
    left = _left_of_limit()
    return free if left is None else min(free, left)


def _left_of_limit(group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that a container's limit leaves, or None without one; pages of files can be given back."""
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return max(0, limit - used + int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0)))


def empty_cache() -> None:
    """Let torch give back the memory of the device that it holds unused."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
