"""Prompts as people write them, made ready for a text encoder: brackets become weights. Knows no network.

The syntax is that of AUTOMATIC1111's WebUI: `(word)` weighs 1.1 times as much, `(word:1.3)` 1.3 times, `[word]` 1.1
times less, brackets nest, `\\(` is a bracket to be read, `BREAK` begins a new chunk of 75 tokens. Brackets that are
left open end with the prompt. What is taken out: `<lora:name:1>`, because a text encoder would read it as ten words.
"""

import re
from dataclasses import dataclass

from portraitist.errors import BadRequest
from portraitist.types import LoraUse, Span

MAX_LETTERS = 4000
MAX_WEIGHT = 10.0

_LORA = re.compile(r"<(?:lora|lyco|hypernet):[^<>]*>", re.IGNORECASE)
_BREAK = re.compile(r"\bBREAK\b")
_MEANT = re.compile(r"[^a-zA-Z:()\[\]]*")  # digits and signs without a letter, or nothing at all
_STEP = 1.1
_CLOSES = {"(": ")", "[": "]"}


def clean(prompt: str) -> str:
    """One line, single spaces, no empty parts between commas, no `<lora:…>`. Raises BadRequest if it is too long."""
    if len(prompt) > MAX_LETTERS:
        raise BadRequest(f"The prompt has {len(prompt)} letters; at most {MAX_LETTERS} are taken.")
    parts = (" ".join(part.split()) for part in _LORA.sub("", prompt).split(","))
    return ", ".join(part for part in parts if part)


def loras_of(prompt: str) -> tuple[str, tuple[LoraUse, ...]]:
    """The prompt without its `<lora:name:0.6>`, and what they say. Raises BadRequest that names the column."""
    uses = []
    for found in _LORA.finditer(prompt):
        _, name, *told = (part.strip() for part in found[0][1:-1].split(":"))
        strength = _number(told[0]) if told else 1.0
        if not name or strength is None:
            raise BadRequest(
                f"Column {found.start() + 1} of the prompt: {found[0]!r} names no LoRA.", hint="Write <lora:name:0.6>."
            )
        uses.append(LoraUse(name, strength))
    if not uses and (broken := re.search(r"<(?:lora|lyco):", prompt, re.IGNORECASE)):
        raise BadRequest(f"Column {broken.start() + 1} of the prompt: '<lora:' is not closed.", hint="Close it with >.")
    return _LORA.sub("", prompt), tuple(uses)


def check_asked(prompt: str | None, negative: str | None) -> None:
    """Whether words can be read, as the user wrote them: columns are told before anything is put around them.

    Raises BadRequest that names the column.
    """
    for words, called in ((prompt, "prompt"), (negative, "negative prompt")):
        try:
            loras_of(words or "")
            parse(_LORA.sub(lambda found: " " * len(found[0]), words or ""))
        except BadRequest as error:
            raise BadRequest(error.message.replace("of the prompt", f"of the {called}", 1), hint=error.hint) from error


def parse(prompt: str) -> tuple[Span, ...]:
    """The prompt in pieces of one weight each, in their order; a `Span` without text begins a new chunk.

    A prompt without brackets, escapes and BREAK is one piece. Raises BadRequest that names the column.
    """
    reader = _Reader(prompt)
    while reader.place < len(prompt):
        reader.read()
    reader.end()
    return tuple(_joined(reader.pieces)) or (Span("", 1.0),)


@dataclass
class _Open:
    """A bracket that is not closed yet: which, where, and the first piece inside."""

    kind: str
    place: int
    first: int


class _Reader:
    """Goes through a prompt letter by letter; `pieces` are (text, weight), text None for a BREAK."""

    def __init__(self, prompt: str) -> None:
        self.prompt, self.place = prompt, 0
        self.pieces: list[tuple[str | None, float]] = []
        self._open: list[_Open] = []

    def read(self) -> None:
        letter = self.prompt[self.place]
        if letter == "\\" and self.prompt[self.place + 1 : self.place + 2] in tuple("()[]\\"):
            self._say(self.prompt[self.place + 1])
            self.place += 2
        elif letter in _CLOSES:
            self._open.append(_Open(letter, self.place, len(self.pieces)))
            self.place += 1
        elif self._open and letter == _CLOSES[self._open[-1].kind]:
            self._weigh(self._open.pop(), _STEP if letter == ")" else 1 / _STEP)
            self.place += 1
        elif letter == ":" and self._open:
            self._read_weight()
        else:
            self._read_words()

    def end(self) -> None:
        """Brackets that are still open end here, as in the WebUI."""
        while self._open:
            bracket = self._open.pop()
            self._weigh(bracket, _STEP if bracket.kind == "(" else 1 / _STEP)

    def _read_words(self) -> None:
        found = re.compile(r"[^\\()\[\]:|]+|.", re.DOTALL).match(self.prompt, self.place)
        assert found is not None
        if found[0] == "|" and self._open and self._open[-1].kind == "[":
            raise _no_editing(self._open[-1])
        for number, part in enumerate(_BREAK.split(found[0])):
            if number:
                self.pieces.append((None, 1.0))
            if part:
                self._say(part)
        self.place = found.end()

    def _read_weight(self) -> None:
        """A colon within a bracket: `:1.3)` ends a round one. What was meant as a weight and is none is refused."""
        bracket = self._open[-1]
        inside, close = self.prompt[self.place + 1 :], _CLOSES[bracket.kind]
        end = inside.find(close)
        told = (inside[:end] if end >= 0 else inside).strip()
        weight = _number(told)
        if bracket.kind == "[" and _number(told.rpartition(":")[2]) is not None:
            raise _no_editing(bracket)
        if bracket.kind == "(" and end >= 0 and weight is not None and abs(weight) <= MAX_WEIGHT:
            self._weigh(self._open.pop(), weight)
            self.place += 1 + end + 1
            return
        if bracket.kind == "(" and end >= 0 and (weight is not None or _MEANT.fullmatch(told)):
            raise BadRequest(
                f"Column {self.place + 2} of the prompt: {told!r} is no weight.",
                hint=f"Write a number up to {MAX_WEIGHT:g}, such as (word:1.3).",
            )
        self._say(":")
        self.place += 1

    def _say(self, text: str) -> None:
        self.pieces.append((text, 1.0))

    def _weigh(self, bracket: _Open, weight: float) -> None:
        inside = self.pieces[bracket.first :]
        self.pieces[bracket.first :] = [(text, own * weight if text is not None else own) for text, own in inside]


def _no_editing(bracket: _Open) -> BadRequest:
    """`[from:to:0.5]` and `[one|other]` exchange words between the steps there, which we do not do: better told."""
    return BadRequest(
        f"Column {bracket.place + 1} of the prompt: words that change between steps are not supported.",
        hint="Write one of them, or \\[ for a bracket to be read.",
    )


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)\s*", text) else None


def _joined(pieces: list[tuple[str | None, float]]) -> list[Span]:
    """Neighbours of the same weight in one; BREAK as a piece without text."""
    joined: list[Span] = []
    for text, weight in pieces:
        if text is None:
            joined.append(Span("", 1.0, new_chunk=True))
        elif joined and not joined[-1].new_chunk and abs(joined[-1].weight - weight) < 1e-9:
            joined[-1] = Span(joined[-1].text + text, weight)
        else:
            joined.append(Span(text, weight))
    return joined
