"""Drawing and painting: the same for a seed, of any size, smooth where brushes are, and still the same person."""

import numpy as np
import pytest

from portraitist.faces import Faces, distance
from portraitist.finishing import stylise
from portraitist.finishing.strokes import flow_of, smear, strokes
from portraitist.types import Picture
from tests.people import person


@pytest.fixture(autouse=True)
def small_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn in a second elsewhere is drawn in a tenth of it here."""
    monkeypatch.setattr(stylise, "_LEAST", 256)


@pytest.fixture(scope="module")
def picture() -> Picture:
    return person("a-1")


@pytest.mark.parametrize("name", list(stylise.STYLES))
def test_a_style_keeps_the_person_and_is_the_same_for_a_seed(name: str, picture: Picture, faces: Faces) -> None:
    style = stylise.STYLES[name]
    made = style(picture, 7)
    assert made.shape == picture.shape and np.array_equal(made, style(picture, 7))
    assert np.array_equal(made, style(picture, 8)) is (name == "cartoon"), "paper, bristles and grain are random"
    (before,), (after,) = faces.detect(picture), faces.detect(made)
    assert distance(faces.embed(picture, before), faces.embed(made, after)) < 0.5
    assert np.abs(made.astype(int) - picture).mean() > 2


@pytest.mark.parametrize("shape", [(8, 8), (1, 40), (300, 20)])
def test_any_shape_can_be_drawn(shape: tuple[int, int]) -> None:
    odd = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for style in stylise.STYLES.values():
        assert style(odd, 1).shape == odd.shape


def test_a_drawing_has_no_colour_and_a_painting_has(picture: Picture) -> None:
    drawn, painted = stylise.pencil(picture, 1), stylise.oil(picture, 1)
    assert np.ptp(drawn.astype(int), axis=-1).mean() < 8
    assert np.ptp(painted.astype(int), axis=-1).mean() > 0.8 * np.ptp(picture.astype(int), axis=-1).mean()


def test_strokes_calm_surfaces_and_keep_edges() -> None:
    rows, columns = np.mgrid[0:80, 0:80]
    step = (columns > 2 * rows - 40).astype(np.float32)  # oblique: squares would make stairs of it
    noise = np.random.default_rng(2).normal(0, 0.05, (80, 80))
    made = strokes(np.repeat((0.2 + 0.6 * step + noise)[..., None], 3, axis=-1).astype(np.float32), 5.0)[..., 0]
    inside = np.abs(columns - (2 * rows - 40)) > 8
    assert np.abs(made - 0.2 - 0.6 * step)[inside].mean() < 0.02 < np.abs(noise).mean()
    edge = (np.abs(columns - (2 * rows - 40)) <= 4) & (rows > 25) & (rows < 55)
    blurred = made[edge]
    assert ((blurred > 0.35) & (blurred < 0.65)).mean() < 0.3


def test_smearing_follows_the_stripes() -> None:
    rows, columns = np.mgrid[0:60, 0:60]
    stripes = np.sin((rows + columns) / 3.0).astype(np.float32)
    flow = flow_of(np.repeat(stripes[..., None], 3, axis=-1), 3.0)
    middle = slice(15, 45)
    along = np.abs((flow.x - flow.y) / np.sqrt(2))[middle, middle]
    assert along.mean() > 0.98, "along them it is down to the left"
    made = smear(stripes, flow, 6)
    assert np.abs(made - stripes)[middle, middle].mean() < 0.12
