"""Fixtures with faces: the loaded face stack and a few rendered people. Imported by the conftests that need them."""

from pathlib import Path

import numpy as np
import pytest

from portraitist import weights
from portraitist.faces import Faces
from portraitist.images import read_picture, save_png
from portraitist.settings import load_settings
from portraitist.types import Picture

PEOPLE = Path(__file__).parent / "data" / "people"


@pytest.fixture(scope="session")
def faces() -> Faces:
    """The face stack; skips where `portraitist setup` has not run yet (make test runs it)."""
    folder = load_settings().models_folder / "faces"
    if weights.missing_files(folder):
        pytest.skip(f"no face models in {folder}: run portraitist setup")
    return Faces.load(folder)


@pytest.fixture(scope="session")
def sitter() -> list[Path]:
    """Five photos of one sitter."""
    return sorted(PEOPLE.glob("a-*.jpg"))


@pytest.fixture(scope="session")
def stranger() -> list[Path]:
    """Two photos of somebody else."""
    return sorted(PEOPLE.glob("b-*.jpg"))


def person(name: str) -> Picture:
    """A picture of tests/data/people by its stem."""
    return read_picture(PEOPLE / f"{name}.jpg")


@pytest.fixture
def couple(tmp_path: Path) -> Path:
    """A photo of two people side by side, with faces of like size."""
    return save_png(tmp_path / "couple.png", np.concatenate([person("a-3"), person("b-2")], axis=1), made=False)


@pytest.fixture
def landscape(tmp_path: Path) -> Path:
    """A photo of nobody."""
    rows, columns = np.mgrid[0:256, 0:320]
    hills = np.stack([rows * 0.6, 200 - rows * 0.5, 128 + 60 * np.sin(columns / 30)], axis=-1)
    return save_png(tmp_path / "landscape.png", hills.clip(0, 255).astype(np.uint8), made=False)
