"""The bench of finishing: what the steps do to pictures of people, and what they say where they cannot."""

from pathlib import Path

import numpy as np
import pytest

from portraitist import finisher
from portraitist.errors import BadRequest, MissingModel, UnknownName
from portraitist.faces import Faces
from portraitist.finishing.asking import parse
from portraitist.finishing.steps import STEPS, Tools, finish
from portraitist.images import read_picture, read_png_text, save_png, transform
from portraitist.requests import FinishRequest, from_json, to_json
from portraitist.settings import Settings, load_settings
from portraitist.types import Mask, Picture, Size
from tests.people import person


@pytest.fixture(scope="module")
def tools(faces: Faces) -> Tools:
    settings = load_settings()
    return finisher.make_tools(FinishRequest(), settings, faces, None)


class Nobody:
    def detect(self, picture: Picture) -> list[object]:
        return []


def _blank(picture: Picture) -> Mask:
    return np.zeros(picture.shape[:2], np.uint8)


@pytest.fixture
def empty(tmp_path: Path) -> Tools:
    """Sees nobody, and has no models."""
    return Tools(Nobody(), _blank, tmp_path)  # type: ignore[arg-type]


def asked(text: str) -> FinishRequest:
    return FinishRequest(parse(text))


def test_a_step_at_strength_0_changes_no_bit(empty: Tools) -> None:
    picture = person("a-1")
    for name in STEPS:
        done = finish(picture, asked(f"{name}:0"), empty)
        assert np.array_equal(done.picture, picture) and done.notes == ()


def test_retouch_evens_skin_and_leaves_the_rest(tools: Tools) -> None:
    picture = person("a-1")
    face = tools.seer.detect(picture)[0]
    noisy = picture.copy()
    x, y = (round(float(value)) for value in face.mesh[50, :2])
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
    unit = face.eye_distance
    blotch = 14 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * (0.05 * unit) ** 2))
    noisy[..., 1:] = np.clip(noisy[..., 1:] - blotch[..., None], 0, 255)
    done = finish(noisy, asked("retouch:1:light=0"), tools)
    before, after = (float(one[y, x, 1]) - float(picture[y, x, 1]) for one in (noisy, done.picture))
    assert abs(after) < 0.75 * abs(before)
    assert np.array_equal(done.picture[:3], noisy[:3])
    assert np.array_equal(done.picture, finish(noisy, asked("retouch:1:light=0"), tools).picture)


def test_retouch_keeps_moles(tools: Tools) -> None:
    picture = person("a-1")
    face = tools.seer.detect(picture)[0]
    x, y = (round(float(value)) for value in face.mesh[50, :2])
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
    spot = (rows - y) ** 2 + (columns - x) ** 2 <= max(1.5, 0.035 * face.eye_distance) ** 2
    marked = np.where(spot[..., None], (picture * 0.4).astype(np.uint8), picture)
    done = finish(marked, asked("retouch:0.5"), tools).picture
    around = float(picture[y, x].mean())
    assert around - float(done[y, x].mean()) > 0.8 * (around - float(marked[y, x].mean()))


def test_a_tilted_head_is_set_upright(tools: Tools) -> None:
    picture = person("a-1")
    angle = np.radians(9)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = np.array(picture.shape[1::-1]) / 2
    tilted = transform(picture, np.column_stack([turn, middle - turn @ middle]), Size(*picture.shape[1::-1]))
    rolls = []
    for one in (tilted, finish(tilted, asked("pose"), tools).picture):
        eyes = tools.seer.detect(one)[0].eyes
        rolls.append(abs(np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1]))))
    assert rolls[0] > 5 and rolls[1] < 2
    framed = finish(picture, asked("pose:aspect=3x4"), tools).picture
    assert framed.shape[1] / framed.shape[0] == pytest.approx(0.75, abs=0.02)


def test_backgrounds(tools: Tools, tmp_path: Path) -> None:
    picture = person("a-1")
    face = tools.seer.detect(picture)[0]
    blue = finish(picture, asked("background:colour=#0000ff"), tools).picture
    assert blue[2, 2].tolist() == [0, 0, 255]
    x, y = (round(float(value)) for value in face.mesh[4, :2])
    assert np.array_equal(blue[y, x], picture[y, x])
    ground = save_png(tmp_path / "ground.png", np.full((40, 60, 3), (9, 200, 9), np.uint8), made=False)
    replaced = finish(picture, asked(f"background:picture={ground}"), tools).picture
    assert replaced[2, 2].tolist() == [9, 200, 9]
    blurred = finish(picture, asked("background:blur=1"), tools).picture
    assert np.array_equal(blurred[y, x], picture[y, x]) and not np.array_equal(blurred, picture)
    with pytest.raises(BadRequest, match="no colour"):
        finish(picture, asked("background:colour=mauve"), tools)
    with pytest.raises(BadRequest, match="one of"):
        finish(picture, asked("background:colour=red:blur=1"), tools)


def test_without_a_face_steps_say_so(empty: Tools) -> None:
    picture = np.full((64, 80, 3), 90, np.uint8)
    done = finish(picture, asked("retouch,pose,background,upscale:scale=3"), empty)
    assert [note.code for note in done.notes] == ["no_face", "no_face", "nobody", "lanczos"]
    assert done.picture.shape == (192, 240, 3)


def test_more_pixels_than_can_be_read_again_are_refused(empty: Tools) -> None:
    with pytest.raises(BadRequest, match="at most 80 are made"):
        finish(np.full((2400, 2400, 3), 90, np.uint8), asked("upscale:scale=4"), empty)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("polish", UnknownName, "finishing step"),
        ("retouch:2", BadRequest, "from 0 to 1"),
        ("retouch:hard", BadRequest, "neither"),
        ("upscale:colour=red", BadRequest, "no setting"),
    ],
)
def test_wrong_steps(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        parse(text)


def test_what_is_missing_is_named_with_its_source(empty: Tools) -> None:
    picture = person("a-1")
    with pytest.raises(UnknownName) as unknown:
        finish(picture, asked("upscale:name=best"), empty)
    assert "lanczos" in str(unknown.value.hint) and "realesrgan_x4plus" in str(unknown.value.hint)
    with pytest.raises(MissingModel) as missing:
        finish(picture, asked("upscale:name=RealESRGAN_x4plus"), empty)
    assert "https://github.com/xinntao" in str(missing.value.hint) and "BSD-3-Clause" in str(missing.value)
    with pytest.raises(BadRequest, match="sitter"):
        finish(picture, asked("fuse"), empty)


def test_requests_go_through_json() -> None:
    request = asked("retouch:0.4:teeth=0,background:colour=white,upscale:scale=2")
    assert from_json(FinishRequest, to_json(request)) == request


def test_files_keep_their_text_and_get_the_request(faces: Faces, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, models=load_settings().models_folder)
    file = save_png(tmp_path / "one.png", person("a-1"), {"parameters": "a man, größer", "portraitist": "{}"})
    request = asked("retouch:0.5,upscale")
    report = finisher.finish_files([file], request, settings, faces, out=tmp_path / "o", stages=tmp_path / "s")
    done = report.files[0]
    text = read_png_text(Path(done.file))
    assert text["parameters"] == "a man, größer" and from_json(FinishRequest, text[finisher.TEXT]) == request
    assert [Path(one).name for one in done.stages] == ["one-1-retouch.png", "one-2-upscale.png"]
    assert np.array_equal(read_picture(Path(done.stages[-1])), read_picture(Path(done.file)))
    assert b"trainedAlgorithmicMedia" in Path(done.file).read_bytes()
    plain = save_png(tmp_path / "photo.png", person("a-1"), made=False)
    report = finisher.finish_files([plain], request, settings, faces)
    assert b"trainedAlgorithmicMedia" not in Path(report.files[0].file).read_bytes()
