"""node, npm's dynalite -> a second DynamoDB for tests, with code of its own. `make servers` installs it."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVERS = ROOT / ".venv" / "servers"
REQUIRED = "STATELIFT_REQUIRE_SERVERS"


def node():
    """The path of node: the one of the virtual environment, else the system's."""
    own = ROOT / ".venv" / "bin"
    return shutil.which("node", path=f"{own}{os.pathsep}{os.environ.get('PATH', '')}")


def missing(what):
    """Skip, or fail where servers are required: every server and every driver of a database."""
    message = f"{what} is not installed: `make servers` does that"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(message)
    pytest.skip(message)


@contextlib.contextmanager
def dynalite(folder):
    """Start dynalite on a free port of the loopback interface, its data below the folder; gives its address."""
    program = node() or missing("node")
    if not (SERVERS / "node_modules" / "dynalite").is_dir():
        missing("dynalite")
    command = [program, str(SERVERS / "dynalite.cjs"), str(folder / "dynalite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip()
            assert port.isdigit(), "dynalite did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            process.terminate()
