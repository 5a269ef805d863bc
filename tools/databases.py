"""Nothing -> PostgreSQL, MariaDB and Redis of Debian's packages, and the driver of MariaDB that has to be compiled.

For the tests, which start servers of their own on loopback. `make servers` runs it; what is there is left as it is.
Root on a Debian-like system gets something installed, anybody else the command to do so. No service is started.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from postgresql import PACKAGED

SYSTEM = "/usr/sbin:/usr/local/sbin"
# Program: the package that has it.
PROGRAMS = {
    "postgres": "postgresql",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "my_print_defaults": "mariadb-server",  # which that one needs
    "redis-server": "redis-server",
}
COMPILER = {"gcc", "libmariadb-dev", "pkg-config"}
HEADER = Path(sysconfig.get_path("include")) / "Python.h"
POLICY = Path("/usr/sbin/policy-rc.d")  # asked by the scripts of packages before they start a service


def main() -> int:
    """Installs what is missing; 0 unless a package manager that was asked has failed."""
    packages = missing_packages()
    if not packages:
        print("Databases for the tests: all there.")
        return 0
    if not _is_allowed():
        print(f"Some tests will be skipped. To run them: sudo apt-get install {' '.join(packages)}")
        return 0
    print(f"Installing {', '.join(packages)} for the tests; their services are not started.", flush=True)
    with _no_services():
        _apt("update")  # the lists may be old, or absent: whether that matters, install will tell
        done = _apt("install", "--yes", "--no-install-recommends", *packages)
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr)
    elif not _has_driver():
        _build_driver()
    return done.returncode


def missing_packages() -> list[str]:
    """The Debian packages of what is not there."""
    absent = {package for program, package in PROGRAMS.items() if not _is_there(program)}
    if not _has_driver():
        absent |= COMPILER if HEADER.exists() else {*COMPILER, "python3-dev"}
    return sorted(absent)


def _is_there(program: str) -> bool:
    path = f"{os.environ.get('PATH', '')}:{SYSTEM}"
    return shutil.which(program, path=path) is not None or any(PACKAGED.glob(f"*/bin/{program}"))


def _has_driver() -> bool:
    return importlib.util.find_spec("MySQLdb") is not None


def _is_allowed() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt(*words: str) -> subprocess.CompletedProcess[str]:
    silent = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return _run(["apt-get", "--quiet", *words], silent)


def _build_driver() -> None:
    """Tests of mysqlclient are skipped where it cannot be compiled: the reason is printed here."""
    print("Compiling mysqlclient.", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "mysqlclient>=2.2"]
    done = _run(command)
    if done.returncode != 0:
        print(f"mysqlclient cannot be compiled here:\n{done.stderr}", file=sys.stderr)


def _run(command: list[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    nothing = subprocess.DEVNULL
    return subprocess.run(command, env=environment, stdin=nothing, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """A policy of the system's own stays as it is."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":
    sys.exit(main())
