"""`convert`: tensors come out of pickles, code never runs, the file is there whole or not at all."""

from __future__ import annotations

import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from portraitist import cli
from portraitist.errors import BadRequest, MissingModel, UnfitModel, Unwritable
from portraitist.families.pickled import answer, convert


class Harmful:
    """What an attacker puts into a checkpoint: a call that is made when the file is opened."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.proof}",)


def in_process(source: Path, target: Path) -> dict[str, Any]:
    """What the child does, without a child."""
    return answer({"source": str(source), "target": str(target), "final": str(target)}, b"")[0]


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_that_would_run_code_runs_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof = tmp_path / "harm"
    torch.save({"state_dict": {"a": torch.ones(3)}, "more": Harmful(proof)}, tmp_path / "evil.ckpt")
    with pytest.raises(SystemExit) as left:
        cli.main(["convert", str(tmp_path / "evil.ckpt"), "--json"])
    told = json.loads(capsys.readouterr().out)["error"]
    assert left.value.code == 3 and "system" in told["message"] and "evil.ckpt is not converted" in told["message"]
    assert not proof.exists() and [path.name for path in tmp_path.iterdir()] == ["evil.ckpt"]
    for protocol in (2, 4):
        (tmp_path / "evil.pt").write_bytes(pickle.dumps(Harmful(proof), protocol=protocol))
        with pytest.raises(UnfitModel, match="is not converted"):
            in_process(tmp_path / "evil.pt", tmp_path / "out.safetensors")
        with pytest.raises(UnfitModel):
            torch.save({"a": torch.ones(1), "b": Harmful(proof)}, tmp_path / "old.pt", **OLD)
            in_process(tmp_path / "old.pt", tmp_path / "out.safetensors")
    assert not proof.exists() and not (tmp_path / "out.safetensors").exists()
    torch.load(tmp_path / "evil.ckpt", weights_only=False)
    assert proof.exists()  # the file was what it says


OLD = {"_use_new_zipfile_serialization": False}


@pytest.mark.parametrize("options", [{}, OLD])
def test_a_checkpoint_comes_out_with_its_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, Any]
) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    state = {
        "model.diffusion_model.input_blocks.0.0.weight": torch.ones(320, 4, 3, 3).half(),
        "cond_stage_model.transformer.a": whole, "first_stage_model.same": whole, "part": whole[1], "turned": whole.T,
        "steps": torch.tensor(5), "none": None,
    }  # fmt: skip
    torch.save({"state_dict": state, "epoch": 3, "callbacks": {}}, tmp_path / "old.ckpt", **options)
    if options:
        in_process(tmp_path / "old.ckpt", tmp_path / "old.safetensors")
    else:
        with pytest.raises(SystemExit) as left:
            cli.main(["convert", str(tmp_path / "old.ckpt"), "--json"])
        done = json.loads(capsys.readouterr().out)
        assert left.value.code == 0 and done["dropped"] == ["none"] and done["tensors"] == 6
        assert done["kind"] == "SD 1.5" and done["file"] == str(tmp_path / "old.safetensors")
    found = load_file(tmp_path / "old.safetensors")
    wanted = {name: tensor for name, tensor in state.items() if tensor is not None}
    assert found.keys() == wanted.keys()
    assert all(
        torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in wanted.items()
    )


def test_a_lora_and_the_classes_of_a_trainer(tmp_path: Path) -> None:
    lora = {"lora_unet_mid.lora_down.weight": torch.ones(2, 4), "lora_unet_mid.alpha": torch.tensor(2.0)}
    torch.save(lora, tmp_path / "pytorch_lora_weights.bin")
    assert in_process(tmp_path / "pytorch_lora_weights.bin", tmp_path / "lora.safetensors")["tensors"] == 2
    torch.save({"state_dict": lora, "callbacks": {Harmful: 1}}, tmp_path / "trainer.ckpt")
    # the first checkpoints of Stable Diffusion name a class of their trainer: it is neither imported nor made
    name = f"{Harmful.__module__}\n{Harmful.__qualname__}".encode()
    inside = b"pytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint"
    torch.save({"state_dict": lora, "callbacks": {Harmful: 1}}, tmp_path / "raw.ckpt", **OLD)
    data = (tmp_path / "raw.ckpt").read_bytes()
    assert name in data
    (tmp_path / "raw.ckpt").write_bytes(data.replace(name, inside))
    assert in_process(tmp_path / "raw.ckpt", tmp_path / "lora.safetensors")["tensors"] == 2
    with pytest.raises(UnfitModel, match="Harmful"):
        in_process(tmp_path / "trainer.ckpt", tmp_path / "out.safetensors")


def test_what_holds_no_tensors_or_too_much_is_refused(tmp_path: Path) -> None:
    for depth in ({"model": {"a": torch.ones(2).half()}}, {"module": {"model": {"a": torch.ones(2).half()}}}):
        torch.save({"epoch": 3, "state_dict": depth}, tmp_path / "nested.pth")
        assert in_process(tmp_path / "nested.pth", tmp_path / "nested.safetensors")["tensors"] == 1
    for content in ([torch.ones(1)], {"a": 1}, {"state_dict": {}}, torch.ones(2)):
        torch.save(content, tmp_path / "a.pt")
        with pytest.raises(UnfitModel, match="no named tensors"):
            in_process(tmp_path / "a.pt", tmp_path / "out.safetensors")
    torch.save({"bomb": torch.zeros(1).expand(10**10)}, tmp_path / "bomb.pt")
    with pytest.raises(UnfitModel, match="would grow to 38147 MiB"):
        in_process(tmp_path / "bomb.pt", tmp_path / "out.safetensors")
    for damage in (b"", b"garbage" * 30, b"PK\x03\x04" + b"x" * 100, (tmp_path / "bomb.pt").read_bytes()[:300]):
        (tmp_path / "cut.pt").write_bytes(damage)
        with pytest.raises(UnfitModel, match=r"cut\.pt"):
            in_process(tmp_path / "cut.pt", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_names_and_places(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="There is no file"):
        convert(tmp_path / "nowhere.ckpt")
    with pytest.raises(BadRequest, match="not called like a pickle"):
        convert(tmp_path / "a.safetensors")
    torch.save({"a": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(BadRequest, match="must end with"):
        convert(tmp_path / "pytorch_model.bin", tmp_path / "a.bin")
    (tmp_path / "model.safetensors").write_bytes(b"precious")
    with pytest.raises(Unwritable, match="there already"):
        convert(tmp_path / "pytorch_model.bin")
    assert (tmp_path / "model.safetensors").read_bytes() == b"precious"


def test_nothing_else_reads_a_format_that_can_run_code() -> None:
    package = Path(cli.__file__).parent
    readers = re.compile(r"torch\.load\(|pickle\.loads?\(|allow_pickle=True|trust_remote_code=True|weights_only=False")
    found = {path.name for path in package.rglob("*.py") if readers.search(path.read_text(encoding="utf-8"))}
    assert found == {"pickled.py"}
