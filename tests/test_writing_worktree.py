"""Uncommitted changes: only in touched files, asked from the right repository, without running its code."""

import os
import shutil
import subprocess

import pytest

from statelift.model import FileWrite
from statelift.writing.apply import apply_writes
from statelift.writing.errors import DirtyTreeError
from statelift.writing.worktree import check_clean

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture(autouse=True)
def own_settings(tmp_path_factory, monkeypatch):
    """The settings of whoever runs the tests must not matter."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    for name in ("XDG_CONFIG_HOME", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


def git(root, *words):
    person = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", root, *person, *words], check=True, capture_output=True)


def repository(root, **files):
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q")
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)
    git(root, "add", ".")
    git(root, "commit", "-q", "--allow-empty", "-m", "start")
    return root


def dirty(root, *paths):
    try:
        check_clean(root, paths)
    except DirtyTreeError as error:
        return error.paths
    return ()


@needs_git
def test_a_clean_tree_is_written(tmp_path):
    root = repository(tmp_path / "r", app="old")
    apply_writes(
        root, [FileWrite("app.py", b"old", b"new"), FileWrite("h.py", None, b"")], allow_dirty=False, change_ids=[]
    )
    assert (root / "app.py").read_text() == "new"
    status = subprocess.run(["git", "-C", root, "status", "--porcelain"], capture_output=True, text=True)
    assert status.stdout.splitlines() == [" M app.py", "?? h.py"]


@needs_git
def test_a_modified_file_is_refused_unless_allowed(tmp_path):
    root = repository(tmp_path / "r", app="old")
    (root / "app.py").write_text("mine")
    writes = [FileWrite("app.py", b"mine", b"new")]
    with pytest.raises(DirtyTreeError, match=r"app\.py.*--allow-dirty"):
        apply_writes(root, writes, allow_dirty=False, change_ids=[])
    assert (root / "app.py").read_text() == "mine"
    apply_writes(root, writes, allow_dirty=True, change_ids=[])
    assert (root / "app.py").read_text() == "new"


@needs_git
def test_what_counts_as_dirty(tmp_path):
    root = repository(tmp_path / "r", clean="1", modified="1", staged="1", deleted="1", elsewhere="1")
    (root / ".gitignore").write_text("ignored.py\n")
    for name in ("modified", "staged", "untracked", "ignored", "elsewhere"):
        (root / f"{name}.py").write_text("2")
    (root / "folder").mkdir()
    (root / "folder" / "untracked.py").write_text("2")
    (root / "deleted.py").unlink()
    git(root, "add", "staged.py")
    git(root, "config", "status.showUntrackedFiles", "no")
    assert dirty(root, "clean.py", "ignored.py", "new.py", "new/folder/x.py") == ()
    assert dirty(root, "modified.py", "clean.py") == ("modified.py",)
    assert dirty(root, "staged.py") == ("staged.py",)
    assert dirty(root, "untracked.py", "folder/untracked.py") == ("folder/untracked.py", "untracked.py")
    assert dirty(root, "deleted.py") == ("deleted.py",)


@needs_git
def test_names_are_taken_literally(tmp_path):
    root = repository(tmp_path / "r", app="1")
    for name in ("a b.py", "new\nline.py", "ü.py", "-x"):
        (root / name).write_text("1")
    assert dirty(root, "*.py", ":(top)a b.py", "[a]pp.py") == ()
    assert dirty(root, "a b.py", "new\nline.py", "ü.py", "-x") == ("-x", "a b.py", "new\nline.py", "ü.py")


@needs_git
def test_many_files(tmp_path):
    root = repository(tmp_path / "r")
    for number in range(450):
        (root / f"{number}.py").touch()
    assert len(dirty(root, *(f"{number}.py" for number in range(500)))) == 450


@needs_git
def test_the_root_may_be_a_folder_of_the_repository(tmp_path):
    root = repository(tmp_path / "r", app="1") / "service"
    root.mkdir()
    (root / "app.py").write_text("1")
    assert dirty(root, "app.py", "new/x.py") == ("app.py",)


@needs_git
def test_a_repository_inside_has_its_own_say(tmp_path):
    root = repository(tmp_path / "r", app="1")
    repository(root / "inner", clean="1", modified="1")
    (root / "inner" / "modified.py").write_text("2")
    assert dirty(root, "app.py", "inner/clean.py") == ()
    assert dirty(root, "app.py", "inner/modified.py") == ("inner/modified.py",)


@needs_git
def test_the_environment_of_a_hook_does_not_leak(tmp_path, monkeypatch):
    root, other = repository(tmp_path / "r", app="1"), repository(tmp_path / "other")
    (root / "app.py").write_text("2")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert dirty(root, "app.py") == ("app.py",)


@needs_git
def test_nothing_of_the_repository_runs(tmp_path):
    root = repository(tmp_path / "r", app="1")
    spy = root / ".git" / "hooks" / "post-index-change"
    spy.parent.mkdir(exist_ok=True)
    spy.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    spy.chmod(0o755)
    git(root, "config", "core.fsmonitor", str(spy))
    (root / "app.py").touch()
    (tmp_path / "ran").unlink(missing_ok=True)
    assert dirty(root, "app.py") == ()
    assert not (tmp_path / "ran").exists()
    subprocess.run(["git", "-C", root, "status"], capture_output=True)
    assert (tmp_path / "ran").exists(), "the spy works when git runs as usual"


@needs_git
def test_asking_does_not_write(tmp_path):
    root = repository(tmp_path / "r", app="1")
    (root / "app.py").write_text("1")
    os.utime(root / "app.py", (1, 1))
    index = (root / ".git" / "index").read_bytes()
    assert dirty(root, "app.py") == ()
    assert (root / ".git" / "index").read_bytes() == index


@needs_git
def test_a_git_that_cannot_answer_counts_as_dirty(tmp_path):
    (tmp_path / ".git").write_text("gitdir: /nowhere")
    with pytest.raises(DirtyTreeError, match="git could not say"):
        check_clean(tmp_path, ["app.py"])


def test_without_a_repository_nothing_is_asked(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda *words, **more: calls.append(words))
    check_clean(tmp_path, ["app.py"])
    assert calls == []


@needs_git
def test_without_git_nothing_is_asked(tmp_path, monkeypatch):
    root = repository(tmp_path / "r", app="1")
    (root / "app.py").write_text("2")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dirty(root, "app.py") == ()
