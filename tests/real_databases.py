"""MariaDB and Redis for a with block: servers of their own on loopback, with data that are thrown away.

The programs come from the Debian packages `mariadb-server` and `redis-server`, which `make servers` installs, or
from $PATH.
"""

import contextlib
import importlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from databases import SYSTEM
from real_servers import missing

PASSWORD = "throw-away"
SECONDS = 30


def driver(name):
    """The module of a driver; skips or fails where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if name == "MySQLdb":  # the one that comes as source
            pytest.skip("mysqlclient could not be compiled: `make servers` tells why")
        return missing(name)


@contextlib.contextmanager
def mariadb():
    """Host, port, user and password of a running MariaDB."""
    server = _program("mariadbd", "mariadb-server")
    install = _program("mariadb-install-db", "mariadb-server")
    with _folder("mariadb-") as folder:
        data, port = folder / "data", _free_port()
        base = Path(install).parents[1]
        plain = [f"--datadir={data}", f"--basedir={base}", "--auth-root-authentication-method=normal"]
        done = subprocess.run([install, "--no-defaults", *plain, *_owner()], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        first = folder / "first.sql"
        first.write_text(f"CREATE USER app@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO app@'%';\n")
        settings = [
            f"--datadir={data}", f"--basedir={base}", f"--port={port}", "--bind-address=127.0.0.1",
            f"--socket={folder}/socket", f"--init-file={first}", "--innodb-flush-log-at-trx-commit=0",
            "--skip-name-resolve", f"--pid-file={folder}/pid",
        ]  # fmt: skip
        with _running([server, "--no-defaults", *settings, *_owner()], folder, port):
            yield {"host": "127.0.0.1", "port": port, "user": "app", "password": PASSWORD}


@contextlib.contextmanager
def redis_server():
    """Host and port of a running Redis."""
    program, port = _program("redis-server", "redis-server"), _free_port()
    with _folder("redis-") as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        with _running(command, folder, port):
            yield {"host": "127.0.0.1", "port": port}


@contextlib.contextmanager
def _running(command, folder, port):
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        until = time.monotonic() + SECONDS
        while not _answers(port):
            assert process.poll() is None, (folder / "log").read_text(errors="replace")
            assert time.monotonic() < until, f"{command[0]} does not answer"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port):
    with socket.socket() as each:
        each.settimeout(0.2)
        return each.connect_ex(("127.0.0.1", port)) == 0


def _owner():
    """The programs want to be told that they may run as root."""
    return ["--user=root"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def _folder(prefix):
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(name, package):
    path = f"{os.environ.get('PATH', '')}:{SYSTEM}"
    return shutil.which(name, path=path) or missing(f"{name} (the Debian package {package})")


def _free_port():
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]
