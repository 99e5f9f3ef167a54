"""The rules of tags: identity out, circumstance in, trigger and class word in front."""

import pytest

from portraitist.captions import tags as t
from portraitist.captions.describe import Description
from portraitist.errors import BadFile
from portraitist.recipes import read_toml

mini_tags = pytest.importorskip("mini.tags")
RULES = t.load_rules()


@pytest.mark.parametrize(
    "tag", ["black_hair", "blue_eyes", "dark_skin", "old_man", "freckles", "thick_eyebrows", "big_nose", "asian"]
)
def test_identity_leaves_the_caption(tag: str) -> None:
    assert not t.decide(tag, RULES).kept


@pytest.mark.parametrize(
    "tag",
    [
        "1girl",
        "1boy",
        "solo",
        "long_hair",
        "smile",
        "eyewear",
        "closed_eyes",
        "upper_body",
        "looking_at_viewer",
        "sun_hat",
    ],
)
def test_circumstance_stays(tag: str) -> None:
    assert t.decide(tag, RULES).kept


def test_every_tag_of_mini_is_sorted_as_the_renderer_means_it() -> None:
    kept, removed = t.split(mini_tags.TAGS, RULES)
    assert set(removed) == set(mini_tags.IDENTITY_TAGS)
    assert set(kept) == set(mini_tags.TAGS) - set(mini_tags.IDENTITY_TAGS)


def test_caption_has_trigger_and_class_in_front() -> None:
    assert t.caption(Description(("1girl", "solo", "black_hair", "Red shirt", "^_^")), "ohwx", "woman", RULES) == (
        "ohwx woman, 1girl, solo, red shirt, ^_^"
    )


def test_a_sentence_is_not_pruned() -> None:
    told = Description(sentence="a woman with black hair, smiling")
    assert t.caption(told, "ohwx", "woman", RULES) == "ohwx woman, a woman with black hair, smiling"


def test_what_is_on_every_photo_is_identity_if_the_rules_say_so() -> None:
    photos = [["beard", "smile", "glasses"], ["beard", "glasses"], ["Beard", "sad", "glasses"]]
    constant = t.constant_tags(photos, RULES)
    assert constant == ("beard",)
    assert t.caption(Description(tuple(photos[0])), "ohwx", "man", RULES, constant) == "ohwx man, smile, glasses"
    assert t.constant_tags([*photos, ["smile"]], RULES) == ()


def test_words_prompt_describes_without_the_trigger() -> None:
    prompt = t.words_prompt(["black_hair", "child"], ["solo", "photo"], "girl", RULES)
    assert prompt == "girl, 1girl, black hair, child, solo, photo"


def test_common_counts_a_tag_once_a_photo() -> None:
    assert t.common([["a", "a"], ["b", "a"], ["b", "c"], ["a"]]) == ("a",)


def test_a_broken_rules_file_names_the_key(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "tags.toml"
    path.write_text("name = 'x'\n[keep]\nequals = ['x']\n[remove]\n[constant]\n[count]\n")
    with pytest.raises(BadFile, match="keep"):
        read_toml(path, t.TagRules)
