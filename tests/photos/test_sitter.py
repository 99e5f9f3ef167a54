"""Who the sitter is, by embeddings alone: no pictures, no models."""

import numpy as np

from portraitist.faces import Face
from portraitist.photos.quality import Limits
from portraitist.photos.sitter import Choice, Company, choose, find_sitter
from portraitist.types import Box, Size

LIMITS = Limits()
NOTHING = np.zeros((6, 2))


def face(x: float, width: float) -> Face:
    box = Box(x, 100, width, width)
    return Face(box, 0.9, 20.0, NOTHING, np.zeros((468, 3)), np.zeros((2, 2)), 0.0, 0.0, 0.0)


def who(person: int, photo: int) -> np.ndarray:
    """Photos of one person lie about 0.35 apart, of two 0.85."""
    spread = np.random.default_rng([person, photo]).normal(0, 0.35 / np.sqrt(2 * 128), 128)
    spread[person] += 0.85 / np.sqrt(2)
    return spread


def photos(*persons: tuple[int, ...], gap: float = 300.0, shot: int = 0) -> list[Company]:
    """A photo for each tuple, with these people side by side; shots are counted from `shot`."""
    made = []
    for number, there in enumerate(persons):
        faces = tuple(face(50 + gap * i, 100.0) for i in range(len(there)))
        groups = tuple(range(shot, shot + len(there)))
        shot += len(there)
        embeddings = tuple(who(person, shot + number) for person in there)
        usable = (True,) * len(there)
        made.append(Company(f"{number}.jpg", Size(2000, 500), faces, embeddings, usable, groups, len(there)))
    return made


def chosen(companies: list[Company], point: tuple[float, float] | None = None) -> list[Choice]:
    sitter = find_sitter(companies, point, (), LIMITS)
    return [choose(photo, sitter, point, LIMITS) for photo in companies]


def codes(choice: Choice) -> list[str]:
    return [reason.code for reason in choice.reasons]


def test_the_sitter_is_found_in_company_wherever_they_stand() -> None:
    found = chosen(photos((0,), (0,), (0,), (1, 0), (0, 2)))
    assert [choice.index for choice in found] == [0, 0, 0, 1, 0]
    assert [choice.known for choice in found] == [False, False, False, True, True]
    assert not any(choice.reasons for choice in found)


def test_photos_with_company_alone_tell_who_is_always_there() -> None:
    found = chosen(photos((1, 0), (0, 2), (3, 0), (0, 4)))
    assert [choice.index for choice in found] == [1, 0, 1, 0]


def test_a_couple_that_is_always_together_stays_undecided() -> None:
    found = chosen(photos((0, 1), (1, 0), (0, 1)))
    assert [codes(choice) for choice in found] == [["several_faces"]] * 3


def test_two_photos_tell_nobody_from_company() -> None:
    found = chosen(photos((0,), (0, 1)))
    assert codes(found[1]) == ["several_faces"]


def test_a_stranger_is_named_with_the_sitters_own_reach() -> None:
    found = chosen(photos((0,), (0,), (0,), (0,), (1,)))
    assert [codes(choice) for choice in found] == [[], [], [], [], ["other_person"]]
    reason = found[-1].reasons[0]
    assert reason.value is not None and reason.limit is not None and reason.value > reason.limit
    assert "this sitter's own photos reach" in reason.message


def test_a_cheek_that_touches_the_sitters_is_too_near() -> None:
    found = chosen([*photos((0,), (0,), (0,)), *photos((0, 1), gap=70.0, shot=3)])
    assert found[-1].index == 0 and codes(found[-1]) == ["several_faces"]


def test_the_face_that_is_pointed_at_is_taken() -> None:
    found = chosen(photos((0, 1), (2, 3)), point=(400.0, 150.0))
    assert [choice.index for choice in found] == [1, 1] and not found[0].reasons
