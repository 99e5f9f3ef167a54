"""What a finished picture says of its own making, by what it said before and by what was done to it.

IPTC's definitions decide (see `marks`): what a generative network adds detail to was edited with it; what lies before
another picture is a composite; other steps change a picture by an algorithm. A turn, a frame and plain resampling are
not told: the picture shows what it showed.
"""

from __future__ import annotations

from collections.abc import Sequence

from portraitist.finishing.upscale import LANCZOS
from portraitist.marks import Source
from portraitist.requests import FinishStep

_PLAIN = frozenset({"pose", "upscale"})


def source_after(given: Source | None, changed: Sequence[FinishStep], ground: Source | None = None) -> Source | None:
    """The mark of a picture that said `given` and that the steps `changed`; `ground` is what its new background says.

    A picture that a model made stays one, whatever is laid on it or put behind it.
    """
    if given is not None and given.made_by_ai:
        return given
    if any(step.name == "restore" or _by_network(step) for step in changed):
        return Source.COMPOSITE
    behind = any(step.name == "background" and step.settings.get("picture") for step in changed)
    if behind and ground is not None and ground.made_by_ai:
        return Source.MIXED
    if behind or any(step.name == "fuse" for step in changed):
        return Source.JOINED
    if any(step.name not in _PLAIN for step in changed):
        return given or Source.ENHANCED
    return given


def _by_network(step: FinishStep) -> bool:
    return step.name == "upscale" and str(step.settings.get("name", LANCZOS)).lower() != LANCZOS
