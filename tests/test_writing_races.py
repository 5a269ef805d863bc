"""Somebody else at work in the same tree: what they put there is neither overwritten nor followed."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import suppress

import pytest

from statelift.model import FileWrite
from statelift.writing.apply import apply_writes, pending_runs, resume
from statelift.writing.errors import (
    DamagedJournalError,
    DirtyTreeError,
    EditedSinceError,
    WriteFailedError,
    WritingError,
)
from statelift.writing.journal import home_of, list_runs
from statelift.writing.undo import undo_run
from statelift.writing.worktree import check_clean

WRITES = [
    FileWrite("app.py", b"old", b"new"),
    FileWrite("pkg/data.py", b"old", b"new"),
    FileWrite("pkg/made.py", None, b"x"),
]


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "pkg").mkdir(parents=True)
    (root / "app.py").write_bytes(b"old")
    (root / "pkg" / "data.py").write_bytes(b"old")
    return root


def write(root, step=lambda event, path: None):
    return apply_writes(root, WRITES, allow_dirty=True, change_ids=[], step=step)


def at(moment, act):
    def step(event, path):
        if (event, path) == moment:
            act()

    return step


def removed(file):
    file.unlink()


def edited(file):
    file.write_bytes(b"mine")


def folder_instead(file):
    file.unlink()
    file.mkdir()


def link_instead(file):
    file.unlink()
    file.symlink_to("/etc/hostname")


def pipe_instead(file):
    file.unlink()
    os.mkfifo(file)


def device_instead(file):
    file.unlink()
    try:
        os.mknod(file, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero: reading it never ends
    except PermissionError:
        pytest.skip("only an administrator makes devices")


OTHERS = [removed, edited, folder_instead, link_instead, pipe_instead, device_instead]


def kind_of(file):
    if not os.path.lexists(file):
        return None
    mode = file.lstat().st_mode
    return file.read_bytes() if stat.S_ISREG(mode) else stat.S_IFMT(mode)


@pytest.mark.parametrize("act", OTHERS)
@pytest.mark.parametrize("event", ["write", "replace"])
def test_a_file_that_changes_between_the_check_and_the_rename(root, act, event):
    target = root / "pkg" / "data.py"
    with pytest.raises(WriteFailedError, match=r"pkg/data\.py could not be written.*Everything was restored"):
        write(root, at((event, "pkg/data.py"), lambda: act(target)))
    found = kind_of(target)
    assert found == kind_left_by(act, root / "alone")
    assert (root / "app.py").read_bytes() == b"old"
    assert not (root / "pkg" / "made.py").exists()
    assert sorted(path.name for path in (root / "pkg").iterdir()) == (["data.py"] if found is not None else [])


def kind_left_by(act, file):
    file.write_bytes(b"old")
    act(file)
    return kind_of(file)


@pytest.mark.parametrize("act", OTHERS)
def test_a_file_that_changes_before_the_check(root, act):
    act(root / "app.py")
    with pytest.raises(WritingError, match=r"app\.py"):
        write(root)
    assert (root / "pkg" / "data.py").read_bytes() == b"old"
    assert not list(root.glob(".statelift/runs/*"))


@pytest.mark.parametrize("act", OTHERS)
def test_a_file_that_changes_while_undo_runs(root, act):
    run = write(root)
    target = root / "pkg" / "data.py"
    with pytest.raises(EditedSinceError, match="left alone"):
        undo_run(root, step=at(("replace", "pkg/data.py"), lambda: act(target)))
    found = kind_of(target)
    assert found == kind_left_by(act, root / "alone")
    shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    target.write_bytes(b"new")
    undo_run(root, run.id)
    assert target.read_bytes() == (root / "app.py").read_bytes() == b"old"


def test_a_new_file_that_somebody_else_makes_first(root):
    with pytest.raises(WriteFailedError, match="Everything was restored"):
        write(root, at(("replace", "pkg/made.py"), lambda: (root / "pkg" / "made.py").write_bytes(b"mine")))
    assert (root / "pkg" / "made.py").read_bytes() == b"mine"
    assert (root / "app.py").read_bytes() == b"old"


def test_a_new_file_never_replaces_one_that_appears_in_the_last_moment(root, monkeypatch):
    """Behind the last check, in front of the very call."""
    real = os.link

    def link(source, target, **keywords):
        if target == "made.py":
            (root / "pkg" / "made.py").write_bytes(b"mine")
        return real(source, target, **keywords)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(WriteFailedError, match="Everything was restored"):
        write(root)
    assert (root / "pkg" / "made.py").read_bytes() == b"mine"


def test_a_disk_without_hard_links(root, monkeypatch):
    def link(*arguments, **keywords):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    write(root)
    assert (root / "pkg" / "made.py").read_bytes() == b"x"
    assert sorted(path.name for path in (root / "pkg").iterdir()) == ["data.py", "made.py"]


@pytest.mark.parametrize("event", ["write", "replace"])
def test_a_folder_that_becomes_a_link_between_check_and_write(root, event):
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "data.py").write_bytes(b"old")

    def swap():
        (root / "pkg").rename(root / "away")
        (root / "pkg").symlink_to(outside)

    with pytest.raises(WriteFailedError):
        write(root, at((event, "pkg/data.py"), swap))
    assert (outside / "data.py").read_bytes() == b"old"
    assert (root / "away" / "data.py").read_bytes() == b"old"
    assert [path.name for path in outside.iterdir()] == ["data.py"]


def test_the_journal_folder_that_becomes_a_link_in_the_middle(root):
    outside = root.parent / "outside"
    outside.mkdir()

    def swap():
        (root / ".statelift").rename(root.parent / "away")
        (root / ".statelift").symlink_to(outside)

    with pytest.raises(WritingError):
        write(root, at(("keep", "pkg/data.py"), swap))
    assert list(outside.iterdir()) == []
    assert (root / "app.py").read_bytes() == b"old"


def test_hard_links_to_one_file(root):
    """Each name gets a file of its own; a name that is not in the plan keeps the old bytes."""
    (root / "pkg" / "data.py").unlink()
    (root / "pkg" / "data.py").hardlink_to(root / "app.py")
    (root / "third.py").hardlink_to(root / "app.py")
    write(root)
    assert (root / "app.py").read_bytes() == (root / "pkg" / "data.py").read_bytes() == b"new"
    assert (root / "third.py").read_bytes() == b"old"
    undo_run(root)
    assert (root / "app.py").read_bytes() == (root / "pkg" / "data.py").read_bytes() == b"old"


@pytest.mark.parametrize("mode", [0o755, 0o4755, 0o2711, 0o1644, 0o400, 0o777])
def test_the_mode_is_kept_setuid_included(root, mode):
    (root / "app.py").chmod(mode)
    write(root)
    assert stat.S_IMODE((root / "app.py").stat().st_mode) == mode
    undo_run(root)
    assert stat.S_IMODE((root / "app.py").stat().st_mode) == mode


# ---------------------------------------------------------------- journals that nobody here wrote


def journal_with(root, old, new):
    run = write(root)
    text = run.journal.read_text()
    assert old in text
    run.journal.write_text(text.replace(old, new))
    return run


def test_a_journal_cannot_hand_out_setuid(root):
    journal_with(root, '"mode": 420', '"mode": 2541')
    undo_run(root)
    assert stat.S_IMODE((root / "app.py").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"path": "app.py"', '"path": "/etc/hostname"'),
        ('"path": "app.py"', '"path": "../app.py"'),
        ('"path": "app.py"', '"path": ".git/hooks/pre-commit"'),
        ('"path": "app.py"', '"path": ".statelift/lock"'),
        ('"path": "app.py"', '"path": "pkg/data.py"'),
        ('"root": "."', '"root": ".."'),
        ('"root": "."', '"root": "/"'),
        ('"root": "."', '"root": ".git"'),
        ('"root": "."', '"root": "link"'),
        ('"root": "."', '"root": 7'),
        ('"folders": []', '"folders": [".."]'),
        ('"folders": []', '"folders": ["/tmp"]'),
        ('"state": "done"', '"state": "prepared\\u001b"'),
        ('"mode": 420', '"mode": 1e999'),
    ],
)
def test_a_journal_that_was_tampered_with_writes_nothing(root, old, new):
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "app.py").write_bytes(b"new")
    (root.parent / "app.py").write_bytes(b"new")
    (root / "link").symlink_to(outside)
    run = journal_with(root, old, new)
    with pytest.raises(WritingError):
        undo_run(root, run.id)
    with suppress(WritingError):  # one that is done is left as it is
        resume(root, run.id)
    assert (outside / "app.py").read_bytes() == (root.parent / "app.py").read_bytes() == b"new"
    assert (root / "app.py").read_bytes() == b"new"


@pytest.mark.parametrize("spoil", [removed, edited, link_instead, pipe_instead, folder_instead])
def test_kept_bytes_that_are_not_what_they_were(root, spoil):
    run = write(root)
    spoil(run.folder / "before" / "app.py")
    with pytest.raises(WritingError):
        undo_run(root)
    assert (root / "app.py").read_bytes() == b"new"
    assert [each.id for each in pending_runs(root)] == [run.id]


def test_a_journal_that_is_nested_too_deeply(root):
    run = write(root)
    run.journal.write_text("[" * 100_000)
    with pytest.raises(DamagedJournalError):
        undo_run(root)


# ---------------------------------------------------------------- where the journal lies


def repository(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".git").mkdir()
    return folder


def test_the_journal_lies_at_the_top_of_the_repository(root):
    """Not in the folder of a function, which is packaged as it is."""
    top = repository(root.parent)
    run = write(root)
    assert run.journal.is_relative_to(top / ".statelift")
    assert not (root / ".statelift").exists()
    assert (top / ".statelift" / ".gitignore").read_text() == "*\n"
    assert [each.root for each in list_runs(top)] == [root]
    undo_run(top)
    assert (root / "app.py").read_bytes() == b"old"


def test_what_stopped_in_one_folder_is_seen_from_the_whole_repository(root):
    top = repository(root.parent)
    with pytest.raises(KeyboardInterrupt):
        write(root, at(("write", "pkg/data.py"), lambda: signal.raise_signal(signal.SIGINT)))
    (run,) = pending_runs(top)
    resume(top, run.id)
    assert (root / "pkg" / "data.py").read_bytes() == b"new"


def test_an_older_run_of_another_folder_waits_for_the_later_one(root):
    top = repository(root.parent)
    first = write(root)
    apply_writes(top, [FileWrite("root/app.py", b"new", b"newer")], allow_dirty=True, change_ids=[])
    with pytest.raises(EditedSinceError, match="after run"):
        undo_run(root, first.id)
    undo_run(root)
    undo_run(root)
    assert (root / "app.py").read_bytes() == b"old"


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator gives files away")
def test_a_repository_of_somebody_else_does_not_steer_us(root):
    top = repository(root.parent)
    os.chown(top / ".git", 12345, 12345)
    assert home_of(root) == root
    write(root)
    assert not (top / ".statelift").exists()


def test_nothing_is_written_inside_of_git(tmp_path):
    inside = repository(tmp_path) / ".git"
    with pytest.raises(WritingError, match=r"lies in \.git"):
        apply_writes(inside, [FileWrite("hooks/pre-commit", None, b"x")], allow_dirty=True, change_ids=[])


@pytest.mark.parametrize(
    "path",
    [
        *(
            ".git/hooks/pre-commit",
            ".git/config",
            "sub/.GIT/config",
            ".Git/x",
            "git~1/config",
            ".git::$INDEX_ALLOCATION/x",
        ),
        *(
            ".g\u200cit/config",
            ".git\ufeff/config",
            ".git /config",
            ".git./config",
            ".statelift/runs/x",
            ".STATELIFT/lock",
        ),
    ],
)
def test_no_spelling_of_git_is_written(root, path):
    with pytest.raises(WritingError, match="does not write into"):
        apply_writes(root, [FileWrite(path, None, b"x")], allow_dirty=True, change_ids=[])
    assert sorted(each.name for each in root.iterdir()) == ["app.py", "pkg"]


# ---------------------------------------------------------------- git is asked, and runs nothing of the repository


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize(
    "settings", [("filter.e.clean",), ("filter.e.process", "filter.e.required"), ("filter.a=b.clean",)]
)
def test_the_filters_of_a_repository_are_not_run(root, settings):
    proof = root.parent / "proof"
    script = root.parent / "evil"
    script.write_text(f"#!/bin/sh\ntouch {proof}\ncat\n")
    script.chmod(0o755)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "start")
    for name in settings:
        git(root, "config", name, "true" if name.endswith("required") else str(script))
    (root / ".gitattributes").write_text(f"* filter={settings[0].split('.')[1]}\n")
    os.utime(root / "app.py", (1, 1))
    with suppress(subprocess.CalledProcessError):  # the filter speaks no protocol
        git(root, "status")
    assert proof.exists(), "this test has to see the filter run where nothing stops it"
    proof.unlink()
    os.utime(root / "app.py", (2, 2))
    if "=" in settings[0]:
        with pytest.raises(DirtyTreeError, match="cannot be switched off"):
            check_clean(root, ["app.py"])
    else:
        check_clean(root, ["app.py"])
    assert not proof.exists()


def git(root, *words):
    person = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", "-C", root, *person, *words], check=True, capture_output=True, env=kept)


# ---------------------------------------------------------------- Ctrl-C on the command line

APP = b"""SESSIONS = {}


def handler(event, context):
    SESSIONS[event['id']] = 1
    return SESSIONS.get(event['of'])
"""

INTERRUPTED = """
import os, sys
real, where = os.replace, sys.argv.pop(1)

def replace(source, target, **keywords):
    if target == where:
        print("holding", flush=True)
        sys.stdin.read()
    return real(source, target, **keywords)

os.replace = replace
from statelift.cli import main
main()
"""


def statelift(*words, cwd):
    return subprocess.run([sys.executable, "-m", "statelift", *words], cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize("is_saved", [True, False])
@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGKILL])
def test_a_real_apply_interrupted_is_finished_by_a_second_one(tmp_path, is_saved, ended_by):
    (tmp_path / "app.py").write_bytes(APP)
    words = ["apply", "--tier", "review"]
    if is_saved:
        assert statelift("plan", "-o", "plan.json", cwd=tmp_path).returncode == 1
        words.append("plan.json")
    command = [sys.executable, "-c", INTERRUPTED, "app.py", *words]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"holding\n"
        child.send_signal(ended_by)
        code = child.wait(20)
        said = child.stderr.read()
    assert (tmp_path / "app.py").read_bytes() == APP
    if ended_by is signal.SIGINT:
        assert code == 130
        assert b"in the journal" in said
        assert b"Traceback" not in said
    assert len(pending_runs(tmp_path)) == 1
    second = statelift(*words, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "Finished the interrupted run" in second.stderr
    assert b"Store(" in (tmp_path / "app.py").read_bytes()
    assert (tmp_path / "statelift_state.py").exists()
    assert statelift("undo", cwd=tmp_path).returncode == 0
    assert (tmp_path / "app.py").read_bytes() == APP
    assert not (tmp_path / "statelift_state.py").exists()


def test_a_file_that_was_edited_after_the_plan_is_exit_2(tmp_path):
    (tmp_path / "app.py").write_bytes(APP)
    statelift("plan", "-o", "plan.json", cwd=tmp_path)
    (tmp_path / "app.py").write_bytes(APP + b"\n")
    done = statelift("apply", "plan.json", "--tier", "review", cwd=tmp_path)
    assert done.returncode == 2
    assert "app.py has changed since the plan was made" in done.stderr
    assert (tmp_path / "app.py").read_bytes() == APP + b"\n"
    assert not (tmp_path / ".statelift" / "runs").exists()
