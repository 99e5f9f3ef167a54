"""How much a portrait looks like the sitter, and which portraits to keep. Functions on embeddings, faces and pixels.

Two measures, never mixed:

* the likeness *score* (score.py), measured on photos that training never saw. It marks, and nothing is chosen by it;
* the *rank* (choose.py), by distance to the training photos, technical quality (technical.py), variety and, if wanted,
  learned scorers (scorers.py). It chooses, and marks nothing.
"""

from portraitist.ranking.choose import (
    QUALITY_WEIGHT,
    Candidate,
    Pick,
    choose,
    distance_to,
    likeness_flaws,
    miniature,
    pick,
    rank,
    same_picture,
    total,
)
from portraitist.ranking.score import (
    ENOUGH_WORDS,
    WORDS,
    NoScale,
    Scale,
    diversity,
    make_scale,
    mean_score,
    spread,
    top1,
)
from portraitist.ranking.technical import Technical, face_flaws, measure_face, quality_of, technical_quality

__all__ = [
    "ENOUGH_WORDS",
    "QUALITY_WEIGHT",
    "WORDS",
    "Candidate",
    "NoScale",
    "Pick",
    "Scale",
    "Technical",
    "choose",
    "distance_to",
    "diversity",
    "face_flaws",
    "likeness_flaws",
    "make_scale",
    "mean_score",
    "measure_face",
    "miniature",
    "pick",
    "quality_of",
    "rank",
    "same_picture",
    "spread",
    "technical_quality",
    "top1",
    "total",
]
