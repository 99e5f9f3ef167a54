"""The mean of LoRAs is the mean of what they add, not of their factors."""

import torch

from portraitist.lora.formats import Lora, LoraLayer
from portraitist.lora.merge import average


def layer(seed: int, *, rank: int = 2, alpha: float = 2.0, kernel: int = 0) -> LoraLayer:
    chance = torch.Generator().manual_seed(seed)
    tail = (kernel, kernel) if kernel else ()
    one = (1, 1) if kernel else ()
    return LoraLayer(
        torch.randn((rank, 6, *tail), generator=chance), torch.randn((5, rank, *one), generator=chance), alpha
    )


def test_where_the_rank_suffices_the_delta_is_the_mean_of_the_deltas() -> None:
    for kernel in (0, 3):
        loras = [Lora({"a": layer(1, kernel=kernel)}), Lora({"a": layer(2, rank=3, alpha=1.0, kernel=kernel)})]
        wanted = (loras[0].layers["a"].delta() + loras[1].layers["a"].delta()) / 2
        found = average(loras, rank=5).layers["a"]
        assert found.rank == 5 and found.delta().shape == wanted.shape
        torch.testing.assert_close(found.delta(), wanted, rtol=1e-5, atol=1e-5)


def test_checkpoints_that_are_turned_against_each_other_do_not_cancel() -> None:
    one = layer(3)
    turned = LoraLayer(-one.down, -one.up, one.alpha)  # the same delta
    found = average([Lora({"a": one}), Lora({"a": turned})]).layers["a"]
    torch.testing.assert_close(found.delta(), one.delta(), rtol=1e-5, atol=1e-5)
    factors = (one.up + turned.up) @ (one.down + turned.down) / 4
    assert factors.abs().max() == 0  # what the mean of the factors would give


def test_a_smaller_rank_is_the_best_approximation_of_that_rank() -> None:
    loras = [Lora({"a": layer(seed)}) for seed in (4, 5)]
    wanted = (loras[0].layers["a"].delta() + loras[1].layers["a"].delta()) / 2
    found = average(loras).layers["a"]
    assert found.rank == 2
    values = torch.linalg.svdvals(wanted)
    torch.testing.assert_close((found.delta() - wanted).norm(), values[2:].norm(), rtol=1e-4, atol=1e-5)


def test_a_layer_that_one_lacks_counts_there_as_nothing_and_narrow_layers_fit_their_rank() -> None:
    whole = layer(6, rank=3)
    found = average([Lora({"a": whole, "b": whole}, {"k": "v"}), Lora({"a": whole})], rank=16)
    torch.testing.assert_close(found.layers["b"].delta(), whole.delta() / 2, rtol=1e-5, atol=1e-5)
    assert found.layers["a"].rank == 16 and found.metadata == {"k": "v"}
