"""Real processes, killed with SIGKILL in front of every durable step: undo and resume both find a way."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from statelift.model import FileWrite
from statelift.writing.apply import apply_writes, pending_runs, resume
from statelift.writing.errors import BusyError
from statelift.writing.undo import undo_run

OLD = {"app.py": (b"a\r\nb", 0o755), "pkg/data.bin": (bytes(range(256)), 0o600)}
NEW = {"app.py": b"A\r\nB", "pkg/data.bin": b"\0" * 9000, "lib/helper.py": b"help\n"}
WRITES = [FileWrite(path, OLD[path][0] if path in OLD else None, data) for path, data in NEW.items()]

CHILD = """
import json, os, signal, sys
from pathlib import Path
from statelift.model import FileWrite
from statelift.writing.apply import apply_writes, resume, pending_runs
from statelift.writing.undo import undo_run

order = json.loads(sys.argv[1])
root, left = Path(order["root"]), order["steps"]

def step(event, path):
    global left
    if [event, path] == order["fail"]:
        raise OSError(28, "No space left on device")
    if [event, path] == order["hold"]:
        print("holding", flush=True)
        sys.stdin.read()
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1

writes = [
    FileWrite(path, None if before is None else bytes.fromhex(before), bytes.fromhex(after))
    for path, before, after in order["writes"]
]
match order["do"]:
    case "apply":
        apply_writes(root, writes, allow_dirty=True, change_ids=[], step=step)
    case "undo":
        undo_run(root, None, step=step)
    case "resume":
        resume(root, pending_runs(root)[0].id, step=step)
"""


def order(root, do, *, steps=-1, fail=None, hold=None):
    writes = [(w.path, None if w.before is None else w.before.hex(), w.after.hex()) for w in WRITES]
    text = json.dumps({"root": str(root), "do": do, "steps": steps, "fail": fail, "hold": hold, "writes": writes})
    return [sys.executable, "-c", CHILD, text]


def is_killed(root, do, **how):
    """Run it in a process; whether that was killed (otherwise it ended before the step)."""
    code = subprocess.run(order(root, do, **how), capture_output=True).returncode
    assert code in (-signal.SIGKILL, 0, 1)
    return code == -signal.SIGKILL


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


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """The tree before and after, as an undisturbed run makes it."""
    root = plant(tmp_path_factory.mktemp("ends") / "root")
    before = snapshot(root)
    apply_writes(root, WRITES, allow_dirty=True, change_ids=[])
    return before, snapshot(root)


def crashes(tmp_path, do, start, first=0, **how):
    """One root per step, each killed in front of that step, until a process lives to its end."""
    for steps in range(first, 40):
        root = tmp_path / f"{do}{steps}"
        start(root)
        if not is_killed(root, do, steps=steps, **how):
            assert steps > first + 3
            return
        yield root
    pytest.fail("the process never came to its end")


def test_a_killed_apply_can_be_undone_and_finished(tmp_path, ends):
    before, after = ends
    states = set()
    for root in crashes(tmp_path, "apply", plant):
        pending = pending_runs(root)
        states.add(len(pending))
        if not pending:
            assert snapshot(root) == before
            apply_writes(root, WRITES, allow_dirty=True, change_ids=[])
            assert snapshot(root) == after
            continue
        twin = root.with_name(root.name + "twin")
        shutil.copytree(root, twin)
        undo_run(root, None)
        assert snapshot(root) == before
        resume(twin, pending[0].id)
        assert snapshot(twin) == after
        assert pending_runs(root) == pending_runs(twin) == []
    assert states == {0, 1}


def test_a_killed_undo_can_be_finished(tmp_path, ends):
    def applied(root):
        plant(root)
        apply_writes(root, WRITES, allow_dirty=True, change_ids=[])

    for root in crashes(tmp_path, "undo", applied):
        undo_run(root, None)
        assert snapshot(root) == ends[0]


def test_a_killed_resume_can_be_undone_and_finished(tmp_path, ends):
    def stopped(root):
        plant(root)
        assert is_killed(root, "apply", steps=6)

    for root in crashes(tmp_path, "resume", stopped):
        twin = root.with_name(root.name + "twin")
        shutil.copytree(root, twin)
        undo_run(root, None)
        assert snapshot(root) == ends[0]
        resume(twin, pending_runs(twin)[0].id)
        assert snapshot(twin) == ends[1]


def test_a_killed_rollback_can_be_undone(tmp_path, ends):
    rolled = 0
    for root in crashes(tmp_path, "apply", plant, first=10, fail=["replace", "lib/helper.py"]):
        assert len(pending_runs(root)) == 1
        undo_run(root, None)
        assert snapshot(root) == ends[0]
        rolled += 1
    assert rolled >= 4


def test_two_runs_at_once(tmp_path, ends):
    root = plant(tmp_path / "root")
    command = order(root, "apply", hold=["replace", "pkg/data.bin"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"holding\n"
        middle = snapshot(root)
        for attempt in (
            lambda: apply_writes(root, [FileWrite("x", None, b"")], allow_dirty=True, change_ids=[]),
            lambda: undo_run(root, None),
            lambda: resume(root, pending_runs(root)[0].id),
        ):
            with pytest.raises(BusyError, match=f"process {child.pid}"):
                attempt()
        assert snapshot(root) == middle
        child.stdin.close()
        assert child.wait(10) == 0
    assert snapshot(root) == ends[1]


def test_the_lock_of_a_dead_process_is_free(tmp_path, ends):
    root = plant(tmp_path / "root")
    assert is_killed(root, "apply", steps=2)
    assert (root / ".statelift" / "lock").read_text() != str(os.getpid())
    apply_writes(root, WRITES, allow_dirty=True, change_ids=[])
    assert snapshot(root) == ends[1]
