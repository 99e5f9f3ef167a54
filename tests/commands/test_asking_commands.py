"""What is told of a request, and what is refused, at every door."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from portraitist.devices import Device
from portraitist.errors import Denied
from portraitist.faces import Faces
from portraitist.images import read_picture, read_request, save_png
from portraitist.portraying import portrait_sitter
from portraitist.requests import PortraitRequest, to_json
from portraitist.settings import load_settings
from tests.commands.calling import call
from tests.commands.drawn_sitter import put_sitter
from tests.commands.tiny_home import home, own_home

Capture = pytest.CaptureFixture[str]
__all__ = ["home", "own_home"]


@pytest.fixture(scope="module", autouse=True)
def sitters(home: Path, tiny_base: Path, faces: Faces) -> None:
    put_sitter(home, tiny_base, faces, "mia")
    put_sitter(home, tiny_base, faces, "tim", "boy")


def asked(capsys: Capture, *options: object, sitter: str = "mia") -> tuple[int, dict[str, object]]:
    code = call("portrait", "--sitter", sitter, *options, "--json")
    return code, json.loads(capsys.readouterr().out)


def test_warnings_are_told_before_and_after_the_picture(tmp_path: Path, capsys: Capture) -> None:
    words = ("--prompt", "ohwx woman, smile, 微笑", "--negative", "(smile:1.2)", "--size", "128x128", "-n", "1")
    _, plan = asked(capsys, *words, "--dry-run")
    code, made = asked(capsys, *words, "--out", tmp_path)
    told = [{"unread_language", "negative_repeats", "large"} & {one["code"] for one in answer["warnings"]}  # type: ignore[attr-defined]
            for answer in (plan, made)]  # fmt: skip
    assert code == 0 and told == [{"unread_language", "negative_repeats", "large"}] * 2
    assert call("portrait", "--sitter", "mia", *words, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "微笑 is å ¾ ® ç ¬ ĳ" in said and "takes them back: smile" in said


def test_another_base_and_a_wrong_budget_are_told_by_the_plan_too(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "asked.toml"
    file.write_text('prompt = "smile"\nbase = "sdxl"\n')
    for options in (("--dry-run",), ("--grid", "cfg=1,2"), ("--out", tmp_path / "made")):
        code, answer = asked(capsys, "--request", file, *options)
        assert code == 3 and "no likeness on sdxl; there is one on tiny" in answer["error"]["message"]  # type: ignore[index]
    assert not (tmp_path / "made").exists()
    file.write_text('prompt = "smile"\nbase = "tiny"\n')
    assert asked(capsys, "--request", file, "--dry-run")[0] == 0
    assert asked(capsys, "--request", file, "-n", 4, "--budget", 3, "--dry-run")[0] == 2
    assert call("portrait", "--sitter", "mia", "--request", file, "-n", 2, "--budget", 5, "--dry-run") == 0
    assert "candidates: at most 5, until 2 are good" in capsys.readouterr().out


def test_no_portrait_is_written_over_by_another(tmp_path: Path, capsys: Capture) -> None:
    mine = save_png(tmp_path / "prompt-7.png", np.full((8, 8, 3), 9, np.uint8), made=False)
    names = []
    for words in ("red hat", "blue hat", "red hat"):
        _, made = asked(capsys, "--prompt", words, "--seed", 7, "--steps", 1, "-n", 1, "--out", tmp_path)
        names.append(made["portraits"][0]["file"])  # type: ignore[index]
    assert names == ["prompt-7-2.png", "prompt-7-3.png", "prompt-7-2.png"], "the same portrait has its own name again"
    assert read_picture(mine).shape == (8, 8, 3)
    assert call("portrait", "--again", tmp_path / "prompt-7-3.png", "--out", tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prompt-7-2.png", "prompt-7-3.png", "prompt-7.png"]


def test_refused_words_leave_nothing_behind(home: Path, tmp_path: Path, capsys: Capture) -> None:
    out, file = tmp_path / "made", tmp_path / "asked.toml"
    file.write_text('sitter = "mia"\nprompt = "(n4ked:1.2) on a sofa"\n')
    for options in (("--prompt", "ohwx woman, n u d e"), ("--request", file), ("--request", file, "--dry-run"),
                    ("--prompt", "smile", "--lora", "nude")):  # fmt: skip
        code, answer = asked(capsys, *options, "--out", out)
        assert code == 2 and answer["error"]["code"] == "denied", options  # type: ignore[index]
    code, answer = asked(capsys, "--prompt", "ohwx in a bikini", "--out", out, sitter="tim")
    assert "'bikini' beside 'boy'" in answer["error"]["message"]  # type: ignore[index]
    assert not out.exists() and not (home / "sitters" / "mia" / "portraits").exists()


def test_the_negative_and_a_child_at_school_are_let_through(capsys: Capture) -> None:
    words = ("--prompt", "school uniform, smile", "--negative", "nsfw, nude")
    assert asked(capsys, *words, "--dry-run", sitter="tim")[0] == 0


def test_a_picture_of_refused_words_is_not_made_again(tmp_path: Path, capsys: Capture) -> None:
    request = PortraitRequest("mia", prompt="ohwx woman, topless", size=(64, 64), sampler="DDIM", steps=1, cfg=1.0)
    save_png(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8), {"portraitist": to_json(request)})
    assert call("portrait", "--again", tmp_path / "a.png", "--out", tmp_path / "again", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "denied" and not (tmp_path / "again").exists()


def test_the_function_refuses_too_and_a_setting_switches_it_off(
    home: Path, tmp_path: Path, faces: Faces, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    request = PortraitRequest("mia", prompt="ohwx woman, topless")
    with pytest.raises(Denied, match="'topless'"):
        portrait_sitter(request, load_settings(), faces, out=tmp_path / "made")
    (home / "portraitist.toml").write_text("deny_list = false\n")
    try:
        assert asked(capsys, "--prompt", "ohwx woman, topless", "--dry-run")[0] == 0
        assert asked(capsys, "--prompt", "ohwx, topless", "--dry-run", sitter="tim")[0] == 2
    finally:
        (home / "portraitist.toml").unlink()


def test_a_refused_style_is_unfit_undrawn_and_stops_a_training(home: Path, tmp_path: Path, capsys: Capture) -> None:
    call("styles", "add", "pool", "--prompt", "{sitter} in a bikini", "--title", "Pool", "--json")
    assert "For a child the prompt is refused for 'bikini' beside 'girl'" in capsys.readouterr().out
    assert call("styles", "add", "pool", "--prompt", "{sitter} in a bikini", "--title", "Pool", "--suits", "woman") == 0
    place = home / "library" / "styles" / "pool" / "style.toml"
    place.write_text(place.read_text().replace("bikini", "bikini, nude") + "shown = true\n")
    capsys.readouterr()
    try:
        assert asked(capsys, "--style", "pool", "--dry-run")[1]["error"]["code"] == "denied"  # type: ignore[index]
        assert call("styles", "check", "pool", "--json") == 2
        assert json.loads(capsys.readouterr().out)["findings"][0]["code"] == "denied"
        assert call("styles", "preview", "pool", "--base", "tiny", "--out", tmp_path / "p.jpg", "--json") == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "denied"
        assert call("train", tmp_path, "--sitter", "zoe", "--base", "tiny", "--json") == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "denied"
    finally:
        place.unlink()


def test_a_grid_draws_every_cell_with_its_request_inside_and_a_sheet(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "grid"
    words = ("--prompt", "ohwx woman, red hat", "--seed", "5", "--grid", "cfg=1.5,7;prompt=red,blue;steps=1,2")
    _, plan = asked(capsys, *words, "--dry-run", "--out", out)
    assert plan["steps"] == 12 and len(plan["cells"]) == 8 and not out.exists()  # type: ignore[arg-type]
    code, made = asked(capsys, *words, "--out", out)
    assert code == 0 and made["sheets"] == ["grid-1.png", "grid-2.png"]
    assert made["axes"] == [{"name": "cfg", "values": ["1.5", "7"]}, {"name": "prompt", "values": ["red", "blue"]},
                            {"name": "steps", "values": ["1", "2"]}]  # fmt: skip
    cells = {tuple(cell["values"]): out / cell["portrait"]["file"] for cell in made["cells"]}  # type: ignore[attr-defined]
    told = {values: read_request(file) for values, file in cells.items()}
    assert list(told) == [tuple(cell["values"]) for cell in plan["cells"]]  # type: ignore[attr-defined]
    for (cfg, colour, steps), request in told.items():
        assert (request["cfg"], request["steps"], request["seed"]) == (float(cfg), int(steps), 5)
        assert request["prompt"] == f"ohwx woman, {colour} hat" and request["likeness_sha256"]
    pictures = {values: read_picture(file) for values, file in cells.items()}
    assert len({picture.tobytes() for picture in pictures.values()}) == 8
    assert call("portrait", "--again", cells["7", "blue", "2"], "--out", tmp_path / "again") == 0
    (again,) = (tmp_path / "again").glob("*.png")
    assert (read_picture(again) == pictures["7", "blue", "2"]).all()
    sheet = read_picture(out / "grid-2.png")
    assert contains(sheet, pictures["7", "blue", "2"]) and not contains(sheet, pictures["7", "blue", "1"])


def contains(sheet: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a picture lies on the sheet, pixel for pixel."""
    height, width = picture.shape[:2]
    for top, left in zip(*np.nonzero((sheet == picture[0, 0]).all(axis=2)), strict=True):
        if np.array_equal(sheet[top : top + height, left : left + width], picture):
            return True
    return False


def test_a_grid_of_a_lora_weighs_one_by_name(home: Path, tmp_path: Path, capsys: Capture) -> None:
    place = home / "library" / "loras" / "ink.safetensors"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes((home / "sitters" / "mia" / "mia.safetensors").read_bytes())
    grid = ("--prompt", "smile <lora:ink:0.9>", "--grid", "lora:ink=0.2,0.6;strength=0.5,1")
    _, plan = asked(capsys, *grid, "--dry-run")
    told = [(cell["request"]["loras"], cell["request"]["strength"]) for cell in plan["cells"]]  # type: ignore[attr-defined]
    assert [([one["strength"] for one in loras], strength) for loras, strength in told] == [
        ([0.2], 0.5), ([0.6], 0.5), ([0.2], 1.0), ([0.6], 1.0),
    ]  # fmt: skip
    _, made = asked(capsys, "--prompt", "smile", "--grid", "lora:ink=0.2,2", "--steps", "1", "--out", tmp_path)
    weak, strong = (tmp_path / cell["portrait"]["file"] for cell in made["cells"])  # type: ignore[attr-defined]
    assert call("portrait", "--again", strong, "--out", tmp_path / "again") == 0
    (again,) = (tmp_path / "again").glob("*.png")
    assert (read_picture(again) == read_picture(strong)).all() and (read_picture(weak) != read_picture(strong)).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--prompt", "smile, (hat:1,3)"), "Column 13 of the prompt"),
        (("--prompt", "smile", "--negative", "hat [a|b]"), "Column 5 of the negative prompt"),
        (("--prompt", "x <lora:ink:abc>"), "Column 3 of the prompt"),
        (("--prompt", "smile", "--lora", "ink:1.2.3"), "'ink:1.2.3'"),
        (("--prompt", "smile", "--lora", ""), "--lora ''"),
        (("--style", ""), "no style named ''"),
        (("--again", "x.png", "--prompt", "hat", "--dry-run"), "--prompt, --dry-run cannot go with it"),
    ],
)
def test_wrong_words_and_options_are_told_before_anything(
    options: tuple[str, ...], words: str, tmp_path: Path, capsys: Capture
) -> None:
    sitter = () if "--again" in options else ("--sitter", "mia")
    assert call("portrait", *sitter, *options, "--out", tmp_path / "out", "--json") == 2
    assert words in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--grid", "cfg=4;stepz=1"), "Column 7 of the grid: 'stepz'"),
        (("--grid", "sampler=DDIM,Eular"), "no sampler named 'Eular'"),
        (("--grid", "cfg=4,7", "-n", "4"), "not 4"),
        (("--grid", "cfg=4,7", "--budget", "8"), "chooses none"),
        (("--grid", "cfg=4,7", "--again", "x.png"), "exclude each other"),
        (("--grid", "prompt=hat,nude"), "'nude' (rule nudity"),
        (("--grid", "lora:none=1,2"), "no LoRA named 'none'"),
        (("--grid", "seed=1-101"), "101 values"),
        (("--grid", "cfg=4,7", "--finish", "retuch", "--dry-run"), "'retuch'"),
    ],
)
def test_a_grid_that_cannot_be_drawn_is_told_before_anything(
    options: tuple[str, ...], words: str, tmp_path: Path, capsys: Capture
) -> None:
    code, answer = asked(capsys, "--prompt", "ohwx woman, red hat", *options, "--out", tmp_path / "grid")
    assert code == 2 and words in answer["error"]["message"]  # type: ignore[index]
    assert not (tmp_path / "grid").exists()


def test_a_batch_is_told_pinned_and_drawn_again(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    device = Device(torch.device("cpu"), torch.float32, "a test: as a device that draws several at a time")
    monkeypatch.setattr("portraitist.models.choose_device", lambda wanted: device)
    words = ("--prompt", "ohwx woman, hat", "-n", "2", "--candidates", "3", "--batch", "2", "--keep-rejected")
    _, plan = asked(capsys, *words, "--dry-run")
    assert plan["request"]["batch"] == 2 and "batch" in [one["code"] for one in plan["warnings"]]  # type: ignore[index,attr-defined]
    code, made = asked(capsys, *words, "--out", tmp_path / "two")
    files = sorted((tmp_path / "two").rglob("*.png"))
    assert code == 0 and len(files) == 3 and "batch" in [one["code"] for one in made["warnings"]]  # type: ignore[attr-defined]
    assert all(read_request(file)["batch"] == 2 for file in files)
    assert call("portrait", "--again", files[0], "--out", tmp_path / "again", "--json") == 0
    again = tmp_path / "again" / Path(json.loads(capsys.readouterr().out)["portraits"][0]["file"]).name
    assert np.array_equal(read_picture(again), read_picture(files[0]))


def test_a_processor_leaves_a_batch_out_and_says_so(tmp_path: Path, capsys: Capture) -> None:
    code, made = asked(capsys, "--prompt", "ohwx woman, hat", "-n", "2", "--batch", "2", "--out", tmp_path / "two")
    assert code == 0 and "one picture at a time" in json.dumps(made["warnings"])
    assert [read_request(file)["batch"] for file in (tmp_path / "two").glob("*.png")] == [1, 1]


def test_another_base_than_the_sitters_is_refused_even_the_usual_one(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "asked.toml").write_text('prompt = "ohwx woman"\nbase = "mini"\n')
    code, answer = asked(capsys, "--request", tmp_path / "asked.toml", "--dry-run")
    assert code != 0 and "has no likeness on mini; there is one on tiny" in answer["error"]["message"]  # type: ignore[index]


@pytest.mark.parametrize(("batch", "told"), [("many", "--batch 'many' is no number"), ("0", "between 1 and 32")])
def test_a_wrong_batch_is_refused(batch: str, told: str, capsys: Capture) -> None:
    code, answer = asked(capsys, "--prompt", "ohwx woman", "--batch", batch, "--dry-run")
    assert code == 2 and told in answer["error"]["message"]  # type: ignore[index]
