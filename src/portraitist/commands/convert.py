"""`portraitist convert`: a pickled checkpoint or LoRA made into safetensors."""

from pathlib import Path
from typing import Annotated

import typer

from portraitist.commands import common


def register(app: typer.Typer) -> None:
    app.command("convert")(convert)


def convert(
    file: Annotated[Path, typer.Argument(help="A .ckpt, .pt, .pth or .bin file.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", help="The .safetensors file; beside FILE unless given.", show_default=False)
    ] = None,
    as_json: common.Json = False,
) -> None:
    """Make safetensors of a pickled checkpoint or LoRA, in a process of small means; nothing in it is run."""
    from portraitist.families.pickled import convert as convert_file

    done = convert_file(file, out)
    document = {
        "file": str(done.file),
        "tensors": done.tensors,
        "bytes": done.bytes,
        "dropped": list(done.dropped),
        "kind": done.kind or None,
    }
    words = f"{done.file}: {done.tensors} tensors, {done.bytes / 2**20:.0f} MiB"
    lines = [f"{words}, {done.kind}." if done.kind else f"{words}."]
    if done.dropped:
        more = " …" if len(done.dropped) > 5 else ""
        lines.append(f"Left out, because no tensors: {', '.join(done.dropped[:5])}{more}.")
    common.answer(document, "\n".join(lines), as_json)
