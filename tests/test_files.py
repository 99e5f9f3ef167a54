"""Writing is all or nothing, and says what is wrong."""

import errno
import os
from pathlib import Path

import pytest

from portraitist.errors import DiskFull, Unwritable
from portraitist.files import make_folder, replacing, write_text


def test_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "note.txt"
    write_text(path, "long first text")
    write_text(path, "short")
    assert path.read_text() == "short"
    assert [item.name for item in path.parent.iterdir()] == ["note.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_text(tmp_path / "note.txt", "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match=r"note\.txt") as caught, replacing(tmp_path / "note.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.exit_code == 4
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_unwritable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match="file") as caught:
        make_folder(tmp_path / "file" / "sub")
    assert caught.value.exit_code == 2
    with pytest.raises(Unwritable):
        write_text(tmp_path / "file" / "note.txt", "text")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_unwritable(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(Unwritable, match="permission"):
        make_folder(locked)
