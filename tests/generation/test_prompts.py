"""The syntax of prompts, case by case, and what weights and long prompts do to what the denoiser is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from portraitist import families
from portraitist.devices import choose_device
from portraitist.errors import BadRequest
from portraitist.families.base import Model
from portraitist.generation.generate import generate
from portraitist.generation.prompts import clean, parse
from portraitist.recipes import Base
from portraitist.requests import PortraitRequest
from portraitist.types import Span

UP, DOWN = 1.1, 1 / 1.1
BREAK = (None, 1.0)

CASES: tuple[tuple[str, list[tuple[str | None, float]]], ...] = (
    ("", [("", 1)]),
    ("a", [("a", 1)]),
    ("a cat, a hat", [("a cat, a hat", 1)]),
    ("16:9", [("16:9", 1)]),
    ("time: noon", [("time: noon", 1)]),
    ("a | b", [("a | b", 1)]),
    ("(a)", [("a", UP)]),
    ("((a))", [("a", UP**2)]),
    ("(((a)))", [("a", UP**3)]),
    ("((((a))))", [("a", UP**4)]),
    ("[a]", [("a", DOWN)]),
    ("[[a]]", [("a", DOWN**2)]),
    ("[[[a]]]", [("a", DOWN**3)]),
    ("([a])", [("a", 1)]),
    ("[(a)]", [("a", 1)]),
    ("([[a]])", [("a", DOWN)]),
    ("[((a))]", [("a", UP)]),
    ("(a b c)", [("a b c", UP)]),
    ("(a, b)", [("a, b", UP)]),
    ("x (a)", [("x ", 1), ("a", UP)]),
    ("(a) x", [("a", UP), (" x", 1)]),
    ("x (a) y", [("x ", 1), ("a", UP), (" y", 1)]),
    ("x [a] y", [("x ", 1), ("a", DOWN), (" y", 1)]),
    ("(a)(b)", [("ab", UP)]),
    ("(a)[b]", [("a", UP), ("b", DOWN)]),
    ("(a) (b)", [("a", UP), (" ", 1), ("b", UP)]),
    ("(a:1.3)", [("a", 1.3)]),
    ("(a:1)", [("a", 1)]),
    ("(a:0)", [("a", 0)]),
    ("(a:.5)", [("a", 0.5)]),
    ("(a:1.)", [("a", 1)]),
    ("(a:0.5)", [("a", 0.5)]),
    ("(a:+1.5)", [("a", 1.5)]),
    ("(a:-0.5)", [("a", -0.5)]),
    ("(a:10)", [("a", 10)]),
    ("(a: 1.3)", [("a", 1.3)]),
    ("(a :1.3)", [("a ", 1.3)]),
    ("(a:1.3 )", [("a", 1.3)]),
    ("(a, b:1.3)", [("a, b", 1.3)]),
    ("x, (a:1.3), y", [("x, ", 1), ("a", 1.3), (", y", 1)]),
    ("(a:1.3)(b:1.3)", [("ab", 1.3)]),
    ("(a:1.3)(b:0.7)", [("a", 1.3), ("b", 0.7)]),
    ("((a:1.3))", [("a", 1.3 * UP)]),
    ("(((a:1.3)))", [("a", 1.3 * UP**2)]),
    ("[(a:1.3)]", [("a", 1.3 * DOWN)]),
    ("((a):1.3)", [("a", UP * 1.3)]),
    ("((a:1.2):1.5)", [("a", 1.8)]),
    ("(a (b))", [("a ", UP), ("b", UP**2)]),
    ("(a (b) c)", [("a ", UP), ("b", UP**2), (" c", UP)]),
    ("(a (b:1.5))", [("a ", UP), ("b", 1.5 * UP)]),
    ("(a (b:1.5):2)", [("a ", 2), ("b", 3)]),
    ("(a [b] c:2)", [("a ", 2), ("b", 2 * DOWN), (" c", 2)]),
    ("[a (b:1.5) c]", [("a ", DOWN), ("b", 1.5 * DOWN), (" c", DOWN)]),
    ("(16:9)", [("16", 9)]),
    ("(a:b)", [("a:b", UP)]),
    ("(a:b:1.2)", [("a:b", 1.2)]),
    ("(time: noon)", [("time: noon", UP)]),
    ("(a:b, c:1.2)", [("a:b, c", 1.2)]),
    ("[a:b]", [("a:b", DOWN)]),
    ("(a", [("a", UP)]),
    ("((a", [("a", UP**2)]),
    ("[a", [("a", DOWN)]),
    ("x (a, b", [("x ", 1), ("a, b", UP)]),
    ("(a:1.3", [("a:1.3", UP)]),
    ("a)", [("a)", 1)]),
    ("a]", [("a]", 1)]),
    (")a(", [(")a", 1)]),
    ("(a]", [("a]", UP)]),
    ("[a)", [("a)", DOWN)]),
    ("(a]b)", [("a]b", UP)]),
    ("()", [("", 1)]),
    ("[]", [("", 1)]),
    ("()a", [("a", 1)]),
    (r"\(a\)", [("(a)", 1)]),
    (r"\[a\]", [("[a]", 1)]),
    (r"a \(b\), c", [("a (b), c", 1)]),
    (r"(a \(b\))", [("a (b)", UP)]),
    (r"(a \(b\):1.3)", [("a (b)", 1.3)]),
    (r"a\\b", [("a\\b", 1)]),
    (r"\\(a)", [("\\", 1), ("a", UP)]),
    (r"a\b", [("a\\b", 1)]),
    ("a\\", [("a\\", 1)]),
    ("a BREAK b", [("a ", 1), BREAK, (" b", 1)]),
    ("a BREAK b BREAK c", [("a ", 1), BREAK, (" b ", 1), BREAK, (" c", 1)]),
    ("BREAK a", [BREAK, (" a", 1)]),
    ("a BREAK", [("a ", 1), BREAK]),
    ("(a:1.2) BREAK (b:0.8)", [("a", 1.2), (" ", 1), BREAK, (" ", 1), ("b", 0.8)]),
    ("(a BREAK b)", [("a ", UP), BREAK, (" b", UP)]),
    ("a, BREAK, b", [("a, ", 1), BREAK, (", b", 1)]),
    ("break a", [("break a", 1)]),
    ("BREAKFAST", [("BREAKFAST", 1)]),
    ("一位(女士:1.2)", [("一位", 1), ("女士", 1.2)]),
)


@pytest.mark.parametrize(("prompt", "pieces"), CASES)
def test_a_prompt_is_read_as_the_webui_reads_it(prompt: str, pieces: list[tuple[str | None, float]]) -> None:
    found = parse(prompt)
    assert [None if span.new_chunk else span.text for span in found] == [text for text, _ in pieces]
    assert [span.weight for span in found] == pytest.approx([weight for _, weight in pieces])


@pytest.mark.parametrize(
    ("prompt", "column"),
    [
        ("(a:)", 4), ("(a:1.2.3)", 4), ("x (a:1,3)", 6), ("(a:99)", 4), ("(a:-)", 4), ("x [a:b:0.5]", 3),
        ("[a:0.5]", 1), ("ab [a|b]", 4), ("((a:1..2))", 5),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_column(prompt: str, column: int) -> None:
    with pytest.raises(BadRequest, match=rf"Column {column} of the prompt"):
        parse(prompt)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Model:
    base = Base("tiny", "sd15", "file:x", "tiny-1", (64, 64), "mini", cfg=3.0)
    return families.load(tiny_base, base, choose_device("cpu"))


@pytest.fixture(scope="module")
def xl(tiny_sdxl: Path) -> Model:
    return families.load(tiny_sdxl, Base("xl", "sdxl", "file:x", "xl-1", (64, 64), "mini"), choose_device("cpu"))


def states(model: Model, prompt: str) -> torch.Tensor:
    with torch.no_grad():
        return model.told([parse(prompt)]).states


@pytest.mark.parametrize("which", ["model", "xl"])
def test_weights_turn_what_they_weigh(which: str, request: pytest.FixtureRequest) -> None:
    model: Model = request.getfixturevalue(which)
    with torch.no_grad():
        plain = model.condition(model.tokenize(["woman hat"])).states
    assert torch.equal(states(model, "woman hat"), plain), "a prompt without syntax is told as before"
    heavy = states(model, "woman (hat:1.5)")
    assert torch.allclose(heavy.mean(), plain.mean(), atol=1e-5), "the mean is restored"
    share = (heavy / plain)[0]
    assert torch.allclose(share[2] / share[1], torch.tensor(1.5), atol=1e-3)
    assert torch.allclose(states(model, "(woman hat)").mean(), plain.mean(), atol=1e-5)


def test_chunks_end_at_breaks_and_at_commas(model: Model) -> None:
    length = states(model, "hat").shape[1]
    assert states(model, "hat BREAK hat").shape[1] == 2 * length
    room = length - 2
    words = ["hat"] * (room - 3) + [",", *["smile"] * 6]
    tokens = model.tokenizer.convert_ids_to_tokens  # type: ignore[attr-defined]
    from portraitist.families.clip import tokenize_spans

    rows, weights = tokenize_spans(model.tokenizer, [[Span(" ".join(words), 1.2)]])  # type: ignore[attr-defined]
    second = tokens(rows[0, length + 1 : length + 7].tolist())
    assert [token.replace("</w>", "") for token in second] == ["smile"] * 6, "words behind the comma stay together"
    assert weights[0, 1] == pytest.approx(1.2) and weights[0, 0] == 1 and rows.shape == (1, 2 * length)
    with pytest.raises(BadRequest, match="chunks"):
        states(model, " BREAK ".join(["hat"] * 9))


def test_a_weight_changes_the_picture_and_one_does_not(model: Model) -> None:
    request = PortraitRequest("anna", prompt="ohwx woman, hat", steps=2, seed=3)

    def draw(prompt: str) -> np.ndarray:
        return next(iter(generate(replace(request, prompt=prompt), model))).pixels

    first = draw("ohwx woman, hat")
    assert np.array_equal(first, draw("ohwx woman, (hat:1.0)"))
    assert not np.array_equal(first, draw("ohwx woman, (hat:1.6)"))
    with pytest.raises(BadRequest, match="Column 18"):
        draw("ohwx woman, (hat:1,6)")


def test_prompts_are_cleaned_and_keep_their_syntax() -> None:
    assert clean(" a ,, (b:1.2)\n c<lora:x:0.8>, ") == "a, (b:1.2) c"
