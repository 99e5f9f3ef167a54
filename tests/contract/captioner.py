"""What every captioner keeps to, whatever model is behind it. A test class has the fixtures `captioner` and `face`.

Set `says` to "tags", "sentence" or "nothing", and `looks` to False where the answer does not come from the pixels.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pytest

from portraitist.captions.describe import FRAMING, Captioner, Description
from portraitist.captions.tags import caption, load_rules, spelled
from portraitist.faces import Face
from portraitist.types import Picture


def picture(width: int = 48, height: int = 48, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pictures() -> list[Picture]:
    """Pictures of many shapes and colours."""
    shapes = [(48, 48), (90, 20), (3, 3)]
    colours = [plain(*rgb) for rgb in ((0, 0, 0), (255, 255, 255), (200, 30, 30), (20, 40, 220))]
    return [*(picture(*shape, seed) for seed, shape in enumerate(shapes)), *colours]


def plain(red: int, green: int, blue: int) -> Picture:
    return np.full((48, 48, 3), (red, green, blue), np.uint8)


class CaptionerContract:
    """Holds for every captioner."""

    says: ClassVar[Literal["tags", "sentence", "nothing"]] = "tags"
    looks: ClassVar[bool] = True

    @pytest.fixture(scope="class")
    def told(self, captioner: Captioner) -> list[Description]:
        """What is said of pictures of many shapes and colours, without a face."""
        return [captioner.describe(one, one, None) for one in pictures()]

    @pytest.fixture(scope="class")
    def all_told(self, captioner: Captioner, face: Face | None, told: list[Description]) -> list[Description]:
        """The same, and one picture with the face."""
        return [*told, self.with_face(captioner, face)]

    def with_face(self, captioner: Captioner, face: Face | None) -> Description:
        return captioner.describe(picture(256, 256), picture(64, 64), face)

    def test_it_says_what_it_promises_of_any_picture(self, all_told: list[Description]) -> None:
        assert all(not (one.tags and one.sentence) for one in all_told)
        if self.says == "nothing":
            assert all(one == Description() for one in all_told)
        else:
            assert any(one.tags if self.says == "tags" else one.sentence for one in all_told)

    def test_the_same_picture_gets_the_same_words_and_stays_as_it_is(
        self, captioner: Captioner, face: Face | None, all_told: list[Description]
    ) -> None:
        one = pictures()[0]
        assert captioner.describe(one, one, None) == all_told[0]
        assert (one == pictures()[0]).all()
        assert self.with_face(captioner, face) == all_told[-1]

    def test_it_looks_at_the_picture(self, told: list[Description]) -> None:
        answers = {(one.tags, one.sentence, tuple(one.scores.values())) for one in told}
        assert (len(answers) > 1) == self.looks

    def test_tags_are_spelled_sorted_and_of_the_photo(self, all_told: list[Description]) -> None:
        for one in all_told:
            assert all(tag and tag == spelled(tag) and "," not in tag for tag in one.tags)
            assert len(set(one.tags)) == len(one.tags)
            assert not set(one.tags) & set(FRAMING)
            assert not any(tag.startswith(("rating:", "character:")) for tag in one.tags)
            assert 0 <= one.doubt <= 1
            if one.scores:
                assert tuple(one.scores) == one.tags
                scores = list(one.scores.values())
                assert scores == sorted(scores, reverse=True) and all(0.5 <= score <= 1 for score in scores)

    def test_a_sentence_is_one_clean_line(self, all_told: list[Description]) -> None:
        for one in all_told:
            assert one.sentence == " ".join(one.sentence.split()).strip(".")
            assert "<" not in one.sentence and "[" not in one.sentence

    def test_its_words_become_a_caption_with_the_sitter_in_front(self, all_told: list[Description]) -> None:
        for one in all_told:
            text = caption(one, "ohwx", "woman", load_rules())
            assert text == "ohwx woman" or text.startswith("ohwx woman, ")
            assert text.endswith(one.sentence) and "\n" not in text
            assert one.sentence or "black hair" not in text
