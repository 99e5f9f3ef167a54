"""The contact sheet and the page: what is on them, and that nothing from outside gets through unescaped."""

from dataclasses import replace

import numpy as np

from portraitist.requests import (
    BaseReport,
    Checkpoint,
    ChoosingReport,
    LikenessReport,
    PortraitReport,
    Report,
    TrainingReport,
)
from portraitist.show.page import draw_page
from portraitist.show.sheet import WIDTH, Frame, Sheet, draw_sheet
from portraitist.show.trials import Row, draw_curve, draw_trials
from portraitist.show.words import label, summary

RED = np.full((32, 32, 3), (200, 20, 20), np.uint8)
BLUE = np.full((48, 32, 3), (20, 20, 200), np.uint8)
ONE = PortraitReport("portraits/oil-1.png", "oil", "ohwx woman", 1, 0.61, 1, 0.4)
REPORT = Report(
    sitter="<b>Zoë</b>", held_out=("7.jpg",), captions={"1.jpg": "<script>"}, portraits=(ONE,),
    likeness=LikenessReport(0.61), base=BaseReport("mini", "mini-1"),
)  # fmt: skip


def sheet(photos: int, portraits: int) -> Sheet:
    return Sheet("Zoë 小", "words", (Frame(RED, "a.jpg"),) * photos, (Frame(BLUE, "Oil", "0.61"),) * portraits, "end")


def share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture.astype(int) - colour).max(axis=2) < 12).mean())


def test_photos_stand_above_portraits() -> None:
    drawn = draw_sheet(sheet(6, 8))
    assert drawn.shape[1] == WIDTH
    red = np.argwhere(np.abs(drawn.astype(int) - (200, 20, 20)).max(axis=2) < 12)[:, 0]
    blue = np.argwhere(np.abs(drawn.astype(int) - (20, 20, 200)).max(axis=2) < 12)[:, 0]
    assert red.max() < blue.min()
    assert share(drawn, (20, 20, 200)) > 3 * share(drawn, (200, 20, 20)), "portraits are the larger ones"


def test_a_sheet_of_any_number_of_pictures_can_be_drawn() -> None:
    heights = [draw_sheet(sheet(photos, portraits)).shape[0] for photos, portraits in ((0, 0), (3, 1), (30, 100))]
    assert heights == sorted(heights)


def test_the_page_escapes_what_comes_from_outside() -> None:
    page = draw_page(REPORT, [("<i>.jpg", RED, True)], {"oil": "Oil & more"})
    assert "<script" not in page and "<b>Zoë" not in page and "<i>.jpg" not in page
    assert "Oil &amp; more" in page and "0.61" in page and "unseen" in page and "seed 1" in page


def test_labels_tell_what_the_number_is() -> None:
    assert label(ONE) == "0.61" and label(replace(ONE, likeness=-0.002)) == "0.00"
    assert label(replace(ONE, likeness=None)) == "distance 0.40"
    assert label(replace(ONE, faces=0)) == "no face"
    assert label(replace(ONE, faces=2)) == "2 faces"


def test_the_summary_says_when_nothing_was_measured() -> None:
    assert "likeness 0.61" in summary(REPORT)
    assert "not measured" in summary(replace(REPORT, likeness=LikenessReport(None, "three photos")))


def test_the_page_tells_how_the_likeness_was_chosen() -> None:
    points = (Checkpoint(6, 0.1, 0.2), Checkpoint(9, 0.1, 0.4, chosen=True), Checkpoint(12, 0.1, 0.3))
    told = ChoosingReport("unseen photos", ("8<.jpg",), 6, (9,), 0.4, 0.41, None, 0.9, 24, 30.0)
    training = TrainingReport(60.0, 12, 24, (0.2, 0.1), points, told)
    page = draw_page(replace(REPORT, held_out=("7.jpg", "8<.jpg"), training=training), (), {})
    assert "after step 9" in page and "of 24 planned steps" in page and 'href="choosing.jpg"' in page
    assert "score of the checkpoints" in page and page.count("<polyline") == 2
    assert "never saw (7.jpg)" in page and "8&lt;.jpg" in page and "8<.jpg" not in page
    assert draw_curve(points[:1]) == ""


def test_the_grid_marks_the_chosen_row() -> None:
    rows = [Row("the bare base", "", (RED, BLUE)), Row("step 9", "0.40", (BLUE, BLUE), chosen=True)]
    plain = draw_trials([rows[0], replace(rows[1], chosen=False)], ["studio", "city"])
    marked = draw_trials(rows, ["studio", "city"])
    assert marked.shape == plain.shape and marked.shape[1] == WIDTH
    changed = np.argwhere((marked != plain).any(axis=2))
    assert len(changed) and changed[:, 0].min() > marked.shape[0] // 2 - 40
