"""`train`, `portrait`, `sitters`, `styles` from outside, on a base of a few kilobytes: the whole way of a photo."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from portraitist.faces import Faces
from portraitist.images import read_picture, read_request
from portraitist.settings import load_settings
from tests.commands.calling import call
from tests.commands.tiny_home import home, own_home

Capture = pytest.CaptureFixture[str]
__all__ = ["home", "own_home"]


@pytest.fixture(scope="module")
def trained(home: Path, faces: Faces, sitter: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of results of one training of `anna` on five photos."""
    out = tmp_path_factory.mktemp("results") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTRAITIST_MODELS", str(load_settings().models_folder))
        patch.setenv("PORTRAITIST_HOME", str(home))
        patch.setenv("PORTRAITIST_DEVICE", "cpu")
        assert call("train", *sitter, "--sitter", "anna", "--class", "woman", "--base", "tiny", "--out", out) == 0
    return out


def test_training_leaves_all_files_of_the_interfaces(trained: Path) -> None:
    for name in ("contact.jpg", "index.html", "report.json", "anna.safetensors", "anna.json"):
        assert (trained / name).stat().st_size > 0
    report = json.loads((trained / "report.json").read_text())
    assert {
        "photos",
        "held_out",
        "captions",
        "training",
        "portraits",
        "likeness",
        "seconds",
        "base",
        "versions",
    } <= set(report)
    assert (
        report["held_out"] == [] and report["likeness"]["score"] is None and "held out" in report["likeness"]["reason"]
    )
    assert report["likeness"]["top1"] is None
    assert len(report["portraits"]) >= 8 and all((trained / one["file"]).is_file() for one in report["portraits"])
    assert all(caption.startswith("ohwx woman") for caption in report["captions"].values())
    assert report["base"]["version"] == "tiny-1" and "total" in report["seconds"]
    assert report["training"]["steps"] > 0 and report["training"]["checkpoints"][-1]["chosen"]


def test_a_recipe_that_chooses_shows_what_it_chose_from(sitter: list[Path], tmp_path: Path) -> None:
    told = ("--sitter", "choosy", "--class", "woman", "--base", "tiny", "--recipe", "choosy", "--portraits", 0)
    assert call("train", *sitter, *told, "--out", tmp_path) == 0
    training = json.loads((tmp_path / "report.json").read_text())["training"]
    choosing = training["choosing"]
    assert choosing["by"] == "training photos" and len(choosing["photos"]) == 4 and len(choosing["prompts"]) == 2
    chosen = [point["step"] for point in training["checkpoints"] if point["chosen"]]
    assert chosen == choosing["steps"] and training["checkpoints"][-1]["score"] is not None
    assert read_picture(tmp_path / choosing["file"]).shape[1] == 1600
    assert choosing["file"] in (tmp_path / "index.html").read_text()


def test_the_page_needs_no_network_and_names_every_portrait(trained: Path) -> None:
    page = (trained / "index.html").read_text()
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page
    report = json.loads((trained / "report.json").read_text())
    assert all(one["file"] in page for one in report["portraits"])


def test_the_training_set_is_an_imagefolder(trained: Path, home: Path) -> None:
    folder = home / "sitters" / "anna" / "set"
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    assert len(rows) == 4 and all(row["cutting"]["size"] == {"width": 64, "height": 64} for row in rows)
    for row in rows:
        shape = read_picture(folder / row["file_name"]).shape
        assert min(shape[:2]) >= 64
        for part in ("person", "head", "background"):
            assert read_picture(folder / row[f"{part}_mask_file_name"]).shape == shape
    assert not (home / "sitters" / "anna" / "training").exists()


def test_an_archive_trains_as_its_photos_do(sitter: list[Path], home: Path, tmp_path: Path) -> None:
    archive, out = tmp_path / "photos.zip", tmp_path / "out"
    with zipfile.ZipFile(archive, "w") as file:
        for photo in sitter:
            file.write(photo, f"summer/{photo.name}")
    told = ("--sitter", "zipped", "--class", "woman", "--base", "tiny", "--portraits", 0, "--out", out)
    assert call("train", archive, *told) == 0
    report = json.loads((out / "report.json").read_text())
    assert sorted(photo["file"] for photo in report["photos"]) == [
        f"photos.zip/{photo.name}" for photo in sorted(sitter)
    ]
    kept = sorted((home / "sitters" / "zipped" / "photos").iterdir())
    assert len(kept) == len(sitter)
    for file, photo in zip(kept, sorted(sitter), strict=True):
        np.testing.assert_array_equal(read_picture(file), read_picture(photo))


def test_an_sdxl_folder_trains_by_its_path(
    sitter: list[Path], tiny_sdxl: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    capsys.readouterr()
    monkeypatch.chdir(tiny_sdxl.parent)
    file = tmp_path / "ada.safetensors"
    told = ("--sitter", "ada", "--class", "woman", "--base", f"./{tiny_sdxl.name}", "--recipe", "short")
    assert call("train", *sitter, *told, "--portraits", 0, "--out", file, "--json") == 0
    base = json.loads(capsys.readouterr().out)["base"]
    assert base["name"] == tiny_sdxl.name and base["version"] == f"{tiny_sdxl.name}-{base['sha256'][:10]}"
    with safe_open(file, "np") as lora:
        names, told_of = set(lora.keys()), lora.metadata()
    assert told_of["ss_base_model_version"] == "sdxl_base_v1-0" and told_of["portraitist.base_sha256"] == base["sha256"]
    assert {name.split("_")[1] for name in names} == {"unet", "te1", "te2"}
    monkeypatch.chdir(tmp_path)  # the path was kept so that it holds from anywhere
    assert call("portrait", "--sitter", "ada", "-n", 1, "--steps", 2, "--prompt", "smile", "--out", tmp_path) == 0
    (made,) = tmp_path.glob("prompt-*.png")
    asked = read_request(made)
    assert asked["base"] == tiny_sdxl.name and str(tiny_sdxl) not in json.dumps(asked)
    assert call("portrait", "--again", made, "--out", tmp_path / "again") == 0
    (again,) = (tmp_path / "again").glob("*.png")
    assert (read_picture(again) == read_picture(made)).all()


def test_portrait_again_gives_the_same_pixels_whatever_n_was(trained: Path, tmp_path: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert call("portrait", "--sitter", "anna", "--style", "oil", "-n", 3, "--out", tmp_path / "a", "--json") == 0
    made = json.loads(capsys.readouterr().out)["portraits"]
    assert len(made) == 3 and made[0]["style"] == "oil"
    last = tmp_path / "a" / made[-1]["file"]
    assert "ohwx woman" in read_request(last)["prompt"]  # type: ignore[operator]
    assert call("portrait", "--again", last, "--out", tmp_path / "b") == 0
    (again,) = (tmp_path / "b").glob("*.png")
    assert (read_picture(again) == read_picture(last)).all()


def test_own_words_get_the_sitter_in_front(trained: Path, tmp_path: Path, capsys: Capture) -> None:
    capsys.readouterr()
    arguments = ("--sitter", "anna", "--prompt", "red shirt, outdoors", "-n", 1, "--size", "64x128", "--out", tmp_path)
    assert call("portrait", *arguments, "--json") == 0
    (made,) = json.loads(capsys.readouterr().out)["portraits"]
    assert made["prompt"] == "ohwx woman, red shirt, outdoors"
    assert read_picture(tmp_path / made["file"]).shape == (128, 64, 3)


def test_candidates_are_ranked_and_their_pixels_are_those_of_their_seeds(
    trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    asked = ("portrait", "--sitter", "anna", "--style", "oil")
    capsys.readouterr()
    assert call(*asked, "-n", 1, "--candidates", 3, "--keep-rejected", "--out", tmp_path / "a", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["portraits"]) == 1 and len(report["rejected"]) == 2
    assert all(one["reasons"] and one["scores"]["quality"] >= 0 for one in report["rejected"])
    assert report["warnings"][0]["code"] == "too_few_good", "what the tiny base draws are no faces"
    folder = tmp_path / "a"
    kept = {one["seed"]: folder / one["file"] for one in (*report["portraits"], *report["rejected"])}
    assert sorted(path.parent.name for path in kept.values()) == ["a", "rejected", "rejected"]
    assert call(*asked, "-n", 1, "--seed", 42, "--out", tmp_path / "b") == 0
    (plain,) = (tmp_path / "b").glob("*.png")
    assert plain.name == "oil-42.png"
    np.testing.assert_array_equal(read_picture(plain), read_picture(kept[42]))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("portrait", "--sitter", "anna", "--style", "cubism"), 2, "cubism"),
        (("portrait", "--sitter", "nobody"), 2, "nobody"),
        (("portrait", "--sitter", "anna", "--style", "oil", "--prompt", "x"), 2, "exclude"),
        (("portrait", "--sitter", "anna", "--size", "wide"), 2, "wide"),
        (("portrait", "--sitter", "anna", "-n", "4", "--budget", "3"), 2, "budget is 3"),
        (("portrait", "--sitter", "anna", "--scorer", "nobody"), 3, "nobody"),
        (("portrait", "--sitter", "anna", "--out", "/proc/nowhere"), 2, "/proc/nowhere"),
        (("train", "{photos}", "--sitter", "../up"), 2, "../up"),
        (("train", "{photos}", "--sitter", "b", "--class", "robot"), 2, "robot"),
        (("train", "{photos}", "--sitter", "b", "--framing", "wide"), 2, "wide"),
        (("train", "{photos}", "--sitter", "b", "--background", "green"), 2, "green"),
        (("train", "{photos}", "--sitter", "b", "--base", "huge"), 2, "huge"),
        (("train", "{photos}", "--sitter", "b", "--base", "tiny", "--captioner", "poet"), 2, "poet"),
        (("train", "{two}", "--sitter", "b", "--base", "tiny"), 2, "2 of 2"),
        (("train", "{photos}", "--sitter", "b", "--base", "tiny", "--out", "/proc/nowhere"), 2, "/proc/nowhere"),
        (("train", "--sitter", "b"), 2, "photos"),
        (("sitters", "show", "nobody"), 2, "nobody"),
        (("styles", "show", "cubism"), 2, "cubism"),
    ],
)
def test_bad_input_is_one_sentence_and_an_exit_code(
    trained: Path, home: Path, sitter: list[Path], tmp_path: Path, capsys: Capture,
    arguments: tuple[str, ...], code: int, words: str,
) -> None:  # fmt: skip
    for path in sitter[:2]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    given = [a.replace("{photos}", str(sitter[0].parent)).replace("{two}", str(tmp_path)) for a in arguments]
    before = sorted(path.name for path in (home / "sitters").iterdir())
    capsys.readouterr()
    assert call(*given) == code
    said = capsys.readouterr()
    assert words in said.err and "Traceback" not in said.err
    assert call(*given, "--json") == code
    assert words in json.loads(capsys.readouterr().out)["error"]["message"]
    assert sorted(path.name for path in (home / "sitters").iterdir()) == before, "nothing half-written"


def test_a_full_disk_is_told_and_leaves_no_half_portrait(
    trained: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("portraitist.files.os.fsync", full)
    assert call("portrait", "--sitter", "anna", "-n", 1, "--out", tmp_path / "p") == 4
    assert "disk is full" in capsys.readouterr().err
    assert list((tmp_path / "p").iterdir()) == []


def test_ctrl_c_saves_a_state_and_resume_ends_with_the_same_weights(
    home: Path, faces: Faces, sitter: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portraitist.commands import common
    from portraitist.errors import Cancelled
    from portraitist.types import Step

    common_arguments = ("--base", "tiny", "--portraits", 0)
    assert call("train", *sitter, "--sitter", "whole", *common_arguments) == 0

    class Stopping:
        def __enter__(self) -> "Stopping":
            return self

        def __exit__(self, *_: object) -> None: ...

        def __call__(self, step: Step) -> None:
            if step.stage == "train" and step.done == 2:
                raise Cancelled("Stopped.")

    with monkeypatch.context() as patch:
        patch.setattr(common, "progress", Stopping)
        assert call("train", *sitter, "--sitter", "halves", *common_arguments) == 5
    folder = home / "sitters" / "halves"
    assert not (folder / "halves.safetensors").exists()
    assert call("train", "--sitter", "halves", *common_arguments, "--resume") == 0
    from safetensors.numpy import load_file

    whole = load_file(home / "sitters" / "whole" / "whole.safetensors")
    halves = load_file(folder / "halves.safetensors")
    assert whole.keys() == halves.keys() and all((whole[key] == halves[key]).all() for key in whole)


def test_styles_are_listed_with_photo_and_painted_ones(capsys: Capture) -> None:
    assert call("styles", "list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["styles"]
    assert len([row for row in rows if row["photo"]]) >= 8 and any(not row["photo"] for row in rows)
    assert all("{sitter}" in row["prompt"] and row["title"] and row["title_zh"] for row in rows)
    assert call("styles", "show", "oil") == 0


def test_the_demo_holds_two_photos_out_and_shows_all_styles(faces: Faces, tmp_path: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert call("demo", "--out", tmp_path / "demo", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["held_out"]) == 2 and len(report["captions"]) == 6
    assert not set(report["held_out"]) & set(report["captions"])
    assert report["likeness"]["score"] is not None or "picture" in report["likeness"]["reason"]
    assert len(report["portraits"]) == len({one["style"] for one in report["portraits"]}) >= 8
    assert report["versions"]["captioner"] == "tagger"
    assert {path.name for path in (tmp_path / "demo").iterdir()} >= {
        "contact.jpg",
        "index.html",
        "report.json",
        "portraits",
    }


PHOTOS = Path(__file__).parents[3] / "shared" / "photos" / "sitter-a"


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="no photographs here")
def test_photographs_of_a_real_person_go_through(faces: Faces, tmp_path: Path, capsys: Capture) -> None:
    arguments = (PHOTOS, "--sitter", "real", "--class", "woman", "--base", "tiny", "--portraits", 0)
    capsys.readouterr()
    assert call("train", *arguments, "--captioner", "facts", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["captions"]) >= 3 and all(
        text.startswith("ohwx woman, solo") for text in report["captions"].values()
    )
    assert call("portrait", "--sitter", "real", "-n", 1, "--out", tmp_path) == 0


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "passes"), [("ink-sketch", [[512, 768]]), ("fog-portrait", [[512, 768], [1024, 1536]])]
)
def test_the_examples_are_planned_as_written_and_drawn_small(
    trained: Path, name: str, passes: list[list[int]], tmp_path: Path, capsys: Capture
) -> None:
    asked = ("portrait", "--sitter", "anna", "--request", EXAMPLES / f"{name}.toml", "--out", tmp_path / "made")
    assert call(*asked, "--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["size"] for one in told["passes"]] == passes and told["passes"][0]["steps"] == 20
    assert told["request"]["cfg"] == 7.0 and told["seeds"] == [told["request"]["seed"]]
    assert "{sitter}" not in told["request"]["prompt"] and not (tmp_path / "made").exists()
    assert call(*asked, "--size", "64x64", "--steps", "2", "--json") == 0
    (file,) = [Path(one) for one in sorted((tmp_path / "made").glob("*.png"))]
    side = 64 * len(passes)
    with Image.open(file) as picture:
        assert picture.size == (side, side) and "Sampler: " in picture.text["parameters"]


def test_another_lora_comes_by_option_by_prompt_and_with_a_style(
    home: Path, trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    place = home / "library" / "loras" / "inks"
    place.mkdir(parents=True)
    (place / "red.safetensors").write_bytes((trained / "anna.safetensors").read_bytes())

    def draw(name: str, *more: object) -> Path:
        asked = ("portrait", "--sitter", "anna", "-n", "1", "--seed", "5", "--out", tmp_path / name)
        assert call(*asked, *more, "--json") == 0
        capsys.readouterr()
        (file,) = (tmp_path / name).glob("*.png")
        return Path(file)

    plain = read_picture(draw("plain", "--prompt", "smile"))
    by_option = draw("option", "--prompt", "smile", "--lora", "red:0.5")
    by_prompt = draw("prompt", "--prompt", "smile <lora:red:0.5>")
    np.testing.assert_array_equal(read_picture(by_option), read_picture(by_prompt))
    assert not np.array_equal(plain, read_picture(by_option))
    told = read_request(by_option)["loras"]
    assert [(one["name"], one["strength"], len(one["sha256"])) for one in told] == [("red", 0.5, 64)]
    with Image.open(by_option) as picture:
        assert "<lora:red:0.5>" in picture.text["parameters"] and ", red: " in picture.text["parameters"]
    assert call("portrait", "--again", by_option, "--out", tmp_path / "again") == 0
    (again,) = (tmp_path / "again").glob("*.png")
    np.testing.assert_array_equal(read_picture(again), read_picture(by_option))
    words = ("--prompt", "{sitter}, smile", "--lora", place / "red.safetensors")
    assert call("styles", "add", "reddish", *words) == 0
    asked = read_request(draw("style", "--style", "reddish"))
    assert asked["strength"] == 0.95 and [one["strength"] for one in asked["loras"]] == [0.25]
    assert call("portrait", "--sitter", "anna", "--prompt", "smile", "--lora", "blue") == 2
    assert "red" in capsys.readouterr().err
    (place / "red.safetensors").write_bytes((trained / "anna.safetensors").read_bytes()[:-8])
    assert call("portrait", "--again", by_option, "--out", tmp_path / "again") == 3


def test_sitters_are_listed_exported_and_deleted(trained: Path, home: Path, tmp_path: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert call("sitters", "list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["sitters"]
    assert {"anna"} <= {row["name"] for row in rows}
    assert call("sitters", "export", "anna", "--out", tmp_path / "anna.zip") == 0
    with zipfile.ZipFile(tmp_path / "anna.zip") as archive:
        assert "anna/anna.safetensors" in archive.namelist()
    assert call("sitters", "delete", "anna", "--json") == 2, "never without --yes"
    assert call("sitters", "delete", "anna", "--yes") == 0
    assert not (home / "sitters" / "anna").exists()
