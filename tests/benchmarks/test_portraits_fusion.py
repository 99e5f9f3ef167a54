"""The bars of fusion: whose gains count, and what breaks them."""

from benchmarks.portraits_fusion import Marked, row_of, summary
from portraitist.requests import FusionReport

LEFT, FUSED = FusionReport(code="alike", score_before=0.7), FusionReport(fused=True, code="fused", score_before=0.3)


def bars(marked: list[Marked]) -> dict[str, tuple[object, object]]:
    return {row["what"]: (row["value"], row["kept"]) for row in summary(marked)}


def test_portraits_under_the_half_that_were_left_alone_count_as_no_gain() -> None:
    one = bars([Marked(0.3, 0.42, (True, True), FUSED), *[Marked(0.4, 0.4, (True, True), LEFT)] * 3])
    assert one["judge's score under 0.5: gain of all of them, mean"] == (0.03, False)
    assert one["studio's score under 0.5: gain by the judge, mean"] == (0.12, True)
    assert one["left alone: alike"] == (3, None)


def test_a_lost_face_and_a_fusion_of_what_was_good_break_their_bars() -> None:
    good = FusionReport(fused=True, code="fused", score_before=0.8)
    marked = [Marked(0.6, 0.0, (True, False), FUSED), Marked(0.6, 0.7, (True, True), good)]
    found = bars(marked)
    assert found["portraits that lost their one face"] == (1, False)
    assert found["studio's score from 0.5: fused"] == (1, False)
    assert found["judge's score from 0.5: fused"] == ("2 of 2", None)
    assert found["fused portraits whose score fell by more than 0.05"] == (1, None)
    assert found["judge's score under 0.5: gain of all of them, mean"] == (None, False), (
        "nothing to measure is no proof"
    )
    assert row_of(7, marked)["lost_faces"] == 1
