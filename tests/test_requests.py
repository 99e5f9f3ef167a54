"""Requests and reports survive JSON, and nothing unknown comes in."""

import json

import pytest

from portraitist.errors import BadRequest
from portraitist.requests import (
    CheckReport,
    FaceReport,
    LikenessReport,
    PhotoVerdict,
    PortraitRequest,
    Reason,
    Report,
    TrainingReport,
    TrainRequest,
    from_data,
    from_json,
    to_data,
    to_json,
)


@pytest.mark.parametrize(
    "value",
    [
        TrainRequest("Ada", ("a.jpg", "b.jpg"), face=(0.5, 0.25)),
        PortraitRequest("Ada", style="oil", size=(256, 384), seed=2**62, cfg=4.5),
        Report(likeness=LikenessReport(reason="too few photos"), training=TrainingReport(1.5, 10, 10, (0.2, 0.1))),
    ],
)
def test_json_there_and_back(value: object) -> None:
    assert from_json(type(value), to_json(value)) == value
    assert from_data(type(value), to_data(value)) == value


def test_the_document_of_check_has_the_published_shape() -> None:
    reason = Reason("too_small", 40.0, 64.0, "Small.")
    face = FaceReport((1.0, 2.0, 3.0, 4.0), 5.0, 6.0, 7.0, None)
    photos = (PhotoVerdict("a.jpg", "rejected", (reason,), face), PhotoVerdict("b.jpg", "accepted"))
    report = CheckReport(photos)
    assert json.loads(to_json(report)) == {
        "photos": [
            {
                "file": "a.jpg",
                "verdict": "rejected",
                "reasons": [{"code": "too_small", "value": 40.0, "limit": 64.0, "message": "Small."}],
                "face": {"box": [1.0, 2.0, 3.0, 4.0], "yaw": 5.0, "pitch": 6.0, "roll": 7.0, "distance": None},
                "turned": 0,
                "subject": None,
            },
            {"file": "b.jpg", "verdict": "accepted", "reasons": [], "face": None, "turned": 0, "subject": None},
        ],
        "warnings": [],
    }
    assert not report.enough and len(report.accepted) == 1


@pytest.mark.parametrize(
    ("data", "key"),
    [({"sitter": "a", "photos": [], "colour": 1}, "colour"), ({"sitter": "a", "photos": 3}, "photos"), ({}, "sitter")],
)
def test_a_wrong_key_is_named(data: object, key: str) -> None:
    with pytest.raises(BadRequest, match=key):
        from_data(TrainRequest, data)


def test_json_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequest):
        from_json(TrainRequest, "{")
