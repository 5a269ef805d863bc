"""What comes from a repository is read and never run, and shown without doing anything to the reader's terminal."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from repositories import written

MARK = "ran-what-nobody-asked-for"
STORE = """SESSIONS = {}


def handler(event, context):
    if "user" in event:
        SESSIONS[event["id"]] = event["user"]
    return SESSIONS.get(event["id"])
"""
TEMPLATE = """Transform: AWS::Serverless-2016-10-31
Resources:
  AppFunction:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
      CodeUri: .
"""
CLI = "from statelift.cli import main; main()"


def trap(folder: Path) -> str:
    """Python that leaves a file behind where it is run."""
    return f'open({str(folder / MARK)!r}, "a").write(__name__)  # {MARK}\n'


def statelift(*arguments, cwd, **options):
    """The command as it is installed: the working folder is not on the module path."""
    command = [sys.executable, "-P", "-c", CLI, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, **options)


# ---------------------------------------------------------------- no code of the project runs

AUDIT = """
import json, sys

MARK, LOG = sys.argv.pop(1), sys.argv.pop(1)


def holds_mark(code):
    return any(MARK in each if isinstance(each, str) else holds_mark(each)
               for each in code.co_consts if isinstance(each, (str, type(code))))


def watch(event, args):
    if event == "exec":
        told = [args[0].co_filename, holds_mark(args[0])]
    elif event == "import":
        told = [args[0], args[1]]
    elif event.split(".")[0] in ("subprocess", "socket", "os", "ctypes", "pty", "marshal", "code"):
        if event.split(".")[-1] not in ("Popen", "system", "exec", "posix_spawn", "fork", "forkpty", "spawn",
                                        "connect", "bind", "getaddrinfo", "dlopen", "startfile"):
            return
        told = [repr(each) for each in args]
    else:
        return
    log.write(json.dumps([event, *told]) + "\\n")


log = open(LOG, "w", buffering=1)
sys.addaudithook(watch)
from statelift.cli import main
main()
"""


@pytest.fixture
def trapped(tmp_path):
    """A project in which everything that could be imported or started leaves a mark."""
    code = trap(tmp_path)
    names = """conftest sitecustomize usercustomize setup yaml jinja2 click libcst pathspec rich bowler fissix
    statelift_codemods statelift_templates json ast tomllib tokenize encodings pkgutil""".split()
    evil = "evil-1.dist-info/entry_points.txt"
    root = written(
        tmp_path / "project",
        {
            "app.py": f"import helper, yaml\n{code}\n{STORE}",
            "helper/__init__.py": code,
            "helper/__main__.py": code,
            "template.yaml": TEMPLATE,
            "other.yaml": f"a: !!python/object/apply:os.system ['touch {tmp_path / MARK}']\nResources: {{}}\n",
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "setup"\nbackend-path = ["."]\n'
            '[tool.pytest.ini_options]\naddopts = "-p conftest"\n[tool.statelift]\nexclude = ["none"]\n',
            "evil.pth": f"import setup; {code}",
            "pyvenv.cfg": "home = .\n",
            "evil-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: evil\nVersion: 1\n",
            evil: "[statelift.codemods]\nevil = helper\n",
            **{f"{name}.py": code for name in names},
        },
    )
    (root / "pyvenv.cfg").unlink()
    return root


def git(root, *words):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(root), *words]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize(
    "words", [["scan"], ["plan"], ["plan", "-o", "../p.json"], ["infra"], ["explain", "app.py:4"]]
)
def test_nothing_of_the_project_is_imported_or_run(trapped, tmp_path, words):
    events = watched(trapped, tmp_path, *words)
    assert not (tmp_path / MARK).exists()
    assert [event for event in events if event[0] not in ("exec", "import")] == []


def test_apply_starts_git_and_nothing_else(trapped, tmp_path):
    git(trapped, "init", "-q")
    git(trapped, "add", ".")
    git(trapped, "commit", "-qm", "all")
    events = watched(trapped, tmp_path, "apply", "--tier", "review")
    assert not (tmp_path / MARK).exists()
    assert "Store(" in (trapped / "app.py").read_text()
    started = [event for event in events if event[0] == "subprocess.Popen"]
    assert started and {event[1] for event in started} == {repr(shutil.which("git"))}
    others = {event[0] for event in events} - {"exec", "import", "subprocess.Popen"}
    assert others <= {"os.posix_spawn", "os.fork"}


def watched(root, tmp_path, *words):
    """The events of a run; fails where one ran code of the project."""
    log = tmp_path / "events"
    command = [sys.executable, "-P", "-c", AUDIT, MARK, str(log), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode in (0, 1), done.stderr
    events = [json.loads(line) for line in log.read_text().splitlines()]
    ran = [event for event in events if event[0] == "exec" and (event[2] or str(root) in event[1])]
    loaded = [event for event in events if event[0] == "import" and str(root) in str(event[2])]
    assert (ran, loaded) == ([], [])
    assert len(events) > 100  # the hook has watched
    return events


def test_the_watcher_sees_code_that_runs(tmp_path):
    script = AUDIT.replace("from statelift.cli import main\nmain()", "import helper")
    root = written(tmp_path / "project", {"helper.py": trap(tmp_path)})
    log = tmp_path / "events"
    subprocess.run([sys.executable, "-c", script, MARK, str(log)], cwd=root, check=True)
    assert (tmp_path / MARK).exists()
    assert ["exec", str(root / "helper.py"), True] in [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize("words", [["scan"], ["plan"], ["--help"]])
def test_python_m_takes_nothing_from_the_working_folder(trapped, tmp_path, words):
    command = [sys.executable, "-m", "statelift", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=trapped)
    assert done.returncode in (0, 1), done.stderr
    assert not (tmp_path / MARK).exists()


def test_python_m_works_from_the_folder_that_statelift_lies_in():
    import statelift

    source = Path(statelift.__file__).parents[1]
    done = subprocess.run([sys.executable, "-m", "statelift", "rules"], capture_output=True, text=True, cwd=source)
    assert done.returncode == 0 and "SL101" in done.stdout


# ---------------------------------------------------------------- git runs nothing of the repository


def touch(tmp_path):
    return f"touch {tmp_path / MARK}"


HOSTILE = {
    "fsmonitor": '[core]\n\tfsmonitor = "{0}; true"\n',
    "hooks": "[core]\n\thooksPath = hooks\n",
    "pager": '[core]\n\tpager = "{0}"\n[pager]\n\tstatus = "{0}"\n\tconfig = "{0}"\n',
    "aliases": '[alias]\n\tstatus = "!{0}"\n\tconfig = "!{0}"\n',
    "filter": '[filter "evil"]\n\tclean = "{0}; cat"\n\tsmudge = "{0}; cat"\n\trequired = true\n',
    "process": '[filter "evil"]\n\tprocess = "{0}"\n',
    "include": "[include]\n\tpath = ../more\n",
    "conditional": '[includeIf "gitdir:**"]\n\tpath = ../more\n',
    "diff": '[diff]\n\texternal = "{0}"\n[diff "evil"]\n\ttextconv = "{0}"\n\tcommand = "{0}"\n',
    "promisor": "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n"
    '[remote "origin"]\n\turl = ext::sh -c touch% {1}\n\tpromisor = true\n[protocol "ext"]\n\tallow = always\n',
    "ssh": "[core]\n\trepositoryformatversion = 1\n\tsshCommand = {0}; true\n\tgitProxy = {0}\n"
    '[extensions]\n\tpartialClone = origin\n[remote "origin"]\n\turl = ssh://nowhere/x\n\tpromisor = true\n',
    "editor": '[core]\n\teditor = "{0}"\n\taskPass = "{0}"\n[credential]\n\thelper = "!{0}"\n',
    "submodule": "[status]\n\tsubmoduleSummary = true\n[core]\n\talternateRefsCommand = {0}\n",
}


EFFECTIVE = ("fsmonitor", "filter", "process", "include", "conditional", "promisor", "ssh")  # in any git


def hostile_repository(tmp_path, name):
    root = written(tmp_path / "project", {"app.py": STORE, "template.yaml": TEMPLATE})
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    written(root, {".gitattributes": "* filter=evil diff=evil\n"})
    for hook in ("post-index-change", "fsmonitor-watchman", "pre-commit", "reference-transaction"):
        for folder in ("hooks", ".git/hooks"):
            written(root, {f"{folder}/{hook}": f"#!/bin/sh\n{touch(tmp_path)}\n"})
            (root / folder / hook).chmod(0o755)
    written(root, {"more": HOSTILE["filter"].format(touch(tmp_path))})
    with (root / ".git/config").open("a") as config:
        config.write(HOSTILE[name].format(touch(tmp_path), tmp_path / MARK))
    if name in ("promisor", "ssh"):
        _lose_a_tree(root)
    os.utime(root / "app.py", (1, 1))  # so that git reads the file again
    return root


@pytest.mark.parametrize("name", HOSTILE)
def test_no_command_of_the_repository_runs_when_git_is_asked(name, tmp_path):
    root = hostile_repository(tmp_path, name)
    done = statelift("apply", "--tier", "review", cwd=root)
    assert not (tmp_path / MARK).exists(), done.stderr
    assert done.returncode in (0, 1, 2)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", EFFECTIVE)
def test_a_plain_git_status_would_run_it(name, tmp_path):
    root = hostile_repository(tmp_path, name)
    subprocess.run(["git", "-C", root, "status"], capture_output=True)
    assert (tmp_path / MARK).exists()


def _lose_a_tree(root):
    """Without its tree, git would have to fetch the last commit's files from the remote."""
    said = subprocess.run(
        ["git", "-C", root, "rev-parse", "HEAD^{tree}"], capture_output=True, text=True, check=True
    )
    name = said.stdout.strip()
    (root / ".git/objects" / name[:2] / name[2:]).unlink()


def test_a_work_tree_elsewhere_is_refused_and_left_alone(tmp_path):
    other = written(tmp_path / "other", {"app.py": "x = 1\n"})
    root = written(tmp_path / "project", {"app.py": STORE, "template.yaml": TEMPLATE})
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    git(root, "config", "core.worktree", str(other))
    statelift("apply", "--tier", "review", cwd=root)
    assert (other / "app.py").read_text() == "x = 1\n"
    assert sorted(path.name for path in other.iterdir()) == ["app.py"]


def test_a_git_in_the_working_folder_is_not_git(tmp_path):
    root = written(tmp_path / "project", {"app.py": STORE, "template.yaml": TEMPLATE})
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    written(root, {"git": f"#!/bin/sh\n{touch(tmp_path)}\n"})
    (root / "git").chmod(0o755)
    path = os.pathsep.join(["", ".", os.environ["PATH"]])
    done = statelift("apply", "--tier", "review", cwd=root, env={**os.environ, "PATH": path})
    assert not (tmp_path / MARK).exists()
    assert done.returncode in (0, 1), done.stderr
