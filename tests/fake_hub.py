"""A hub of models on this machine: serves the files of a folder as Huggingface's does, and remembers what was asked."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """`root` holds `<owner>/<name>/<files>`. `lies` maps a file's name to the sha256 that the hub states for it."""

    root: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
    lies: dict[str, str] = field(default_factory=dict)


@contextmanager
def serve(root: Path) -> Iterator[FakeHub]:
    """Serve `root` at a free port of this machine."""
    hub = FakeHub(root)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, hub, body=True)

        def do_HEAD(self) -> None:
            _answer(self, hub, body=False)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def open_for(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> None:
    """Let the hub's client reach `hub`, and nothing else, whatever the environment of the tests forbids."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")


def _answer(handler: BaseHTTPRequestHandler, hub: FakeHub, *, body: bool) -> None:
    path = unquote(urlsplit(handler.path).path).strip("/")
    hub.asked.append(f"{handler.command} {path}")
    parts = path.split("/")
    if parts[:2] == ["api", "models"] and (hub.root / parts[2] / parts[3]).is_dir():
        _send(handler, json.dumps(_info(hub, f"{parts[2]}/{parts[3]}")).encode(), {}, body)
        return
    file = hub.root / "/".join(parts[:2]) / "/".join(parts[4:]) if parts[2:3] == ["resolve"] else None
    if file is None or not file.is_file():
        _send(handler, b"{}", {"X-Error-Code": "RepoNotFound"}, body, code=404)
        return
    data = file.read_bytes()
    _send(handler, data, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}, body)


def _info(hub: FakeHub, name: str) -> dict[str, object]:
    files = []
    for path in sorted(p for p in (hub.root / name).rglob("*") if p.is_file()):
        row: dict[str, object] = {
            "rfilename": path.relative_to(hub.root / name).as_posix(),
            "size": path.stat().st_size,
        }
        if path.suffix in (".safetensors", ".onnx"):  # the large ones, as with Git LFS
            pin = hub.lies.get(path.name) or hashlib.sha256(path.read_bytes()).hexdigest()
            row["lfs"] = {"sha256": pin, "size": path.stat().st_size, "pointerSize": 130}
        files.append(row)
    return {"id": name, "modelId": name, "sha": COMMIT, "siblings": files, "private": False, "tags": [], "downloads": 0}


def _send(
    handler: BaseHTTPRequestHandler, data: bytes, headers: dict[str, str], body: bool, *, code: int = 200
) -> None:
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    if body:
        handler.wfile.write(data)
