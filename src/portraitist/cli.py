"""The command line: its global options and the one border where errors become a sentence and an exit code.

The commands are in `portraitist.commands`, one module each; see there how to add one. Nothing heavy is imported here:
`portraitist --help` answers at once and without torch.
"""

import errno
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from portraitist import __version__
from portraitist.commands import (
    bases,
    captions,
    check,
    compare,
    convert,
    demo,
    doctor,
    export,
    finish,
    idphoto,
    portrait,
    recipes,
    setup,
    sitters,
    styles,
    tags,
    train,
    trigger,
)
from portraitist.errors import BadFile, BadRequest, Cancelled, DiskFull, Fault, OutOfMemory, PortraitistError

_INTERRUPTED = 130
"""What Typer returns for Ctrl-C."""

COMMANDS = (
    setup, demo, check, train, captions, tags, trigger, portrait, finish, idphoto, compare, sitters, styles, recipes,
    bases, export, convert, doctor,
)  # fmt: skip


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"portraitist {__version__}")
        raise typer.Exit


def _global(
    home: Annotated[
        Path | None, typer.Option("--home", help="Folder of sitters, portraits and models.", show_default=False)
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Portraitist learns a person from a few photos and makes portraits, on your own machine."""


def build() -> typer.Typer:
    """The application with all commands."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_global)
    for module in COMMANDS:
        module.register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code. The outer border: whatever goes wrong is told here, once."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # torch's threads spin while they wait for each other; where another program wants a core too, that makes all slower
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    # on CUDA, memory that grows in place leaves fewer gaps
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    try:
        sys.exit(_run(given))
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _run(arguments: list[str]) -> int:
    try:
        result = build()(arguments, standalone_mode=False)
        if result != _INTERRUPTED:
            return result if isinstance(result, int) else 0
        error: PortraitistError = Cancelled("Stopped.")
    except BrokenPipeError:
        raise
    except (KeyboardInterrupt, typer.Abort):
        error = Cancelled("Stopped.")
    except PortraitistError as found:
        error = found
    except Exception as found:  # noqa: BLE001 - the one border of the command line
        error = _ours(found)
    _tell(error, as_json="--json" in arguments)
    return error.exit_code


def _ours(found: Exception) -> PortraitistError:
    """The error of our tree for any other."""
    if isinstance(found, _usage_error()):
        say = getattr(found, "format_message", found.__str__)
        return BadRequest(say(), hint=f"See: {' '.join(['portraitist', *_called(found)])} --help", code="usage")
    if isinstance(found, MemoryError):
        return OutOfMemory("There is not enough memory.", hint="Close other programs, or ask for less at once.")
    if isinstance(found, OSError) and found.errno == errno.ENOSPC:
        return DiskFull(Path(found.filename or "a file"))
    if isinstance(found, PermissionError) and found.filename:
        return BadFile(
            f"{found.filename} cannot be opened: permission denied.", hint="Change its permissions or name another."
        )
    if os.environ.get("PORTRAITIST_DEBUG"):
        traceback.print_exception(found, file=sys.stderr)
    return Fault(
        f"A fault of ours: {type(found).__name__}: {found}",
        hint="Run it again with PORTRAITIST_DEBUG=1 to see where, and tell us.",
    )


def _called(found: Exception) -> list[str]:
    """The command that was called wrongly, such as `sitters show`."""
    names: list[str] = []
    context = getattr(found, "ctx", None)
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return names


def _usage_error() -> type[Exception]:
    """Typer's class for all wrong options; newer versions carry their own click, so it is found by way of a child."""
    names = {kind.__name__: kind for kind in typer.BadParameter.__mro__}
    found = names.get("ClickException", typer.BadParameter)
    return found if issubclass(found, Exception) else typer.BadParameter


def _tell(error: PortraitistError, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"error": error.to_data()}, ensure_ascii=False))
        return
    typer.echo(error.message, err=True)
    if error.hint:
        typer.echo(error.hint, err=True)


if __name__ == "__main__":
    main()
