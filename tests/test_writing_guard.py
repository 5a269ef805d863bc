"""What may not be written: every refusal happens before anything on disk changes."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statelift.model import FileWrite
from statelift.writing.apply import apply_writes
from statelift.writing.errors import NothingToWriteError, RefusedPathError, StaleError
from statelift.writing.guard import check_paths, real_root


def write(root, *writes):
    return apply_writes(root, writes, allow_dirty=True, change_ids=["c1"])


def refusal(root, *paths):
    with pytest.raises(RefusedPathError) as caught:
        check_paths(root, paths)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        pytest.param("", "not a path", id="empty"),
        pytest.param(".", "not a path", id="the root itself"),
        pytest.param("/etc/passwd", "absolute", id="absolute"),
        pytest.param("//etc/passwd", "absolute", id="absolute, two slashes"),
        pytest.param("C:/app.py", "absolute", id="drive"),
        pytest.param("../app.py", "'..'", id="up"),
        pytest.param("pkg/../../app.py", "'..'", id="up in the middle"),
        pytest.param("pkg/../app.py", "'..'", id="up, but inside"),
        pytest.param("./app.py", "shortest", id="dot"),
        pytest.param("pkg//app.py", "shortest", id="two slashes"),
        pytest.param("pkg/", "shortest", id="slash at the end"),
        pytest.param("pkg\\app.py", "not a path", id="backslash"),
        pytest.param("app\0.py", "not a path", id="NUL"),
        pytest.param("\ud800.py", "not a path", id="not encodable"),
        pytest.param(".git/config", ".git", id="git"),
        pytest.param("sub/.GIT/hooks/post-commit", ".git", id="git in capitals"),
        pytest.param(".git./config", ".git", id="git with a dot that Windows drops"),
        pytest.param("GIT~1/config", ".git", id="git by its short name"),
        pytest.param(".statelift/lock", ".statelift", id="our own folder"),
        pytest.param("a" * 300 + ".py", "too long", id="name too long"),
    ],
)
def test_a_path_of_the_wrong_shape_is_refused(tmp_path, path, fault):
    assert fault in refusal(tmp_path, path)


@pytest.mark.parametrize("path", ["app.py", "..py", "a b/ü*?[x].py", "new/folder/.hidden", ".github/x.yml", "-f"])
def test_a_plain_path_is_accepted(tmp_path, path):
    done = write(tmp_path, FileWrite(path, None, b"x"))
    assert done.files == (path,)
    assert (tmp_path / path).read_bytes() == b"x"


@given(path=st.text(st.sampled_from("a.A/\\~:\0 g") | st.characters(), max_size=12))
def test_what_is_accepted_stays_inside_the_root(tmp_path_factory, path):
    root = tmp_path_factory.getbasetemp()
    try:
        check_paths(root, [path])
    except RefusedPathError:
        return
    target = Path(os.path.normpath(root / path))
    assert target.is_relative_to(root) and target != root


def test_a_link_in_the_place_of_the_file_is_refused(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside.py"
    root.mkdir()
    outside.write_bytes(b"old")
    (root / "app.py").symlink_to(outside)
    with pytest.raises(RefusedPathError, match="symbolic link"):
        write(root, FileWrite("app.py", b"old", b"new"))
    assert outside.read_bytes() == b"old"


@pytest.mark.parametrize("target", ["outside", "root/real"])
def test_a_link_in_the_place_of_a_folder_is_refused(tmp_path, target):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / target).mkdir()
    (root / "pkg").symlink_to(tmp_path / target)
    assert "'pkg' is a symbolic link" in refusal(root, "pkg/app.py")
    assert list((tmp_path / target).iterdir()) == []


def test_a_link_to_nowhere_is_refused(tmp_path):
    (tmp_path / "app.py").symlink_to(tmp_path / "missing")
    assert "symbolic link" in refusal(tmp_path, "app.py")


def test_a_linked_journal_folder_is_refused(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / ".statelift").symlink_to(outside)
    with pytest.raises(RefusedPathError, match="symbolic link"):
        write(root, FileWrite("app.py", None, b"new"))
    assert list(outside.iterdir()) == []
    assert not (root / "app.py").exists()


def test_only_regular_files_are_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert "not a regular file" in refusal(tmp_path, "pipe")
    assert "not a regular file" in refusal(tmp_path, "folder")
    assert "'file' is not a folder" in refusal(tmp_path, "file/app.py")


@pytest.mark.parametrize(
    ("paths", "fault"),
    [
        (("app.py", "app.py"), "twice"),
        (("app.py", "App.py"), "letter case"),
        (("pkg/a.py", "Pkg/b.py"), "letter case"),
        (("straße.py", "strasse.py"), "letter case"),
        (("caf\u00e9.py", "cafe\u0301.py"), "letter case"),
        (("pkg", "pkg/app.py"), "a file and a folder"),
        (("a/b/c.py", "a"), "a file and a folder"),
    ],
)
def test_two_writes_do_not_meet(tmp_path, paths, fault):
    assert fault in refusal(tmp_path, *paths)


def test_a_name_that_differs_only_in_case_from_the_disk_is_refused(tmp_path):
    (tmp_path / "Pkg").mkdir()
    (tmp_path / "Pkg" / "App.py").touch()
    assert "'Pkg' on disk" in refusal(tmp_path, "pkg/App.py")
    assert "'App.py' on disk" in refusal(tmp_path, "Pkg/app.py")
    check_paths(tmp_path, ["Pkg/App.py"])


def test_a_file_that_is_spelled_exactly_may_have_a_twin(tmp_path):
    for name in ("readme.py", "README.py"):
        (tmp_path / name).write_bytes(b"old")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this disk does not tell letter case apart")
    write(tmp_path, FileWrite("README.py", b"old", b"new"))
    assert (tmp_path / "readme.py").read_bytes() == b"old"
    assert (tmp_path / "README.py").read_bytes() == b"new"


def test_the_root_has_to_be_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RefusedPathError, match="not a folder"):
        real_root(tmp_path / "file")
    with pytest.raises(RefusedPathError, match="cannot be opened"):
        real_root(tmp_path / "missing")


def test_the_root_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link", FileWrite("app.py", None, b"x"))
    assert (tmp_path / "real" / "app.py").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("on_disk", "before"),
    [
        pytest.param(b"edited", b"old", id="edited"),
        pytest.param(b"old\r\n", b"old\n", id="only the line ending"),
        pytest.param(None, b"old", id="gone"),
        pytest.param(b"there", None, id="should be new"),
        pytest.param(b"", None, id="should be new, is empty"),
    ],
)
def test_stale_bytes_are_refused_and_nothing_is_written(tmp_path, on_disk, before):
    (tmp_path / "first.py").write_bytes(b"1")
    if on_disk is not None:
        (tmp_path / "app.py").write_bytes(on_disk)
    with pytest.raises(StaleError, match=r"app\.py.*Plan again") as caught:
        write(tmp_path, FileWrite("first.py", b"1", b"2"), FileWrite("app.py", before, b"new"))
    assert caught.value.paths == ("app.py",)
    assert (tmp_path / "first.py").read_bytes() == b"1"
    assert ((tmp_path / "app.py").read_bytes() if on_disk is not None else None) == on_disk


def test_no_writes_is_no_run(tmp_path):
    with pytest.raises(NothingToWriteError):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []
