"""The sheet of a check: what it shows can be seen, whatever the photos are like."""

import numpy as np

from portraitist.show.paper import wrap
from portraitist.show.verdicts import MOST, Card, draw_verdicts, framed
from portraitist.types import Box

GREEN, RED = (60, 122, 75), (176, 56, 43)
GREY = np.full((300, 400, 3), 120, np.uint8)


def pixels(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(sheet.astype(int) - colour).max(axis=-1) < 12).sum())


def test_verdict_box_and_landmarks_are_drawn() -> None:
    points = np.array([[200.0, 150.0], [220.0, 160.0]])
    bare = draw_verdicts("t", "", [Card("a.jpg", True, GREY)])
    boxed = draw_verdicts("t", "", [Card("a.jpg", True, GREY, Box(150, 100, 100, 100), points)])
    assert pixels(boxed, GREEN) > pixels(bare, GREEN) + 500
    assert pixels(bare, RED) == 0 and pixels(draw_verdicts("t", "", [Card("a.jpg", False, GREY)]), RED) > 500
    assert np.abs(boxed.astype(int) - (120, 235, 160)).max(axis=-1).min() < 60


def test_a_file_that_is_no_picture_has_its_place_and_reason() -> None:
    card = Card("notes.jpg", False, reasons=("notes.jpg is not a picture that can be read.",))
    sheet = draw_verdicts("1 photo", "", [card], ["Add photos. " * 60])
    assert sheet.shape[1] == 1600 and pixels(sheet, RED) > 500


def test_long_lists_and_strange_shapes_are_drawn() -> None:
    wide, tall = np.zeros((4, 900, 3), np.uint8), np.zeros((900, 4, 3), np.uint8)
    few = draw_verdicts("t", "", [Card("wide.jpg", True, wide), Card("tall.jpg", True, tall)])
    many = draw_verdicts("t", "", [Card(f"{i}.jpg", True, wide) for i in range(MOST + 9)])
    assert few.shape[0] < many.shape[0] < 65_000


def test_the_frame_shows_the_face_and_its_surroundings() -> None:
    picture = np.zeros((1000, 2000, 3), np.uint8)
    picture[400:500, 1500:1600] = 255
    card = framed(Card("a.jpg", True, picture, Box(1500, 400, 100, 100)))
    assert card.picture is not None and card.box is not None and card.picture.shape[:2] == (400, 400)
    x, y = round(card.box.x), round(card.box.y)
    assert (card.picture[y + 2 : y + 98, x + 2 : x + 98] == 255).all()


def test_wrapped_lines_keep_every_word() -> None:
    text = "The face in holiday.jpg is 61 pixels wide; at least 64 are needed."
    assert " ".join(wrap(text, 17, 200, 9)) == text and len(wrap(text, 17, 200, 2)) == 2
