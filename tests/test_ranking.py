"""The likeness score and the ranking, on made-up embeddings whose right answer is known, and on rendered people."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageFilter

from portraitist import measure
from portraitist import ranking as r
from portraitist.faces import Faces
from portraitist.images import to_pil
from portraitist.requests import Reason
from portraitist.settings import ChoosingSettings
from tests.people import faces, person

__all__ = ["faces"]

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


# Choosing by the command's weights


def chosen(
    name: str, reach: float | None, quality: float = 1.0, flaws: int = 0, grey: float | None = None
) -> r.Candidate:
    reasons = tuple(Reason("no_face", 0, 1, "No face was found in it.") for _ in range(flaws))
    small = None if grey is None else np.full(3072, grey, np.float32)
    return r.Candidate(name, None, 1, None, quality, reach, reasons, small=small)


def names(picks: tuple[r.Pick, ...]) -> list[str]:
    return [found.candidate.name for found in picks]


def test_good_ones_come_first_then_the_nearer_ones() -> None:
    found = r.pick([chosen("far", 0.9), chosen("bad", 0.1, flaws=1), chosen("near", 0.5)], ChoosingSettings())
    assert names(found) == ["near", "far", "bad"]


def test_likeness_is_a_half_at_the_sitters_own_threshold() -> None:
    assert [chosen("x", reach).likeness for reach in (0.0, 1.0, 2.0, 3.0, None)] == [1.0, 0.5, 0.0, 0.0, None]


def test_the_same_picture_is_not_kept_twice_for_a_little_likeness() -> None:
    twins = [chosen("one", 0.50, grey=100), chosen("twin", 0.52, grey=102), chosen("other", 0.60, grey=200)]
    assert names(r.pick(twins, ChoosingSettings(variety=0.1)))[:2] == ["one", "other"]
    assert names(r.pick(twins, ChoosingSettings(variety=0)))[:2] == ["one", "twin"]
    assert r.same_picture(twins[1], twins[:1], ChoosingSettings()) is twins[0]
    assert r.same_picture(twins[2], twins[:1], ChoosingSettings()) is None


def test_weights_are_relative_and_what_is_unknown_does_not_count() -> None:
    half = ChoosingSettings(likeness=1, quality=1)
    assert r.total(chosen("x", 1.0, quality=1.0), half) == pytest.approx(0.75)
    assert r.total(chosen("x", None, quality=0.4), half) == pytest.approx(0.4)
    assert r.total(chosen("x", 1.0), ChoosingSettings(likeness=0, quality=0)) == 0.0


def test_faces_that_are_none_or_too_many_or_anothers_are_flaws() -> None:
    codes = [[flaw.code for flaw in r.likeness_flaws(*asked)] for asked in (
        (0, None, True), (2, None, True), (1, 1.2, True), (1, 1.2, False), (1, 0.9, True), (1, None, True),
    )]  # fmt: skip
    assert codes == [["no_face"], ["several_faces"], ["unlike"], [], [], []]


SOUND = r.Technical(blur=0.4, noise=1, bright=150, burnt=0, outside=0, share=0.4, width=120)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"blur": 0.75}, "blurred"), ({"noise": 20}, "noisy"), ({"bright": 30}, "dark"),
        ({"burnt": 0.5}, "over_exposed"), ({"outside": 0.4}, "cut_off"), ({"share": 0.05}, "too_small"),
    ],
)  # fmt: skip
def test_each_technical_failure_is_named_and_lowers_the_quality(change: dict[str, float], code: str) -> None:
    assert r.quality_of(SOUND) == 1.0 and r.face_flaws(SOUND) == ()
    broken = replace(SOUND, **change)
    (reason,) = r.face_flaws(broken)
    assert reason.code == code and reason.value is not None and reason.limit is not None and len(reason.message) > 20
    assert r.quality_of(broken) < 0.5


def test_a_portraits_own_face_is_measured(faces: Faces) -> None:
    picture = person("a-1")
    (face,) = faces.detect(picture)
    sharp = r.measure_face(picture, face)
    soft = np.array(to_pil(picture).filter(ImageFilter.GaussianBlur(4)))
    assert not r.face_flaws(sharp) and 0.1 < sharp.share < 1
    assert [flaw.code for flaw in r.face_flaws(r.measure_face(soft, face))] == ["blurred"]


def test_another_person_and_nobody_are_rejected_for_the_sitter(faces: Faces) -> None:
    own = [faces.embed_only(person(name)) for name in ("a-1", "a-3", "a-4", "a-5")]
    record = measure.make_record(faces.recogniser.name, [face for face in own if face is not None], ())
    assert record.circle is not None and record.circle.radius < 0.62

    def judged(picture: np.ndarray, **more: bool) -> r.Candidate:
        return measure.candidate_of(picture, "x.png", None, measure.look(picture, faces), record, **more)

    sitter, stranger = judged(person("a-3")), judged(person("b-2"))
    assert sitter.good and sitter.reach is not None and sitter.reach < 1 and sitter.quality == 1.0
    assert [flaw.code for flaw in stranger.flaws] == ["unlike"] and judged(person("b-2"), photo=False).good
    nobody = judged(np.full((64, 64, 3), 90, np.uint8))
    assert [flaw.code for flaw in nobody.flaws] == ["no_face"] and nobody.likeness is None


def test_few_photos_have_a_wide_circle_and_one_photo_none() -> None:
    photos = [np.eye(8)[0] * 0.01 * n for n in range(5)]
    three, one, none = (measure.make_record("dlib-resnet-v1", photos[:n], ()) for n in (3, 1, 0))
    assert three.circle is not None and three.circle.radius == pytest.approx(0.5)
    five = measure.make_record("dlib-resnet-v1", photos, ()).circle
    assert five is not None and five.radius == pytest.approx(0.025 + 0.05)
    assert one.circle is None and none.circle is None
