"""What a picture says of its own making can be written and read back, whoever wrote it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraitist.errors import BadFile
from portraitist.images import save_jpeg, save_png
from portraitist.marks import Source, read_source, xmp

PICTURE = np.full((16, 16, 3), 90, np.uint8)


@pytest.mark.parametrize("source", list(Source))
def test_marks_are_read_back_from_every_kind_of_file(source: Source, tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "p.webp", xmp=xmp(source).encode())
    assert read_source(save_png(tmp_path / "p.png", PICTURE, source=source)) is source
    assert read_source(save_jpeg(tmp_path / "p.jpg", PICTURE, source=source)) is source
    assert read_source(tmp_path / "p.webp") is source


def test_other_programs_write_the_property_as_an_element(tmp_path: Path) -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description><Iptc4xmpExt:DigitalSourceType>\n  '
        f"{Source.COMPOSITE.uri}\n</Iptc4xmpExt:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    Image.fromarray(PICTURE).save(tmp_path / "p.jpg", xmp=packet.encode())
    assert read_source(tmp_path / "p.jpg") is Source.COMPOSITE


def test_a_plain_photo_says_nothing_and_a_text_is_refused(tmp_path: Path) -> None:
    assert read_source(save_png(tmp_path / "p.png", PICTURE, made=False)) is None
    camera = xmp(Source.GENERATED).replace(Source.GENERATED.value, "digitalCapture")
    Image.fromarray(PICTURE).save(tmp_path / "p.jpg", xmp=camera.encode())
    assert read_source(tmp_path / "p.jpg") is None
    (tmp_path / "p.txt").write_text("no picture")
    with pytest.raises(BadFile, match="no PNG"):
        read_source(tmp_path / "p.txt")
