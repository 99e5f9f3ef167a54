"""Decoding in a child process: the same pixels, and a refusal in place of a crash, a hang or a full memory."""

import io
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from portraitist import images
from portraitist.decoder import Decoder
from portraitist.errors import PhotoTooLarge, UnreadablePhoto
from portraitist.limited import ChildDied, Header, Limited, Means, memory_is_limited

DATA = Path(__file__).parent / "data"


def misbehave(header: Header, data: bytes) -> tuple[dict[str, Any], bytes]:
    """What a decoding library with a fault might do. Runs in the child."""
    if header["do"] == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if header["do"] == "hang":
        time.sleep(60)
    if header["do"] == "eat":
        return {}, bytes(header["bytes"])
    if header["do"] == "write":
        Path(header["path"]).write_bytes(data)
    if header["do"] == "print":
        os.write(1, b"spoilt" * 10)
    return {"pid": os.getpid()}, data


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    with Limited("tests.test_decoder:misbehave", Means(memory=2**30, seconds=1.0)) as child:
        yield child


def test_the_child_gives_the_same_pixels(tmp_path: Path) -> None:
    photos = [DATA / "turned.heic", DATA / "people" / "a-1.jpg"]
    with Decoder() as decoder:
        for path, found in zip(photos, decoder.read_ahead(photos), strict=True):
            np.testing.assert_array_equal(found, images.read_picture(path))
        assert decoder.child.started == 1
        with pytest.raises(UnreadablePhoto, match=r"note\.jpg is not a picture"):
            decoder.decode(b"Dear diary, this is a text.", name="note.jpg")
        with pytest.raises(PhotoTooLarge, match="megapixels"):
            decoder.read(photos[1], max_pixels=1000)
        (refused,) = decoder.read_ahead([tmp_path / "gone.jpg"])
        assert isinstance(refused, UnreadablePhoto)


def test_pixels_may_be_changed(tmp_path: Path) -> None:
    with Decoder() as decoder:
        decoder.read(DATA / "people" / "a-1.jpg")[:2] = 0


def test_a_crash_and_a_hang_cost_one_child_each(child: Limited) -> None:
    first, data = child.call({"do": "print"}, b"bytes")
    assert data == b"bytes" and child.call({"do": "nothing"})[0] == first
    with pytest.raises(ChildDied, match="signal 11"):
        child.call({"do": "crash"})
    second, _ = child.call({"do": "nothing"})
    assert second != first
    begun = time.monotonic()
    with pytest.raises(ChildDied, match="more than 1 seconds"):
        child.call({"do": "hang"})
    assert time.monotonic() - begun < 10
    assert child.call({"do": "nothing"})[0] != second and child.started == 3


@pytest.mark.skipif(not memory_is_limited(), reason="this platform limits no memory")
def test_memory_and_files_are_limited(child: Limited, tmp_path: Path) -> None:
    with pytest.raises(ChildDied, match="more memory"):
        child.call({"do": "eat", "bytes": 2**30})
    assert len(child.call({"do": "eat", "bytes": 10**6})[1]) == 10**6 and child.started == 1
    with pytest.raises(ChildDied):
        child.call({"do": "write", "path": str(tmp_path / "file")}, b"x")
    assert not (tmp_path / "file").exists() or (tmp_path / "file").stat().st_size == 0


def test_a_child_that_went_away_is_replaced_and_an_old_one_too(child: Limited) -> None:
    first, _ = child.call({"do": "nothing"})
    os.kill(first["pid"], signal.SIGKILL)
    os.waitid(os.P_PID, first["pid"], os.WEXITED | os.WNOWAIT)
    assert child.call({"do": "nothing"})[0] != first
    with Limited("tests.test_decoder:misbehave", Means(calls=2)) as short:
        found = [short.call({"do": "nothing"})[0]["pid"] for _ in range(3)]
    assert found[0] == found[1] != found[2]


def test_threads_share_a_decoder() -> None:
    path, found = DATA / "people" / "a-1.jpg", []
    with Decoder() as decoder:
        threads = [threading.Thread(target=lambda: found.append(decoder.read(path).sum())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 4 and len(set(found)) == 1


def test_a_bomb_in_a_text_chunk_is_refused() -> None:
    from PIL import PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Comment", "0" * 50_000_000, zip=True)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=chunks)
    with Decoder() as decoder, pytest.raises(UnreadablePhoto):
        decoder.decode(buffer.getvalue())
