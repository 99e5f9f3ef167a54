"""Finishing from outside: of portraits as they are made, and of pictures that are there."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraitist import families
from portraitist.devices import choose_device
from portraitist.faces import Faces
from portraitist.finisher import TEXT
from portraitist.images import read_picture, read_png_text, read_request, resize, save_jpeg, save_png, size_of
from portraitist.lora.formats import write
from portraitist.marks import Source, read_source
from portraitist.measure import FaceRecord, write_record
from portraitist.recipes import Base
from portraitist.signing import Signer, read_manifest
from portraitist.store.sitters import SitterRecord, SitterStore
from portraitist.types import Size
from tests.commands.calling import call
from tests.commands.tiny_home import home, own_home
from tests.contract.family import FamilyContract
from tests.finishing.tiny_network import network
from tests.people import person
from tests.signers import signer

Capture = pytest.CaptureFixture[str]
__all__ = ["home", "network", "own_home", "signer"]

STEPS = "upscale:scale=2,retouch,stylise:0.5:style=film"


@pytest.fixture(scope="module")
def trained(home: Path, tiny_base: Path, faces: Faces, sitter: list[Path]) -> str:
    """The name of a sitter with photos and a likeness of random weights."""
    model = families.load(tiny_base, Base("tiny", "sd15", "file:x", "tiny-1", (64, 64), "short"), choose_device("cpu"))
    store = SitterStore(home)
    folder = store.create(SitterRecord(name="anna", trigger="ohwx", class_word="woman", base="tiny", created="now"))
    store.keep_photos(folder, sitter[:3])
    pictures = [read_picture(photo) for photo in sitter[:3]]
    found = [faces.embed(picture, faces.detect(picture)[0]) for picture in pictures]
    record = FaceRecord(faces.recogniser.name, tuple(tuple(float(value) for value in face) for face in found))
    write_record(folder.faces, record)
    write(folder.likeness, FamilyContract().random_lora(model), model.slots())
    return "anna"


def test_portraits_are_finished_as_they_are_made_and_again(trained: str, tmp_path: Path, capsys: Capture) -> None:
    told = ("portrait", "--sitter", trained, "--style", "oil", "-n", 1)
    capsys.readouterr()
    assert call(*told, "--finish", STEPS, "--out", tmp_path / "a", "--json") == 0
    (made,) = json.loads(capsys.readouterr().out)["portraits"]
    assert [(note["step"], note["code"]) for note in made["finished"]] == [
        ("upscale", "lanczos"),
        ("retouch", "no_face"),
    ]
    file = tmp_path / "a" / made["file"]
    steps = read_request(file)["finish"]["steps"]  # type: ignore[index]
    assert [step["name"] for step in steps] == ["upscale", "retouch", "stylise"]
    assert steps[1]["settings"]["teeth"] == 1 and steps[2]["strength"] == 0.5
    pixels = read_picture(file)
    assert pixels.shape == (128, 128, 3)
    assert call("portrait", "--again", file, "--out", tmp_path / "b") == 0
    assert np.array_equal(read_picture(tmp_path / "b" / made["file"]), pixels)
    assert read_source(file) is Source.GENERATED


def test_a_portrait_pins_the_files_that_finished_it(
    trained: str, home: Path, network: Path, tmp_path: Path, capsys: Capture
) -> None:
    ground = save_png(tmp_path / "ground.png", person("a-1"), made=False)
    finish = f"fuse:drawn=1,upscale:scale=2:name={network},background:picture={ground}"
    assert call("portrait", "--sitter", trained, "--style", "oil", "-n", 1, "--finish", finish, "--out", tmp_path) == 0
    (file,) = tmp_path.glob("oil-*.png")
    fused, up, behind = read_request(file)["finish"]["steps"]  # type: ignore[index]
    assert len(fused["sha256"]["photos"]) == 64
    assert len(up["sha256"]["name"]) == 64 and len(behind["sha256"]["picture"]) == 64
    assert call("portrait", "--again", file, "--out", tmp_path / "b") == 0
    assert np.array_equal(read_picture(tmp_path / "b" / file.name), read_picture(file))
    capsys.readouterr()
    photo = next((home / "sitters" / trained / "photos").iterdir())
    data = photo.read_bytes()
    photo.write_bytes(data + b" ")
    assert call("portrait", "--again", file, "--out", tmp_path / "c", "--json") == 2
    assert "sitter's photos are not those" in json.loads(capsys.readouterr().out)["error"]["message"]
    photo.write_bytes(data)
    save_png(ground, person("a-3"), made=False)
    assert call("portrait", "--again", file, "--out", tmp_path / "c", "--json") == 2
    assert "ground.png is another file" in json.loads(capsys.readouterr().out)["error"]["message"]
    network.unlink()
    assert call("portrait", "--again", file, "--out", tmp_path / "c", "--json") == 3
    assert "tiny.safetensors" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("steps", "code", "words"),
    [
        ("", 2, "No step is named (column 1 of the steps)"),
        ("retouch, polish", 2, "'polish' (column 10 of the steps)"),
        ("retouch:2", 2, "the strength is 2"),
        ("upscale,upscale:scale=9", 2, "scale is 9.0; it must be a number from 1 to 4 (column 9"),
        ("stylise:style=fresco", 2, "fresco"),
        ("retouch:teeth=white", 2, "teeth is 'white'"),
        ("background:colour=mauve", 2, "'mauve' is no colour"),
        ("background:colour=red:blur=1", 2, "one of"),
        ("background:picture=/none/there.png", 2, "there.png cannot be opened"),
        ("pose:aspect=round", 2, "'round' is no shape"),
        ("fuse:when=never", 2, "when"),
        ("fuse:method=inswapper", 3, "non-commercial"),
        ("upscale:name=best", 2, "best"),
        ("restore:name=gfpganv1.4", 3, "GFPGANv1.4"),
    ],
)
def test_wrong_steps_are_told_before_anything_is_drawn(
    trained: str, steps: str, code: int, words: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a base was loaded")

    monkeypatch.setattr("portraitist.models.Models.base", refuse)
    capsys.readouterr()
    told = ("--finish", steps, "--out", tmp_path / "out", "--json")
    assert call("portrait", "--sitter", trained, "--style", "oil", *told) == code
    assert words in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not (tmp_path / "out").exists()


def test_stages_are_written_and_no_picture_is_written_over(tmp_path: Path, capsys: Capture) -> None:
    photo = save_jpeg(tmp_path / "me.jpg", person("a-1"), made=False)
    other = save_png(tmp_path / "me.png", person("a-3"), made=False)
    mine = save_png(tmp_path / "me-finished.png", person("b-2"), made=False)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:90])
    told = ("--steps", "retouch:0.5,upscale,stylise:style=film", "--stages", tmp_path / "between", "--json")
    assert call("finish", photo, broken, other, *told) == 2
    report = json.loads(capsys.readouterr().out)
    assert [Path(one["source"]).name for one in report["failed"]] == ["broken.jpg"]
    assert [Path(one["file"]).name for one in report["files"]] == ["me-finished-2.png", "me-finished-3.png"]
    first = report["files"][0]
    assert [Path(one).name for one in first["stages"]] == ["me-1-retouch.png", "me-2-upscale.png", "me-3-stylise.png"]
    one, two, three = (read_picture(Path(stage)) for stage in first["stages"])
    assert size_of(one) == size_of(person("a-1")) and size_of(two).width == 2 * size_of(one).width
    assert np.array_equal(three, read_picture(Path(first["file"]))) and not np.array_equal(two, three)
    assert len(json.loads(read_png_text(Path(first["stages"][1]))[TEXT])["steps"]) == 2
    assert np.array_equal(read_picture(mine), person("b-2"))
    assert call("finish", photo, *told) == 0
    assert Path(json.loads(capsys.readouterr().out)["files"][0]["file"]).name == "me-finished-2.png", "its own again"


def test_finished_pictures_are_signed_if_there_is_something_to_say(
    signer: Signer, home: Path, tmp_path: Path, capsys: Capture
) -> None:
    photo = save_jpeg(tmp_path / "photo.jpg", resize(person("a-1"), Size(96, 128)), made=False)
    assert call("finish", photo, "--steps", "stylise", "--sign") == 2
    assert "certificate" in capsys.readouterr().err and not (tmp_path / "photo-finished.png").exists()
    settings = home / "portraitist.toml"
    settings.write_text(f"c2pa_certificate = '{signer.certificate}'\nc2pa_key = '{signer.key}'\n", encoding="utf-8")
    try:
        assert call("finish", photo, "--steps", "stylise", "--sign", "--out", tmp_path / "a") == 0
        assert call("finish", photo, "--steps", "upscale", "--sign", "--out", tmp_path / "b") == 0
    finally:
        settings.unlink()
    manifest = read_manifest(tmp_path / "a" / "photo-finished.png")
    assert manifest is not None and manifest["ingredients"][0]["title"] == "photo.jpg"
    assert TEXT in read_png_text(tmp_path / "a" / "photo-finished.png")
    assert read_manifest(tmp_path / "b" / "photo-finished.png") is None, "a photo that was enlarged is a photo"


def test_what_a_finished_picture_has_not_is_told(tmp_path: Path, capsys: Capture) -> None:
    pictures = [Image.fromarray(person(name)).resize((64, 64)) for name in ("a-5", "a-4")]
    whole, clear, moving = (tmp_path / name for name in ("whole.png", "clear.png", "moving.gif"))
    pictures[0].convert("RGBA").save(whole)
    pictures[0].putalpha(120)
    pictures[0].save(clear)
    pictures[1].save(moving, save_all=True, append_images=[pictures[1].rotate(20)])
    assert call("finish", whole, clear, moving, "--steps", "pose", "--out", tmp_path / "out", "--json") == 0
    files = json.loads(capsys.readouterr().out)["files"]
    told = [[note["code"] for note in one["notes"] if note["step"] == "reading"] for one in files]
    assert told == [[], ["transparent"], ["animation"]]
