"""Where an ID photo is cut, on numbers alone: every rule met, tilt taken out, the nearest cut where none meets all."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from portraitist.errors import BadFile, BadRequest, UnfitPhoto, UnknownName
from portraitist.finishing.idphoto import geometry
from portraitist.finishing.idphoto.formats import IdFormat, all_formats, find_format, parse_colour
from portraitist.finishing.idphoto.sheet import PAPERS, lay_out

POINTS = ("chin", "left_eye", "right_eye", "hair", "skull")
FORMATS = {one.name: one for one in all_formats()}


def head(*, tilt: float = 0.0, hair: float = 440.0, below: float = float("inf")) -> geometry.Head:
    """A head whose chin lies at (500, 800): skull 400 pixels, eyes halfway, hair so high, tilted clockwise."""
    turn = math.radians(tilt)

    def at(right: float, up: float) -> np.ndarray:
        return np.array(
            [500 + right * math.cos(turn) + up * math.sin(turn), 800 + right * math.sin(turn) - up * math.cos(turn)]
        )

    return geometry.Head(at(0, 0), at(-60, 200), at(60, 200), at(0, hair), at(0, 400), 270.0, below)


@pytest.mark.parametrize("wanted", FORMATS.values(), ids=list(FORMATS))
def test_an_average_head_meets_every_rule_of_every_format(wanted: IdFormat) -> None:
    measured = geometry.place(head(), wanted).measured
    for name, limits in geometry.rules(wanted):
        assert geometry.outside(getattr(measured, name), limits) < 1e-6, (name, measured)
    assert measured.above > 0.4


@pytest.mark.parametrize("tilt", [-25.0, 0.0, 12.0])
def test_the_map_puts_the_head_where_it_says_and_upright(tilt: float) -> None:
    wanted = find_format("us-passport")
    tilted = head(tilt=tilt)
    cut = geometry.place(tilted, wanted)
    assert cut.roll == pytest.approx(tilt)
    back = np.linalg.inv(np.vstack([cut.matrix, [0, 0, 1]]))

    def on_paper(point: np.ndarray) -> np.ndarray:
        return (back @ [*point, 1.0])[:2]

    left, right = on_paper(tilted.left_eye), on_paper(tilted.right_eye)
    assert left[1] == pytest.approx(right[1]) and left[0] < right[0]
    assert (left[0] + right[0]) / 2 == pytest.approx(wanted.size.width / 2)
    mm = 25.4 / 300
    assert (on_paper(tilted.chin)[1] - on_paper(tilted.hair)[1]) * mm == pytest.approx(cut.measured.head)
    assert (wanted.size.height - left[1]) * mm == pytest.approx(cut.measured.eyes, abs=0.05)
    again = replace(
        tilted,
        **{name: on_paper(getattr(tilted, name)) for name in POINTS},
        width=tilted.width / cut.scale,
    )
    found = geometry.measure(again, wanted)
    assert found.head == pytest.approx(cut.measured.head) and found.above == pytest.approx(cut.measured.above, abs=0.05)


def test_hair_counts_where_the_rule_counts_it() -> None:
    tall = head(hair=520.0)
    by_hair = geometry.place(tall, find_format("us-passport"))
    by_skull = geometry.place(tall, find_format("kr-passport"))
    assert by_hair.measured.head == by_hair.measured.hair
    assert by_skull.measured.head == pytest.approx(by_skull.measured.hair * 400 / 520)


def test_a_tower_of_hair_gets_the_nearest_cut() -> None:
    wanted = find_format("jp-passport")
    measured = geometry.place(head(hair=800.0), replace(wanted, eyes_mm=(20.0, 21.0))).measured
    assert geometry.outside(measured.head, (32.0, 36.0)) < 1e-6  # what can be met is
    assert 0.0 <= measured.above <= 6.0


def test_a_photo_that_ends_under_the_chin_is_cut_higher_where_the_rules_allow() -> None:
    wanted = find_format("us-passport")
    free = geometry.place(head(), wanted)
    short = geometry.place(head(below=150.0), wanted)
    missing = [50.8 - c.measured.above - c.measured.hair - 150 * 25.4 / 300 / c.scale for c in (free, short)]
    assert missing[1] < missing[0] - 1.0
    for name, limits in geometry.rules(wanted):
        assert geometry.outside(getattr(short.measured, name), limits) < 1e-6


def test_missing_shoulders_never_cost_the_chin() -> None:
    wanted = find_format("gb-passport")
    measured = geometry.place(head(below=20.0), wanted).measured
    assert wanted.size_mm[1] - measured.above - measured.hair >= 0.12 * wanted.size_mm[1] - 0.06


def test_the_library_holds_the_chinese_sizes_and_the_passports_of_eight_countries() -> None:
    assert {"cn-1inch", "cn-1inch-small", "cn-1inch-large", "cn-2inch", "cn-2inch-small", "cn-2inch-large"} <= set(
        FORMATS
    )
    assert len({one.country for one in FORMATS.values() if one.name.endswith("passport")}) >= 8
    for one in FORMATS.values():
        assert one.sources and all(source.startswith("http") for source in one.sources)
        assert one.dpi >= 300 and one.background_rule and one.title_zh
    sizes = {name: (one.size.width, one.size.height) for name, one in FORMATS.items()}
    assert sizes["cn-1inch"] == (295, 413) and sizes["us-visa"] == (600, 600) and sizes["cn-id"] == (358, 441)


def test_wrong_formats_and_colours_are_named() -> None:
    with pytest.raises(UnknownName, match="moon-passport") as error:
        find_format("moon-passport")
    assert "us-passport" in str(error.value.hint)
    with pytest.raises(BadFile, match="range"):
        replace(FORMATS["us-passport"], head_mm=(30.0, 20.0))
    with pytest.raises(BadFile, match="how large"):
        replace(FORMATS["us-passport"], head_mm=None)
    with pytest.raises(BadRequest, match="blurple"):
        parse_colour("blurple")
    assert parse_colour("#0a0B0c") == (10, 11, 12) and parse_colour("white") == (255, 255, 255)


@pytest.mark.parametrize("paper", list(PAPERS))
def test_photos_on_a_sheet_lie_apart_and_on_the_paper(paper: str) -> None:
    for one in FORMATS.values():
        layout = lay_out(one.size_mm, paper)
        width, height = one.size_mm
        assert sorted(layout.paper) == sorted(PAPERS[paper])
        for left, top in layout.corners:
            assert (
                left >= 1.5
                and top >= 1.5
                and left + width <= layout.paper[0] - 1.5
                and top + height <= layout.paper[1] - 1.5
            )
        rows = sorted({top for _, top in layout.corners})
        assert all(b - a >= height + 2 - 1e-9 for a, b in pairwise(rows))


def test_the_paper_is_turned_where_it_holds_more_that_way() -> None:
    assert len(lay_out((35, 45), "a4").corners) == 30
    assert len(lay_out((35, 45), "10x15cm").corners) == 8
    assert len(lay_out((50.8, 50.8), "4x6in").corners) == 2
    with pytest.raises(UnfitPhoto, match="too large"):
        lay_out((300, 400), "a4")
    with pytest.raises(UnknownName, match="a5"):
        lay_out((35, 45), "a5")
