"""Fixtures: a home folder with a base of a few kilobytes, which every test of a module calls its own."""

from pathlib import Path

import pytest

from portraitist.settings import load_settings

RECIPE = """
name = "{name}"
rank = 4
alpha = 4.0
batch = 2
visits_per_photo = 2
min_visits = {visits}
crops_per_photo = 2
checkpoints = 2
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A home folder whose own library has the tiny base, a short recipe and two styles in place of the many."""
    home = tmp_path_factory.mktemp("home")
    library = home / "library"
    for shelf in ("bases", "recipes"):
        (library / shelf).mkdir(parents=True)
    (library / "bases" / "tiny.toml").write_text(
        f'name = "tiny"\nfamily = "sd15"\nsource = "file:{tiny_base}"\nversion = "tiny-1"\nsize = [64, 64]\n'
        'recipe = "short"\nsteps = 2\nsampler = "DDIM"\n'
    )
    tiny = (library / "bases" / "tiny.toml").read_text()
    (library / "bases" / "mini.toml").write_text(tiny.replace('name = "tiny"', 'name = "mini"'))
    (library / "recipes" / "short.toml").write_text(RECIPE.format(name="short", visits=8))
    choosy = RECIPE.format(name="choosy", visits=8) + "choose_pictures = 2\nchoose_steps = 1\n"
    (library / "recipes" / "choosy.toml").write_text(choosy)
    return home


@pytest.fixture(autouse=True)
def own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTRAITIST_MODELS", str(load_settings().models_folder))
    monkeypatch.setenv("PORTRAITIST_HOME", str(home))
    monkeypatch.setenv("PORTRAITIST_DEVICE", "cpu")
