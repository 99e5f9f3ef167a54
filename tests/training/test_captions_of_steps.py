"""What a step reads: order and dropout of tags, the class word in place of the sitter, room for long captions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from portraitist.recipes import Recipe, find, visits
from portraitist.training.dataset import Example, draw, draw_class
from portraitist.training.job import TrainingJob
from portraitist.training.tape import record

CAPTION = "ohwx woman, smile, hat, red shirt, outdoors"
LATENTS = torch.arange(2 * 4 * 2 * 2, dtype=torch.float32).reshape(2, 4, 2, 2)


class Words:
    """A model that only tokenizes: a chunk is a beginning, 75 words and an end."""

    base = SimpleNamespace(clip_skip=1)
    device = SimpleNamespace(device=torch.device("cpu"))

    def tokenize(self, prompts: list[str], *, chunks: int | None = None) -> torch.Tensor:
        words = [prompt.split() for prompt in prompts]
        count = max([1, chunks or 1, *(-(-len(row) // 75) for row in words)])
        rows = [[[1, *range(100, 100 + len(row[75 * i : 75 * (i + 1)])), 2] for i in range(count)] for row in words]
        return torch.tensor([[id for piece in row for id in piece + [0] * (77 - len(piece))] for row in rows])


def job(recipe: Recipe) -> TrainingJob:
    return TrainingJob("anna", (), recipe, "ohwx", "woman", Path(), seed=3)


def captions(caption: str = CAPTION, **values: Any) -> list[str]:
    """What 40 steps read."""
    made = job(Recipe("r", **values))
    return [draw([Example(LATENTS, None, caption)], made, step).captions[0] for step in range(40)]


def test_tags_are_shuffled_behind_those_that_are_kept() -> None:
    assert set(captions()) == {CAPTION}
    told = captions(shuffle_tags=True)
    assert len(set(told)) > 10 and told == captions(shuffle_tags=True)
    assert all(
        text.startswith("ohwx woman, ") and sorted(text.split(", ")) == sorted(CAPTION.split(", ")) for text in told
    )
    assert all(text.startswith("ohwx woman, smile, ") for text in captions(shuffle_tags=True, keep_tags=2))
    assert any(not text.startswith("ohwx") for text in captions(shuffle_tags=True, keep_tags=0))


def test_tags_are_left_out_but_for_those_that_are_kept() -> None:
    told = captions(tag_dropout=0.5, keep_tags=2)
    assert all(text.startswith("ohwx woman, smile") for text in told)
    shares = [text.count(",") - 1 for text in told]
    assert 0.8 < sum(shares) / len(shares) < 2.2, "half of three"
    assert 4 < captions(caption_dropout=0.3).count("") < 22


def test_the_class_word_stands_where_the_sitter_was() -> None:
    drawn = draw([Example(LATENTS, None, "ohwx, a photo of ohwx woman with a hat")], job(Recipe("r")), 0)
    assert drawn.unnamed == ("woman, a photo of woman with a hat",) and not drawn.prior
    assert drawn.captions == ("ohwx, a photo of ohwx woman with a hat",)


def test_captions_get_the_room_that_the_recipe_says() -> None:
    model: Any = Words()
    for tokens, caption, chunks in (
        (None, CAPTION, 1),
        (225, CAPTION, 3),
        (75, "word " * 100, 1),
        (None, "word " * 100, 2),
    ):
        made = job(Recipe("r", tokens=tokens))
        tape = record([Example(LATENTS, None, caption)], made, model, 2, text=True)
        assert tape.tokens.shape[1] == 77 * chunks
        ends = tape.tokens.reshape(-1, 77)
        assert all(2 in row and row[0] == 1 for row in ends.tolist()), "each chunk is whole"


def test_each_class_picture_has_its_turn_beside_the_photos() -> None:
    model: Any = Words()
    made = job(Recipe("r", batch=2, class_weight=0.5, prior_weight=0.25, class_prompt="a {class}"))
    pictures = torch.randn(4, 4, 3, 3)
    assert sorted([*draw_class(4, made, 0)[0], *draw_class(4, made, 1)[0]]) == [0, 1, 2, 3]
    tape = record([Example(LATENTS, None, CAPTION)], made, model, 3, text=True, classes=pictures)
    noise = tape.empty_noise(tape.kinds[1])
    tape.fill(noise, 1, torch.Generator())
    batch = tape.batch(tape.kinds[1], torch.tensor([1]), noise)
    (prior_weight, prior), (class_weight, others) = batch.beside
    assert prior_weight == 0.25 and prior.prior and torch.equal(prior.latents, batch.latents)
    assert torch.equal(prior.noise, batch.noise) and not torch.equal(prior.tokens, batch.tokens)
    assert class_weight == 0.5 and not others.prior and others.latents.shape == (2, 4, 3, 3)
    assert torch.equal(others.latents, pictures[list(draw_class(4, made, 1)[0])])
    assert others.noise.shape == others.latents.shape and not others.beside


def test_the_librarys_recipes_have_their_sources_numbers() -> None:
    reference, written, kohya = (find(Recipe, name) for name in ("facechain", "facechain-32", "kohya-colab"))
    assert (reference.rank, reference.alpha, reference.batch, reference.learning_rate) == (4, 4.0, 1, 1e-4)
    assert (written.rank, written.alpha) == (32, 32.0)
    assert replace(written, name="", title="", rank=4, alpha=4.0) == replace(reference, name="", title="")
    assert reference.layers == "attention" and not reference.train_text
    assert reference.schedule == "cosine" and reference.betas == (0.9, 0.999)
    assert visits(reference, 9) == 1800 and visits(reference, 100) == 20000, "with no cap"
    assert (kohya.rank, kohya.alpha, kohya.batch, kohya.repeats, kohya.epochs) == (32, 16.0, 6, 20, 10)
    assert (kohya.learning_rate, kohya.text_learning_rate, kohya.clip_skip, kohya.tokens) == (1e-4, 5e-5, 2, 225)
    assert kohya.shuffle_tags and kohya.flip and visits(kohya, 10) == 2000
    assert visits(find(Recipe, "portrait"), 5) == 1000 and visits(find(Recipe, "portrait"), 50) == 1600
    assert find(Recipe, "mini").learning_rate == 2.1e-3 and visits(find(Recipe, "mini"), 1) == 800
