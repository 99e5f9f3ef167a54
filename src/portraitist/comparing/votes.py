"""The answers of a blind comparison: read from the file that the page saves, added up, with a confidence interval.

The page counts the same way (library/page/compare.js); the summary that it saved is not believed but counted anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from portraitist.errors import BadFile, BadRequest, InputError
from portraitist.requests import from_json
from portraitist.types import Strict

QUESTIONS = ("likeness", "beauty", "realism")
KIND = "portraitist-compare"

Z = 1.959963984540054
"""Where a normal distribution leaves 2.5 % on each side."""


@dataclass(frozen=True)
class Vote(Strict):
    """One answer: `choice` is the better one or `tie`; `left` is which of the two stood on the left."""

    pair: str
    question: Literal["likeness", "beauty", "realism"]
    left: Literal["a", "b"]
    choice: Literal["a", "b", "tie"]


@dataclass(frozen=True)
class Votes(Strict):
    """What the page saves. `a` and `b` name the two folders, `id` the page that asked."""

    kind: Literal["portraitist-compare"]
    version: Literal[1]
    id: str
    a: str
    b: str
    seed: int
    pairs: int
    answered: str
    votes: tuple[Vote, ...]
    summary: Any = None


@dataclass(frozen=True)
class Interval:
    """A share, 0 … 1, and the interval of 95 % around it."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Tally:
    """The answers to one question. `interval` is of B's share among those that chose one; ties are left out, and
    without any choice there is none."""

    question: str
    a: int
    b: int
    ties: int
    interval: Interval | None

    @property
    def better(self) -> Literal["a", "b"] | None:
        """The better one where the interval does not hold one half."""
        if self.interval is None or self.interval.low <= 0.5 <= self.interval.high:
            return None
        return "b" if self.interval.low > 0.5 else "a"


def wilson(wins: int, all_: int) -> Interval | None:
    """The interval of a share of `wins` among `all_` by Wilson (1927), 95 %; None for none.

    It holds near 0 and 1 and for few answers, where the usual interval does not (Agresti and Coull 1998).
    """
    if all_ == 0:
        return None
    share, more = wins / all_, Z * Z / all_
    middle = (share + more / 2) / (1 + more)
    half = Z / (1 + more) * math.sqrt(share * (1 - share) / all_ + more / (4 * all_))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def tally(votes: Sequence[Vote]) -> tuple[Tally, ...]:
    """The answers by question, in the questions' order."""
    found = []
    for question in QUESTIONS:
        choices = [vote.choice for vote in votes if vote.question == question]
        a, b = choices.count("a"), choices.count("b")
        found.append(Tally(question, a, b, choices.count("tie"), wilson(b, a + b)))
    return tuple(found)


def read_votes(files: Sequence[Path]) -> tuple[Votes, ...]:
    """The answers of several people to the same page. Raises BadFile for a file that the page did not save, BadRequest
    for answers to different pages."""
    found = []
    for file in files:
        try:
            found.append(from_json(Votes, file.read_bytes()))
        except (OSError, InputError) as error:
            reason = error.message if isinstance(error, InputError) else (error.strerror or str(error))
            raise BadFile(
                f"{file} is no result of portraitist compare: {reason}", hint="Save it on the page, with its button."
            ) from error
    if len({one.id for one in found}) > 1:
        raise BadRequest(
            "These results are answers to different pages.", hint="Read each page's results by themselves."
        )
    return tuple(found)
