"""The library's TOML: everything in it reads, and nothing unknown passes."""

from pathlib import Path
from typing import Any

import pytest

from portraitist import recipes
from portraitist.errors import BadFile, UnknownName
from portraitist.recipes import Base, Recipe, Style


@pytest.mark.parametrize("kind", [Base, Recipe, Style])
def test_the_whole_shelf_reads(kind: type[Any]) -> None:
    names = recipes.names(kind)
    assert names
    for name in names:
        assert recipes.find(kind, name).name == name


def test_a_base_names_a_recipe_that_exists() -> None:
    for name in recipes.names(Base):
        assert recipes.find(Base, name).recipe in recipes.names(Recipe)


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('name = "r"\nlerning_rate = 1e-4\n')
    with pytest.raises(BadFile, match="lerning_rate"):
        recipes.read_toml(path, Recipe)


@pytest.mark.parametrize("text", ["name = ", 'name = "r"\nrank = "many"\n', "\udcff"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadFile, match=r"r\.toml"):
        recipes.read_toml(path, Recipe)


def test_an_unknown_name_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="baroque") as caught:
        recipes.find(Base, "baroque")
    assert "mini" in str(caught.value.hint)
    with pytest.raises(UnknownName):
        recipes.find(Base, "../recipes/mini")


def test_the_users_own_shelf_comes_first(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mini.toml").write_text('name = "mini"\nrank = 7\n')
    assert recipes.find(Recipe, "mini", [tmp_path]).rank == 7
    assert recipes.find(Recipe, "mini").rank != 7
