"""Work on bytes from outside in a child process of small means: its memory, time and files are limited by the kernel.

`Limited` starts the child at the first call, uses it for the next ones too, and starts another when one died. The child
runs one function of this package, `(header, data) -> (header, data)`; what it does is not known here. Where Python has
no `resource` (Windows) only the time is limited; `memory_is_limited` says so.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import platform
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from portraitist import errors
from portraitist.errors import Fault, PortraitistError, ResourceError

Header = Mapping[str, Any]


@dataclass(frozen=True)
class Parts:
    """Data of an answer that come one after another: `size` bytes in all."""

    size: int
    parts: Iterable[bytes | memoryview]


Data = bytes | memoryview | Parts
Function = Callable[[Header, bytes], tuple[Header, Data]]


_FRAME = struct.Struct(">IQ")
_MAX_HEADER = 2**20
_MAX_DATA = 2**30
_OPEN_FILES = 64
_START_SECONDS = 60.0
_CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from portraitist.limited import serve; serve(*sys.argv[2:])"


@dataclass(frozen=True)
class Means:
    """What a child may use: bytes of address space, seconds a call, bytes of a file that it writes, calls in its life.

    The address space holds Python and its libraries too, about 250 MiB.
    """

    memory: int = 3 * 2**30
    seconds: float = 20.0
    file_bytes: int = 0
    calls: int = 200


class ChildDied(Exception):
    """The child crashed or overran its means; `reason` ends the sentence "... was given up, for decoding it"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def memory_is_limited() -> bool:
    """Whether this platform can limit a child's memory."""
    return importlib.util.find_spec("resource") is not None and platform.system() != "Darwin"


class Limited:
    """A child process that runs `entry` ("module:function"), one call at a time; safe to share between threads."""

    def __init__(self, entry: str, means: Means | None = None) -> None:
        self._entry = entry
        self._means = means or Means()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._calls = 0
        self.started = 0

    def __enter__(self) -> "Limited":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the child; the next call would start another."""
        with self._lock:
            self._end()

    def call(self, header: Header, data: bytes = b"", *, most: int = _MAX_DATA) -> tuple[dict[str, Any], bytearray]:
        """The function's answer, of at most `most` bytes. Raises the function's own PortraitistError, or ChildDied."""
        with self._lock:
            child = self._ready()
            with _deadline(child, self._means.seconds) as overran:
                answer = _exchange(child, header, data, most)
            if answer is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(1.0)  # so that its own end is told, not ours
                self._end(at_once=True)
                raise ChildDied(self._why(child.returncode, overran.is_set()))
            self._calls += 1
        found, blob = answer
        if "error" in found:
            raise _error_of(found)
        return found, blob

    def _ready(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None and self._calls < self._means.calls:
            return self._child
        self._end()
        root = str(Path(__file__).resolve().parents[1])
        command = [sys.executable, "-P", "-c", _CHILD, root, self._entry, json.dumps(asdict(self._means))]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        try:
            self._child = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=nowhere, env={**os.environ, **threads}
            )
        except OSError as error:
            raise ResourceError(f"The process that reads files could not be started: {error.strerror}.") from error
        with _deadline(self._child, _START_SECONDS):
            ready = _exchange(self._child, None, b"", 0)
        if ready is None:
            self._end(at_once=True)
            raise ResourceError("The process that reads files could not be started.", hint="Is there memory left?")
        self._calls = 0
        self.started += 1
        return self._child

    def _end(self, *, at_once: bool = False) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if at_once:
            child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it was sent last cannot be flushed to a dead child
                    pipe.close()
        try:
            child.wait(1.0)  # without its input it ends by itself
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _why(self, code: int | None, overran: bool) -> str:
        if overran:
            return f"took more than {self._means.seconds:g} seconds"
        if code is not None and code < 0:
            return f"crashed the decoder (signal {-code})"
        return "made the decoder fail"


@contextlib.contextmanager
def _deadline(child: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """Kill the child when the block lasts longer; the event says whether that happened."""
    overran = threading.Event()

    def stop() -> None:
        overran.set()
        child.kill()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield overran
    finally:
        timer.cancel()


def _exchange(
    child: subprocess.Popen[bytes], header: Header | None, data: bytes, most: int
) -> tuple[dict[str, Any], bytearray] | None:
    """The answer to a call, or without a header the child's first word; None when the child died over it."""
    if child.stdin is None or child.stdout is None:
        raise Fault("A child process has no pipes.")
    try:
        if header is not None:
            _send(child.stdin, header, data)
        return _receive(child.stdout, most)
    except (OSError, ValueError):
        return None


def _send(pipe: IO[bytes], header: Header, data: Data) -> None:
    head = json.dumps(header).encode()
    whole = data if isinstance(data, Parts) else Parts(len(data), (data,))
    pipe.write(_FRAME.pack(len(head), whole.size))
    pipe.write(head)
    for part in whole.parts:
        pipe.write(part)
    pipe.flush()


def _receive(pipe: IO[bytes], most: int = _MAX_DATA) -> tuple[dict[str, Any], bytearray] | None:
    """The next frame, or None at the end. Raises ValueError for what is no frame, for the other side may be broken."""
    start = _read(pipe, _FRAME.size)
    if start is None:
        return None
    heads, size = _FRAME.unpack(start)
    if heads > _MAX_HEADER or size > min(most, _MAX_DATA):
        raise ValueError("no frame")
    head, data = _read(pipe, heads), _read(pipe, size)
    if head is None or data is None:
        return None
    header = json.loads(head)
    if not isinstance(header, dict):
        raise ValueError("no header")
    return header, data


def _read(pipe: IO[bytes], size: int) -> bytearray | None:
    buffer = bytearray(size)
    view, done = memoryview(buffer), 0
    while done < size:
        count = pipe.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            return None
        done += count
    return buffer


def _error_of(found: Mapping[str, Any]) -> PortraitistError:
    """The error that the child named, rebuilt of its class, message, hint and code; ChildDied for want of memory."""
    if found["error"] == MemoryError.__name__:
        raise ChildDied("needed more memory than it may have")
    kind = getattr(errors, str(found["error"]), Fault)
    if not (isinstance(kind, type) and issubclass(kind, PortraitistError)):
        kind = Fault
    error = kind.__new__(kind)
    hint, code = found.get("hint"), found.get("code")
    PortraitistError.__init__(error, str(found.get("message")), hint=hint, code=code)
    return error


def serve(entry: str, means: str) -> None:
    """What the child does: take means away from itself, then answer one call after another until its input ends."""
    module, _, name = entry.partition(":")
    function: Function = getattr(importlib.import_module(module), name)
    source = sys.stdin.buffer
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libraries that print shall not spoil the answers
    sys.dont_write_bytecode = True
    limit_means(Means(**json.loads(means)))
    _send(target, {"ready": True}, b"")
    while (call := _receive(source)) is not None:
        header, data = call
        answer: tuple[Header, Data]
        try:
            answer = function(header, bytes(data))
        except PortraitistError as error:
            answer = {"error": type(error).__name__, **error.to_data()}, b""
        except MemoryError:
            answer = {"error": MemoryError.__name__}, b""
        del call, data
        _send(target, *answer)


def limit_means(means: Means) -> None:
    """Give up what this process does not need, for good. What the platform cannot limit stays as it is."""
    try:
        import resource
    except ImportError:  # Windows
        return
    wanted = {
        "RLIMIT_AS": means.memory,
        "RLIMIT_FSIZE": means.file_bytes,
        "RLIMIT_NOFILE": _OPEN_FILES,
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": max(1, round(means.seconds * means.calls)),
    }
    for name, value in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))
