"""A full disk, a read-only folder, no handles left, a limit on sizes: a clear refusal, and nothing lost."""

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from statelift.model import FileWrite
from statelift.writing import disk
from statelift.writing.apply import apply_writes, pending_runs, resume
from statelift.writing.errors import BusyError, DirtyTreeError, WriteFailedError, WritingError
from statelift.writing.undo import undo_run
from statelift.writing.worktree import check_clean

OLD = {"app.py": b"a" * 5000, "pkg/data.py": b"b" * 9000}
NEW = {"app.py": b"A" * 6000, "pkg/data.py": b"B" * 7000, "lib/helper.py": b"h" * 5000}
WRITES = [FileWrite(path, OLD.get(path), data) for path, data in NEW.items()]
is_admin = os.geteuid() == 0


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where that is possible: thousands of flushes wear a disk out."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def plant(root):
    (root / "pkg").mkdir(parents=True)
    for path, data in OLD.items():
        (root / path).write_bytes(data)
    return root


def held(root):
    files = {"/".join(path.relative_to(root).parts): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith((".statelift/", "fill"))}


def write(root):
    return apply_writes(root, WRITES, allow_dirty=True, change_ids=[])


def settle(root):
    """Once the cause is gone: what is pending is finished, otherwise applied anew; then all is taken back."""
    pending = pending_runs(root)
    for run in pending:
        undo_run(root, run.id)
    assert held(root) == OLD
    write(root)
    assert held(root) == NEW
    undo_run(root)
    assert held(root) == OLD


@contextmanager
def mounted(target, *options):
    target.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(target)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine does not let us mount: {done.stderr.strip()}")
    try:
        yield target
    finally:
        subprocess.run(["umount", str(target)], check=True)


@pytest.mark.skipif(not is_admin or shutil.which("mount") is None, reason="mounts a small disk")
def test_a_disk_that_is_really_full(tmp_path):
    """From no room at all to room enough, page by page."""
    said = set()
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=256k", "tmpfs") as small:
        for pages in range(30):
            root = plant(small / "root")
            _fill_up(small / "fill", pages * 4096)
            try:
                write(root)
                said.add("done")
                assert held(root) == NEW
            except WriteFailedError as error:
                assert "No space left" in str(error)
                said.add(
                    "journal" if "No file was touched" in str(error) or "Cannot keep" in str(error) else "file"
                )
                (small / "fill").unlink()
                settle(root) if pending_runs(root) or held(root) == OLD else pytest.fail(str(held(root).keys()))
            shutil.rmtree(root)
            (small / "fill").unlink(missing_ok=True)
    assert said == {"journal", "file", "done"}


def _fill_up(path, left):
    disk_left = os.statvfs(path.parent)
    with path.open("wb") as file:
        file.write(b"\0" * max(0, disk_left.f_bavail * disk_left.f_bsize - left))


@pytest.mark.skipif(not is_admin or shutil.which("mount") is None, reason="mounts a folder read-only")
@pytest.mark.parametrize(("place", "said"), [("", "Cannot keep a journal"), ("pkg", "Everything was restored")])
def test_a_tree_that_is_read_only(tmp_path, place, said):
    root = plant(tmp_path / "root")
    with mounted(root / place, "--bind", "-o", "ro", str(root / place)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(root / place)], check=True)
        with pytest.raises(WriteFailedError, match=f"{said}|Read-only"):
            write(root)
        assert held(root) == OLD
    settle(root)


@pytest.mark.skipif(is_admin, reason="an administrator may write everywhere")
def test_a_folder_without_the_right_to_write(tmp_path):
    root = plant(tmp_path / "root")
    (root / "pkg").chmod(0o555)
    with pytest.raises(WriteFailedError, match="Everything was restored"):
        write(root)
    (root / "pkg").chmod(0o755)
    assert held(root) == OLD


def in_a_process(work):
    """Do the work in a process, which may spoil its own limits; the text that it ends with."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        said = "unexpected end"
        try:
            said = work() or "done"
        except WritingError as error:
            said = f"failed: {error}"
        except OSError as error:
            said = f"unexpected: {error!r}"
        finally:
            os.write(writer, said.encode()[:60000])
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        said = file.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    return said


def test_a_limit_on_the_size_of_files(tmp_path):
    """The kernel refuses in the middle of a write: EFBIG behaves like a disk that is full."""
    root = plant(tmp_path / "root")

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (6500, resource.RLIM_INFINITY))
        write(root)

    assert "No file was touched" in in_a_process(work)
    assert held(root) == OLD
    settle(root)


@pytest.mark.parametrize("do", ["apply", "undo", "resume"])
def test_no_handles_left(tmp_path, do):
    """From the first step on, or from some step in the middle: no file can be opened any more."""
    ends = set()
    for number in range(40):
        root = plant(tmp_path / f"{number}")
        if do == "undo":
            write(root)
        if do == "resume":
            with pytest.raises(KeyboardInterrupt):
                apply_writes(root, WRITES, allow_dirty=True, change_ids=[], step=interrupting("pkg/data.py"))
        said = in_a_process(lambda root=root, number=number: _starved(root, number, do))
        assert not said.startswith("unexpected"), said
        for path, data in held(root).items():
            assert path.startswith((".statelift-", "pkg/.statelift-", "lib/.")) or data in (
                OLD.get(path),
                NEW[path],
            )
        if said == "done":
            assert ends == {"failed"}
            return
        assert "Too many open files" in said
        ends.add("failed")
        if do == "undo" and not pending_runs(root) and held(root) == NEW:
            undo_run(root)
        settle(root)
    pytest.fail("it never came to its end")


def interrupting(at):
    def step(event, path):
        if (event, path) == ("write", at):
            raise KeyboardInterrupt

    return step


def _starved(root, number, do):
    left = number

    def step(event, path):
        nonlocal left
        left -= 1
        if left < 0:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    match do:
        case "apply":
            apply_writes(root, WRITES, allow_dirty=True, change_ids=[], step=step)
        case "undo":
            undo_run(root, step=step)
        case "resume":
            resume(root, pending_runs(root)[0].id, step=step)


def test_git_that_cannot_be_started(tmp_path, monkeypatch):
    root = plant(tmp_path / "root")
    (root / ".git").mkdir()
    monkeypatch.setattr("shutil.which", lambda name, **_: str(root / "app.py"))
    with pytest.raises(DirtyTreeError, match="could not be started"):
        check_clean(root, ["app.py"])


@pytest.mark.parametrize("call", ["fsync", "write", "replace", "link", "fchmod", "mkdir", "open"])
def test_the_disk_fails_once_at_any_call(tmp_path, monkeypatch, call):
    """ENOSPC, EIO: every call to the system may be the one that fails. All files are old, or all are new."""
    for number in range(1000):
        root = plant(tmp_path / f"{number}")
        with monkeypatch.context() as patch:
            counted = failing_once(patch, call, number)
            try:
                write(root)
            except WritingError:
                assert held(root) == OLD
            else:
                assert held(root) == NEW
        shutil.rmtree(root)
        if not counted:
            assert number > 1
            return
    pytest.fail("it never came to its end")


def failing_once(patch, call, number):
    """Make the n-th such call fail; a list that is not empty once it did."""
    if call == "write":
        return _failing_writes(patch, number)
    real, seen, failed = getattr(os, call), iter(range(10**6)), []

    def fail(*arguments, **keywords):
        if next(seen) == number:
            failed.append(number)
            raise OSError(errno.ENOSPC if call != "fsync" else errno.EIO, "No space left on device")
        return real(*arguments, **keywords)

    patch.setattr(os, call, fail)
    return failed


def _failing_writes(patch, number):
    real, seen, failed = os.fdopen, iter(range(10**6)), []

    def fdopen(descriptor, mode="r", *arguments, **keywords):
        file = real(descriptor, mode, *arguments, **keywords)
        if "w" in mode and next(seen) == number:
            failed.append(number)
            file.close()
            raise OSError(errno.ENOSPC, "No space left on device")
        return file

    patch.setattr(os, "fdopen", fdopen)
    return failed


def test_two_applies_at_once(tmp_path):
    """Five real processes on one tree: one writes, the others are refused or find it written already."""
    root = plant(tmp_path / "root")
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]);"
        "from test_writing_scarce import write; write(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", script, str(root), str(Path(__file__).parent)]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(5)]
    ended = [(child.communicate()[1], child.returncode) for child in children]
    assert [code for _, code in ended].count(0) == 1
    names = (BusyError.__name__, "StaleError", "PendingRunError")
    assert all(code == 0 or any(name in said for name in names) for said, code in ended), ended
    assert held(root) == NEW
    undo_run(root)
    assert held(root) == OLD


def test_the_names_of_folders_that_cannot_be_flushed_are_no_error(tmp_path, monkeypatch):
    real = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(disk.os, "fsync", fsync)
    root = plant(tmp_path / "root")
    write(root)
    assert held(root) == NEW
