"""What all commands share: settings, the answer as words or JSON, progress on stderr. Loads nothing heavy."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from portraitist.errors import BadFile
    from portraitist.faces import Faces
    from portraitist.settings import Settings
    from portraitist.signing import Signer
    from portraitist.types import OnStep, Step

_EVERY_SECONDS = 30.0

Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")]


def settings_of(context: typer.Context) -> "Settings":
    """The settings of this call: `--home` beats the environment beats portraitist.toml. Raises BadRequest."""
    from portraitist.settings import load_settings

    home = context.find_root().params.get("home")
    return load_settings(Path(home) if home else None)


def face_models(settings: "Settings") -> Path:
    """The folder of the face models."""
    return settings.models_folder / "faces"


Sign = Annotated[
    bool, typer.Option("--sign", help="Sign the pictures (C2PA) with c2pa_certificate and c2pa_key of the settings.")
]
FaceNames = Annotated[
    str | None, typer.Option("--faces", metavar="NAME", help="Face models by name, such as yunet+auraface.")
]


def load_faces(settings: "Settings", names: str | None = None) -> "Faces":
    """The face stack, by `names` or the settings; the terms of chosen models are said.

    Raises MissingModel with the command that fetches its files.
    """
    from portraitist.faces import Faces
    from portraitist.faces.parts import terms

    wanted = names or settings.faces
    for line in terms(wanted):
        say(line)
    return Faces.load(face_models(settings), names=wanted, offline=settings.offline)


def signer(settings: "Settings") -> "Signer":
    """Who signs, by the settings: asked before the work is done. Raises BadRequest without a certificate."""
    from portraitist.signing import signer_of

    return signer_of(settings.c2pa_certificate, settings.c2pa_key, settings.c2pa_algorithm)


def sign_files(who: "Signer | None", files: "Sequence[Path]", parent: Path | None = None) -> None:
    """Sign pictures that say how they were made, if anybody signs; `parent` is what they were made of.

    Raises MissingModel or BadFile.
    """
    if who is None:
        return
    from portraitist.marks import read_source
    from portraitist.signing import sign

    for file in files:
        if read_source(file) is not None:  # a plain photo has nothing to confess
            sign(file, who, parent=parent)


def answer(document: Any, words: str, as_json: bool) -> None:
    """The answer of a command on stdout: `document` (a request, a report or plain values) as JSON, or `words`."""
    if not as_json:
        typer.echo(words)
        return
    if not isinstance(document, (dict, list)):
        from portraitist.requests import to_data

        document = to_data(document)
    typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def say(words: str) -> None:
    """A remark on stderr."""
    typer.echo(words, err=True)


def say_broken(broken: "Sequence[BadFile]") -> None:
    """What a list leaves out, on stderr: one broken file hides no other."""
    for error in broken:
        say(f"Left out: {error.message}")


@contextmanager
def progress() -> "Iterator[OnStep]":
    """An `OnStep` for a person at a terminal: one line a stage that is rewritten; in a log a line every half minute."""
    line = _Line(sys.stderr.isatty())
    try:
        yield line
    finally:
        line.end()


class _Line:
    def __init__(self, rewrites: bool) -> None:
        self._rewrites = rewrites
        self._stage = ""
        self._begun = 0.0
        self._first = 0
        self._open = False
        self._said = 0.0

    def __call__(self, step: "Step") -> None:
        if step.stage != self._stage:
            self.end()
            self._stage, self._begun, self._first, self._said = step.stage, time.monotonic(), step.done, 0.0
        text = f"{step.stage}: {step.done} of {step.total}{self._left(step)}  {step.detail}".rstrip()
        if not self._rewrites:
            self._log(text)
        else:
            sys.stderr.write(f"\r\x1b[2K{text[:110]}")
            sys.stderr.flush()
            self._open = True

    def _log(self, text: str) -> None:
        """A line when a stage begins, and one every half minute."""
        if self._said == 0.0 or time.monotonic() - self._said >= _EVERY_SECONDS:
            self._said = time.monotonic()
            say(text)

    def _left(self, step: "Step") -> str:
        """The time left by the pace of this stage; nothing before a tenth of it or ten steps are done."""
        done = step.done - self._first
        if done < min(10, max(1, step.total // 10)) or step.done >= step.total:
            return ""
        seconds = (time.monotonic() - self._begun) / done * (step.total - step.done)
        return f", about {seconds / 60:.0f} min left" if seconds > 90 else f", about {seconds:.0f} s left"

    def end(self) -> None:
        if self._open:
            sys.stderr.write("\n")
            sys.stderr.flush()
        self._open = False
