"""Fusion: what is laid on, what is left alone, and who judges. One fusion is real, the rules go by a fake judge."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from portraitist import measure
from portraitist.errors import BadRequest, MissingModel, UnknownName
from portraitist.faces import Face, Faces, distance, mean
from portraitist.faces.spaces import named
from portraitist.finishing import blend, zones
from portraitist.finishing.fusion import Fused, Gate, fuse, lay_on
from portraitist.finishing.matching import Source, State, by_suit, state_of
from portraitist.finishing.sources import read_sources, source_of
from portraitist.finishing.warp import window_of
from portraitist.fusing import fusion_of, is_drawn
from portraitist.images import resize
from portraitist.photos.patch import moved
from portraitist.recipes import Style, find
from portraitist.requests import FusionSettings, from_json, to_json
from portraitist.store.sitters import SitterFolder
from portraitist.types import Embedding, Picture, Size
from tests.people import person

SETTINGS = FusionSettings(tries=1)


@dataclass(frozen=True)
class Target:
    """A portrait with its one face."""

    picture: Picture
    face: Face
    state: State


@pytest.fixture(scope="module")
def sources(faces: Faces, sitter: list[Path]) -> tuple[Source, ...]:
    return read_sources(sitter, faces)


@pytest.fixture(scope="module")
def far(faces: Faces) -> Target:
    """Somebody else, in place of a portrait that missed the sitter."""
    picture = person("b-2")
    face = faces.detect(picture)[0]
    return Target(picture, face, state_of(picture, face, faces))


@pytest.fixture(scope="module")
def fused(faces: Faces, far: Target, sources: tuple[Source, ...]) -> Fused:
    gate = Gate(faces, [(source.name, source.embedding) for source in sources])
    return fuse(far.picture, [far.face], sources, SETTINGS, gate)


def test_a_portrait_that_missed_comes_nearer_to_photos_that_were_not_laid_on(
    faces: Faces, far: Target, sources: tuple[Source, ...], fused: Fused
) -> None:
    report = fused.report
    assert report.fused and report.code == "fused" and report.source in report.message
    others = mean([source.embedding for source in sources if source.name != report.source])
    before, after = faces.embed_only(far.picture), faces.embed_only(fused.picture)
    assert before is not None and after is not None, "still exactly one face"
    assert report.distance_before == pytest.approx(distance(before, others), abs=1e-4)
    assert report.distance_after == pytest.approx(distance(after, others), abs=1e-4)
    assert distance(before, others) - distance(after, others) >= SETTINGS.gain
    assert from_json(type(report), to_json(report)) == report


def test_only_the_face_changes_and_keeps_its_light_and_colour(
    far: Target, sources: tuple[Source, ...], fused: Fused
) -> None:
    window = window_of(far.picture, far.face)
    left, top, face = int(window.box.x), int(window.box.y), zones.inside(window)
    inside = np.zeros(far.picture.shape[:2], dtype=bool)
    inside[top : top + face.shape[0], left : left + face.shape[1]] = face
    assert np.array_equal(fused.picture[~inside], far.picture[~inside]), "hair, clothes and wall"
    assert np.abs(fused.picture[inside].astype(int) - far.picture[inside]).mean() > 3
    before, after = (blend.to_lab(picture)[inside].mean(axis=0) for picture in (far.picture, fused.picture))
    assert np.abs(after - before).max() < 3, "CIELAB"
    source = next(source for source in sources if source.name == fused.report.source)
    again = lay_on(far.picture, far.face, far.state, source, SETTINGS)
    assert np.array_equal(again, fused.picture), "the same each time"


def test_black_and_white_stays_so(far: Target, sources: tuple[Source, ...]) -> None:
    grey = np.repeat(far.picture.mean(axis=2, keepdims=True).round().astype(np.uint8), 3, axis=2)
    made = lay_on(grey, far.face, far.state, sources[0], SETTINGS)
    assert not np.array_equal(made, grey)
    assert np.ptp(made.astype(int), axis=2).max() <= 2


def test_teeth_are_not_pulled_into_a_closed_mouth(far: Target, sources: tuple[Source, ...]) -> None:
    laughing = next(source for source in sources if source.name == "a-4.jpg")
    only_lips = replace(SETTINGS, skin=0.0, eyes=0.0)
    alike = replace(far.state, mouth=laughing.state.mouth, smile=laughing.state.smile)
    assert not np.array_equal(lay_on(far.picture, far.face, alike, laughing, only_lips), far.picture)
    closed = replace(alike, mouth=laughing.state.mouth - 0.4)
    assert np.array_equal(lay_on(far.picture, far.face, closed, laughing, only_lips), far.picture)


def test_what_a_photo_cuts_off_is_not_smeared(far: Target, sources: tuple[Source, ...]) -> None:
    whole = next(source for source in sources if source.name == "a-5.jpg")
    middle = round(float(whole.face.mesh[1, 0]))
    cut = replace(whole, picture=np.ascontiguousarray(whole.picture[:, :middle]))
    made = lay_on(far.picture, far.face, far.state, cut, SETTINGS)
    changed = (made != far.picture).any(axis=2)
    x, y = np.round(far.face.mesh[[280, 352, 425], :2]).astype(int).T
    assert not changed[y, x].any()
    x, y = np.round(far.face.mesh[[50, 123, 205], :2]).astype(int).T
    assert changed[y, x].any()


def test_glasses_are_not_put_on(faces: Faces, far: Target) -> None:
    glasses = source_of("b-1", person("b-1"), faces)
    assert glasses is not None and glasses.state.glasses and not far.state.glasses
    assert by_suit(far.state, [glasses], yaw=90, most=3) == []
    assert by_suit(replace(far.state, glasses=True), [glasses], yaw=90, most=3) == [glasses]


def test_the_photo_that_suits_best_comes_first(sources: tuple[Source, ...]) -> None:
    for source in sources:
        others = [other for other in sources if other is not source]
        awry = {"yaw": source.state.yaw + 30, "mouth": source.state.mouth + 1, "lids": source.state.lids - 0.5}
        for name, value in awry.items():
            worse = replace(source, name=f"0-{name}", state=replace(source.state, **{name: value}))
            assert by_suit(source.state, [worse, *others, source], yaw=90, most=2)[0] is source
    assert by_suit(replace(sources[0].state, yaw=80.0), sources, yaw=20, most=4) == []


def test_photos_that_were_held_out_are_neither_source_nor_judge(
    faces: Faces, sources: tuple[Source, ...], sitter: list[Path], tmp_path: Path
) -> None:
    folder = SitterFolder("anna", tmp_path)
    with pytest.raises(MissingModel, match="'anna'"):
        fusion_of(folder, faces)
    folder.photos.mkdir()
    for path in sitter[:3]:
        (folder.photos / path.name).write_bytes(path.read_bytes())
    known = {source.name: source.embedding for source in sources[:3]}
    held_out = known.pop("a-3.jpg")
    measure.write_record(folder.faces, measure.make_record(faces.recogniser.name, list(known.values()), [held_out]))
    found, gate = fusion_of(folder, faces)
    assert {source.name for source in found} == {name for name, _ in gate.photos} == set(known)


def test_a_drawn_look_is_told_by_the_style_or_the_words() -> None:
    assert is_drawn(find(Style, "oil"), None) and not is_drawn(find(Style, "studio"), "an oil painting behind her")
    assert is_drawn(None, "(ink sketch:1.2), a woman") and is_drawn(None, "watercolor of a man")
    assert not is_drawn(None, "photo of a woman in a library") and not is_drawn(None, None)


class Judge:
    """Says how near each picture is: `before` for the portrait, `after` for whatever was made of it."""

    def __init__(self, small: Target, after: float, faces: int = 1, space: str = "") -> None:
        self._small, self._after, self._faces, self._space = small, after, faces, space

    def detect(self, picture: Picture) -> list[Face]:
        return [self._small.face] * self._faces

    def embed(self, picture: Picture, face: Face) -> Embedding:
        made = not np.array_equal(picture, self._small.picture)
        return named(np.array([self._after if made else 1.0, 0.0, 0.0]), self._space)

    def opening(self, picture: Picture, face: Face) -> float:
        return 0.3


@pytest.fixture(scope="module")
def small(far: Target) -> Target:
    return Target(resize(far.picture, Size(128, 128)), moved(far.face, 0, 0, 0.5), far.state)


@pytest.fixture
def witnesses(sources: tuple[Source, ...]) -> list[Source]:
    """The sources around the origin of the fake judge's space, 0.3 from each other at least."""
    corners = 0.3 * np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    return [replace(source, embedding=corner) for source, corner in zip(sources, corners, strict=True)]


def told(
    small: Target, witnesses: list[Source], *, after: float = 0.5, faces: int = 1, words: float | None = None,
    found: int = 1, photos: int = 4, own: bool = False, drawn: bool = False, **settings: object,
) -> Fused:  # fmt: skip
    gate = Gate(Judge(small, after, faces), [(one.name, one.embedding) for one in witnesses][:photos], words)
    chosen = replace(SETTINGS, **settings)  # type: ignore[arg-type]
    sources = witnesses[:photos] if own else witnesses
    return fuse(small.picture, [small.face] * found, sources, chosen, gate, drawn=drawn)


def test_a_gain_is_taken_and_told(small: Target, witnesses: list[Source]) -> None:
    made = told(small, witnesses, words=1.2, after=0.6)
    assert made.report.fused and len(made.report.trials) == SETTINGS.tries
    assert made.report.distance_before is not None and made.report.distance_after is not None
    assert made.report.distance_before > 1.0 > made.report.distance_after
    assert made.report.score_before is not None and made.report.score_after is not None
    assert 0.0 < made.report.score_before < SETTINGS.below < made.report.score_after < 1.0


def test_the_step_is_as_large_as_the_recognisers_space(small: Target, witnesses: list[Source]) -> None:
    for space, fused in (("dlib-resnet-v1", True), ("auraface-v1", False)):
        gate = Gate(Judge(small, 0.95, space=space), [(one.name, named(one.embedding, space)) for one in witnesses])
        sources = [replace(one, embedding=named(one.embedding, space)) for one in witnesses]
        assert fuse(small.picture, [small.face], sources, SETTINGS, gate).report.fused is fused


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("alike", {"words": 2.5}),  # words are so far away that the score is high
        ("no_gain", {"after": 0.98}),
        ("no_gain", {"faces": 2}),
        ("no_gain", {"after": 1.2}),
        ("no_source", {"yaw": 0.0}),
        ("few_photos", {"photos": 1}),
        ("few_photos", {"photos": 2, "own": True}),
        ("faces", {"found": 0}),
        ("faces", {"found": 2}),
        ("drawn", {"drawn": True}),
    ],
)
def test_what_is_left_alone_and_why(small: Target, witnesses: list[Source], code: str, how: dict[str, object]) -> None:
    left = told(small, witnesses, **how)  # type: ignore[arg-type]
    assert left.report.code == code and not left.report.fused and left.report.source is None
    assert left.report.message.endswith(".")
    assert left.picture is small.picture


def test_a_portrait_within_the_sitters_own_spread_is_fused_only_when_asked_for(
    small: Target, witnesses: list[Source]
) -> None:
    wide = [replace(one, embedding=4.0 * one.embedding) for one in witnesses]
    assert told(small, wide).report.code == "alike"
    assert told(small, wide, when="always").report.fused


def test_a_painted_portrait_is_fused_when_asked_for(small: Target, witnesses: list[Source]) -> None:
    gate = Gate(Judge(small, 0.5), [(one.name, one.embedding) for one in witnesses])
    asked = fuse(small.picture, [small.face], witnesses, replace(SETTINGS, drawn=True), gate, drawn=True)
    assert asked.report.fused


def test_a_photo_never_judges_itself_nor_a_copy_of_itself(small: Target, witnesses: list[Source]) -> None:
    named = [(one.name, one.embedding) for one in witnesses]
    gate = Gate(Judge(small, 0.5), [*named, ("copy.jpg", witnesses[0].embedding + 0.01)])
    assert len(gate.witnesses(witnesses[0])) == len(witnesses) - 1


def test_learned_swappers_are_named_with_their_terms_and_never_run(small: Target, witnesses: list[Source]) -> None:
    with pytest.raises(MissingModel, match="non-commercial") as refused:
        told(small, witnesses, method="inswapper")
    assert "warp" in (refused.value.hint or "")
    with pytest.raises(UnknownName, match="no method of fusion named 'magic'"):
        told(small, witnesses, method="magic")


@pytest.mark.parametrize(("name", "value"), [("skin", 1.5), ("tries", 0), ("split", 0.0), ("gain", float("nan"))])
def test_senseless_numbers_are_refused_by_name(small: Target, witnesses: list[Source], name: str, value: float) -> None:
    with pytest.raises(BadRequest, match=f"{name} is"):
        told(small, witnesses, **{name: value})  # type: ignore[arg-type]
