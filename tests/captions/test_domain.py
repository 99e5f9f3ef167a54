"""mini's tagger is believed on renders and not on photographs (none are in the repository: skipped without them)."""

from pathlib import Path

import pytest

from portraitist.captions.named import choose_captioner
from portraitist.captions.tagger import Tagger
from portraitist.faces import Faces
from portraitist.images import read_picture
from portraitist.photos import face_crop
from portraitist.recipes import LIBRARY
from portraitist.types import Picture, Size
from tests.people import PEOPLE, faces

__all__ = ["faces"]
PHOTOS = Path(__file__).parents[3] / "shared" / "photos"


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    folder = LIBRARY / "mini" / "tagger"
    if not folder.is_dir():
        pytest.skip("mini's weights are not here")
    return Tagger.load(folder)


def crops(files: list[Path], faces: Faces) -> list[Picture]:
    pictures = [read_picture(file) for file in files]
    found = [(picture, faces.detect(picture)) for picture in pictures]
    return [face_crop(picture, seen[0], Size(256, 256)).picture for picture, seen in found if seen]


def test_renders_are_told_by_the_tagger(faces: Faces, tagger: Tagger) -> None:
    assert choose_captioner("auto", tagger, crops(sorted(PEOPLE.glob("a-*.jpg")), faces)).name == "tagger"


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="no photographs here")
@pytest.mark.parametrize("sitter", ["sitter-a", "sitter-b", "sitter-c"])
def test_photographs_are_told_by_facts(faces: Faces, tagger: Tagger, sitter: str) -> None:
    files = sorted((PHOTOS / sitter).iterdir())[:5]
    assert choose_captioner("auto", tagger, crops(files, faces)).name == "facts"
