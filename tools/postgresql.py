"""Nothing -> a PostgreSQL server of its own for a with block, on loopback, with data that are thrown away.

The programs come from the Debian package `postgresql` or from $PATH. Asks for a password as a server in use does
(SCRAM), but not for TLS.
"""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PACKAGED = Path("/usr/lib/postgresql")
OWNER = "postgres"  # the programs do not run as root
QUICK = ("fsync=off", "shared_buffers=16MB", "max_connections=40")


class MissingServerError(Exception):
    """PostgreSQL is not installed."""


@contextlib.contextmanager
def postgresql() -> Iterator[dict[str, str]]:
    """A running server: host, port, user, password and dbname. MissingServerError where there is none to run."""
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        password, port = secrets.token_hex(8), _free_port()
        _create(folder, password)
        process = _started(folder, port)
        try:
            yield {
                "host": "127.0.0.1", "port": str(port), "user": "app", "password": password, "dbname": "postgres",
            }  # fmt: skip
        finally:
            process.send_signal(signal.SIGINT)  # "fast": clients that are still there are sent away
            _wait(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _create(folder: Path, password: str) -> None:
    """An empty cluster in the folder, whose administrator has the password."""
    given = folder / "password"
    given.write_text(password)
    if _owner() is not None:
        shutil.chown(folder, OWNER, OWNER)
        shutil.chown(given, OWNER, OWNER)
    command = [_program("initdb"), "-D", str(folder / "data"), "-U", "app", "-A", "scram-sha-256", "--no-sync"]
    subprocess.run([*command, f"--pwfile={given}"], check=True, capture_output=True, user=_owner(), cwd=folder)
    given.unlink()


def _started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [
        _program("postgres"),
        "-D",
        str(folder / "data"),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-k",
        str(folder),
    ]
    settings = [word for each in QUICK for word in ("-c", each)]
    log = (folder / "log").open("wb")
    process = subprocess.Popen([*command, *settings], stdout=log, stderr=log, user=_owner(), cwd=folder)
    log.close()
    follow = ["tail", "-f", "-n", "+1", f"--pid={process.pid}", str(folder / "log")]
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        for line in tail.stdout:
            if "ready to accept connections" in line or "FATAL" in line:
                break
        tail.terminate()
    return process


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _owner() -> str | None:
    """Who the programs run as, where that is not the one who asks."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(OWNER)
    except KeyError:
        raise MissingServerError(f"PostgreSQL does not run as root, and there is no user {OWNER!r}") from None
    return OWNER


def _program(name: str) -> str:
    """The newest of the packaged programs, else the one in $PATH."""
    packaged = sorted(PACKAGED.glob(f"*/bin/{name}"), key=lambda path: int(re.sub(r"\D", "", path.parts[-3]) or 0))
    found = str(packaged[-1]) if packaged else shutil.which(name)
    if found is None:
        raise MissingServerError(f"{name} is not installed: install the Debian package postgresql")
    return found


def _free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        port: int = each.getsockname()[1]
        return port
