"""How the tests call a command: as a user does, in this process."""

import pytest

from portraitist import cli


def call(*arguments: object) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    assert isinstance(left.value.code, int)
    return left.value.code
