"""The one tree of errors.

Every error names the thing that went wrong in one sentence and, where there is one, the next step (`hint`). It knows
its exit code, its HTTP status and a stable snake_case `code`. Nothing here knows who shows the error.

Exit codes: 2 the user can mend the input, 3 a model is missing or unfit, 4 resources, 5 cancelled, 1 a fault of ours.
"""

from collections.abc import Iterable
from pathlib import Path

_MANY = 20
"""Names that are not all listed where one of them is probably meant."""
_PART = 3
"""Letters that are looked for within names, too."""
_PARTS = 5
"""Names with such a part that are told."""


class PortraitistError(Exception):
    """Base of all errors that we raise on purpose. `str(error)` is one sentence."""

    code = "fault"
    exit_code = 1
    http_status = 500

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def to_data(self) -> dict[str, str | None]:
        """The error as JSON values: `code`, `message`, `hint`."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class InputError(PortraitistError):
    """The user can mend the input."""

    code = "bad_input"
    exit_code = 2
    http_status = 422


class BadRequest(InputError):
    """A request, an option or a setting has a wrong shape or value."""

    code = "bad_request"
    http_status = 400


class BadFile(InputError):
    """A file that is not what it should be (TOML, safetensors, PNG without a request …)."""

    code = "bad_file"


class UnreadablePhoto(BadFile):
    """A file that is no picture, or a broken one."""

    code = "unreadable"


class PhotoTooLarge(BadFile):
    """A picture over the limits on bytes or pixels."""

    code = "too_large"
    http_status = 413


class UnfitPhoto(InputError):
    """A photo that cannot become what was asked for. The code is that of the reason, as in a verdict."""

    code = "unfit_photo"


class TooManyPhotos(InputError):
    """More photos than are judged at once."""

    code = "too_many_photos"
    http_status = 413

    def __init__(self, where: str, most: int) -> None:
        super().__init__(f"{where} holds more than {most} photos.", hint="Choose the best of them; a dozen will do.")


class NoPhotos(InputError):
    """Paths that hold no pictures at all."""

    code = "no_photos"


class TooFewPhotos(InputError):
    """Fewer accepted photos than a training needs."""

    code = "too_few_photos"


class Denied(InputError):
    """A prompt that the deny-list refuses; the message says the words and the rule."""

    code = "denied"
    http_status = 403


class UnknownName(InputError):
    """A sitter, style, base or recipe that does not exist. The code is `unknown_<kind>`."""

    code = "unknown_name"
    http_status = 404

    def __init__(self, kind: str, name: str, known: Iterable[str] = (), *, hint: str | None = None) -> None:
        super().__init__(
            f"There is no {kind} named {name!r}.",
            hint=hint or _names_there(name, sorted(known)),
            code=f"unknown_{kind.replace(' ', '_')}",
        )


def _names_there(name: str, known: list[str]) -> str | None:
    """What comes nearest to a name, and what there is, unless that is a long list."""
    if not known:
        return None
    near = _nearest(name.casefold(), known)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    if near and len(known) > _MANY:
        return f"{meant}There are {len(known)} in all."
    return f"{meant}Known are: {', '.join(known)}."


def _nearest(name: str, known: list[str]) -> list[str]:
    """What is spelled like the name; else what has a part that is spelled like it, such as `silent-film` for `film`."""
    from difflib import get_close_matches

    called = {one.casefold(): one for one in known}
    near = [called[one] for one in get_close_matches(name, called, 3)]
    if near or len(name) < _PART:
        return near
    parts: dict[str, list[str]] = {}
    for one in known:
        for part in one.casefold().replace("_", "-").split("-"):
            parts.setdefault(part, []).append(one)
    return [one for part in get_close_matches(name, parts, 1, 0.7) for one in parts[part][:_PARTS]]


def key_fault(place: Iterable[object], kind: str, message: str) -> str:
    """Which key is wrong and how, by the place, kind and message of pydantic's error."""
    key = ".".join(str(part) for part in place)
    message = message[:1].lower() + message[1:]
    if not key:
        return f"this cannot be read ({message})"
    if kind == "missing":
        return f"{key!r} is missing"
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{key!r} is not known"
    return f"{key!r} is wrong ({message})"


class Unwritable(InputError):
    """A file or folder that we may not write."""

    code = "unwritable"
    http_status = 403

    def __init__(self, path: Path, reason: str, hint: str = "Choose another folder or change its permissions.") -> None:
        super().__init__(f"Cannot write {path}: {reason}.", hint=hint)


class ModelError(PortraitistError):
    """A model is missing or unfit."""

    code = "model"
    exit_code = 3
    http_status = 424


class MissingModel(ModelError):
    """A model file that has to be fetched first."""

    code = "missing_model"


class UnfitModel(ModelError):
    """A model file that is damaged, pickled, of the wrong family or of the wrong version."""

    code = "unfit_model"


class FetchFailed(ModelError):
    """A source that cannot be reached, or that is forbidden by PORTRAITIST_OFFLINE."""

    code = "fetch_failed"


class ResourceError(PortraitistError):
    """Memory, disk or device."""

    code = "resources"
    exit_code = 4
    http_status = 507


class DiskFull(ResourceError):
    """No space left while writing."""

    code = "disk_full"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The disk is full: {path} could not be written.", hint="Free some space, or choose another folder."
        )


class OutOfMemory(ResourceError):
    """Not enough memory on the device."""

    code = "out_of_memory"


class DeviceUnavailable(ResourceError):
    """The device that was asked for is not there."""

    code = "device_unavailable"


class DeviceLost(ResourceError):
    """The device was there and stopped answering, or answers with errors."""

    code = "device_lost"


class Cancelled(PortraitistError):
    """The user stopped the work."""

    code = "cancelled"
    exit_code = 5
    http_status = 499


class Fault(PortraitistError):
    """A fault of ours; never the user's doing."""
