"""Pictures of a style: how they are cut, which are left out, and what their captions do not say."""

from pathlib import Path

import numpy as np
import pytest

from portraitist.captions.describe import Description
from portraitist.captions.tags import caption, load_rules
from portraitist.errors import TooFewPhotos
from portraitist.images import save_png
from portraitist.recipes import Base
from portraitist.settings import Settings
from portraitist.styling.training import cuts, read_pictures, style_picture
from portraitist.types import Size

BASE = Base("b", "sd15", "file:x", "b-1", (64, 64), "r")


def coloured(seed: int, width: int = 96, height: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("width", "height"), [(300, 100), (100, 250), (160, 100)])
def test_cuts_show_all_of_a_long_picture_the_middle_first(width: int, height: int) -> None:
    boxes = cuts(Size(width, height), Size(64, 64), 2)
    shown = np.zeros((height, width), dtype=bool)
    for box in boxes:
        assert box.width == box.height == min(width, height)
        shown[round(box.y) : round(box.y + box.height), round(box.x) : round(box.x + box.width)] = True
    assert shown.all()
    assert boxes[0].centre == (width / 2, height / 2)


def test_a_picture_of_the_bases_shape_is_left_whole() -> None:
    pixels = coloured(1, 100, 96)
    assert style_picture("01", pixels, "c", Size(64, 64), 4).pixels is pixels
    long = style_picture("01", coloured(1, 200, 64), "c", Size(64, 64), 2)
    assert {one.shape for one in (long.pixels, *long.others)} == {(64, 64, 3)} and len(long.others) == 3


def test_what_cannot_be_learned_from_is_left_out_by_name(tmp_path: Path) -> None:
    for number in range(3):
        save_png(tmp_path / f"{number}.png", coloured(number))
    save_png(tmp_path / "again.png", coloured(0))
    save_png(tmp_path / "tiny.png", coloured(9, 20, 20))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    taken, warnings = read_pictures(sorted(tmp_path.iterdir()), BASE, Settings(home=tmp_path))
    assert [one.name for one in taken] == ["0.png", "1.png", "2.png"]
    assert {(one.code, one.message.split()[0]) for one in warnings} == {
        ("duplicate", "again.png"), ("too_small", "tiny.png"), ("unreadable", "broken.png"),
    }  # fmt: skip
    with pytest.raises(TooFewPhotos, match="1 of 2") as caught:
        read_pictures([tmp_path / "0.png", tmp_path / "broken.png"], BASE, Settings(home=tmp_path))
    assert "broken.png" in str(caught.value.hint)


def test_captions_say_what_is_shown_and_not_how_it_is_made() -> None:
    told = Description(("1girl", "red_hair", "smile", "watercolor_(medium)", "oil_painting", "monochrome", "forest"))
    assert caption(told, "sks", "style", load_rules("style")) == "sks style, 1girl, red hair, smile, forest"
