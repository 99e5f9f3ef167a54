"""Models from a hub: fetched once, held to their sums, recorded with revision and licence. The hub is a folder here."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from portraitist import hub
from portraitist.errors import FetchFailed, MissingModel, UnfitModel
from portraitist.types import Step
from tests.fake_hub import COMMIT, FakeHub, open_for, serve

MODEL = hub.HubModel("maker/model", ("config.json", "*.safetensors", "vocab.txt?"), licence="MIT", megabytes=1)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    place = tmp_path / "hub" / "maker" / "model"
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    (place / "model.safetensors").write_bytes(b"weights" * 1000)
    (place / "pytorch_model.bin").write_bytes(b"never")
    with serve(tmp_path / "hub") as served:
        open_for(monkeypatch, served)
        yield served


def test_a_model_is_fetched_once_and_written_down(there: FakeHub, tmp_path: Path) -> None:
    folder, steps = tmp_path / "models" / "m", list[Step]()
    assert hub.fetch(folder, MODEL, on_step=steps.append) == folder
    assert (folder / "model.safetensors").read_bytes() == b"weights" * 1000
    assert not (folder / "pytorch_model.bin").exists()
    record = json.loads((folder / "source.json").read_text())
    assert record["revision"] == COMMIT and record["licence"] == "MIT"
    assert set(record["sha256"]) == {"config.json", "model.safetensors"}
    assert "MIT" in steps[0].detail and "1 MB" in steps[0].detail
    assert any(step.detail.startswith("model.safetensors: 0 of 0 MiB") for step in steps), "bytes on the way"
    asked = len(there.asked)
    assert hub.fetch(folder, MODEL, offline=True) == folder
    assert len(there.asked) == asked
    assert hub.have(folder, replace(MODEL, revision=COMMIT)) and not hub.have(folder, replace(MODEL, revision="f" * 40))


def test_other_bytes_than_the_pin_or_the_hubs_own_sum_are_refused(there: FakeHub, tmp_path: Path) -> None:
    wrong = replace(MODEL, sha256={"model.safetensors": "0" * 64})
    with pytest.raises(UnfitModel, match=r"model\.safetensors"):
        hub.fetch(tmp_path / "m", wrong)
    there.lies["model.safetensors"] = "1" * 64
    with pytest.raises(UnfitModel, match="111111"):
        hub.fetch(tmp_path / "m", MODEL)
    assert not (tmp_path / "m" / "model.safetensors").exists() and not hub.have(tmp_path / "m", MODEL)


def test_what_came_first_is_trusted_when_files_are_lost(there: FakeHub, tmp_path: Path) -> None:
    hub.fetch(tmp_path / "m", MODEL)
    (tmp_path / "m" / "config.json").unlink()
    (there.root / "maker" / "model" / "config.json").write_text('{"new": true}')
    with pytest.raises(UnfitModel, match=r"config\.json"):
        hub.fetch(tmp_path / "m", MODEL)
    assert any(COMMIT in path for path in there.asked) and not (tmp_path / "m" / "config.json").exists()


def test_offline_names_size_and_licence(there: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="PORTRAITIST_OFFLINE") as caught:
        hub.fetch(tmp_path / "m", MODEL, offline=True)
    assert "1 MB, MIT" in str(caught.value.hint) and there.asked == []


def test_what_the_hub_has_not_is_named(there: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="maker/gone"):
        hub.fetch(tmp_path / "m", replace(MODEL, repository="maker/gone"))
    with pytest.raises(UnfitModel, match=r"tags\.csv"):
        hub.fetch(tmp_path / "m", replace(MODEL, files=("tags.csv",)))


def test_a_hub_that_is_not_there_is_told(tmp_path: Path, there: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FetchFailed, match="could not be fetched"):
        hub.fetch(tmp_path / "m", MODEL)


def test_sources() -> None:
    assert hub.hub_model("hf:a/b", ("x",)).repository == "a/b"
    for source in ("hf:a", "ftp:a/b", "a/b"):
        with pytest.raises(UnfitModel, match="not known"):
            hub.hub_model(source, ("x",))
