"""The likeness score and the ranking, on made-up embeddings whose right answer is known."""

import numpy as np
import pytest

from portraitist import ranking as r

RNG = np.random.default_rng(1)
SITTER = np.zeros(8)
WORDS = [np.eye(8)[0] * 2.0 + RNG.normal(0, 1e-3, 8) for _ in range(32)]
HELD_OUT = [np.eye(8)[3] * 0.1, -np.eye(8)[3] * 0.1]
TRAINING = [np.eye(8)[4] * 0.1, -np.eye(8)[4] * 0.1]


def scale() -> r.Scale:
    return r.make_scale(HELD_OUT, TRAINING, WORDS)


def test_ends_of_the_scale() -> None:
    made = scale()
    assert made.score(TRAINING[0]) == pytest.approx(1.0)
    assert made.score(WORDS[0]) == pytest.approx(0.0, abs=1e-2)
    assert made.score(SITTER) == 1.0, "nearer than a photo is cut to 1"
    assert made.score(np.eye(8)[0] * 3.0) < 0.0
    assert made.score(None) == 0.0


def test_half_way_scores_a_half() -> None:
    made = scale()
    middle = (made.d_words + made.d_same) / 2
    face = np.eye(8)[0] * np.sqrt(middle**2 - 0.01)  # right-angled to the references, which are 0.1 off the middle
    assert made.score(face) == pytest.approx(0.5)


def test_score_does_not_reward_what_words_can_say() -> None:
    """A portrait with the right hair and another's face is as far as the pictures made from words."""
    assert r.mean_score(scale(), WORDS) == pytest.approx(0.0, abs=1e-2)


def test_missing_face_counts_as_nought_in_the_mean() -> None:
    assert r.mean_score(scale(), [TRAINING[0], None]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("held_out", "words", "said"),
    [([], WORDS, "held out"), (HELD_OUT, WORDS[:7], "Only 7"), (HELD_OUT, [SITTER] * 32, "no scale")],
)
def test_no_scale_says_why(held_out: list[np.ndarray], words: list[np.ndarray], said: str) -> None:
    with pytest.raises(r.NoScale, match=said):
        r.make_scale(held_out, TRAINING, words)


def test_top1_counts_a_missing_face_as_a_miss() -> None:
    others = [np.stack([np.eye(8)[i]]) for i in range(1, 4)]
    faces = [SITTER, np.eye(8)[1], None, np.eye(8)[5] * 0.1]
    assert r.top1(faces, np.stack(HELD_OUT), others) == pytest.approx(0.5)


def test_diversity_is_the_mean_distance() -> None:
    assert r.diversity([SITTER, np.eye(8)[0], None]) == pytest.approx(1.0)
    assert r.diversity([SITTER, None]) is None


def candidate(name: str, distance: float | None, faces: int = 1, style: str = "a", quality: float = 1.0) -> r.Candidate:
    return r.Candidate(name, style, faces, distance, quality)


def test_one_face_beats_a_nearer_pair_of_faces() -> None:
    ranked = r.rank([candidate("two", 0.1, faces=2), candidate("none", None, faces=0), candidate("one", 0.9)])
    assert [c.name for c in ranked] == ["one", "two", "none"]


def test_quality_breaks_near_ties_only() -> None:
    ranked = r.rank([candidate("blurred", 0.40, quality=0.1), candidate("sharp", 0.45), candidate("far", 0.8)])
    assert [c.name for c in ranked] == ["sharp", "blurred", "far"]


def test_choice_takes_the_best_of_each_style_first() -> None:
    made = [
        candidate("a1", 0.1),
        candidate("a2", 0.2),
        candidate("b1", 0.5, style="b"),
        candidate("c1", 0.6, style="c"),
    ]
    assert [c.name for c in r.choose(made, 3)] == ["a1", "b1", "c1"]
    assert [c.name for c in r.choose(made, 9)] == ["a1", "b1", "c1", "a2"]


def test_technical_quality_sees_failures() -> None:
    noise = RNG.integers(40, 200, (64, 64, 3)).astype(np.uint8)
    assert r.technical_quality(noise) > 0.9
    assert r.technical_quality(np.full((64, 64, 3), 255, np.uint8)) < 0.1
    assert r.technical_quality(noise // 40) < 0.5
