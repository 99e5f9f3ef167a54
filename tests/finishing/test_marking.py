"""What finished pictures say of their own making, read back from their files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraitist.faces import Faces
from portraitist.finisher import finish_files
from portraitist.finishing.asking import parse
from portraitist.finishing.marking import source_after
from portraitist.images import resize, save_png
from portraitist.marks import Source, read_source, source_in, xmp
from portraitist.requests import FinishRequest
from portraitist.settings import Settings, load_settings
from portraitist.types import Picture, Size
from tests.finishing.tiny_network import network
from tests.people import person

__all__ = ["network"]


@pytest.fixture(scope="module")
def small() -> Picture:
    return resize(person("a-1"), Size(96, 128))


def test_the_mark_of_a_file_says_what_was_done_to_it(
    faces: Faces, network: Path, small: Picture, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, models=load_settings().models_folder, device="cpu")
    photo = save_png(tmp_path / "photo.png", small, made=False)
    portrait = save_png(tmp_path / "portrait.png", small)
    wanted = {
        "upscale,pose:aspect=3x4": None, "stylise": Source.ENHANCED, "stylise:0": None,
        f"upscale:name={network}": Source.COMPOSITE, f"background:picture={portrait}": Source.MIXED,
    }  # fmt: skip
    for steps, source in wanted.items():
        done = finish_files([photo, portrait], FinishRequest(parse(steps)), settings, faces, out=tmp_path / "out")
        assert read_source(Path(done.files[0].file)) is source and done.files[0].mark == (source and source.value)
        assert read_source(Path(done.files[1].file)) is Source.GENERATED, "a made picture stays one"


def test_what_counts_is_what_iptc_defines() -> None:
    def after(given: Source | None, steps: str) -> Source | None:
        return source_after(given, parse(steps))

    assert after(None, "restore,background:picture=a.png") is Source.COMPOSITE
    assert after(None, "background:picture=a.png,retouch") is Source.JOINED
    assert after(None, "fuse") is Source.JOINED
    assert after(Source.JOINED, "retouch") is Source.JOINED
    assert after(Source.ENHANCED, "upscale") is Source.ENHANCED
    assert after(Source.ENHANCED, "upscale:name=realesrgan_x2plus") is Source.COMPOSITE
    assert after(Source.MIXED, "restore") is Source.MIXED


def test_marks_are_seen_in_any_format_and_in_credentials_alone(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(tmp_path / "p.avif", xmp=xmp(Source.COMPOSITE).encode())
    assert source_in((tmp_path / "p.avif").read_bytes()) is Source.COMPOSITE
    terms = [("digitalCapture", None), ("compositeCapture", None), ("composite", Source.JOINED),
             ("trainedAlgorithmicMedia", Source.GENERATED)]  # fmt: skip
    for term, source in terms:
        told = f"qdigitalSourceTypexFhttp://cv.iptc.org/newscodes/digitalsourcetype/{term}msoftwareAgent"
        assert source_in(b"\xff\xd8 no picture, but a manifest" + told.encode()) is source
