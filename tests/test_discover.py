import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repositories import git

from statelift.discover import PathNotFoundError, PatternError, Project, discover, read_file
from statelift.tracked import DamagedIndexError, tracked_files


@pytest.fixture
def tree(tmp_path):
    """Writes files by their POSIX path; the value is the content."""

    def make(*names, **contents):
        for name in names:
            _write(tmp_path / name, "")
        for name, text in contents.items():
            _write(tmp_path / name, text)
        return tmp_path

    return make


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_folder_is_the_root_and_all_its_python_is_wanted(tree):
    root = tree("template.yaml", "src/app.py", "src/data.json", "README")
    project = discover([root])
    assert project == Project(root, ("README", "src/app.py", "src/data.json", "template.yaml"), ("src/app.py",), ())


def test_no_path_means_the_current_folder(tree, monkeypatch):
    monkeypatch.chdir(tree("app.py"))
    assert discover([]).wanted == ("app.py",)
    assert discover([Path()]) == discover([])


def test_a_relative_parent_is_resolved(tree, monkeypatch):
    monkeypatch.chdir(tree("src/app.py") / "src")
    assert discover([Path("..")]).wanted == ("src/app.py",)


def test_a_file_is_wanted_alone_but_its_folder_is_seen(tree):
    root = tree("src/app.py", "src/store.py", "other.py")
    project = discover([root / "src/app.py"])
    assert project.root == root / "src"
    assert (project.files, project.wanted) == (("app.py", "store.py"), ("app.py",))


def test_several_paths_have_their_common_parent_as_root(tree):
    root = tree("template.yaml", "a/one.py", "a/two.py", "b/three.py", "ab/four.py")
    project = discover([root / "a/one.py", root / "b"])
    assert project.root == root
    assert project.wanted == ("a/one.py", "b/three.py")
    assert "template.yaml" in project.files


def test_a_common_parent_as_wide_as_a_home_is_not_walked(tree, monkeypatch):
    root = tree("private.txt", "one/app.py", "two/app.py")
    monkeypatch.setenv("HOME", str(root / "one"))
    project = discover([root / "one", root / "two"])
    assert project.files == ("one/app.py", "two/app.py")


@pytest.mark.parametrize(
    "folder", [".git", ".venv", "node_modules", "__pycache__", ".aws-sam", "cdk.out", "build", "dist"]
)
def test_folders_that_hold_no_source_are_skipped(tree, folder):
    assert discover([tree("app.py", f"lib/{folder}/x.py")]).files == ("app.py",)


def test_a_virtual_environment_is_known_by_its_mark_and_not_by_its_name(tree):
    assert discover([tree("app.py", "env39/pyvenv.cfg", "env39/x.py", "venv/y.py")]).wanted == (
        "app.py",
        "venv/y.py",
    )


def test_what_pip_has_installed_beside_a_handler_is_not_the_projects(tree):
    record = "requests/__init__.py,sha256=x,0\nrequests/api.py,,\nsix.py,,\n../../bin/tool,,\n"
    root = tree("lambda/app.py", "lambda/requests/api.py", "lambda/requests/own.py", "lambda/six.py", "six.py")
    _write(root / "lambda/requests-2.31.0.dist-info/RECORD", record)
    assert discover([root]).wanted == ("lambda/app.py", "lambda/requests/own.py", "six.py")


@pytest.mark.parametrize("record", ["", "\n\n,,\n", "\0,\0\n", '"open', "x" * 200_000])
def test_a_record_that_tells_nothing_hides_nothing(tree, record):
    root = tree("app.py", "six.py")
    _write(root / "six-1.16.dist-info/RECORD", record)
    assert discover([root]).wanted == ("app.py", "six.py")


def test_a_file_may_be_called_like_a_skipped_folder(tree):
    assert discover([tree("build", "dist")]).files == ("build", "dist")


def test_a_skipped_folder_that_is_named_is_read(tree):
    root = tree("src/app.py", "build/gen.py")
    assert discover([root / "src", root / "build"]).wanted == ("build/gen.py", "src/app.py")
    assert discover([root / "build"]).wanted == ("gen.py",)


NAMES = [
    "app.py", "gen/a.py", "gen/keep.py", "gen/deep/b.py", "src/gen/c.py", "src/local.py", "src/x.log", "x.log",
    "src/inner/x.log", "src/inner/y.py", "docs/a/b/c.md", "docs/a.md", "ä ö.py", "#odd.py", "out/z.py",
]  # fmt: skip
IGNORES = [
    {".gitignore": "gen/\n"},
    {".gitignore": "/gen\n*.log\n"},
    {".gitignore": "gen/**\n!gen/keep.py\n"},
    {".gitignore": "gen/*\n!gen/deep\n"},
    {".gitignore": "gen/\n!gen/keep.py\n"},
    {".gitignore": "*.log\r\nout/\r\n"},
    {".gitignore": "*.log\n", "src/.gitignore": "!x.log\nlocal.py\n"},
    {".gitignore": "*.log\n", "src/inner/.gitignore": "!/x.log\n/y.py\n"},
    {".gitignore": "docs/**/c.md\n**/local.py\n\\#odd.py\n"},
    {".gitignore": "*\n!*/\n!*.py\n"},
    {".gitignore": "\ufeffout\n# comment\n\n!\n[z-a]\nä*\n"},
    {"src/.gitignore": "/gen/\ninner\n"},
    {".gitignore": "src/inner/\n", "src/inner/.gitignore": "!y.py\n"},
    {".gitignore": "**/gen/**\n"},
    {".gitignore": "*\n!gen/\n!src/\n!src/**\n"},
    {".gitignore": "*\n!/gen/deep/\n!.gitignore\n"},
    {".gitignore": "/*\n!/src/\n/src/*\n!/src/gen/\n"},
    {".gitignore": "gen/ \ndocs/*/\n"},
    {".gitignore": "**/\n"},
]


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
@pytest.mark.parametrize(
    "ignores", IGNORES, ids=lambda ignores: " ".join(ignores.values()).encode("ascii", "replace").decode()
)
def test_the_same_files_are_ignored_as_by_git(tree, ignores):
    root = tree(*NAMES, **ignores)
    subprocess.run(["git", "init", "-q", root], check=True)
    listing = ["git", "-C", root, "-c", "core.quotePath=off", "-c", "core.excludesFile=/dev/null"]
    seen = subprocess.run([*listing, "ls-files", "-o", "--exclude-standard", "-z"], check=True, capture_output=True)
    assert discover([root]).files == tuple(sorted(os.fsdecode(seen.stdout).split("\0")[:-1]))


def test_the_gitignore_of_the_repository_above_the_root_counts(tree):
    root = tree(".git/HEAD", "api/app.py", "api/gen/x.py", **{".gitignore": "gen/\n"})
    assert discover([root / "api"]).files == ("app.py",)


def test_an_ignored_folder_that_is_named_is_read(tree):
    root = tree(".git/HEAD", "gen/app.py", "gen/x.log", **{".gitignore": "gen/\n*.log\n"})
    assert discover([root / "gen"]).wanted == ("app.py",)


def test_a_file_that_is_named_is_wanted_even_if_ignored(tree):
    root = tree("app.py", "local.py", **{".gitignore": "local.py\n"})
    assert discover([root]).wanted == ("app.py",)
    assert discover([root / "local.py"]).wanted == ("local.py",)


def test_exclude_always_wins(tree):
    root = tree("app.py", "tests/test_app.py", "vendor/x/y.py", "keep/vendor.py")
    assert discover([root], ["tests", "vendor/**"]).files == ("app.py", "keep/vendor.py")
    assert discover([root / "app.py", root / "tests/test_app.py", root / "tests"], ["tests/"]).wanted == ("app.py",)


@pytest.mark.parametrize("pattern", ["!", "[z-a]"])
def test_an_exclude_pattern_that_is_none_is_refused(tree, pattern):
    with pytest.raises(PatternError, match="exclude pattern"):
        discover([tree("app.py")], ["ok", pattern])


def test_links_are_left_out_and_reported_only_when_named(tree, tmp_path):
    root = tree("code/app.py", "elsewhere/x.py")
    (root / "code/link.py").symlink_to(root / "elsewhere/x.py")
    (root / "code/folder").symlink_to(root / "elsewhere")
    assert discover([root / "code"]) == Project(root / "code", ("app.py",), ("app.py",), ())
    for name in ("link.py", "folder"):
        project = discover([root / "code" / name])
        assert (project.files, project.wanted) == ((), ())
        assert [(problem.path, problem.kind) for problem in project.problems] == [(name, "symlink")]


def test_a_dangling_link_that_is_named_is_a_link_and_not_a_missing_path(tree):
    root = tree("app.py")
    (root / "gone.py").symlink_to(root / "nothing")
    project = discover([root / "app.py", root / "gone.py"])
    assert project.wanted == ("app.py",)
    assert [problem.kind for problem in project.problems] == ["symlink"]


def test_a_folder_reached_through_a_link_has_its_real_path(tree):
    root = tree("real/src/app.py")
    (root / "alias").symlink_to(root / "real")
    assert discover([root / "alias/src"]).root == root / "real/src"


def test_a_path_that_does_not_exist_is_an_error(tree):
    missing = tree("app.py") / "nothing.py"
    with pytest.raises(PathNotFoundError, match=r"nothing\.py does not exist") as caught:
        discover([missing])
    assert caught.value.path == missing


def test_an_unreadable_folder_is_reported_and_the_rest_is_read(tree, monkeypatch):
    root = tree("app.py", "secret/x.py")
    scandir = os.scandir

    def refuse(folder):
        if "secret" in str(folder):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    project = discover([root])
    assert project.files == ("app.py",)
    [problem] = project.problems
    assert (problem.path, problem.kind) == ("secret", "unreadable")
    assert "Permission denied" in problem.message


def test_a_named_file_that_is_not_python_is_reported(tree):
    project = discover([tree("app.py", "template.yaml") / "template.yaml"])
    assert project.wanted == ()
    assert [(problem.path, problem.kind) for problem in project.problems] == [("template.yaml", "not-python")]


def test_special_files_are_no_files(tree):
    root = tree("app.py")
    os.mkfifo(root / "pipe.py")
    assert discover([root]).files == ("app.py",)
    assert [problem.kind for problem in discover([root / "pipe.py"]).problems] == ["unreadable"]


def test_names_that_are_not_utf8_survive(tree):
    root = tree("app.py", **{".gitignore": "*.log\n"})
    odd = os.fsdecode(b"caf\xe9.py")
    try:
        (root / odd).write_bytes(b"x = 1\n")
    except OSError:
        pytest.skip("this file system wants UTF-8")
    project = discover([root])
    assert set(project.wanted) == {"app.py", odd}
    assert read_file(root, odd) == b"x = 1\n"


@pytest.mark.parametrize("name", ["gone.py", "nul\0.py", "half\ud800.py", "folder"])
def test_reading_raises_only_oserror(tree, name):
    with pytest.raises(OSError):
        read_file(tree("folder/app.py"), name)


# ---------------------------------------------------------------- files that git tracks


@pytest.fixture
def git_tree(tree):
    """A repository in which `gen/app.py` and `app.py` are tracked, and .gitignore matches all of `gen`."""
    root = tree("app.py", "gen/app.py", "gen/sub/é.py", "gen/notes.txt")
    git(root, "init", "-q")
    git(root, "add", "--all")
    _write(root / ".gitignore", "gen/\n*.log\n")
    _write(root / "gen/untracked.py", "")
    return root


@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("is_split", [False, True])
def test_tracked_files_belong_to_the_project_although_gitignore_matches_them(git_tree, version, is_split):
    git(git_tree, "update-index", f"--index-version={version}")
    if is_split:
        git(git_tree, "update-index", "--split-index")
        _write(git_tree / "later.py", "")
        git(git_tree, "add", "later.py")
    wanted = discover([git_tree]).wanted
    assert wanted == ("app.py", "gen/app.py", "gen/sub/é.py", *(["later.py"] if is_split else []))


def test_tracked_files_of_a_sha256_repository(tree):
    root = tree("gen/app.py")
    git(root, "init", "-q", "--object-format=sha256")
    git(root, "add", "--all")
    _write(root / ".gitignore", "gen\n")
    assert discover([root]).wanted == ("gen/app.py",)


def test_tracked_files_of_a_repository_above_and_of_one_below_the_root(git_tree, tmp_path):
    shutil.copytree(git_tree, tmp_path / "inner")
    assert discover([git_tree / "gen"]).wanted == ("app.py", "sub/é.py", "untracked.py")
    assert "inner/gen/app.py" in discover([tmp_path]).wanted
    assert "inner/gen/untracked.py" not in discover([tmp_path]).wanted


def test_installed_files_stay_out_although_git_tracks_them(git_tree):
    _write(git_tree / "gen/app-1.0.dist-info/RECORD", "app.py,,\nsub/é.py,,\n")
    assert discover([git_tree]).wanted == ("app.py",)


def test_excluded_and_linked_files_stay_out_although_git_tracks_them(git_tree):
    assert discover([git_tree], ["gen/sub"]).wanted == ("app.py", "gen/app.py")
    (git_tree / "gen/app.py").unlink()
    (git_tree / "gen/app.py").symlink_to(git_tree / "app.py")
    assert discover([git_tree]).wanted == ("app.py", "gen/sub/é.py")


def test_an_index_that_cannot_be_read_is_told(git_tree):
    index = git_tree / ".git/index"
    index.write_bytes(index.read_bytes()[:-30])
    project = discover([git_tree])
    assert project.wanted == ("app.py",)
    [problem] = project.problems
    assert (problem.path, problem.kind) == (".git/index", "unreadable")
    assert "checksum" in problem.message


@given(st.data())
def test_no_damaged_index_is_a_crash(data):
    whole = data.draw(st.sampled_from(INDEXES))
    body = bytearray(whole[:-20])
    for at, byte in data.draw(st.lists(st.tuples(st.integers(4, len(body) - 1), st.integers(0, 255)), max_size=5)):
        body[at] = byte
    cut = bytes(body[: data.draw(st.integers(12, len(body)))])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, ".git/index")
        path.parent.mkdir()
        path.write_bytes(cut + hashlib.sha1(cut).digest())
        try:
            names = tracked_files(Path(folder))
        except DamagedIndexError as error:
            assert str(error)
        else:
            assert all(isinstance(name, str) for name in names)


def _index_of_version(version):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(6):
            _write(root / f"{'s' * number}/file{number}.py", "")
        git(root, "init", "-q")
        git(root, "add", "--all")
        git(root, "update-index", f"--index-version={version}")
        return (root / ".git/index").read_bytes()


INDEXES = [_index_of_version(version) for version in (2, 4)]
