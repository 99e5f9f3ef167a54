"""Photos in archives: taken out safely, refused in a sentence, gone when the work is done."""

import errno
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from portraitist.errors import BadFile, DiskFull, PhotoTooLarge, TooManyPhotos
from portraitist.limited import memory_is_limited
from portraitist.photos import archives, find_photos, opened
from portraitist.photos.archives import Caps, told, unpack


def jpeg(shade: int = 100) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), shade, np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize(("pack", "name"), [(zipped, "a.zip"), (tarred, "a.tar.gz")])
def test_photos_come_out_and_nothing_else(
    tmp_path: Path, pack: Callable[[Path, dict[str, bytes]], Path], name: str
) -> None:
    files = {
        "holiday/one.jpg": jpeg(1), "two.JPG": jpeg(2), "notes.txt": b"no", "__MACOSX/._one.jpg": b"shadow",
        ".hidden/three.jpg": jpeg(3),
    }  # fmt: skip
    archive = pack(tmp_path / name, files)
    with opened([archive]) as paths:
        photos = find_photos(paths)
        assert [photo.name for photo in photos] == ["one.jpg", "two.JPG"]
        assert photos[0].read_bytes() == jpeg(1)
    assert not photos[0].exists()


@pytest.mark.parametrize(("pack", "name"), [(zipped, "evil.zip"), (tarred, "evil.tgz")])
def test_names_lead_nowhere(tmp_path: Path, pack: Callable[[Path, dict[str, bytes]], Path], name: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    archive = pack(home / name, {"../../out.jpg": jpeg(), "/etc/out.jpg": jpeg(), "..\\out.jpg": jpeg()})
    with opened([archive]) as paths:
        assert len(find_photos(paths)) == 3
        assert all(photo.is_relative_to(paths[0]) for photo in find_photos(paths))
    assert sorted(tmp_path.rglob("*out.jpg")) == []


def test_namesakes_stay_apart_and_are_told_by_their_archive(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "both.zip", {"a/one.jpg": jpeg(1), "b/one.jpg": jpeg(2)})
    with opened([archive]) as paths:
        assert [told(photo) for photo in find_photos(paths)] == ["both.zip/002-one.jpg", "both.zip/one.jpg"]
    assert told(tmp_path / "one.jpg") == str(tmp_path / "one.jpg")


def test_links_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with opened([tmp_path / "a.tar"]) as paths:
        assert list(paths[0].iterdir()) == []


def test_a_bomb_is_cut_at_the_limit(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", bytes(3_000_000))
    with opened([tmp_path / "bomb.zip"], max_bytes=1000) as paths:
        assert find_photos(paths)[0].stat().st_size == 1001


def test_too_many_photos_and_too_many_bytes(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "many.zip", {f"{number}.jpg": jpeg() for number in range(4)})
    with pytest.raises(TooManyPhotos, match="more than 3 photos"), opened([archive], max_photos=3):
        pass
    with pytest.raises(PhotoTooLarge, match="unpacks to more"):
        unpack(archive, tmp_path, Caps(total=len(jpeg())))


@pytest.mark.parametrize("name", ["notes.txt", "photo.jpg"])
def test_what_shrinks_as_no_photo_does_is_a_bomb(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        for _ in range(3):
            entry = tarfile.TarInfo(name)
            entry.size = 50_000_000
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    with pytest.raises(PhotoTooLarge, match="unpacks to more than 6"), opened([tmp_path / "bomb.tar.gz"]):
        pass


@pytest.mark.skipif(not memory_is_limited(), reason="this platform limits no memory")
def test_an_archive_that_wants_all_memory_is_given_up(tmp_path: Path) -> None:
    """A header of an entry (its "extended" attributes) is read whole by the library, however long it says it is."""
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, 3 * 2**30
    with gzip.open(tmp_path / "bomb.tar.gz", "wb", compresslevel=1) as file:
        file.write(head.tobuf())
        file.write(bytes(2**20))
    with pytest.raises(BadFile, match="needed more memory"), opened([tmp_path / "bomb.tar.gz"]):
        pass


def broken(tmp_path: Path) -> list[Path]:
    good = zipped(tmp_path / "good.zip", {"a.jpg": jpeg() * 50}).read_bytes()
    torn = tarred(tmp_path / "good.tar.gz", {"a.jpg": jpeg() * 50}).read_bytes()
    files = {
        "text.zip": b"hello",
        "cut.zip": good[:-30],
        "text.tar": b"hello" * 200,
        "cut.tar.gz": torn[: len(torn) // 2],
    }
    damaged = bytearray(good)
    damaged[60:90] = bytes(30)
    files["damaged.zip"] = bytes(damaged)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return [tmp_path / name for name in files]


def test_what_the_child_refuses_is_told_as_it_is(tmp_path: Path) -> None:
    path = broken(tmp_path)[0]
    with pytest.raises(BadFile, match=r"text\.zip is damaged") as caught, opened([path]):
        pass
    assert caught.value.hint == "Pack it again."


def test_a_broken_archive_is_one_sentence(tmp_path: Path) -> None:
    for path in broken(tmp_path):
        with pytest.raises(BadFile, match=path.name) as caught:
            unpack(path, tmp_path, Caps())
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(("pack", "name"), [(zipped, "a.zip"), (tarred, "a.tar.gz")])
def test_random_damage_never_escapes_the_tree(
    tmp_path: Path, pack: Callable[[Path, dict[str, bytes]], Path], name: str
) -> None:
    random = np.random.default_rng(0)
    data = np.frombuffer(pack(tmp_path / name, {f"d/ü{n}.jpg": jpeg(n) for n in range(3)}).read_bytes(), np.uint8)
    refused = 0
    for _ in range(400):
        broken = data.copy()
        places = random.integers(0, len(data), random.integers(1, 12))
        broken[places] = random.integers(0, 256, len(places))
        (tmp_path / name).write_bytes(broken.tobytes())
        try:
            unpack(tmp_path / name, tmp_path, Caps())
        except BadFile:
            refused += 1
    assert refused > 100


def test_a_name_that_is_no_text_is_damage(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"ü.jpg": jpeg()})
    path.write_bytes(path.read_bytes().replace("ü".encode(), b"\x86\xff"))
    with pytest.raises(BadFile, match="damaged"), opened([path]):
        pass


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives, "_copy", full)
    with pytest.raises(DiskFull):
        unpack(zipped(tmp_path / "a.zip", {"a.jpg": jpeg()}), tmp_path, Caps())


def test_a_long_name_in_any_script_fits(tmp_path: Path) -> None:
    with opened([zipped(tmp_path / "a.zip", {"写" * 200 + ".jpg": jpeg()})]) as paths:
        assert find_photos(paths)[0].suffix == ".jpg"


def test_a_locked_archive_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "locked.zip", {"a.jpg": jpeg()})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the bit that says "encrypted"
        data[data.index(mark) + offset] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BadFile, match="password"), opened([path]):
        pass


def test_without_archives_paths_stay(tmp_path: Path) -> None:
    with opened([tmp_path]) as paths:
        assert paths == [tmp_path]
