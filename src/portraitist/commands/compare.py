"""`portraitist compare`: a page that compares two folders of portraits blindly, and the result that it saved."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portraitist.commands import common
from portraitist.errors import BadRequest

if TYPE_CHECKING:
    from portraitist.comparing import Tally, Votes


def register(app: typer.Typer) -> None:
    app.command("compare")(compare)


def compare(
    context: typer.Context,
    first: Annotated[Path | None, typer.Argument(metavar="[A", help="A folder of portraits.")] = None,
    second: Annotated[Path | None, typer.Argument(metavar="B]", help="Another one.")] = None,
    sitter: Annotated[
        str | None, typer.Option("--sitter", help="Whose photos are shown beside the question of likeness.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="The page.")] = Path("compare.html"),
    most: Annotated[int | None, typer.Option("--pairs", min=1, max=200, help="At most so many pairs (all).")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the order and the sides.")] = 42,
    results: Annotated[
        list[Path] | None, typer.Option("--read", metavar="RESULT.json", help="Show a result; may be given again.")
    ] = None,
    as_json: common.Json = False,
) -> None:
    """Compare two folders of portraits blindly: which is more like the person, more beautiful, more real?"""
    if results:
        if first is not None:
            raise BadRequest("--read shows results and makes no page.", hint="Leave the folders out.")
        return _read(results, as_json)
    if first is None or second is None:
        raise BadRequest("Two folders are compared.", hint="Run: portraitist compare A B")
    if first.resolve() == second.resolve():
        raise BadRequest(f"{first} would be compared with itself.", hint="Name two folders: portraitist compare A B")
    from portraitist.comparing.page import write_page

    settings = common.settings_of(context)
    with common.progress() as on_step:
        pairs = write_page(first, second, out, settings, sitter=sitter, seed=seed, most=most, on_step=on_step)
    document = {
        "file": str(out), "seed": seed,
        "pairs": [{"name": pair.name, "a": str(pair.a), "b": str(pair.b), "by": pair.by} for pair in pairs],
    }  # fmt: skip
    many = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    words = f"{many} in {out}. Open it in a browser; it saves a file that --read shows."
    return common.answer(document, words, as_json)


def _read(files: list[Path], as_json: bool) -> None:
    from portraitist.comparing import read_votes, tally
    from portraitist.requests import to_data

    found = read_votes(files)
    tallies = tally([vote for one in found for vote in one.votes])
    document = {
        "a": found[0].a, "b": found[0].b, "answers": sum(len(one.votes) for one in found), "people": len(found),
        "questions": [{**to_data(one), "better": one.better} for one in tallies],
    }  # fmt: skip
    common.answer(document, _table(found, tallies), as_json)


def _table(found: "tuple[Votes, ...]", tallies: "tuple[Tally, ...]") -> str:
    lines = [f"A is {found[0].a}, B is {found[0].b}."]
    lines.append(f"{'question':<10} {'A':>4} {'B':>4} {'ties':>5}  {'share of B':>10}  95 % interval")
    for one in tallies:
        told = f"{one.question:<10} {one.a:>4} {one.b:>4} {one.ties:>5}"
        if one.interval is None:
            lines.append(f"{told}  {'–':>10}")
            continue
        own = one.interval
        means = f"{one.better.upper()} is better" if one.better else "not decided"
        lines.append(f"{told}  {own.share:>10.0%}  {own.low:.0%} – {own.high:.0%}, {means}")
    lines.append("The share is that of the answers that chose one; ties are left out. The interval is Wilson's.")
    if len(found) > 1:
        lines.append(
            f"Answers of {len(found)} files; those of one person hang together, so the interval is too narrow."
        )
    return "\n".join(lines)
