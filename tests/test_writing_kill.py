"""kill -9 and Ctrl-C at every call to the system: between any two that write, flush, link or rename."""

import io
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from statelift.model import FileWrite
from statelift.writing.apply import apply_writes, pending_runs, resume
from statelift.writing.runs import State
from statelift.writing.undo import undo_run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that start at once")

OLD = {"app.py": (b"a\r\nb", 0o755), "pkg/data.bin": (bytes(range(256)), 0o600)}
NEW = {"app.py": b"A\r\nB", "pkg/data.bin": b"\0" * 9000, "lib/helper.py": b"help\n"}
WRITES = [FileWrite(path, OLD[path][0] if path in OLD else None, data) for path, data in NEW.items()]
WRITING = {"write", "flush", "fsync", "mkdir", "rmdir", "unlink", "remove", "rename", "replace", "link"} | {
    *("chmod", "fchmod", "chown", "fchown", "utime", "setxattr", "truncate", "ftruncate")
}


def is_writing(function):
    owner = getattr(function, "__self__", None)
    is_system = getattr(function, "__module__", None) == "posix" or getattr(owner, "__name__", "") == "posix"
    return (is_system or isinstance(owner, io.IOBase)) and function.__name__ in WRITING


def stopped_at(number, signal_sent, work):
    """Do the work in a process that sends itself the signal behind its n-th writing call; how it ended."""
    child = os.fork()
    if child == 0:
        _live(number, signal_sent, work)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _live(number, signal_sent, work):
    moments = iter(range(sys.maxsize))

    def watch(frame, event, function):
        if event == "c_return" and is_writing(function) and next(moments) == number:
            sys.setprofile(None)
            os.kill(os.getpid(), signal_sent)

    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.setprofile(watch)
        work()
        code = 0
    except KeyboardInterrupt:
        code = 130
    finally:
        sys.setprofile(None)
        os._exit(code)


def plant(root):
    (root / "pkg").mkdir(parents=True)
    for path, (data, mode) in OLD.items():
        (root / path).write_bytes(data)
        (root / path).chmod(mode)
    return root


def snapshot(root):
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode) if path.is_file() else "folder"
        for path in root.rglob("*")
        if ".statelift" not in path.relative_to(root).parts
    }


def is_old_or_new(root):
    """No file is torn; a new file may be missing, and only temporary names lie beside them."""
    for path, after in NEW.items():
        allowed = {after, OLD[path][0]} if path in OLD else {after, None}
        data = (root / path).read_bytes() if (root / path).exists() else None
        if data not in allowed:
            return False
    return all(
        name in NEW or "/.statelift-" in f"/{name}" for name, kept in snapshot(root).items() if kept != "folder"
    )


@pytest.fixture
def tmp_path(tmp_path):
    """In memory where that is possible: thousands of flushes wear a disk out, and a kill spares the cache."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    root = plant(tmp_path_factory.mktemp("ends") / "root")
    before = snapshot(root)
    apply_writes(root, WRITES, allow_dirty=True, change_ids=[])
    return before, snapshot(root)


def write(root):
    apply_writes(root, WRITES, allow_dirty=True, change_ids=[])


def stopped_everywhere(tmp_path, start, work, signal_sent):
    """A fresh root for every moment of the work, stopped there, until the work lives to its end."""
    for number in range(sys.maxsize):
        root = start(tmp_path / f"{number}" / "root")
        code = stopped_at(number, signal_sent, lambda root=root: work(root))
        if code == 0:
            assert number > 20
            return
        assert code == (-signal.SIGKILL if signal_sent is signal.SIGKILL else 130)
        assert is_old_or_new(root), number
        yield root
        shutil.rmtree(root.parent)


def settle_both_ways(root, ends):
    """undo makes the old tree of it, and a second apply the new one."""
    twin = root.with_name("twin")
    shutil.copytree(root, twin, symlinks=True)
    if pending := pending_runs(root):
        undo_run(root)
        resume(twin, pending[0].id)
    elif snapshot(twin) == ends[0]:
        write(twin)
    assert snapshot(twin) == ends[1]
    assert snapshot(root) == (ends[0] if pending else snapshot(root))
    assert pending_runs(root) == pending_runs(twin) == []
    return bool(pending)


@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGINT])
def test_apply_stopped_anywhere(tmp_path, ends, signal_sent):
    pending = [settle_both_ways(root, ends) for root in stopped_everywhere(tmp_path, plant, write, signal_sent)]
    assert True in pending
    assert False in pending


@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGINT])
def test_undo_stopped_anywhere(tmp_path, ends, signal_sent):
    def applied(root):
        write(plant(root))
        return root

    seen = set()
    for root in stopped_everywhere(tmp_path, applied, undo_run, signal_sent):
        pending = pending_runs(root)
        seen |= {run.state for run in pending}
        if pending:
            resume(root, pending[0].id)  # what a second apply does first
        elif snapshot(root) == ends[1]:
            undo_run(root)
        assert snapshot(root) == ends[0]
    assert seen == {State.UNDOING}


def test_a_second_apply_killed_anywhere(tmp_path, ends):
    """Killed twice: the process that finishes a killed run is killed, too."""

    def halted(root):
        plant(root)

        def halt(event, path):
            if (event, path) == ("replace", "pkg/data.bin"):
                os.kill(os.getpid(), signal.SIGKILL)

        def work():
            apply_writes(root, WRITES, allow_dirty=True, change_ids=[], step=halt)

        assert stopped_at(-1, signal.SIGKILL, work) == -signal.SIGKILL
        return root

    def finish(root):
        resume(root, pending_runs(root)[0].id)

    for root in stopped_everywhere(tmp_path, halted, finish, signal.SIGKILL):
        settle_both_ways(root, ends)
