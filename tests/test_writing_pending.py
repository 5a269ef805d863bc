"""Runs that stopped half way, and journals that cannot be trusted."""

import errno

import pytest

from statelift.model import FileWrite
from statelift.writing.apply import apply_writes, pending_runs, resume
from statelift.writing.errors import (
    DamagedJournalError,
    EditedSinceError,
    NothingToResumeError,
    PendingRunError,
    WriteFailedError,
    WritingError,
)
from statelift.writing.journal import list_runs
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


def interrupted(root, event="write", path="pkg/data.bin"):
    with pytest.raises(CrashError):
        write(root, *tree(root), step=failing_at(event, path, CrashError()))
    (run,) = pending_runs(root)
    return run


def test_a_pending_run_blocks_the_next_one(tmp_path):
    run = interrupted(tmp_path)
    with pytest.raises(PendingRunError, match=f"1 of 3 files.*statelift undo {run.id}"):
        write(tmp_path, FileWrite("other.py", None, b""))
    assert not (tmp_path / "other.py").exists()
    resume(tmp_path, run.id)
    write(tmp_path, FileWrite("other.py", None, b""))
    assert (tmp_path / "other.py").exists()


def test_resume_refuses_what_is_neither_old_nor_new(tmp_path):
    run = interrupted(tmp_path)
    (tmp_path / "app.py").write_bytes(b"mine")
    before = snapshot(tmp_path)
    with pytest.raises(EditedSinceError, match=r"app\.py"):
        resume(tmp_path, run.id)
    assert snapshot(tmp_path) == before
    assert pending_runs(tmp_path) == [run]


def test_resume_with_damaged_new_bytes_takes_the_run_back(tmp_path):
    run = interrupted(tmp_path)
    (run.folder / "after" / "pkg" / "data.bin").write_bytes(b"broken")
    with pytest.raises(WriteFailedError, match=r"damaged.*Everything was restored"):
        resume(tmp_path, run.id)
    assert (tmp_path / "app.py").read_bytes() == CRLF
    assert pending_runs(tmp_path) == []


def test_resume_of_a_finished_run_changes_nothing(tmp_path):
    run = write(tmp_path, *tree(tmp_path))
    after = snapshot(tmp_path)
    assert resume(tmp_path, run.id) == run
    assert snapshot(tmp_path) == after


def test_resume_of_a_run_that_is_not_there(tmp_path):
    with pytest.raises(NothingToResumeError, match="no run 0001"):
        resume(tmp_path, "0001-20250101T000000Z")
    run = write(tmp_path, *tree(tmp_path))
    undo_run(tmp_path)
    with pytest.raises(NothingToResumeError, match="undone"):
        resume(tmp_path, run.id)


def test_a_half_made_journal_is_swept_away(tmp_path):
    leftover = tmp_path / ".statelift" / "runs" / "0001-20250101T000000Z"
    (leftover / "before").mkdir(parents=True)
    assert pending_runs(tmp_path) == []
    run = write(tmp_path, FileWrite("a.py", None, b""))
    assert not leftover.exists()
    assert run.id.startswith("0001-")


def test_runs_are_numbered_in_order(tmp_path):
    ids = [write(tmp_path, FileWrite(f"{number}.py", None, b"")).id for number in range(12)]
    assert [run.id for run in list_runs(tmp_path)] == ids
    assert ids[-1].startswith("0012-")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda text: text[: len(text) // 2], id="torn"),
        pytest.param(lambda text: text.replace('"schema": 1', '"schema": 2'), id="newer"),
        pytest.param(lambda text: text.replace('"prepared"', '"finished"'), id="unknown state"),
        pytest.param(lambda text: text.replace('"app.py"', '"../app.py"'), id="path outside"),
        pytest.param(lambda text: text.replace('"new/deep"', '"elsewhere"'), id="folder of nobody"),
        pytest.param(lambda text: text.replace('"mode": null', '"mode": "x"'), id="mode of a new file"),
        pytest.param(lambda text: "[]", id="not a journal"),
    ],
)
def test_a_damaged_journal_is_refused(tmp_path, spoil):
    run = interrupted(tmp_path)
    text = run.journal.read_text()
    run.journal.write_text(spoil(text))
    assert run.journal.read_text() != text
    before = snapshot(tmp_path)
    for attempt in (pending_runs, undo_run, lambda root: write(root, FileWrite("other.py", None, b""))):
        with pytest.raises(DamagedJournalError, match=run.id):
            attempt(tmp_path)
    assert snapshot(tmp_path) == before


def test_a_journal_that_cannot_be_read_now_is_not_called_damaged(tmp_path, monkeypatch):
    """Nobody is told to throw a journal away because the handles ran out."""
    interrupted(tmp_path)

    def read_below(root, path):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("statelift.writing.journal.read_below", read_below)
    with pytest.raises(DamagedJournalError, match=r"cannot be read now: Too many open files.*try again") as caught:
        pending_runs(tmp_path)
    assert "remove that run" not in str(caught.value)


def test_a_journal_cannot_point_through_a_link(tmp_path):
    """A journal that came with a repository is as untrusted as the repository."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    run = interrupted(root)
    (root / "pkg" / "data.bin").rename(outside / "data.bin")
    (root / "pkg").rmdir()
    (root / "pkg").symlink_to(outside)
    for attempt in (resume, undo_run):
        with pytest.raises(WritingError, match="symbolic link"):
            attempt(root, run.id)
    assert (outside / "data.bin").read_bytes() == BINARY
