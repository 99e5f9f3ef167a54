"""States of a training: whole or passed over, the last two kept, of this job only, and what a crash may do to them."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from portraitist.errors import BadFile, BadRequest, DiskFull, UnfitModel
from portraitist.families.base import Trainable
from portraitist.files import sweep
from portraitist.training.checkpoints import State, load_state, save_state, states

MARK = "-".join(["0" * 16] * 6)
MACHINE = {"device": "cpu", "dtype": "float32", "threads": "2", "torch": "2"}


def fresh() -> State:
    """Two weights and AdamW, always the same; `go` brings them further."""
    torch.manual_seed(5)
    weights = tuple(torch.nn.Parameter(torch.randn(3, 4)) for _ in range(2))
    trainable = Trainable(weights[:1], weights[1:])
    return State(trainable, torch.optim.AdamW(weights, lr=0.1), [torch.zeros(3, 4) for _ in range(2)])


def go(state: State, until: int, folder: Path | None = None, every: int = 2) -> None:
    """Steps whose gradients come from the number of the step alone, and a state every few of them."""
    while state.step < until:
        for weight in state.trainable.all:
            weight.grad = weight.detach() * (state.step + 1)
        state.optimizer.step()
        torch._foreach_lerp_(state.average, [weight.detach() for weight in state.trainable.all], 0.5)
        state.step += 1
        state.losses.append(torch.tensor(float(state.step)))
        if folder is not None and state.step % every == 0:
            save_state(folder, state, MARK, MACHINE)


def resumed(folder: Path) -> State:
    state = fresh()
    assert load_state(folder, state, MARK, MACHINE)
    return state


def same(left: State, right: State) -> bool:
    pairs = zip((*left.trainable.all, *left.average), (*right.trainable.all, *right.average), strict=True)
    return left.step == right.step and all(torch.equal(a, b) for a, b in pairs)


def test_the_last_two_are_kept_and_the_newest_goes_on(tmp_path: Path) -> None:
    whole = fresh()
    go(whole, 9)
    go(fresh(), 7, tmp_path)
    assert [path.name for path in states(tmp_path)] == ["state-000006.safetensors", "state-000004.safetensors"]
    state = resumed(tmp_path)
    assert state.step == 6 and not state.warnings
    go(state, 9)
    assert same(state, whole) and [float(loss) for loss in state.losses] == [float(i) for i in range(1, 10)]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("spoil", [truncate, flip, lambda path: path.write_bytes(b"")])
def test_a_damaged_state_is_passed_over_with_a_warning(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    whole = fresh()
    go(whole, 6)
    go(fresh(), 6, tmp_path)
    spoil(tmp_path / "state-000006.safetensors")
    state = resumed(tmp_path)
    assert state.step == 4 and [warning.code for warning in state.warnings] == ["damaged_state"]
    assert [path.name for path in states(tmp_path)] == ["state-000004.safetensors"]
    go(state, 6)
    assert same(state, whole)
    spoil(tmp_path / "state-000004.safetensors")
    with pytest.raises(UnfitModel, match="state-000004") as caught:
        load_state(tmp_path, fresh(), MARK, MACHINE)
    assert "--resume" in str(caught.value.hint)


def test_a_state_of_another_job_says_what_was_other(tmp_path: Path) -> None:
    go(fresh(), 2, tmp_path)
    other = "-".join(["1" * 16, *["0" * 16] * 2, "1" * 16, *["0" * 16] * 2])
    with pytest.raises(BadRequest, match="other base and seed than"):
        load_state(tmp_path, fresh(), other, MACHINE)
    assert states(tmp_path)


def test_another_machine_goes_on_and_says_so(tmp_path: Path) -> None:
    go(fresh(), 2, tmp_path)
    state = fresh()
    load_state(tmp_path, state, MARK, {**MACHINE, "dtype": "bfloat16", "threads": "4"})
    assert [warning.code for warning in state.warnings] == ["resumed_elsewhere"]
    assert "dtype float32 before, bfloat16 now; threads 2 before, 4 now" in state.warnings[0].message


def test_all_that_an_optimizer_keeps_comes_back(tmp_path: Path) -> None:
    """Numbers that optimisers such as Prodigy adapt are in their groups; some count in plain numbers."""
    state = fresh()
    go(state, 3)
    state.optimizer.param_groups[0].update(d=0.1 + 0.2, told=None)
    state.optimizer.state[state.trainable.all[0]]["k"] = 7
    save_state(tmp_path, state, MARK, MACHINE)
    again = resumed(tmp_path)
    group = again.optimizer.param_groups[0]
    assert group["d"] == 0.1 + 0.2 and group["told"] is None and group["betas"] == (0.9, 0.999)
    assert again.optimizer.state[again.trainable.all[0]]["k"] == 7


def test_a_full_disk_leaves_the_state_before_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = fresh()
    go(state, 2, tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="state-000004") as caught:
        go(state, 4, tmp_path)
    assert "--resume" in str(caught.value.hint) and "state-000002" in str(caught.value.hint)
    assert [path.name for path in tmp_path.iterdir()] == ["state-000002.safetensors"]
    assert resumed(tmp_path).step == 2


def test_weights_that_are_no_numbers_do_not_take_the_place_of_good_ones(tmp_path: Path) -> None:
    state = fresh()
    go(state, 2, tmp_path)
    (tmp_path / "step-000002.safetensors").write_bytes(b"a likeness")
    with torch.no_grad():
        state.trainable.all[1][0, 0] = float("nan")
    with pytest.raises(BadFile, match="step-000002") as caught:
        save_state(tmp_path, replace(state, step=4), MARK, MACHINE)
    assert "learning_rate" in str(caught.value.hint)
    assert resumed(tmp_path).step == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_9_at_any_moment_costs_no_state(tmp_path: Path) -> None:
    whole = fresh()
    go(whole, 40)
    chance = np.random.default_rng(11)
    for kill in range(4):
        child = os.fork()
        if child == 0:
            try:
                sweep(tmp_path)
                state = fresh()
                load_state(tmp_path, state, MARK, MACHINE)
                go(state, 40, tmp_path, every=1)
                time.sleep(5 if kill < 3 else 0)
            finally:
                os._exit(0)
        time.sleep(float(chance.uniform(0.005, 0.05)))
        if kill < 3:
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("state-")] == []
    assert same(resumed(tmp_path), whole)


class Killed(BaseException):
    """Stands for kill -9: nothing is written, renamed or removed after it."""


@contextmanager
def killed_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within: the process "dies" at the call number `calls` that changes the disk, also for its `finally` blocks."""
    left = [calls]

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            if left[0] <= 0:
                raise Killed
            left[0] -= 1
            return act(*args, **more)

        return call

    with monkeypatch.context() as patch:
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "write_bytes"), (Path, "chmod")):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield


def test_a_crash_at_any_point_of_saving_costs_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fresh()
    go(whole, 8)
    points = 0
    for calls in range(100):
        folder = tmp_path / str(calls)
        folder.mkdir()
        with killed_after(calls, monkeypatch):
            try:
                go(fresh(), 8, folder)
                break
            except Killed:
                points += 1
        sweep(folder)
        assert all(path.name.startswith("state-") for path in folder.iterdir())
        state = fresh()
        load_state(folder, state, MARK, MACHINE)
        assert not state.warnings, "a state is whole or not there"
        go(state, 8, folder)
        assert same(state, whole)
    assert 20 < points < 100
