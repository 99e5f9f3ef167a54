"""Who it is: distances rank people, and the circle is the sitter's own."""

from pathlib import Path

import numpy as np
import pytest

from portraitist.faces import Circle, Faces, calibrate, distance, distances, grow, leave_one_out, mean
from portraitist.images import read_picture, save_jpeg
from tests.people import person


def test_the_sitter_is_nearer_to_the_sitter_than_a_stranger(
    faces: Faces, sitter: list[Path], stranger: list[Path]
) -> None:
    own = [faces.embed_only(read_picture(path)) for path in sitter]
    other = [faces.embed_only(read_picture(path)) for path in stranger]
    points = [point for point in own if point is not None]
    assert len(points) == len(sitter)
    centre = mean(points)
    far = [distance(centre, point) for point in other if point is not None]
    assert max(leave_one_out(points)) < min(far)


def test_embedding_is_repeatable_and_hardly_moved_by_compression(faces: Faces, tmp_path: Path) -> None:
    picture = person("a-1")
    first, second = faces.embed_only(picture), faces.embed_only(picture)
    assert first is not None and second is not None
    assert first.shape == (128,) and np.array_equal(first, second)
    packed = faces.embed_only(read_picture(save_jpeg(tmp_path / "p.jpg", picture, quality=60)))
    assert packed is not None and distance(first, packed) < 0.2


def test_a_steady_look_lies_between_looks_and_is_hardly_moved_by_a_mirror(faces: Faces) -> None:
    picture, other = person("a-1"), person("b-1")
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    (face,), (turned,), (stranger,) = (faces.detect(one) for one in (picture, mirrored, other))
    steady = faces.steady(picture, face)
    assert steady.shape == (128,) and np.array_equal(steady, faces.steady(picture, face))
    moved = distance(steady, faces.steady(mirrored, turned))
    assert moved < distance(faces.embed(picture, face), faces.embed(mirrored, turned))
    assert moved < distance(steady, faces.steady(other, stranger)) / 3


def test_only_one_face_is_embedded(faces: Faces, couple: Path, landscape: Path) -> None:
    assert faces.embed_only(read_picture(couple)) is None
    assert faces.embed_only(read_picture(landscape)) is None


def test_leave_one_out_by_hand() -> None:
    points = [np.array([0.0, 0.0]), np.array([2.0, 0.0]), np.array([1.0, 3.0])]
    assert leave_one_out(points)[2] == pytest.approx(3.0)
    assert distances(points)[0, 1] == pytest.approx(2.0)


def test_the_circle_holds_its_own_and_not_the_far() -> None:
    points = [np.array([0.0, 0.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0])]
    circle = calibrate(points)
    assert all(circle.holds(point) for point in points)
    assert not circle.holds(np.array([3.0, 3.0]))
    assert Circle(np.zeros(2), 1.0).distance(np.array([0.0, 2.0])) == 2.0


def test_strangers_do_not_hide_each_other() -> None:
    random = np.random.default_rng(0)
    own = [random.normal(0, 0.03, 128) for _ in range(5)]
    strangers = [np.r_[0.8, np.zeros(127)] + random.normal(0, 0.03, 128) for _ in range(3)]
    mixed = [strangers[0], *own, *strangers[1:]]
    assert grow(mixed) == frozenset(range(1, 6))
    assert grow(own) == frozenset(range(5))
    assert grow(mixed, known=(0, 6)) == frozenset({0, 6, 7})
