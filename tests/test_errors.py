"""The tree of errors: every error has a code, an exit code of its kind, and a sentence."""

import pytest

from portraitist import errors
from portraitist.errors import PortraitistError, UnknownName

KINDS = {errors.InputError: 2, errors.ModelError: 3, errors.ResourceError: 4, errors.Cancelled: 5, errors.Fault: 1}


def all_errors() -> list[type[PortraitistError]]:
    found = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, PortraitistError)]
    return [item for item in found if item is not PortraitistError]


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_an_error_has_the_exit_code_of_its_branch(kind: type[PortraitistError]) -> None:
    branch = next(root for root in KINDS if issubclass(kind, root))
    assert kind.exit_code == KINDS[branch]
    assert kind.code == kind.code.lower().replace(" ", "_")
    assert 400 <= kind.http_status < 600


def test_unknown_names_say_what_is_known() -> None:
    error = UnknownName("style", "baroque", ["oil", "anime"])
    assert error.to_data() == {
        "code": "unknown_style",
        "message": "There is no style named 'baroque'.",
        "hint": "Known are: anime, oil.",
    }


def test_the_nearest_name_is_told_and_not_a_long_list() -> None:
    many = [f"look-{number}" for number in range(40)]
    assert UnknownName("style", "Studo", [*many, "studio"]).hint == "Did you mean studio? There are 41 in all."
    hint = UnknownName("style", "flim", [*many, "film-grain-home", "silent-film"]).hint
    assert hint == "Did you mean film-grain-home or silent-film? There are 42 in all."
    assert "look-7" in (UnknownName("style", "zebra", many).hint or "")
    assert (
        UnknownName("recipe", "portrat", ["mini", "portrait"]).hint
        == "Did you mean portrait? Known are: mini, portrait."
    )
