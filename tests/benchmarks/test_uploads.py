"""A small part of the hostile uploads, every run; the rest is `benchmarks/uploads.py`."""

from pathlib import Path

from benchmarks import uploads
from benchmarks.uploads_make import SHARES


def test_hostile_uploads_are_refused_or_decoded(tmp_path: Path) -> None:
    outcome, stray = uploads.send(100, 1, tmp_path, every=3)
    assert outcome.crashes == [] and stray == [] and outcome.unexplained == 0
    assert {kind for kind, _ in outcome.ends} == set(SHARES) and sum(outcome.ends.values()) == 34
    assert {end for _, end in outcome.ends} >= {"decoded", "refused"}
    assert outcome.slowest < uploads.SECONDS
