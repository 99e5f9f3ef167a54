"""Another day's training begins where the shipped weights end, also in a network that has grown since."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mini import networks
from mini.loop import save_tensors
from mini.restore import begin


def put(network: torch.nn.Module, state: Path, name: str) -> None:
    save_tensors(dict(network.state_dict()), state / "start" / f"{name}.safetensors")


def test_a_grown_tagger_begins_by_saying_what_the_smaller_one_said(tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = networks.tagger(networks.TINY)
    put(small, tmp_path, "tagger")
    grown = networks.tagger(replace(networks.TINY, tagger_depths=(1, 2, 2, 1)))
    begin(grown, tmp_path, "tagger")
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    assert networks.count(grown) > networks.count(small)
    torch.testing.assert_close(grown.eval()(pictures).logits, small.eval()(pictures).logits)


def test_without_starting_weights_a_network_stays_as_it_is(tmp_path: Path) -> None:
    network = networks.Judge((8, 8), (1, 1))
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    begin(network, tmp_path, "judge")
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    put(networks.Judge((8, 8), (1, 2)), tmp_path, "judge")
    with pytest.raises(ValueError, match="judge lacks"):
        begin(networks.Judge((8, 8), (1, 1)), tmp_path, "judge")
