"""The benchmark of choosing on made-up sitters whose right answer is known."""

import numpy as np
import pytest

from benchmarks.portraits_choosing import Dozen, by_distance, gain, interval, nearest, row, summary, to_middle, ways
from portraitist import ranking

RNG = np.random.default_rng(5)


def sitter(noise: float) -> Dozen:
    """Twelve faces at growing distances; the judge sees the same distances and `noise`."""
    photos = tuple(RNG.normal(0, 0.01, 8) for _ in range(6))
    far = RNG.permutation(np.linspace(0.1, 1.2, 12))
    faces = tuple(np.eye(8)[0] * distance for distance in far)
    candidates = tuple(
        ranking.Candidate(f"{i:02d}", "studio", 1, float(distance), 1.0, float(distance), small=RNG.normal(0, 90, 3072))
        for i, distance in enumerate(far)
    )
    scores = 1 - far + RNG.normal(0, noise, 12) if noise else 1 - far
    return Dozen(1, scores, candidates, faces, faces, faces, photos)


def test_who_sees_as_the_judge_does_gains_the_most_there_is() -> None:
    exact = sitter(0.0)
    most = gain(exact, ways()["the judge's own four (the most there is)"])
    assert most == pytest.approx(0.4) and row(exact)["gain"] == pytest.approx(most) == row(exact)["most"]
    for distance in (to_middle, nearest(1), nearest(99)):
        assert gain(exact, by_distance(distance)) == pytest.approx(most)


def test_the_bar_is_kept_by_those_who_choose_well_and_broken_by_chance() -> None:
    def kept(sitters: list[Dozen]) -> bool:
        (found,) = [one for one in summary(sitters, 42) if one["bar"] is not None]
        return bool(found["kept"])

    assert kept([sitter(0.1) for _ in range(4)])
    blind = sitter(0.0)
    backwards = Dozen(2, -blind.scores, blind.candidates, blind.faces, blind.mirrored, blind.steady, blind.photos)
    assert not kept([blind, backwards]), "what one gains the other loses"


def test_a_face_that_is_missing_comes_last() -> None:
    one = sitter(0.0)
    blind = Dozen(3, one.scores, one.candidates, (None, *one.faces[1:]), one.mirrored, one.steady, one.photos)
    assert list(by_distance(to_middle, mirror=True)(blind))[-1] == 0


def test_the_interval_holds_the_mean_and_is_that_of_its_seed() -> None:
    values = RNG.normal(0.1, 0.05, 10)
    low, high = interval(values, 1)
    assert low < values.mean() < high and (low, high) == interval(values, 1)
    spread = values.std() / np.sqrt(10)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.15)
