"""Does what follows the likeness make better portraits? Ten sitters that nothing was trained on, marked by the judge.

    python benchmarks/portraits.py --work out/likeness --out benchmarks/results/portraits.json

The portraits are those that `likeness.py` made in `--work` with the same options; `--parts` measures some parts only,
and the rows of the others stay as `--out` has them. Nothing is tuned on these sitters; `--sitters tuning` takes four
other people.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common, likeness, portraits_choosing, portraits_fusion

PARTS = {"choosing": portraits_choosing.measure, "fusion": portraits_fusion.measure}


def main() -> None:
    given = likeness.arguments(__doc__, work="out/likeness", more=_more)
    measured = {part: PARTS[part](given) for part in given.parts}
    common.finish_parts("portraits", given, measured, f"{given.sitters} sitters, variant {given.variant}")


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", nargs="*", choices=tuple(PARTS), default=list(PARTS), help="what to measure (all)")
    portraits_fusion.options(parser)


if __name__ == "__main__":
    common.run(main)
