"""`portraitist demo`: the bundled sample sitter on mini, from photos to the page."""

from pathlib import Path
from typing import Annotated

import typer

from portraitist.commands import common
from portraitist.commands.train import run
from portraitist.errors import MissingModel


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option("--seed", min=0)] = 42,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a demo that was stopped.")] = False,
    as_json: common.Json = False,
) -> None:
    """Learn the sample sitter that comes with the package and make portraits: a few minutes on a laptop."""
    from portraitist.recipes import LIBRARY
    from portraitist.requests import TrainRequest

    samples = sorted(path for path in (LIBRARY / "samples").glob("*") if any(path.glob("*.jpg")))
    if not samples:
        raise MissingModel("The sample sitter is missing.", hint="The installation is incomplete: install it again.")
    sample = samples[0]
    name, _, class_word = sample.name.partition("-")
    photos = tuple(str(path) for path in sorted(sample.glob("*.jpg")))
    request = TrainRequest(sitter=name, photos=photos, class_word=class_word or "person", seed=seed, captioner="tagger")
    if not as_json:
        common.say(f"The sample sitter {name}: {len(photos)} photos of somebody who does not exist.")
    run(request, context, resume=resume, per_style=1, out=out, as_json=as_json)
