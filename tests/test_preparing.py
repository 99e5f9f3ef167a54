"""Which photos are held out, and what they are called."""

from pathlib import Path

from portraitist.photos import CheckedPhoto
from portraitist.preparing import file_names, hold_out


def photos(count: int) -> list[CheckedPhoto]:
    return [CheckedPhoto(Path(f"/photos/{number}.jpg")) for number in range(count)]


def test_below_six_photos_nothing_is_held_out() -> None:
    assert [len(part) for part in hold_out(photos(5), 42)] == [5, 0]


def test_from_six_photos_on_two_are_held_out_by_the_seed() -> None:
    given = photos(9)
    training, held_out = hold_out(given, 42)
    assert len(held_out) == 2 and len(training) == 7
    assert set(training) | set(held_out) == set(given) and [p for p in given if p in training] == list(training)
    assert hold_out(given, 42) == (training, held_out)
    assert len({hold_out(given, seed)[1] for seed in range(20)}) > 5, "not always the same two"


def test_photos_of_one_name_are_told_apart_by_their_folders() -> None:
    given = [CheckedPhoto(Path(path)) for path in ("/a/1.jpg", "/b/1.jpg", "/b/2.jpg")]
    assert list(file_names(given).values()) == ["a/1.jpg", "b/1.jpg", "2.jpg"]
