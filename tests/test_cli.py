"""The border of the command line: quick, without torch, one sentence and an exit code for whatever goes wrong."""

import json
import os
import subprocess
import sys

import pytest
import typer

from portraitist import cli
from portraitist.errors import Cancelled, MissingModel, PortraitistError


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portraitist.cli", *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_line_loads_nothing_heavy() -> None:
    code = (
        "import sys, portraitist.cli; portraitist.cli.build(); "
        "print([name for name in ('torch', 'diffusers', 'transformers', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_answers_at_once() -> None:
    def seconds() -> float:
        begun = os.times()
        assert "check" in run("--help").stdout
        ended = os.times()  # the processor's seconds: what else the machine does is not our fault
        return ended.children_user + ended.children_system - begun.children_user - begun.children_system

    assert min(seconds() for _ in range(5)) < 0.5


def test_version() -> None:
    assert run("--version").stdout.startswith("portraitist 0.")


class Failing:
    """A command that raises what it is given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def register(self, app: typer.Typer) -> None:
        @app.command("fail")
        def fail(as_json: bool = typer.Option(False, "--json")) -> None:
            raise self.error


@pytest.mark.parametrize(
    ("error", "code", "name"),
    [
        (MissingModel("The model is missing.", hint="Fetch it."), 3, "missing_model"),
        (Cancelled("Stopped."), 5, "cancelled"),
        (KeyboardInterrupt(), 5, "cancelled"),
        (MemoryError(), 4, "out_of_memory"),
        (OSError(28, "No space left on device", "x.png"), 4, "disk_full"),
        (ZeroDivisionError("division by zero"), 1, "fault"),
    ],
)
def test_every_error_becomes_a_sentence_and_a_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    name: str,
) -> None:
    monkeypatch.setattr(cli, "COMMANDS", (Failing(error), Failing(error)))
    with pytest.raises(SystemExit) as left:
        cli.main(["fail"])
    said = capsys.readouterr()
    assert left.value.code == code
    assert said.out == "" and said.err.strip() and "Traceback" not in said.err
    if isinstance(error, PortraitistError) and error.hint:
        assert error.hint in said.err
    with pytest.raises(SystemExit) as left:
        cli.main(["fail", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert left.value.code == code and document["error"]["code"] == name


def test_wrong_options_are_named_and_end_with_2() -> None:
    done = run("check", "x.jpg", "--colour")
    assert done.returncode == 2 and "--colour" in done.stderr and "Traceback" not in done.stderr
    assert "See: portraitist check --help" in done.stderr
    done = run("check", "--json")
    assert done.returncode == 2 and json.loads(done.stdout)["error"]["code"] == "usage"
    assert run("dance").returncode == 2
