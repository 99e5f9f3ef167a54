"""`export` from outside: where other programs look, a folder to publish, consent, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from portraitist import families
from portraitist.devices import choose_device
from portraitist.families.base import Model
from portraitist.images import save_png
from portraitist.lora.formats import Lora, read, read_tensors, write
from portraitist.lora.metadata import write_sidecar
from portraitist.recipes import Base
from portraitist.store.sitters import SitterRecord, SitterStore
from tests.commands.calling import call
from tests.contract.family import FamilyContract

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    return families.load(tiny_base, Base("tiny", "sd15", "file:x", "tiny-1", (64, 64), "mini"), choose_device("cpu"))


@pytest.fixture
def home(tmp_path: Path, tiny_base: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a sitter who was trained on the tiny base."""
    home = tmp_path / "home"
    (home / "library" / "bases").mkdir(parents=True)
    (home / "library" / "bases" / "tiny.toml").write_text(
        f'name = "tiny"\nfamily = "sd15"\nsource = "file:{tiny_base}"\nversion = "tiny-1"\nsize = [64, 64]\n'
        'recipe = "mini"\nlicence = "CreativeML Open RAIL-M"\n'
    )
    record = SitterRecord(name="anna", trigger="ohwx", class_word="woman", base="tiny", created="now", photos=5)
    folder = SitterStore(home).create(record)
    metadata = {"ss_output_name": "anna", "portraitist.base": "tiny-1", "ss_base_model_version": "sd_v1"}
    write(folder.likeness, Lora(FamilyContract().random_lora(model).layers, metadata), model.slots())
    write_sidecar(folder.likeness, title="Anna", phrase="ohwx woman", strength=0.9)
    picture = np.zeros((8, 8, 3), np.uint8)
    for place in (folder.likeness.with_suffix(".png"), folder.portraits / "studio-1.png"):
        save_png(place, picture)
    portraits = [{"file": "portraits/studio-1.png", "prompt": 'ohwx woman, "studio": light'}]
    folder.report.write_text(json.dumps({"portraits": portraits}))
    monkeypatch.setenv("PORTRAITIST_HOME", str(home))
    monkeypatch.setenv("PORTRAITIST_DEVICE", "cpu")
    return home


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def in_folder(folder: str) -> set[str]:
    return {f"{folder}/anna.{end}" for end in ("safetensors", "json", "png")}


def test_each_program_finds_the_likeness(home: Path, tmp_path: Path, capsys: Capture) -> None:
    webui, comfyui = tmp_path / "stable-diffusion-webui", tmp_path / "portable"
    (webui / "extensions" / "sd-webui-additional-networks").mkdir(parents=True)
    (comfyui / "ComfyUI" / "models").mkdir(parents=True)
    assert call("export", "anna", "--to", "webui", webui, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    beside = "extensions/sd-webui-additional-networks/models/lora"
    assert tree(webui) == in_folder("models/Lora") | in_folder(beside)
    assert {Path(file).relative_to(webui).as_posix() for file in told["files"]} == tree(webui)
    assert call("export", "anna", "--to", "comfyui", comfyui) == 0
    assert tree(comfyui) == in_folder("ComfyUI/models/loras")
    assert call("export", "anna", "--to", "forge", tmp_path / "forge" / "models" / "Lora") == 0
    assert tree(tmp_path / "forge") == in_folder("models/Lora")
    # the same again replaces it
    assert call("export", "anna", "--to", "webui", webui) == 0


def test_another_dialect_has_the_same_deltas(home: Path, model: Model, tmp_path: Path, capsys: Capture) -> None:
    assert call("export", "anna", "--to", "comfyui", tmp_path / "c", "--dialect", "comfyui") == 0
    made = tmp_path / "c" / "models" / "loras" / "anna.safetensors"
    assert all(key.startswith(("diffusion_model.", "text_encoders.clip_l.")) for key in read_tensors(made)[0])
    own, other = read(SitterStore(home).folder("anna").likeness, model.slots()), read(made, model.slots())
    assert own.layers.keys() == other.layers.keys()
    assert all(np.allclose(own.layers[k].delta(), other.layers[k].delta(), atol=1e-5) for k in own.layers)
    assert call("export", "anna", "--to", "webui", tmp_path / "w", "--dialect", "diffusers") == 2
    assert "does not load LoRAs in the dialect diffusers" in capsys.readouterr().err


def test_a_folder_to_publish_needs_consent(home: Path, tmp_path: Path, capsys: Capture) -> None:
    hub = tmp_path / "hub"
    assert call("export", "anna", "--to", "hub", hub, "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "no_consent"
    assert not hub.exists()
    assert call("export", "anna", "--to", "hub", hub, "--consent") == 0
    assert tree(hub) == {"README.md", "anna.safetensors", "anna.json", "anna.png", "images/studio-1.png"}
    _, front, body = (hub / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    for line in (
        "license: creativeml-openrail-m", 'instance_prompt: "ohwx woman"', "- text-to-image", "- lora",
        '- text: "ohwx woman, \\"studio\\": light"', '    url: "images/studio-1.png"',
    ):  # fmt: skip
        assert line in front.splitlines() or f"  {line}" in front.splitlines()
    assert "`ohwx woman`" in body and "consent" in body and str(home) not in body + front


def test_what_is_there_stays(home: Path, tmp_path: Path, capsys: Capture) -> None:
    theirs = tmp_path / "webui" / "models" / "Lora" / "anna.safetensors"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    assert call("export", "anna", "--to", "webui", tmp_path / "webui") == 2
    assert theirs.read_bytes() == b"theirs" and "no likeness of anna" in capsys.readouterr().err
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("x")
    assert call("export", "anna", "--to", "hub", full, "--consent") == 2
    assert tree(full) == {"thesis.txt"}
    SitterStore(home).folder("anna").likeness.unlink()
    assert call("export", "anna", "--to", "forge", tmp_path / "f") == 3
    assert "has no likeness yet" in capsys.readouterr().err and not (tmp_path / "f").exists()
