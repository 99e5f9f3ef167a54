"""Every captioner keeps the contract: real architectures with tiny random weights, fetched from a hub of this test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from portraitist.captions import danbooru, named
from portraitist.captions.describe import Captioner, NoCaptioner, TaggerCaptioner
from portraitist.captions.eyes import letterbox, read_eyes
from portraitist.captions.facts import FactsCaptioner
from portraitist.captions.sentences import clean
from portraitist.captions.tagger import Tagger
from portraitist.devices import choose_device
from portraitist.errors import BadRequest, FetchFailed, MissingModel, OutOfMemory, UnfitModel
from portraitist.faces import Face, Faces
from tests.contract.captioner import CaptionerContract, picture, plain
from tests.fake_hub import FakeHub, open_for, serve
from tests.people import faces, person
from tests.tiny_captioners import make

__all__ = ["faces"]


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHub]:
    with serve(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def face() -> Face | None:
    return None


def from_hub(name: str, hub: FakeHub, models: Path) -> Captioner:
    """The captioner of the library, its repository filled with a tiny model; the pin of the large one taken off."""
    if name in ("wd14", "deepdanbooru"):
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx")
    model = named.find_model(name)
    assert model is not None
    owner_and_name = model.source.removeprefix("hf:")
    if not (hub.root / owner_and_name).is_dir():
        make(model.architecture, hub.root / owner_and_name)
    model = replace(model, sha256={}, max_tokens=6)
    with pytest.MonkeyPatch.context() as patch:
        open_for(patch, hub)
        folder = named.fetch_model(model, models, offline=False)
    return named.load_model(model, folder, choose_device("cpu"))


class FromHub(CaptionerContract):
    name = ""

    @pytest.fixture(scope="class")
    def captioner(self, repositories: FakeHub, models: Path) -> Captioner:
        return from_hub(self.name, repositories, models)

    def test_it_is_called_by_its_name(self, captioner: Captioner) -> None:
        assert captioner.name == self.name


class TestBlip(FromHub):
    name, says = "blip", "sentence"


class TestBlip2(FromHub):
    name, says = "blip2", "sentence"


class TestFlorence2(FromHub):
    name, says = "florence2", "sentence"


class TestWd14(FromHub):
    name = "wd14"


class TestWd14Safetensors(FromHub):
    name = "wd14-safetensors"


class TestDeepDanbooru(FromHub):
    name = "deepdanbooru"


class TestFacts(CaptionerContract):
    @pytest.fixture(scope="class")
    def captioner(self) -> Captioner:
        return FactsCaptioner()

    @pytest.fixture(scope="class")
    def face(self, faces: Faces) -> Face:
        return faces.detect(person("a-1"))[0]


class TestFactsInWords(TestFacts):
    says = "sentence"

    @pytest.fixture(scope="class")
    def captioner(self) -> Captioner:
        return FactsCaptioner("facts-words", words=True)


class TestTagger(CaptionerContract):
    @pytest.fixture(scope="class")
    def captioner(self, tiny_base: Path) -> Captioner:
        return TaggerCaptioner(Tagger.load(tiny_base / "tagger"))


class TestNone(CaptionerContract):
    says, looks = "nothing", False

    @pytest.fixture(scope="class")
    def captioner(self) -> Captioner:
        return NoCaptioner()


def test_every_captioner_of_the_library_is_held_to_the_contract() -> None:
    held = {kind.name for kind in FromHub.__subclasses__()}
    assert held == set(named.captioners()) - set(named.EMBEDDED)
    for name in held:
        model = named.find_model(name)
        assert model is not None and model.threshold == 0.5
        assert model.licence and model.megabytes and model.source.startswith("hf:")


def test_a_pinned_captioner_refuses_other_weights(repositories: FakeHub, tmp_path: Path) -> None:
    model = named.find_model("florence2")
    assert model is not None and len(model.revision) == 40
    if not (repositories.root / "florence-community").is_dir():
        make("florence2", repositories.root / model.source.removeprefix("hf:"))
    with pytest.MonkeyPatch.context() as patch:
        open_for(patch, repositories)
        with pytest.raises(UnfitModel, match=r"model\.safetensors"):
            named.fetch_model(model, tmp_path, offline=False)
    with pytest.raises(FetchFailed, match="PORTRAITIST_OFFLINE") as caught:
        named.fetch_model(model, tmp_path, offline=True)
    assert "470 MB, MIT" in str(caught.value.hint)


def test_a_users_own_captioner_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "captioners").mkdir()
    place = make("blip", tmp_path / "weights")
    own = f'name = "mine"\narchitecture = "blip"\nsource = "file:{place}"\nmax_tokens = 3\n'
    (tmp_path / "captioners" / "mine.toml").write_text(own)
    model = named.find_model("mine", [tmp_path])
    assert model is not None and "mine" in named.captioners([tmp_path])
    folder = named.fetch_model(model, tmp_path / "models", offline=True)
    assert named.load_model(model, folder, choose_device("cpu")).describe(picture(), picture(), None).sentence
    with pytest.raises(BadRequest, match="poet"):
        named.find_model("poet")


def test_blip2_stands_on_a_language_model_without_an_encoder_too(tmp_path: Path) -> None:
    place = make("blip2-opt", tmp_path / "weights")
    model = named.CaptionerModel("x", "blip2", f"file:{place}", prompt="a photo of", max_tokens=6)
    told = named.load_model(model, place, choose_device("cpu")).describe(picture(), picture(), None)
    assert told.sentence and not told.sentence.startswith("a photo of")


def test_weights_larger_than_the_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make("blip", tmp_path / "weights")
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    with pytest.raises(OutOfMemory, match="this machine has"):
        named.load_model(named.CaptionerModel("x", "blip", f"file:{place}"), place, choose_device("cpu"))


@pytest.mark.parametrize("gone", ["config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"])
def test_a_damaged_sentence_model_is_told(tmp_path: Path, gone: str) -> None:
    place = make("blip", tmp_path / "weights")
    (place / gone).unlink()
    if gone == "model.safetensors":
        (place / "pytorch_model.bin").write_bytes(b"pickle")
    model = named.CaptionerModel("x", "blip", f"file:{place}")
    with pytest.raises((MissingModel, UnfitModel)):
        named.load_model(model, place, choose_device("cpu"))


def test_a_damaged_tagger_is_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    place = make("wd14", tmp_path / "wd14")
    with pytest.raises(UnfitModel, match="tags"):
        (place / "selected_tags.csv").write_text("tag_id,name,category,count\n1,hat,0,5\n")
        danbooru.load_wd14(place).scores([picture()])
    (place / "selected_tags.csv").unlink()
    with pytest.raises(MissingModel, match="selected_tags"):
        danbooru.load_wd14(place)
    (place / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(UnfitModel, match=r"model\.onnx"):
        danbooru.load_wd14(place)
    with pytest.raises(MissingModel, match="deepdanbooru"):
        danbooru.load_deepdanbooru(place)


def test_without_onnxruntime_the_command_that_brings_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingModel, match="onnxruntime") as caught:
        danbooru.load_wd14(tmp_path)
    assert caught.value.hint == "Run: pip install 'portraitist[captioners]'"


def test_wd14_sees_blue_first_and_leaves_ratings_and_characters_out(models: Path, repositories: FakeHub) -> None:
    captioner = from_hub("wd14", repositories, models)
    assert isinstance(captioner, TaggerCaptioner)
    scores = captioner.tagger.scores([plain(255, 0, 0), plain(0, 0, 255)])
    assert set(scores[0]) == {"1girl", "solo", "black_hair", "smile", "hat", "^_^", "upper_body"}
    assert scores[0] != scores[1]
    # the tiny network is sigmoid(mean colour · weights): the answer to red is the third row, as blue comes first
    import onnx
    from onnx import numpy_helper

    (weights,) = (
        numpy_helper.to_array(w) for w in onnx.load(str(models / "captioners/wd14/model.onnx")).graph.initializer
        if w.name == "weights"
    )  # fmt: skip
    expected = 1 / (1 + np.exp(-weights[2][2:9].astype(np.float64)))
    np.testing.assert_allclose(list(scores[0].values()), expected, atol=1e-5)


def test_letterbox_shows_the_whole_picture() -> None:
    tall = np.zeros((30, 10, 3), np.uint8)
    tall[:, 0] = (255, 0, 0)
    assert letterbox(tall, 30, white=True)[5, 2].tolist() == [255, 255, 255]
    assert letterbox(tall, 30, white=False)[5, 2].tolist() == [255, 0, 0]
    assert letterbox(tall, 30, white=True)[5, 10].tolist() == [255, 0, 0]


def test_both_spellings_of_a_preprocessor_are_read(tmp_path: Path) -> None:
    text = '{"size": {"height": 8, "width": 8}, "image_mean": [0, 0, 0], "image_std": [0.5, 0.5, 0.5]}'
    (tmp_path / "processor_config.json").write_text(f'{{"image_processor": {text}}}')
    eyes = read_eyes(tmp_path)
    seen = eyes.see(plain(255, 0, 0))
    assert seen.shape == (1, 3, 8, 8) and seen[0, :, 3, 3].tolist() == [2.0, 0.0, 0.0]
    (tmp_path / "preprocessor_config.json").write_text('{"size": 8}')
    with pytest.raises(UnfitModel, match="show a picture"):
        read_eyes(tmp_path)


def test_sentences_are_cleaned() -> None:
    assert clean(" <s> a woman\n in a  park.</s><pad>") == "a woman in a park"
