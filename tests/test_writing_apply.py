"""apply_writes: exact bytes, kept modes, all files or none, and a journal that says so."""

import errno
import json
import os

import pytest

from statelift import __version__
from statelift.model import FileWrite
from statelift.writing.apply import apply_writes, pending_runs, resume
from statelift.writing.errors import (
    WriteFailedError,
)
from statelift.writing.journal import list_runs
from statelift.writing.runs import State
from statelift.writing.undo import undo_run

CRLF = b"\xef\xbb\xbfSESSIONS = {}\r\n\x0c# no final newline"
BINARY = bytes(range(256))


class CrashError(Exception):
    """Like a crash: nothing in the package catches it."""


def snapshot(root):
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode) if path.is_file() else "folder"
        for path in root.rglob("*")
        if ".statelift" not in path.relative_to(root).parts
    }


def write(root, *writes, step=lambda event, path: None):
    return apply_writes(root, writes, allow_dirty=False, change_ids=["SL101-a", "SL201-b"], step=step)


def tree(root):
    """Three files to write: one with odd bytes and mode, one binary, one new in new folders."""
    (root / "pkg").mkdir()
    (root / "app.py").write_bytes(CRLF)
    (root / "app.py").chmod(0o755)
    (root / "pkg" / "data.bin").write_bytes(BINARY)
    (root / "pkg" / "data.bin").chmod(0o600)
    return (
        FileWrite("app.py", CRLF, CRLF + b"\r\n"),
        FileWrite("pkg/data.bin", BINARY, BINARY[::-1]),
        FileWrite("new/deep/helper.py", None, b"x = 1\n"),
    )


def failing_at(event, path, error):
    def step(at, name):
        if (at, name) == (event, path):
            raise error

    return step


def test_bytes_and_modes_are_exact(tmp_path):
    writes = tree(tmp_path)
    os.umask(mask := os.umask(0o022))
    run = write(tmp_path, *writes)
    assert snapshot(tmp_path) == {
        "app.py": (CRLF + b"\r\n", 0o100755),
        "pkg": "folder",
        "pkg/data.bin": (BINARY[::-1], 0o100600),
        "new": "folder",
        "new/deep": "folder",
        "new/deep/helper.py": (b"x = 1\n", 0o100644 & ~mask),
    }
    assert run.files == ("app.py", "pkg/data.bin", "new/deep/helper.py")
    assert run.root == tmp_path.resolve()


def test_a_new_file_follows_the_umask(tmp_path):
    mask = os.umask(0o077)
    try:
        write(tmp_path, FileWrite("a.py", None, b""))
    finally:
        os.umask(mask)
    assert (tmp_path / "a.py").stat().st_mode & 0o777 == 0o600


def test_a_read_only_file_keeps_its_mode(tmp_path):
    (tmp_path / "a.py").write_bytes(b"1")
    (tmp_path / "a.py").chmod(0o444)
    write(tmp_path, FileWrite("a.py", b"1", b"2"))
    assert (tmp_path / "a.py").read_bytes() == b"2"
    assert (tmp_path / "a.py").stat().st_mode & 0o777 == 0o444


def test_the_modification_time_is_new(tmp_path):
    (tmp_path / "a.py").write_bytes(b"1")
    os.utime(tmp_path / "a.py", (1, 1))
    write(tmp_path, FileWrite("a.py", b"1", b"2"))
    assert (tmp_path / "a.py").stat().st_mtime > 1_000_000


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator writes for somebody else")
def test_the_owner_is_kept(tmp_path):
    (tmp_path / "a.py").write_bytes(b"1")
    os.chown(tmp_path / "a.py", 12345, 23456)
    write(tmp_path, FileWrite("a.py", b"1", b"2"))
    undo_run(tmp_path)
    assert ((tmp_path / "a.py").stat().st_uid, (tmp_path / "a.py").stat().st_gid) == (12345, 23456)


def test_a_hard_link_elsewhere_keeps_the_old_bytes(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.py").write_bytes(b"1")
    (tmp_path / "same.py").hardlink_to(root / "a.py")
    write(root, FileWrite("a.py", b"1", b"2"))
    assert (tmp_path / "same.py").read_bytes() == b"1"


def test_the_journal_tells_what_was_written(tmp_path):
    run = write(tmp_path, *tree(tmp_path))
    journal = json.loads(run.journal.read_text())
    assert journal["schema"] == 1
    assert journal["tool"] == __version__
    assert journal["changes"] == ["SL101-a", "SL201-b"]
    assert journal["state"] == "done"
    assert [(file["path"], file["new"]) for file in journal["files"]] == [
        ("app.py", False),
        ("pkg/data.bin", False),
        ("new/deep/helper.py", True),
    ]
    lines = (run.folder / "written.jsonl").read_text().splitlines()
    assert [json.loads(line)["written"] for line in lines] == list(run.files)
    assert (tmp_path / ".statelift" / ".gitignore").read_text() == "*\n"
    assert list_runs(tmp_path.resolve()) == [run]


def test_the_journal_is_complete_before_the_first_write(tmp_path):
    writes = tree(tmp_path)
    before = snapshot(tmp_path)

    def step(event, path):
        if event == "write" and path == "app.py":
            assert snapshot(tmp_path) == before
            (run,) = pending_runs(tmp_path)
            assert (run.folder / "before" / "app.py").read_bytes() == CRLF
            assert (run.folder / "after" / "new/deep/helper.py").read_bytes() == b"x = 1\n"
            raise CrashError

    with pytest.raises(CrashError):
        write(tmp_path, *writes, step=step)


@pytest.mark.parametrize("event", ["write", "replace", "note"])
@pytest.mark.parametrize("path", ["app.py", "pkg/data.bin", "new/deep/helper.py"])
def test_a_failed_write_puts_everything_back(tmp_path, event, path):
    writes = tree(tmp_path)
    before = snapshot(tmp_path)
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(WriteFailedError, match=r"No space left.*Everything was restored") as caught:
        write(tmp_path, *writes, step=failing_at(event, path, full))
    assert caught.value.paths == (path,)
    assert snapshot(tmp_path) == before
    assert pending_runs(tmp_path) == []
    assert write(tmp_path, *writes).state is State.DONE


def test_a_failure_of_the_system_puts_everything_back(tmp_path):
    writes = tree(tmp_path)
    before = snapshot(tmp_path)

    def lose_the_temp_file(event, path):
        if (event, path) == ("replace", "pkg/data.bin"):
            (temp,) = (tmp_path / "pkg").glob(".statelift-*")
            temp.unlink()

    with pytest.raises(WriteFailedError, match=r"pkg/data\.bin could not be written: No such file"):
        write(tmp_path, *writes, step=lose_the_temp_file)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("event", ["keep", "journal"])
def test_without_a_journal_nothing_is_written(tmp_path, event):
    writes = tree(tmp_path)
    before = snapshot(tmp_path)

    def step(at, path):
        if at == event:
            raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(WriteFailedError, match="No file was touched"):
        write(tmp_path, *writes, step=step)
    assert snapshot(tmp_path) == before
    assert list((tmp_path / ".statelift" / "runs").iterdir()) == []


def test_the_journal_that_cannot_be_closed_takes_the_run_back(tmp_path):
    writes = tree(tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(WriteFailedError, match="Everything was restored"):
        write(tmp_path, *writes, step=failing_at("done", "", OSError(errno.EIO, "I/O error")))
    assert snapshot(tmp_path) == before


def test_an_edit_during_the_run_is_not_overwritten(tmp_path):
    writes = tree(tmp_path)

    def edit(event, path):
        if (event, path) == ("note", "app.py"):
            (tmp_path / "pkg" / "data.bin").write_bytes(b"mine")

    with pytest.raises(WriteFailedError, match=r"changed by somebody else.*Everything was restored"):
        write(tmp_path, *writes, step=edit)
    assert (tmp_path / "pkg" / "data.bin").read_bytes() == b"mine"
    assert (tmp_path / "app.py").read_bytes() == CRLF


def test_a_link_that_appears_during_the_run_is_not_followed(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    writes = tree(root)

    def swap_for_a_link(event, path):
        if (event, path) == ("note", "app.py"):
            (root / "pkg").rename(outside)
            (root / "pkg").symlink_to(outside)

    with pytest.raises(WriteFailedError, match=r"Everything was restored"):
        write(root, *writes, step=swap_for_a_link)
    assert (outside / "data.bin").read_bytes() == BINARY
    assert (root / "app.py").read_bytes() == CRLF


def test_a_rollback_first_frees_the_space_of_the_new_bytes(tmp_path):
    seen = []

    def step(event, path):
        if event == "restore":
            seen.append(list((tmp_path / ".statelift" / "runs").glob("*/after")))
        if (event, path) == ("write", "pkg/data.bin"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(WriteFailedError):
        write(tmp_path, *tree(tmp_path), step=step)
    assert seen == [[]]


def test_an_edit_of_a_written_file_survives_the_rollback(tmp_path):
    writes = tree(tmp_path)

    def edit(event, path):
        if (event, path) == ("write", "pkg/data.bin"):
            (tmp_path / "app.py").write_bytes(b"mine")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(WriteFailedError, match=r"Not everything could be restored: app\.py") as caught:
        write(tmp_path, *writes, step=edit)
    assert caught.value.paths == ("app.py",)
    assert (tmp_path / "app.py").read_bytes() == b"mine"
    assert len(pending_runs(tmp_path)) == 1


def test_a_rollback_that_fails_too_is_finished_by_undo(tmp_path):
    writes = tree(tmp_path)
    before = snapshot(tmp_path)

    def step(event, path):
        if (event, path) in {("replace", "pkg/data.bin"), ("restore", "app.py")}:
            raise OSError(errno.EIO, "I/O error")

    with pytest.raises(WriteFailedError, match="statelift undo") as caught:
        write(tmp_path, *writes, step=step)
    (run,) = pending_runs(tmp_path)
    assert run.id in str(caught.value)
    undo_run(tmp_path, run.id)
    assert snapshot(tmp_path) == before


def test_an_interrupt_keeps_the_journal(tmp_path):
    writes = tree(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, *writes, step=failing_at("replace", "pkg/data.bin", KeyboardInterrupt()))
    (run,) = pending_runs(tmp_path)
    assert run.state is State.PREPARED
    assert resume(tmp_path, run.id).state is State.DONE
    assert (tmp_path / "pkg" / "data.bin").read_bytes() == BINARY[::-1]
    assert (tmp_path / "pkg" / "data.bin").stat().st_mode & 0o777 == 0o600
    assert not [path for path in snapshot(tmp_path) if "statelift" in path]
