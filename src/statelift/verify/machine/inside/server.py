"""The fork server: imports boto3 once, then makes each container by forking. It runs no code of the program.

One spare container is always forked ahead: while the driver works, it does what no program decides.
"""

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
from .wire import Wire, pair

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
    server = _Server(wire, has_namespaces)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            server.serve()


class _Server:
    """The wire to the driver, and the spare that becomes the next container."""

    def __init__(self, wire: Wire, has_namespaces: bool) -> None:
        self._wire, self._has_namespaces = wire, has_namespaces
        self._spare = self._forked()

    def serve(self) -> None:
        """Do what the next message says. EOFError where the driver has hung up."""
        message, _, fds = self._wire.receive()
        operation = message["op"]
        if operation == "spawn":
            self._spawn(message, fds)
        elif operation == "kill":
            for pid in message["pids"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        elif operation == "compile":
            _compile(message["root"])
            self._wire.send({})
        elif operation == "packets":
            self._wire.send({"count": isolate.outside_packets() if self._has_namespaces else 0})

    def _spawn(self, spec: dict[str, Any], fds: list[int]) -> None:
        with contextlib.suppress(OSError):  # a spare that died told why; the driver sees its wires close
            self._spare.send(spec, fds=fds)
        self._spare.close()
        for fd in fds:
            os.close(fd)
        self._spare = self._forked()

    def _forked(self) -> Wire:
        orders, end = pair()
        if os.fork():
            end.close()
            return orders
        status = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            self._wire.close()
            orders.close()
            container.run(Wire(end), self._has_namespaces)
            status = 0
        finally:
            os._exit(status)


def _compile(root: str) -> None:
    """Write the bytecode that containers would have to make on every import. Compiling runs nothing."""
    count = sum(name.endswith(".py") for _, _, names in os.walk(root) for name in names)
    if count <= _MOST_FILES:
        compileall.compile_dir(root, quiet=2)
