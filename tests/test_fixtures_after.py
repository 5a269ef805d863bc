"""Every migrated fixture: nothing is left to plan, old and new Python read it, it imports cleanly."""

import ast
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from update_goldens import FIXTURES, asked_cases, cases, kept, options_of

from statelift.planning import make_plan

CASES = {name: case for name, case in {**cases(), **asked_cases()}.items() if case[1].exists()}
OLDEST, NEWEST = (3, 9), (3, 14)  # what the generated code is written for
SAMPLE = 4


def sampled(names):
    """Every fourth name, the others only in the complete run."""
    return [
        pytest.param(name, marks=() if number % SAMPLE == 0 else pytest.mark.complete)
        for number, name in enumerate(names)
    ]


@pytest.fixture
def program(tmp_path):
    """Writes the migrated program of a fixture, and gives its folder."""

    def write(name: str) -> Path:
        before, after = CASES[name]
        shutil.copytree(before, tmp_path / "project")
        shutil.copytree(after, tmp_path / "project", dirs_exist_ok=True)
        return tmp_path / "project"

    return write


# ---------------------------------------------------------------- a second plan is empty


@pytest.mark.parametrize("name", sampled(CASES))
def test_a_second_plan_is_empty(name, program):
    before, _ = CASES[name]
    first = make_plan([before], options_of(before))
    again = make_plan([program(name)], options_of(before))
    told = {(each.rule, each.symbol) for each in first.findings if not each.changes}
    assert again.changes == ()
    assert {(each.rule, each.symbol) for each in again.findings} <= told
    assert again.errors == ()


def test_a_first_plan_is_not(tmp_path):
    before, _ = CASES["seeds/sessions"]
    shutil.copytree(before, tmp_path / "project")
    assert make_plan([tmp_path / "project"], options_of(before)).changes != ()


# ---------------------------------------------------------------- old and new Python read it


def needed(text: bytes) -> tuple[int, int]:
    """The oldest Python that reads a program, from OLDEST on."""
    return next(version for minor in range(OLDEST[1], NEWEST[1] + 1) if reads(text, version := (OLDEST[0], minor)))


def reads(text: bytes, version: tuple[int, int]) -> bool:
    try:
        ast.parse(text, feature_version=version)
    except SyntaxError:
        return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_it_needs_no_newer_python_than_the_original(name):
    before, after = (kept(folder) for folder in CASES[name])
    for path, text in after.items():
        if path.endswith(".py"):
            assert needed(text) <= (needed(before[path]) if path in before else OLDEST), path
            assert reads(text, NEWEST), path


COMPILE = """
import json, sys
flaws = []
for path, text in json.load(sys.stdin):
    try:
        compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        flaws.append(f"{path}: {error}")
json.dump(flaws, sys.stdout)
"""


@pytest.mark.parametrize("version", [f"3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)])
def test_the_interpreters_that_are_there_compile_it(version):
    """Those in the path and pyenv's: where this was written 3.9, 3.10, 3.11, 3.12 and 3.13."""
    number = tuple(map(int, version.split(".")))
    others = (str(each) for each in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    known = filter(None, (sys.executable, shutil.which(f"python{version}"), *others))
    python = next((each for each in known if _version_of(each) == number), None)
    if python is None:
        pytest.skip(f"python{version} is not installed")
    texts = [
        (f"{name}/{path}", text.decode())
        for name, (before, after) in CASES.items()
        for path, text in kept(after).items()
        if path.endswith(".py") and needed(kept(before).get(path, b"")) <= number
    ]
    assert len(texts) > 50
    found = subprocess.run(
        [python, "-c", COMPILE], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout) == []


@cache
def _version_of(python: str) -> tuple[int, ...] | None:
    """What an interpreter is; None where the name in the path starts nothing."""
    found = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
    )
    return tuple(map(int, found.stdout.split())) if found.returncode == 0 else None


# ---------------------------------------------------------------- it imports without AWS

IMPORT = """
import importlib, json, pathlib, sys, traceback
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import socket
def refused(*_):
    raise OSError("a call at import")
socket.socket.connect = socket.create_connection = refused
found = {}
for file in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    name = file.relative_to(sys.argv[1]).with_suffix("").as_posix().replace("/", ".")
    try:
        importlib.import_module(name.removesuffix(".__init__"))
        found[name] = ""
    except BaseException as error:
        found[name] = "".join(traceback.format_exception_only(error)).strip()
json.dump(found, sys.stdout)
"""


def imported(folder: Path) -> dict[str, str]:
    """Each module of a program and what its import raises: nobody can reach AWS, no variable is set."""
    root = folder / "src" if (folder / "src").is_dir() else folder
    clean = {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    clean |= {"AWS_ACCESS_KEY_ID": "fake", "AWS_SECRET_ACCESS_KEY": "fake", "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run(
        [sys.executable, "-c", IMPORT, str(root), str(FIXTURES / "stand_ins")],
        env=clean, capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    return dict(json.loads(found.stdout))


@pytest.mark.parametrize("name", sampled(CASES))
def test_it_imports_cleanly(name, program):
    before = imported(CASES[name][0])
    after = imported(program(name))
    assert before.keys() <= after.keys()
    assert {module: error for module, error in after.items() if error and not before.get(module)} == {}


def test_a_call_at_import_would_be_seen(tmp_path):
    text = "import socket\nsocket.create_connection(('127.0.0.1', 9))\n"
    (tmp_path / "app.py").write_text(text)
    assert "a call at import" in imported(tmp_path)["app"]
