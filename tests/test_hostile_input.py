"""What comes from a repository is read and never run, and shown without doing anything to the reader's terminal."""

import json
import os
import shutil
import subprocess
import sys
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


# ---------------------------------------------------------------- text is shown, and does nothing

ESCAPES = {
    "ansi": "\x1b[2J\x1b[31m",
    "link": "\x1b]8;;http://evil\x07",
    "c1": "\x9b31m",
    "bidi": "\u202e\u2066",
    "zero": "\u200b\u2060\ufeff",
    "lines": "\r\x0b\x0c\x85\u2028",
    "bell": "\x07\x08",
}
SCHEMAS = Path(__file__).parents[1] / "src/statelift/schemas"


def is_harmless(text, keep="\n\t"):
    return [each for each in set(text) if each not in keep and not each.isprintable() and each != "\u0130"] == []


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize(
    "words",
    [
        ["scan"], ["scan", "--format", "concise"], ["scan", "--format", "github"], ["scan", "--format", "json"],
        ["scan", "--format", "json-lines"], ["infra"], ["explain", "{}"], ["baseline", "create", "b.json"],
        ["config", "show"], ["apply", "--tier", "review"],
    ],
    ids="-".join,
)  # fmt: skip
def test_no_control_character_reaches_the_reader(name, words, tmp_path, said, monkeypatch):
    root = strange_project(tmp_path, ESCAPES[name])
    monkeypatch.chdir(root)
    path = next(str(each.relative_to(root)) for each in root.rglob("app.py"))
    code, out, told = said(*[word.format(f"{path}:3") for word in words])
    assert code in (0, 1, 2, 3) and "Traceback" not in told
    assert is_harmless(out) and is_harmless(told), ascii(out + told)


def strange_project(tmp_path, evil):
    """The text in a folder's name, a file that cannot be parsed, strings, comments, keys and logical ids."""
    folder = f"d{evil}".replace("/", "_")
    source = f'# {evil}\nTEXT = "{evil}"\n{STORE}'.replace("\r", " ")
    quoted = json.dumps(f"App{evil}Function")
    return written(
        tmp_path / "project",
        {
            f"{folder}/app.py": source,
            f"{folder}/broken{folder}.py": f"def {evil}(:\n",
            f"{folder}/template.yaml": TEMPLATE.replace("AppFunction", quoted),
            f"{folder}/other.json": json.dumps({"Resources": {evil: {"Type": evil, "Properties": {}}}}),
            f"{folder}/tmp.py": f"""def handler(event, context):
    with open("/tmp/{evil.encode("unicode_escape").decode()}", "a") as file:
        file.write(event["x"])
    return open("/tmp/{evil.encode("unicode_escape").decode()}").read()
""",
        },
    )


def test_a_diff_for_a_terminal_is_shown_and_one_for_a_pipe_is_exact(tmp_path):
    import pty

    root = written(tmp_path / "project", {"app.py": f"# \x1b[31m\u202e\n{STORE}", "template.yaml": TEMPLATE})
    exact = statelift("plan", cwd=root).stdout
    assert "\n # \x1b[31m\u202e\n" in exact
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-P", "-c", CLI, "plan"], cwd=root, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    process.wait()
    shown = said.decode().replace("\r\n", "\n")
    assert " # \\x1b[31m\\u202e\n" in shown
    assert is_harmless(shown)


def test_a_path_gives_no_orders_to_the_log_of_a_build(tmp_path, said, monkeypatch):
    names = ["::error::pwned", "##[group]x", "a\n::set-output name=x::y"]
    root = written(tmp_path / "project", {f"{name}/app.py": STORE for name in names})
    written(root, {f"{name}/broken.py": "def (\n" for name in names})
    monkeypatch.chdir(root)
    for form in ("full", "concise"):
        _, out, told = said("scan", "--format", form)
        lines = [line.strip() for line in (out + told).splitlines()]
        assert len(lines) >= 6
        assert [line for line in lines if line.startswith("::") or "##[" in line] == []
    lines = said("scan", "--format", "github")[1].splitlines()
    assert {line.split(" ")[0] for line in lines} == {"::warning", "::error"}
    assert len(lines) == 6
    assert all(line.startswith(("::warning file=", "::error file=")) for line in lines)
    for line in lines:
        properties = line.split(" ", 1)[1].partition("::")[0]
        assert properties.count("file=") == 1 and "set-output name" not in properties.split(",line=")[1]


def test_a_message_in_review_is_shown_escaped(tmp_path):
    from statelift.cli.write import _described, _explained
    from statelift.model import Options
    from statelift.planning import make_plan

    root = strange_project(tmp_path, ESCAPES["ansi"])
    plan = make_plan([root], Options())
    assert plan.changes
    for change in plan.changes:
        assert is_harmless(_described(plan, change))
    assert all(is_harmless(_explained(finding)) for finding in plan.findings)


# ---------------------------------------------------------------- templates are data


EVALUATED = {
    "{{ 7 * 191 }}": "1337",
    "{% for x in range(3) %}ab{% endfor %}": "ababab",
    "{{ ''.__class__.__mro__ }}": "<class",
}


@pytest.mark.parametrize("evil", EVALUATED)
def test_text_of_the_project_is_not_evaluated_by_jinja(tmp_path, said, monkeypatch, evil):
    root = written(
        tmp_path / "project",
        {
            "app.py": f"""import os

SESSIONS = {{}}


def handler(event, context):
    SESSIONS["{evil}"] = event["user"]
    with open("/tmp/{evil}", "a") as file:
        file.write("{evil}")
    return SESSIONS.get("{evil}"), open("/tmp/{evil}").read()
""",
            "template.yaml": TEMPLATE.replace("AppFunction", json.dumps(f"App{evil}")),
        },
    )
    monkeypatch.chdir(root)
    for words in (["plan"], ["infra"], ["infra", "--target", "sam"], ["scan"]):
        code, out, told = said(*words)
        assert code in (0, 1, 2), told
        assert "Traceback" not in told
        assert EVALUATED[evil] not in out
    said("apply", "--tier", "review")
    files = [path.read_text() for path in root.rglob("*.*") if path.is_file()]
    assert len(files) >= 2 and not any(EVALUATED[evil] in text for text in files)
    assert evil in (root / "app.py").read_text()


def test_jinja_never_compiles_text_of_the_project():
    """Templates come from the package alone: nothing in the code makes one from a string."""
    import ast

    top = Path(__file__).parents[1]
    calls = [
        node.func.attr
        for folder in ("src", "codemods", "templates")
        for path in (top / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    assert "get_template" in calls
    assert {"from_string", "Template", "NativeEnvironment"}.isdisjoint(calls)


# ---------------------------------------------------------------- YAML and encodings that mean harm

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        "x: !!python/object/apply:os.system ['touch {mark}']\n",
        "x: !!python/object/new:subprocess.Popen [['touch', '{mark}']]\n",
        "x: !!python/name:os.system\ny: !!python/module:app\n",
        "!!python/object/apply:builtins.eval [\"open('{mark}', 'w')\"]\n",
        "x: !Sub '${{AWS::Region}}'\n",
    ],
)
def test_tags_of_a_template_make_no_object(tmp_path, said, text):
    template = TEMPLATE + text.format(mark=tmp_path / MARK)
    root = written(tmp_path / "project", {"app.py": STORE, "template.yaml": template, "trap.py": trap(tmp_path)})
    for words in ([], ["--format", "json"]):
        assert said("scan", root, *words)[0] in (1, 3)
    assert said("apply", root, "--tier", "review")[0] in (0, 1, 2, 3)
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize("place", ["", "Resources:\n  AppFunction: *a11\n", "Globals:\n  Function: *a11\n"])
def test_a_template_that_unfolds_without_end_is_not_unfolded(tmp_path, place):
    root = written(tmp_path / "project", {"app.py": STORE, "template.yaml": BOMB + (place or TEMPLATE)})
    done = statelift("plan", cwd=root, timeout=60)
    assert done.returncode in (1, 3), done.stderr


@pytest.mark.parametrize(
    "name", ["punycode", "idna", "hex", "rot13", "bz2", "unicode_escape", "undefined", "mbcs", "os"]
)
def test_a_strange_encoding_is_told_and_loads_nothing(tmp_path, said, name, monkeypatch):
    source = f"# coding: {name}\n".encode() + b"S = {}\n" * 3_000
    root = written(tmp_path / "project", {"app.py": STORE, f"{name}.py": trap(tmp_path)})
    (root / "odd.py").write_bytes(source)
    written(root, {f"encodings/{name}.py": trap(tmp_path), "encodings/__init__.py": trap(tmp_path)})
    monkeypatch.chdir(root)
    code, _, told = said("scan")
    assert code in (1, 3) and "Traceback" not in told
    assert not (tmp_path / MARK).exists()


# ---------------------------------------------------------------- a batch writes inside the repository


def test_batch_does_not_follow_a_link_in_place_of_its_folder(tmp_path, said):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = written(tmp_path / "repos/project", {"app.py": STORE})
    (root / ".statelift").symlink_to(outside)
    code, out, _ = said("batch", "plan", "--repos", root, "--format", "json")
    assert code == 3
    assert "symbolic link" in json.loads(out)["repositories"][0]["message"]
    assert list(outside.iterdir()) == []


# ---------------------------------------------------------------- programs with very many ways


def test_attributes_that_are_assigned_from_one_another_are_followed_in_time(tmp_path):
    steps = "".join(
        f"    def step_{number}(self):\n        self.here = self.there\n        self.there = self.here\n"
        for number in range(30)
    )
    code = f"class Plan:\n    def __init__(self, base):\n        self.here = self.there = base\n{steps}"
    code += "def handler(event, context):\n    return open(Plan('/tmp/x').here).read()\n"
    root = written(tmp_path / "project", {"app.py": code})
    command = [sys.executable, "-m", "statelift", "scan", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)  # once it took hours
    assert done.returncode in (0, 1), done.stderr


def test_modules_that_all_import_everything_of_each_other_are_linked_in_time(tmp_path):
    count = 30
    files = {
        f"m{one}.py": "".join(f"from m{other} import *\n" for other in range(count) if other != one)
        + f"def f{one}(event):\n    return g{one}(event) + h{one}(event)\n"
        for one in range(count)
    }
    files["app.py"] = (
        "import boto3\nfrom m0 import *\ndef handler(event, context):\n    return boto3.client('s3'), f1(event)\n"
    )
    root = written(tmp_path / "project", files)
    command = [sys.executable, "-m", "statelift", "scan", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)  # once it took hours
    assert done.returncode == 1, done.stderr
