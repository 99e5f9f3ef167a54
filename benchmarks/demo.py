"""How long `portraitist demo` takes after installation, and how much memory it needs at its peak.

    python benchmarks/demo.py --out benchmarks/results/demo.json

Runs the command in a process of its own, in a fresh home folder; the time is the whole command's, imports included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import common
from benchmarks.common import bar, note
from portraitist.devices import has_amx
from portraitist.settings import load_settings

MINUTES_WITH_AMX, MINUTES, GIB = 8.0, 20.0, 4.0  # the bars


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where the table goes as JSON")
    parser.add_argument("--keep", type=Path, help="folder for the demo's results (a temporary one)")
    parser.add_argument("--seed", type=int, default=42)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        results = given.keep or Path(place) / "demo"
        seconds, memory = run(Path(place) / "home", results, given.seed)
        report = json.loads((results / "report.json").read_text(encoding="utf-8"))
    rows = [
        bar("minutes", seconds / 60, MINUTES_WITH_AMX if has_amx() else MINUTES, "min", digits=2, at_most=True),
        bar("memory at the peak", memory, GIB, "GiB", digits=2, at_most=True),
        note("portraits", len(report["portraits"])),
        note("likeness score by dlib", report["likeness"]["score"]),
        *(note(f"stage {name}", value, "s") for name, value in report["seconds"].items()),
    ]
    machine = f"{common.describe_machine()}, {os.cpu_count()} cores, {'AMX' if has_amx() else 'no AMX'}"
    common.finish("demo", given, rows, machine, base=report["base"]["version"])


def run(home: Path, out: Path, seed: int) -> tuple[float, float]:
    """Seconds and GiB (peak resident size) of one demo."""
    models = load_settings().models_folder
    environment = os.environ | {"PORTRAITIST_MODELS": str(models), "PORTRAITIST_OFFLINE": "1"}
    start = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "portraitist.cli",
        "--home",
        str(home),
        "demo",
        "--out",
        str(out),
        "--seed",
        str(seed),
    ]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return seconds, peak / (2**30 if sys.platform == "darwin" else 2**20)


if __name__ == "__main__":
    main()
