"""undo_run: the tree as it was, byte for byte, or a refusal that touches nothing."""

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statelift.model import FileWrite
from statelift.writing.apply import apply_writes, pending_runs, resume
from statelift.writing.errors import (
    DamagedJournalError,
    EditedSinceError,
    NothingToUndoError,
    PendingRunError,
    WriteFailedError,
)
from statelift.writing.journal import list_runs
from statelift.writing.runs import State
from statelift.writing.undo import undo_run


def snapshot(root):
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode) if path.is_file() else "folder"
        for path in root.rglob("*")
        if ".statelift" not in path.relative_to(root).parts
    }


def write(root, *writes):
    return apply_writes(root, writes, allow_dirty=False, change_ids=())


def tree(root):
    (root / "app.py").write_bytes(b"old\r\n")
    (root / "app.py").chmod(0o750)
    return FileWrite("app.py", b"old\r\n", b"new\r\n"), FileWrite("lib/deep/helper.py", None, b"help")


def test_undo_restores_bytes_modes_and_folders(tmp_path):
    writes = tree(tmp_path)
    before = snapshot(tmp_path)
    run = write(tmp_path, *writes)
    (tmp_path / "app.py").chmod(0o600)
    undone = undo_run(tmp_path)
    assert snapshot(tmp_path) == before
    assert (undone.run_id, undone.restored, undone.removed) == (run.id, ("app.py",), ("lib/deep/helper.py",))
    assert [run.state for run in list_runs(tmp_path)] == [State.UNDONE]


def test_undo_keeps_a_folder_that_somebody_uses(tmp_path):
    write(tmp_path, *tree(tmp_path))
    (tmp_path / "lib" / "mine.py").write_bytes(b"mine")
    undo_run(tmp_path)
    assert not (tmp_path / "lib" / "deep").exists()
    assert (tmp_path / "lib" / "mine.py").read_bytes() == b"mine"


def test_undo_keeps_an_empty_folder_that_was_there(tmp_path):
    (tmp_path / "lib").mkdir()
    write(tmp_path, *tree(tmp_path))
    undo_run(tmp_path)
    assert (tmp_path / "lib").is_dir()
    assert not (tmp_path / "lib" / "deep").exists()


@settings(max_examples=15, deadline=None)
@given(
    files=st.dictionaries(
        st.sampled_from(["a.py", "b/c.py", "b/d/e.bin", "f g/ü.py", "h"]),
        st.tuples(
            st.none() | st.binary(max_size=40), st.binary(max_size=40), st.sampled_from([0o644, 0o755, 0o400])
        ),
        min_size=1,
    )
)
def test_apply_then_undo_is_nothing(tmp_path_factory, files):
    root = tmp_path_factory.mktemp("tree")
    for path, (before, _, mode) in files.items():
        if before is not None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(before)
            (root / path).chmod(mode)
    start = snapshot(root)
    run = write(root, *(FileWrite(path, before, after) for path, (before, after, _) in files.items()))
    assert {path: (root / path).read_bytes() for path in run.files} == {p: f[1] for p, f in files.items()}
    undo_run(root)
    assert snapshot(root) == start


@pytest.mark.parametrize("edit", [lambda file: file.write_bytes(b"mine"), lambda file: file.unlink()])
@pytest.mark.parametrize("path", ["app.py", "lib/deep/helper.py"])
def test_undo_is_refused_after_an_edit(tmp_path, path, edit):
    run = write(tmp_path, *tree(tmp_path))
    edit(tmp_path / path)
    edited = snapshot(tmp_path)
    with pytest.raises(EditedSinceError, match="left alone") as caught:
        undo_run(tmp_path)
    assert caught.value.paths == (path,)
    assert str(run.folder / "before") in str(caught.value)
    assert snapshot(tmp_path) == edited


def test_the_refusal_names_a_way_out(tmp_path):
    writes = tree(tmp_path)
    before = snapshot(tmp_path)
    run = write(tmp_path, *writes)
    (tmp_path / "app.py").write_bytes(b"mine")
    with pytest.raises(EditedSinceError, match="Put back what the run wrote"):
        undo_run(tmp_path)
    (tmp_path / "app.py").write_bytes((run.folder / "after" / "app.py").read_bytes())
    undo_run(tmp_path)
    assert snapshot(tmp_path) == before


def test_undo_twice(tmp_path):
    run = write(tmp_path, *tree(tmp_path))
    undo_run(tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(NothingToUndoError, match="nothing to undo"):
        undo_run(tmp_path)
    with pytest.raises(NothingToUndoError, match=f"{run.id} is undone already"):
        undo_run(tmp_path, run.id)
    assert snapshot(tmp_path) == before


def test_nothing_to_undo_leaves_no_trace(tmp_path):
    with pytest.raises(NothingToUndoError):
        undo_run(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("run_id", ["0009-20250101T000000Z", "../../etc", "", "journal.json"])
def test_an_unknown_run(tmp_path, run_id):
    run = write(tmp_path, *tree(tmp_path))
    with pytest.raises(NothingToUndoError, match=f"no run.*{run.id}"):
        undo_run(tmp_path, run_id)


def test_runs_are_undone_from_the_newest(tmp_path):
    first = write(tmp_path, *tree(tmp_path))
    middle = snapshot(tmp_path)
    second = write(tmp_path, FileWrite("app.py", b"new\r\n", b"newer"))
    assert undo_run(tmp_path).run_id == second.id
    assert snapshot(tmp_path) == middle
    assert undo_run(tmp_path).run_id == first.id


def test_an_older_run_waits_for_a_later_one_on_the_same_file(tmp_path):
    first = write(tmp_path, *tree(tmp_path))
    second = write(tmp_path, FileWrite("app.py", b"new\r\n", b"old\r\n"))
    with pytest.raises(EditedSinceError, match=f"statelift undo {second.id}"):
        undo_run(tmp_path, first.id)


def test_an_older_run_on_other_files_can_be_undone_alone(tmp_path):
    first = write(tmp_path, *tree(tmp_path))
    write(tmp_path, FileWrite("other.py", None, b"other"))
    undo_run(tmp_path, first.id)
    assert (tmp_path / "app.py").read_bytes() == b"old\r\n"
    assert (tmp_path / "other.py").read_bytes() == b"other"


def test_damaged_old_bytes_are_not_written(tmp_path):
    run = write(tmp_path, *tree(tmp_path))
    (run.folder / "before" / "app.py").write_bytes(b"broken")
    with pytest.raises(DamagedJournalError, match=r"app\.py is missing or damaged"):
        undo_run(tmp_path)
    assert (tmp_path / "app.py").read_bytes() == b"new\r\n"


@pytest.mark.parametrize("stop", ["undoing", "restore", "remove", "undone"])
def test_an_undo_that_fails_is_finished_by_the_next(tmp_path, stop):
    writes = tree(tmp_path)
    before = snapshot(tmp_path)
    run = write(tmp_path, *writes)

    def step(event, path):
        if event == stop:
            raise OSError(errno.EIO, "I/O error")

    with pytest.raises(WriteFailedError, match=f"statelift undo {run.id}"):
        undo_run(tmp_path, step=step)
    undo_run(tmp_path)
    assert snapshot(tmp_path) == before


def test_a_stopped_undo_blocks_apply_and_can_be_resumed(tmp_path):
    writes = tree(tmp_path)
    before = snapshot(tmp_path)
    run = write(tmp_path, *writes)

    def step(event, path):
        if event == "remove":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        undo_run(tmp_path, step=step)
    with pytest.raises(PendingRunError, match="statelift undo"):
        write(tmp_path, FileWrite("other.py", None, b""))
    assert resume(tmp_path, run.id).state is State.UNDONE
    assert snapshot(tmp_path) == before
    assert pending_runs(tmp_path) == []


def test_the_folder_may_have_moved(tmp_path):
    (tmp_path / "here").mkdir()
    writes = tree(tmp_path / "here")
    before = snapshot(tmp_path / "here")
    write(tmp_path / "here", *writes)
    (tmp_path / "here").rename(tmp_path / "there")
    undo_run(tmp_path / "there")
    assert snapshot(tmp_path / "there") == before
