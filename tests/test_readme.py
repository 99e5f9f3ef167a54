"""The README's Python example runs, in both languages; its commands and options exist; its links lead somewhere."""

import re
import shutil
from pathlib import Path

import pytest

from portraitist.commands import train as train_command
from portraitist.faces import Faces
from portraitist.finishing.idphoto.formats import all_formats
from portraitist.recipes import Style, names
from portraitist.settings import load_settings
from tests.people import faces, sitter

__all__ = ["faces", "sitter"]
ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.zh.md"]
TINY = """
name = "{name}"
{more}
"""


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_base: Path, faces: Faces, sitter: list[Path]) -> Path:
    """A working folder with photos/, and a home whose own library lets `mini` be the tiny base."""
    home = tmp_path / "home"
    for shelf, name, more in (
        ("bases", "mini", f'family = "sd15"\nsource = "file:{tiny_base}"\nversion = "tiny-1"\nsize = [64, 64]\n'
                          'recipe = "short"\nsteps = 2'),
        ("recipes", "short", "rank = 2\nbatch = 2\nvisits_per_photo = 1\ncrops_per_photo = 1\ncheckpoints = 1"),
    ):  # fmt: skip
        (home / "library" / shelf).mkdir(parents=True)
        (home / "library" / shelf / f"{name}.toml").write_text(TINY.format(name=name, more=more))
    (tmp_path / "photos").mkdir()
    for photo in sitter[:3]:
        shutil.copy(photo, tmp_path / "photos")
    monkeypatch.setenv("PORTRAITIST_MODELS", str(load_settings().models_folder))
    monkeypatch.setenv("PORTRAITIST_HOME", str(home))
    monkeypatch.setenv("PORTRAITIST_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_example_runs(page: Path, studio: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, page.name, "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("3 ") and said[1].startswith("None ") and len(said) == 4
    assert all(Path(line.split()[0]).is_file() for line in said[2:])


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_styles_and_formats_in_commands_exist(page: Path) -> None:
    lines = [found[0] for found in re.finditer(r"portraitist [^\n]*", page.read_text(encoding="utf-8"))]
    styles = [name for line in lines for name in re.findall(r"--style ([a-z][\w-]*)", line)]
    formats = [name for line in lines for name in re.findall(r"--format ([a-z][\w-]*)", line)]
    assert [name for name in styles if name not in names(Style)] == []
    assert [name for name in formats if name not in {one.name for one in all_formats(())}] == []


def test_the_reference_knows_every_option_of_train() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    source = Path(train_command.__file__).read_text(encoding="utf-8")
    options = set(re.findall(r'typer\.Option\("(--[a-z-]+)"', source))
    assert options and not [option for option in options if option not in text]
