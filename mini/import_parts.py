"""Puts the parts that `export` cut back together: weights into the package, the judge into the benchmarks.

`python -m mini.import_parts FOLDER` reads FOLDER/mini.tar.000, .001, …
"""

from __future__ import annotations

import argparse
import io
import shutil
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGETS = {"mini": ROOT / "src" / "portraitist" / "library" / "mini", "judge": ROOT / "benchmarks" / "judge"}


def unpack(parts: Path, targets: dict[str, Path] = TARGETS) -> list[Path]:
    """Replaces each file that the parts hold; returns the files.

    Raises FileNotFoundError without parts, tarfile.TarError for broken ones.
    """
    paths = sorted(parts.glob("mini.tar.*"))
    if not paths:
        raise FileNotFoundError(f"{parts} has no mini.tar.000")
    written = []
    with (
        tempfile.TemporaryDirectory() as temporary,
        tarfile.open(fileobj=io.BytesIO(b"".join(p.read_bytes() for p in paths))) as tar,
    ):
        tar.extractall(temporary, filter="data")
        for name, target in targets.items():
            source = Path(temporary) / name
            if name == "mini" and source.exists():
                # Shards of another cut must not stay behind.
                for old in target.rglob("*.safetensors*"):
                    old.unlink()
            for path in sorted(p for p in source.rglob("*") if p.is_file()):
                to = target / path.relative_to(source)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to)
                written.append(to)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for file in unpack(parser.parse_args().folder):
        print(file)
