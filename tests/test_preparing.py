"""Which photos are held out, and what they are called."""

from pathlib import Path

import numpy as np
import pytest

from portraitist.captions.dataset import Cutting, SetPhoto
from portraitist.errors import BadRequest
from portraitist.faces.masks import CropMasks
from portraitist.photos import CheckedPhoto
from portraitist.preparing import cut_plan, file_names, hold_out, training_pictures
from portraitist.recipes import Base, Recipe, find
from portraitist.requests import TrainRequest
from portraitist.types import Box, Size


def photos(count: int) -> list[CheckedPhoto]:
    return [CheckedPhoto(Path(f"/photos/{number}.jpg")) for number in range(count)]


def test_below_six_photos_nothing_is_held_out() -> None:
    assert [len(part) for part in hold_out(photos(5), 42)] == [5, 0]


def test_from_six_photos_on_two_are_held_out_by_the_seed() -> None:
    given = photos(9)
    training, held_out = hold_out(given, 42)
    assert len(held_out) == 2 and len(training) == 7
    assert set(training) | set(held_out) == set(given) and [p for p in given if p in training] == list(training)
    assert hold_out(given, 42) == (training, held_out)
    assert len({hold_out(given, seed)[1] for seed in range(20)}) > 5, "not always the same two"


def test_photos_of_one_name_are_told_apart_by_their_folders() -> None:
    given = [CheckedPhoto(Path(path)) for path in ("/a/1.jpg", "/b/1.jpg", "/b/2.jpg")]
    assert list(file_names(given).values()) == ["a/1.jpg", "b/1.jpg", "2.jpg"]


def test_the_embedded_base_is_trained_as_it_was_measured() -> None:
    base = find(Base, "mini")
    plan = cut_plan(TrainRequest("a", ("x",)), base, find(Recipe, base.recipe))
    assert (plan.framing, plan.shapes, plan.masked, plan.white) == ("close", (Size(256, 256),), False, False)


def test_the_plan_follows_request_and_recipe() -> None:
    base, recipe = find(Base, "mini"), find(Recipe, "portrait")
    head = cut_plan(TrainRequest("a", ("x",)), base, recipe)
    assert head.framing == "head" and head.masked and len(head.shapes) == 1
    half = cut_plan(TrainRequest("a", ("x",), framing="half", background="white"), base, recipe)
    assert half.shapes == (Size(256, 256), Size(256, 384), Size(384, 256)) and half.white
    assert len(cut_plan(TrainRequest("a", ("x",), framing="full", shape="square"), base, recipe).shapes) == 1
    with pytest.raises(BadRequest, match="own shape"):
        cut_plan(TrainRequest("a", ("x",), shape="buckets"), base, find(Recipe, "mini"))


def test_a_mask_becomes_weights_of_person_background_and_nothing() -> None:
    person = np.zeros((4, 4), np.uint8)
    person[1:3] = 255
    background = 255 - person
    background[:, 0] = 0
    person[:, 0] = 0
    crops = (np.zeros((4, 4, 3), np.uint8),)
    photo = SetPhoto(
        "a.jpg",
        "ohwx",
        crops,
        masks=(CropMasks(person, person, background),),
        cutting=Cutting("head", Box(1, 1, 2, 2), Size(64, 64)),
    )
    (picture,) = training_pictures([photo])
    assert picture.mask is not None and picture.frame is not None and picture.frame.framing.name == "head"
    assert picture.mask[1].tolist() == [-1, 1, 1, 1] and picture.mask[0].tolist() == [-1, 0, 0, 0]
    (white,) = training_pictures([photo], white=True)
    assert white.mask is None, "on white everything counts"


def test_a_pet_has_no_framing() -> None:
    base, recipe = find(Base, "mini"), find(Recipe, "portrait")
    plan = cut_plan(TrainRequest("a", ("x",), kind="pet"), base, recipe)
    assert plan.framing == "close" and not plan.masked
    with pytest.raises(BadRequest, match="around their box"):
        cut_plan(TrainRequest("a", ("x",), kind="pet", background="white"), base, recipe)
