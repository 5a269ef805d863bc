"""The fork server: imports boto3 once, then makes each container by forking. It runs no code of the program."""

from __future__ import annotations

import compileall
import contextlib
import gc
import os
import signal
import socket
import sys
from typing import Any

from . import aws, container, isolate
from .wire import Wire

_MOST_FILES = 500  # more are compiled by each container that imports them


def main(number: int, wants_namespaces: bool) -> None:
    """Serve the driver at the other end of descriptor `number` until it hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.dont_write_bytecode = True
    wire = Wire(socket.socket(fileno=number))
    has_namespaces = wants_namespaces and isolate.enter()
    version = aws.warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    wire.send({"boto3": version, "has_namespaces": has_namespaces})
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            _serve(wire, has_namespaces)


def _serve(wire: Wire, has_namespaces: bool) -> None:
    message, _, fds = wire.receive()
    operation = message["op"]
    if operation == "spawn":
        _spawn(wire, {**message, "has_namespaces": has_namespaces}, fds)
    elif operation == "kill":
        for pid in message["pids"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    elif operation == "compile":
        _compile(message["root"])
        wire.send({})
    elif operation == "packets":
        wire.send({"count": isolate.outside_packets() if has_namespaces else 0})


def _spawn(wire: Wire, spec: dict[str, Any], fds: list[int]) -> None:
    pid = os.fork()
    if pid:
        for fd in fds:
            os.close(fd)
        return
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        wire.close()
        control, calls = (Wire(socket.socket(fileno=fd)) for fd in fds)
        container.run(control, calls, spec)
        status = 0
    finally:
        os._exit(status)


def _compile(root: str) -> None:
    """Write the bytecode that containers would have to make on every import. Compiling runs nothing."""
    count = sum(name.endswith(".py") for _, _, names in os.walk(root) for name in names)
    if count <= _MOST_FILES:
        compileall.compile_dir(root, quiet=2)
