"""Models out of a hub's repository (`hf:owner/name`): fetched file by file, checked by sha256, recorded, never run.

What is fetched once is never asked for again. A file is checked against its pin; where there is none, against the
sha256 that the hub itself states, and the revision and sums that came are written down beside the files
(`source.json`), so that a later fetch of the same model is held to them. Huggingface's own client does the loading and
resumes what was broken off; `HF_ENDPOINT` names another hub, `HF_TOKEN` opens closed repositories. Knows no network of
these models.
"""

from __future__ import annotations

import errno
import inspect
import io
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from portraitist.errors import FetchFailed, MissingModel, PortraitistError, UnfitModel
from portraitist.files import make_folder, write_error, write_text
from portraitist.types import OnStep, Step, no_progress
from portraitist.weights import sha256_of

T = TypeVar("T")

RECORD = "source.json"

COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class HubModel:
    """A model in a hub. `files` are names or patterns (`*`); one that ends in `?` may be missing in the repository.

    `sha256` pins files by name, `revision` is a commit or a branch, `megabytes` what a fetch takes, for people.
    """

    repository: str
    files: tuple[str, ...]
    revision: str = "main"
    sha256: Mapping[str, str] = field(default_factory=dict)
    licence: str = "not stated"
    megabytes: int = 0


@dataclass(frozen=True)
class Record:
    """What `source.json` holds: where the files came from, and their sha256 by name."""

    repository: str
    revision: str
    licence: str
    sha256: Mapping[str, str]


def have(folder: Path, model: HubModel) -> bool:
    """Whether `folder` holds the model whole (a quick look: the record and the names; `fetch` checked the sums)."""
    record = read_record(folder)
    return (
        record is not None
        and record.repository == model.repository
        and (record.revision == model.revision or not COMMIT.fullmatch(model.revision))
        and all(record.sha256.get(name) == pin for name, pin in model.sha256.items())
        and all((folder / name).is_file() for name in record.sha256)
    )


def read_record(folder: Path) -> Record | None:
    """The record of a fetched model, or None where there is none that can be read."""
    try:
        value = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Record(value["repository"], value["revision"], value["licence"], dict(value["sha256"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def fetch(folder: Path, model: HubModel, *, offline: bool = False, on_step: OnStep = no_progress) -> Path:
    """Bring the model into `folder`, unless it is there. Returns `folder`.

    Several processes may call this at once: one fetches, the others wait. Raises FetchFailed, MissingModel, UnfitModel,
    DiskFull or Unwritable; without a record nothing in `folder` counts as fetched.
    """
    if have(folder, model):
        return folder
    if offline:
        raise FetchFailed(
            f"{model.repository} is needed and PORTRAITIST_OFFLINE forbids fetching.",
            hint=f"Run it once with a network and PORTRAITIST_OFFLINE=0 ({model.megabytes} MB, {model.licence}).",
        )
    make_folder(folder)
    with FileLock(folder / ".lock"):
        if not have(folder, model):
            _fetch(folder, model, on_step)
    return folder


def _fetch(folder: Path, model: HubModel, on_step: OnStep) -> None:
    earlier = read_record(folder)
    if earlier is not None and earlier.repository == model.repository and not COMMIT.fullmatch(model.revision):
        model = replace(model, revision=earlier.revision)  # what came first is trusted, not what came since
    revision, stored = _listing(model)
    wanted = _wanted(model, stored)
    about = f"{model.repository}, {model.megabytes} MB, licence {model.licence}"
    sums: dict[str, str] = {}
    for number, name in enumerate(wanted):
        on_step(Step("fetch model", number, len(wanted), f"{name} of {about}"))
        _download(folder, model, name, revision, _teller(on_step, number, len(wanted), name))
        sums[name] = sha256_of(folder / name)
        same = earlier is not None and earlier.repository == model.repository and earlier.revision == revision
        pin = model.sha256.get(name) or stored[name] or (earlier.sha256.get(name) if earlier and same else None)
        if pin is not None and sums[name] != pin:
            (folder / name).unlink()
            raise UnfitModel(
                f"{name} of {model.repository} has sha256 {sums[name][:12]}…, not {pin[:12]}….",
                hint="Run it again; if it happens twice, the hub serves another file than the one that is trusted.",
            )
    record = Record(model.repository, revision, model.licence, sums)
    write_text(folder / RECORD, json.dumps(record.__dict__, indent=2) + "\n")
    on_step(Step("fetch model", len(wanted), len(wanted), "all there"))


def _listing(model: HubModel) -> tuple[str, dict[str, str | None]]:
    """The commit that `revision` stands for, and its files with the sha256 that the hub states for large ones."""
    from huggingface_hub import HfApi

    def ask() -> tuple[str, dict[str, str | None]]:
        api = HfApi(endpoint=_endpoint())
        info = api.model_info(model.repository, revision=model.revision, files_metadata=True, timeout=30)
        files = {file.rfilename: _stated(file) for file in info.siblings or ()}
        return str(info.sha or model.revision), files

    return _asked(model, ask)


def _stated(file: Any) -> str | None:
    large = getattr(file, "lfs", None)
    return str(large["sha256"]) if large else None


def _wanted(model: HubModel, stored: Mapping[str, str | None]) -> tuple[str, ...]:
    """The names in the repository that `files` asks for, each once. Raises UnfitModel for one that is not there."""
    names: dict[str, None] = {}
    for pattern in model.files:
        found = [name for name in sorted(stored) if fnmatchcase(name, pattern.rstrip("?"))]
        if not found and not pattern.endswith("?"):
            raise UnfitModel(
                f"{model.repository} has no {pattern} at {model.revision}.",
                hint="Only safetensors and ONNX files are loaded; name a repository that has them.",
            )
        names |= dict.fromkeys(found)
    return tuple(names)


def _teller(on_step: OnStep, number: int, total: int, name: str) -> Callable[[float, float], None]:
    """Tells how much of one file is there, in bytes."""

    def tell(done: float, whole: float) -> None:
        on_step(Step("fetch model", number, total, f"{name}: {done / 2**20:.0f} of {whole / 2**20:.0f} MiB"))

    return tell


def _download(
    folder: Path, model: HubModel, name: str, revision: str, tell: Callable[[float, float], None]
) -> None:  # fmt: skip
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    asked: dict[str, Any] = {"revision": revision, "local_dir": folder, "endpoint": _endpoint()}
    if "tqdm_class" in inspect.signature(hf_hub_download).parameters:  # younger clients alone tell of bytes
        asked["tqdm_class"] = _bar(tell)
    _asked(model, lambda: hf_hub_download(model.repository, name, **asked))


def _bar(tell: Callable[[float, float], None]) -> type[Any]:
    """A progress bar for the client that draws nothing and tells us instead."""
    from tqdm import tqdm

    class Told(tqdm):  # type: ignore[misc, type-arg, unused-ignore]
        monitor_interval = 0

        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **{**more, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            drawn: bool | None = super().update(n)
            tell(float(self.n), float(self.total or self.n))
            return drawn

    return Told


def _asked(model: HubModel, act: Callable[[], T]) -> T:
    """What `act` answers; the client's errors become ours."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    # the client's versions stand on different HTTP libraries; the base of its own error is that library's
    http_errors = HfHubHTTPError.__mro__[1]
    try:
        return act()
    except OfflineModeIsEnabled as error:
        raise FetchFailed(f"{model.repository} is needed and HF_HUB_OFFLINE forbids fetching.") from error
    except (OSError, http_errors) as error:
        raise _ours(model, error) from error


def _ours(model: HubModel, error: BaseException) -> PortraitistError:
    code = getattr(getattr(error, "response", None), "status_code", None)
    if code in (401, 403, 404):
        return MissingModel(
            f"{_endpoint() or 'The hub'} has no {model.repository} at {model.revision}, or not for everybody.",
            hint="Check the name; a closed repository wants a token in HF_TOKEN.",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        return write_error(Path(error.filename or model.repository), error)
    said = f"the hub answered {code}" if code else (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return FetchFailed(
        f"{model.repository} could not be fetched: {said}.", hint="Check the network and HF_ENDPOINT, and try again."
    )


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def hub_model(source: str, files: Sequence[str], **more: Any) -> HubModel:
    """The model behind a source `hf:owner/name`. Raises UnfitModel for another kind of source."""
    kind, _, repository = source.partition(":")
    if kind != "hf" or repository.count("/") != 1:
        raise UnfitModel(f"The source {source!r} is not known.", hint="Known are hf:<owner>/<name> and file:<folder>.")
    return HubModel(repository, tuple(files), **more)
