"""Writing is all or nothing, and says what is wrong."""

import errno
import os
from pathlib import Path

import pytest

from portraitist.errors import DiskFull, Unwritable
from portraitist.files import make_folder, remove_folder, replacing, replacing_folder, sweep, write_text


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


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    for name in (".note.txt", "part-1.txt", ".part", "note.part-x.txt"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "sub").mkdir()
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "sub" / "note.txt") as part:
        part.rename(part.with_name(f"{part.stem}x.txt"))  # so that the block's end does not find it
        raise ZeroDivisionError
    assert sweep(tmp_path) == 1
    kept = [".note.txt", ".part", "note.part-x.txt", "part-1.txt", "sub"]
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    assert not list((tmp_path / "sub").iterdir())


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    with replacing_folder(folder) as fresh:
        write_text(fresh / "a.txt", "a")
        write_text(fresh / "b.txt", "b")
    with pytest.raises(DiskFull), replacing_folder(folder) as fresh:
        write_text(fresh / "c.txt", "c")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "b.txt"]
    with replacing_folder(folder) as fresh:
        write_text(fresh / "c.txt", "c")
    assert [path.name for path in folder.iterdir()] == ["c.txt"] and list(tmp_path.iterdir()) == [folder]
    remove_folder(folder)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing_folder(tmp_path / "photos") as fresh:
        fresh.rename(fresh.with_name(fresh.name + "x")).joinpath("a.txt").write_text("a")
        raise ZeroDivisionError
    assert sweep(tmp_path) == 1 and not list(tmp_path.iterdir())
