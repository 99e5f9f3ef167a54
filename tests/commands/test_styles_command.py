"""`styles` from outside, on a base of a few kilobytes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from portraitist.images import read_picture, save_png
from portraitist.recipes import Style, find
from tests.commands.calling import call

Capture = pytest.CaptureFixture[str]

RECIPE = """
name = "style-tiny"
rank = 2
alpha = 2.0
train_text = false
schedule = "constant"
framing = "full"
visits_per_photo = 2
crops_per_photo = 2
background_weight = 1.0
checkpoints = 1
strength = 0.8
"""


@pytest.fixture
def home(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder whose library has the tiny base and a short recipe for styles on it."""
    library = tmp_path / "home" / "library"
    (library / "bases").mkdir(parents=True)
    (library / "recipes").mkdir()
    (library / "bases" / "tiny.toml").write_text(
        f'name = "tiny"\nfamily = "sd15"\nsource = "file:{tiny_base}"\nversion = "tiny-1"\nsize = [64, 64]\n'
        'recipe = "mini"\nsteps = 2\nsampler = "DDIM"\n'
    )
    (library / "recipes" / "style-tiny.toml").write_text(RECIPE)
    monkeypatch.setenv("PORTRAITIST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PORTRAITIST_DEVICE", "cpu")
    return tmp_path / "home"


def answered(capsys: Capture, *arguments: object, code: int = 0) -> dict[str, object]:
    capsys.readouterr()
    assert call(*arguments, "--json") == code
    return dict(json.loads(capsys.readouterr().out))


def test_the_list_is_filtered_and_says_which_have_previews(home: Path, capsys: Capture) -> None:
    everybody = answered(capsys, "styles", "list")["styles"]
    of_mini = answered(capsys, "styles", "list", "--base", "mini", "--suits", "pet")["styles"]
    assert isinstance(everybody, list) and isinstance(of_mini, list)
    assert len(everybody) >= 60 and 40 <= len(of_mini) < len(everybody)
    drawn = {row["name"]: row["preview"] for row in everybody if row["preview"]}
    assert set(drawn) == {row["name"] for row in of_mini}, "a preview is there where mini can draw it, and only there"
    assert all(min(read_picture(Path(drawn[name])).shape[:2]) >= 192 for name in ("studio", "anime-night"))
    assert call("styles", "list", "--suits", "robot") == 2
    assert "pet" in capsys.readouterr().err


def test_a_style_by_words_comes_to_the_shelf_once(home: Path, capsys: Capture) -> None:
    words = ("--prompt", "{sitter}, smile, red hat", "--suits", "child, pet", "--title", "Hat", "--size", "64x64")
    made = answered(capsys, "styles", "add", "red-hat", *words)
    style = find(Style, "red-hat", [home / "library"])
    assert (style.prompt, style.suits, style.size) == ("{sitter}, smile, red hat", ("child", "pet"), (64, 64))
    assert made["warnings"] == []
    before = (home / "library" / "styles" / "red-hat" / "style.toml").read_bytes()
    assert answered(capsys, "styles", "add", "red-hat", "--prompt", "{sitter}, no", code=2)["error"]
    assert (home / "library" / "styles" / "red-hat" / "style.toml").read_bytes() == before
    assert call("styles", "add", "red-hat", "--prompt", "{sitter}, hat", "--replace") == 0
    assert find(Style, "red-hat", [home / "library"]).prompt == "{sitter}, hat"


def test_a_style_from_a_file_keeps_all_that_it_says(home: Path, tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(Path(find_library("hanfu")), tmp_path / "mine")
    file = tmp_path / "mine" / "style.toml"
    file.write_text(file.read_text().replace('name = "hanfu"', 'name = "my-hanfu"') + 'lora = "silk.safetensors"\n')
    assert call("styles", "add", file) == 2, "its LoRA is not there"
    assert not (home / "library" / "styles").exists()
    (tmp_path / "mine" / "silk.safetensors").write_bytes(b"lora")
    assert call("styles", "add", file) == 0
    assert find(Style, "my-hanfu", [home / "library"]) == find(Style, str(file))
    assert (home / "library" / "styles" / "my-hanfu" / "silk.safetensors").read_bytes() == b"lora"
    assert call("styles", "show", "my-hanfu") == 0
    assert "words.wears" in capsys.readouterr().out


def find_library(name: str) -> Path:
    from portraitist.recipes import LIBRARY

    return LIBRARY / "styles" / name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "Night Train", "--prompt", "{sitter}"), "Night Train"),
        (("add", "night", "--prompt", "a train"), "{sitter}"),
        (("add", "night"), "--prompt"),
        (("add", "studio", "--prompt", "{sitter}"), "library"),
        (("add", "nowhere.toml"), "nowhere.toml"),
        (("show", "cubism"), "watercolour"),
        (("preview", "cubism"), "watercolour"),
        (("preview", "hanfu", "--base", "mini"), "mini"),
        (("preview", "studio", "--sitter", "nobody"), "nobody"),
        (("train", "night", "nowhere.png"), "nowhere.png"),
        (("train", "studio", "nowhere.png"), "library"),
    ],
)
def test_bad_input_is_one_sentence(home: Path, capsys: Capture, arguments: tuple[str, ...], said: str) -> None:
    assert call("styles", *arguments) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not (home / "library" / "styles").exists()


def test_check_names_what_is_wrong_and_ends_with_2(home: Path, tmp_path: Path, capsys: Capture) -> None:
    broken = tmp_path / "style.toml"
    broken.write_text('name = "x"\nprompt = "{sitter}"\nnegativ = "y"\n')
    document = answered(capsys, "styles", "check", broken, "studio", code=2)
    assert not document["fit"] and document["styles"] == 2
    assert isinstance(document["findings"], list) and "negativ" in document["findings"][0]["message"]


def test_a_style_is_trained_shown_and_kept(home: Path, tmp_path: Path, capsys: Capture) -> None:
    chance = np.random.default_rng(3)
    for number in range(3):
        save_png(tmp_path / f"{number}.png", chance.integers(0, 255, (64, 64 + 40 * number, 3), dtype=np.uint8))
    pictures = sorted(tmp_path.glob("*.png"))
    arguments = ("styles", "train", "noise", *pictures, "--base", "tiny", "--captioner", "none", "--title-zh", "噪点")
    report = answered(capsys, *arguments)
    folder = home / "library" / "styles" / "noise"
    assert report["recipe"] == "style-tiny" and report["visits"] == 6
    assert report["captions"] == {f"{number}.png": "sks style" for number in range(3)}
    assert {path.name for path in folder.iterdir()} == {
        "style.toml", "noise.safetensors", "noise.json", "preview.jpg",
    }  # fmt: skip
    style = find(Style, "noise", [home / "library"])
    assert (style.lora, style.lora_strength, style.bases) == ("noise.safetensors", 0.8, ("tiny",))
    assert style.prompt == "{sitter}, sks style" and style.title_zh == "噪点"
    assert not (home / "training" / "style-noise").exists()
    assert answered(capsys, "styles", "check", "noise")["findings"] == []
    assert call(*arguments) == 2, "never overwritten unasked"
    learned = read_picture(folder / "preview.jpg")
    assert call("styles", "preview", "noise", "--base", "tiny") == 0
    assert np.array_equal(read_picture(folder / "preview.jpg"), learned), "the same style, the same LoRA"
    (folder / "noise.safetensors").unlink()
    assert call("styles", "preview", "noise", "--base", "tiny") == 3
    assert "noise.safetensors" in capsys.readouterr().err
    made = answered(capsys, "styles", "preview", "studio", "--base", "tiny", "--of", "man")
    assert made["prompt"] and read_picture(home / "library" / "styles" / "studio" / "preview.jpg").shape == (64, 64, 3)


@pytest.mark.parametrize(("captioner", "words"), [("written", "is for sitters"), ("magic", "'magic' is not known")])
def test_a_captioner_that_cannot_be_is_told_before_any_picture_is_read(
    captioner: str, words: str, home: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "no-picture.png").write_bytes(b"nothing")
    options = ("--base", "tiny", "--captioner", captioner)
    assert call("styles", "train", "noise2", tmp_path / "no-picture.png", *options) == 2
    assert words in capsys.readouterr().err
