"""`--python`: the program runs with the project's own interpreter and packages, wherever these lie."""

import json
import shutil
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from repositories import written

from statelift.verify.machine.sandbox import Sandbox, VerifySetupError
from statelift.verify.machine.world import Setting, World
from statelift.verify.values import CodeTree, Event

PACKAGE = """
from pathlib import Path

def greeting():
    return open(Path(__file__).with_name("greeting.txt")).read()
"""
PROGRAM = """
import sys
import greetings

SEEN = {}

def handler(event, context):
    known = SEEN.get(event["user"], 0)
    SEEN[event["user"]] = event["n"]
    return {"text": greetings.greeting(), "known": known, "prefix": sys.prefix}
"""


@pytest.fixture(scope="module", params=["/tmp", "/var/tmp"])
def interpreter(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An interpreter with a package of its own. Containers have another /tmp, and must find it all the same."""
    home = Path(tempfile.mkdtemp(dir=request.param))
    venv.create(home, with_pip=False)
    ours = Path(sysconfig.get_path("purelib"))
    theirs = home / ours.relative_to(sys.prefix)
    written(theirs / "greetings", {"__init__.py": PACKAGE, "greeting.txt": "hello"})
    yield home / "bin" / "python"
    shutil.rmtree(home)


@pytest.mark.parametrize("has_namespaces", [True, False])
def test_the_program_has_the_packages_and_the_data_of_its_interpreter(interpreter: Path, has_namespaces: bool):
    tree = CodeTree((("app.py", PROGRAM.encode()),))
    event = Event("app:handler", json.dumps({"user": "ann", "n": 1}))
    with (
        Sandbox(str(interpreter), hash_seeds=(0,), has_namespaces=has_namespaces) as sandbox,
        World(sandbox, tree, Setting()) as world,
    ):
        [seen] = world.run([(world.start_container(["app"]), event)])
    expected = {"text": "hello", "known": 0, "prefix": str(interpreter.parents[1])}
    assert (seen.outcome.kind, json.loads(seen.outcome.payload or "null")) == ("reply", expected), seen.trace


def test_the_command_line_takes_it(interpreter: Path, tmp_path, said):
    folder = written(tmp_path / "app", {"app.py": PROGRAM})
    without = said("verify", folder, "--yes", "--original-only", "--format", "json")
    assert (without[0], json.loads(without[1])["results"][0]["verdict"]) == (3, "ORIGINAL-BROKEN")
    code, out, _ = said("verify", folder, "--yes", "--original-only", "--format", "json", "--python", interpreter)
    assert (code, json.loads(out)["results"][0]["verdict"]) == (0, "STATEFUL")


def test_what_is_no_interpreter_is_said():
    with pytest.raises(VerifySetupError, match="could not start the sandbox"):
        Sandbox(shutil.which("true"))
    with pytest.raises(VerifySetupError, match="no Python interpreter at /nowhere"):
        Sandbox("/nowhere/python")
