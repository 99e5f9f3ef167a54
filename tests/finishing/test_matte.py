"""A person before another background, on a picture whose true mask is known."""

import numpy as np
import pytest

from portraitist.finishing import matte
from portraitist.finishing.matte import fine_mask, on_colour

RED, BLUE = np.array([150.0, 60.0, 40.0]), np.array([30.0, 60.0, 200.0])


@pytest.fixture(autouse=True, params=[1536, 250], ids=["whole", "shrunk"])
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large pictures are looked at on a shrunk copy, and have to be cut out as well."""
    monkeypatch.setattr(matte, "_LARGE", request.param)


def strands() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A red disc with soft strands before a blue wall, its true shares, and a coarse mask that misses the strands."""
    rows, columns = np.mgrid[0:400, 0:400]
    far = np.hypot(rows - 200, columns - 200)
    angle = np.arctan2(rows - 200, columns - 200)
    ray = 170 + 9 * np.clip(np.sin(40 * angle), 0, 1)
    true = np.clip((ray - far) / 3 + 0.5, 0, 1)
    coarse = np.clip((174 - far) / 10 + 0.5, 0, 1)
    picture = true[..., None] * RED + (1 - true[..., None]) * BLUE
    return picture.round().astype(np.uint8), true, (coarse * 255).round().astype(np.uint8)


def test_the_edge_follows_the_picture() -> None:
    picture, true, coarse = strands()
    before = np.abs(coarse / 255 - true).mean()
    after = np.abs(fine_mask(picture, coarse) / 255 - true).mean()
    assert after < 0.7 * before


def test_the_old_wall_does_not_shine_through() -> None:
    picture, true, _ = strands()
    mask = (true * 255).round().astype(np.uint8)
    ideal = true[..., None] * RED + (1 - true[..., None]) * 255.0
    soft = (true > 0.1) & (true < 0.9)
    plain = true[..., None] * picture + (1 - true[..., None]) * 255.0
    made = on_colour(picture, mask, (255, 255, 255))
    assert np.abs(made - ideal)[soft].mean() < 0.5 * np.abs(plain - ideal)[soft].mean()
    assert (made[true == 0] == 255).all() and (made[true == 1] == picture[true == 1]).all()
