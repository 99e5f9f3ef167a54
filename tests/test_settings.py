"""Settings: defaults, file, environment, in this order."""

from pathlib import Path

import pytest

from portraitist.errors import BadRequest
from portraitist.settings import default_home, load_settings


def test_the_environment_beats_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "portraitist.toml").write_text('device = "cpu"\nmax_photo_bytes = 5\n')
    found = load_settings(environment={"PORTRAITIST_HOME": str(tmp_path), "PORTRAITIST_MAX_PHOTO_BYTES": "6"})
    assert (found.home, found.device, found.max_photo_bytes, found.offline) == (tmp_path, "cpu", 6, False)


def test_the_option_beats_the_environment(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {"PORTRAITIST_HOME": "/elsewhere", "PORTRAITIST_OFFLINE": "1"}).home == tmp_path
    assert load_settings(environment={}).home == default_home()


@pytest.mark.parametrize(
    ("text", "environment", "key"),
    [
        ("colour = 1", {}, "'colour' is not known"),
        ("offline = ", {}, "toml"),
        ("", {"PORTRAITIST_OFFLINE": "perhaps"}, "offline"),
        ("", {"PORTRAITIST_MAX_PHOTO_PIXELS": "-1"}, "max_photo_pixels"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, environment: dict[str, str], key: str) -> None:
    (tmp_path / "portraitist.toml").write_text(text)
    with pytest.raises(BadRequest, match=key):
        load_settings(tmp_path, environment)


def test_a_home_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(BadRequest, match="is a file"):
        load_settings(tmp_path / "home", {})


def test_models_may_lie_elsewhere(tmp_path: Path) -> None:
    found = load_settings(tmp_path / "home", {"PORTRAITIST_MODELS": str(tmp_path / "models")})
    assert found.models_folder == tmp_path / "models"
    (tmp_path / "home" / "models").mkdir(parents=True)
    assert load_settings(tmp_path / "home", {}).models_folder == tmp_path / "home" / "models"
