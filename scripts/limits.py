"""The limits of the checkout: sizes of files and weights, lengths of files and functions, no paths of one machine.

Looks at the files that git tracks. Prints each breach and ends with 1 if there is one.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = "src/portraitist/library/mini/"
CHECKOUT_BYTES = 56 * 2**20
WEIGHTS_BYTES = 40_000_000
FILE_BYTES = 15 * 2**20
FILE_LINES = 400
FUNCTION_LINES = 50
CODE = (".py", ".cu", ".cpp", ".h")
PICKLED = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".npy")
FORBIDDEN = ("/" + "work/", "/" + "root/", "/home" + "/user")


def main() -> int:
    files = tracked()
    breaches = [*sizes(files), *lengths(files), *functions(files), *contents(files)]
    for breach in breaches:
        print(breach)
    total = sum(path.stat().st_size for path in files)
    print(f"{len(files)} files, {total / 2**20:.1f} MiB; {len(breaches)} limits broken")
    return 1 if breaches else 0


def tracked() -> list[Path]:
    """The files that git tracks and that are there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def sizes(files: list[Path]) -> Iterator[str]:
    total = sum(path.stat().st_size for path in files)
    if total >= CHECKOUT_BYTES:
        yield f"The checkout has {total / 2**20:.1f} MiB; the limit is {CHECKOUT_BYTES / 2**20:.0f}"
    weights = sum(path.stat().st_size for path in files if name_of(path).startswith(WEIGHTS))
    if weights > WEIGHTS_BYTES:
        yield f"The embedded weights have {weights / 1e6:.1f} MB; the limit is {WEIGHTS_BYTES / 1e6:.0f}"
    for path in files:
        if path.stat().st_size > FILE_BYTES:
            yield f"{name_of(path)} has {path.stat().st_size / 2**20:.1f} MiB; the limit is {FILE_BYTES / 2**20:.0f}"
        if path.suffix in PICKLED:
            yield f"{name_of(path)}: weights and arrays are kept as safetensors"


def lengths(files: list[Path]) -> Iterator[str]:
    for path in files:
        if path.suffix in CODE:
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines >= FILE_LINES:
                yield f"{name_of(path)} has {lines} lines; files stay below {FILE_LINES}"


def functions(files: list[Path]) -> Iterator[str]:
    for path in files:
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines >= FUNCTION_LINES:
                    yield f"{name_of(path)}: {node.name} has {lines} lines; functions stay below {FUNCTION_LINES}"


def contents(files: list[Path]) -> Iterator[str]:
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for word in FORBIDDEN:
            if word in text:
                yield f"{name_of(path)} names {word}, a path of one machine"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    sys.exit(main())
