"""The device and its number format, with the reason."""

from pathlib import Path

import pytest
import torch

from portraitist.devices import choose_device, has_amx
from portraitist.errors import DeviceUnavailable


def test_amx_is_read_from_the_processors_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nflags\t\t: fpu amx_bf16 avx512f amx_tile\n")
    assert has_amx(info)
    info.write_text("processor : 0\nflags\t\t: fpu avx512_bf16\n")
    assert not has_amx(info)
    assert not has_amx(tmp_path / "missing")


@pytest.mark.parametrize(
    ("most", "used"), [("AVX512_CORE", False), ("avx2", False), ("AVX10_1_512_AMX", True), ("ALL", True)]
)
def test_what_onednn_may_not_use_is_not_there(
    most: str, used: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("flags : fpu amx_bf16 amx_tile\n")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    assert has_amx(info) is used


def test_the_processor_is_always_there() -> None:
    device = choose_device("cpu")
    assert device.type == "cpu"
    assert device.dtype == (torch.bfloat16 if has_amx() else torch.float32)
    assert device.reason


@pytest.mark.parametrize("wanted", ["cuda:99", "toaster", "meta"])
def test_a_device_that_is_not_there_is_named(wanted: str) -> None:
    with pytest.raises(DeviceUnavailable, match=wanted) as caught:
        choose_device(wanted)
    assert caught.value.exit_code == 4 and caught.value.hint
