"""One container: imports the program, answers events until it is killed.

Every function of the program is a stranger's: whatever it raises is an answer, never an error of ours.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import io
import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from typing import Any

from . import aws, context, isolate, tmpshim
from .clock import Clock
from .lines import Lines
from .marshal import MarshalError, marshal_reply
from .network import Network
from .streams import Streams
from .wire import Wire

_MAX_OUTPUT = 1 << 20


class LoadError(Exception):
    """The program's module or function cannot be had. Carries Lambda's name for it and the message."""

    def __init__(self, error: str, message: str, trace: str = "") -> None:
        super().__init__(error, message, trace)
        self.error, self.message, self.trace = error, message, trace


class Output:
    """What the program writes to descriptors 1 and 2, whichever way it writes."""

    def __init__(self) -> None:
        self.attach()

    def attach(self) -> None:
        """Point both descriptors to new, empty files."""
        for number, name in ((1, "stdout"), (2, "stderr")):
            source = _nameless_file()
            os.dup2(source, number)
            os.close(source)
            raw = io.FileIO(number, "w", closefd=False)
            setattr(sys, name, io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True))

    def take(self) -> tuple[str, str]:
        """The text since the last call."""
        sys.stdout.flush()
        sys.stderr.flush()
        return self._taken(1), self._taken(2)

    def _taken(self, number: int) -> str:
        size = os.lseek(number, 0, os.SEEK_END)
        data = os.pread(number, min(size, _MAX_OUTPUT), 0)
        os.ftruncate(number, 0)
        os.lseek(number, 0, os.SEEK_SET)
        return data.decode("utf-8", "replace")


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("output")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Container:
    """The program in this process, and what it may ask of the world."""

    def __init__(self, has_namespaces: bool) -> None:
        self.has_namespaces = has_namespaces
        self.output = Output()
        self.clock, self.streams, self.network = Clock(), Streams(), Network()
        self.failures: dict[str, LoadError] = {}
        self.copies: list[int] = []
        self.notes: list[str] = []

    def settle(self) -> None:
        """Make the process a container as far as no program decides it: its limits, its time, its chance."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if self.has_namespaces:
            isolate.own_mounts()
        else:
            isolate.die_with_parent()
        gc.enable()
        isolate.limit_resources()
        sys.argv = ["bootstrap"]
        context.start_logging()
        self.streams.install()
        self.clock.install()

    def adopt(self, wire: Wire, calls: Wire, spec: dict[str, Any]) -> None:
        """Take a program on: its wires, its files, its environment."""
        self.wire, self.calls = wire, calls
        self.root: str = spec["root"]
        self.tmp: str = spec["tmp"]
        self.lines = Lines(self.root)
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        os.environ.clear()
        os.environ.update({**kept, **context.lambda_environment(self.root), **spec["environment"]})
        if self.has_namespaces:
            isolate.show_tmp(self.tmp)
        else:
            tmpshim.install(self.tmp)
        os.chdir(self.root)
        aws.connect(self.calls, lambda: self.clock.now_ns)
        sys.path.insert(0, self.root)
        self.clock.watch(self.root)
        self._begin("import", spec["at"])
        self.network.install(spec["canned"])
        if spec["has_coverage"]:
            self.lines.start()

    def serve(self) -> None:
        """Answer until the driver hangs up."""
        while True:
            try:
                message, _, fds = self.wire.receive()
            except EOFError:
                return
            operation = message["op"]
            if operation == "fork":
                self._fork(message, fds)
            else:
                answer = self._load(message) if operation == "load" else self._invoke(message)
                self.wire.send(answer)
                if answer.get("is_over"):
                    return

    def _load(self, message: dict[str, Any]) -> dict[str, Any]:
        self._begin("import", message["at"])
        for module in message["modules"]:
            try:
                self._module(module)
            except LoadError:
                break  # every event of that module will say so
            except _ExitError as stop:
                return {"is_over": True, **_ended(stop)}
        return {"loaded": True}

    def _invoke(self, message: dict[str, Any]) -> dict[str, Any]:
        self._begin(str(message["seed"]), message["at"])
        try:
            told = self._called(message)
        except _ExitError as stop:
            told = {"is_over": True, **_ended(stop)}
        stdout, stderr = self.output.take()
        notes, self.notes = self.notes, []
        told.update(stdout=stdout, stderr=stderr, lines=self.lines.take(), outside=self.network.take(), notes=notes)
        return told

    def _called(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            function = self._function(message["call"])
        except LoadError as error:
            return _told("load-error", error=error.error, message=error.message, trace=error.trace)
        payload = json.loads(message["payload"])
        given = [payload, context.begin_event(message["request_id"])] if message["style"] == "lambda" else payload
        if inspect.iscoroutinefunction(function):
            self.notes.append(f"{message['call']} is async: Lambda does not await it.")
        try:
            return _told("reply", payload=marshal_reply(function(*given)))
        except MarshalError as error:
            return _told("exception", error="Runtime.MarshalError", message=str(error))
        except Exception as error:  # noqa: BLE001 - what a program raises is its answer
            return _told("exception", error=type(error).__name__, message=_text(error), trace=_trace(error))
        except BaseException as error:  # noqa: BLE001 - sys.exit and its like end the process, on Lambda as here
            raise _ExitError(error) from None

    def _function(self, call: str) -> Any:
        module_name, _, attribute = call.partition(":")
        found: Any = self._module(module_name)
        for name in attribute.split("."):
            if not hasattr(found, name):
                text = f"Handler '{attribute}' missing on module '{module_name}'"
                raise LoadError("Runtime.HandlerNotFound", text)
            found = getattr(found, name)
        return found

    def _module(self, name: str) -> Any:
        if name in self.failures:
            raise self.failures[name]
        try:
            return importlib.import_module(name.replace("/", "."))
        except ImportError as error:
            failure = LoadError(
                "Runtime.ImportModuleError", f"Unable to import module '{name}': {error}", _trace(error)
            )
        except SyntaxError as error:
            failure = LoadError("Runtime.UserCodeSyntaxError", f"Syntax error in module '{name}': {error}")
        except Exception as error:  # noqa: BLE001 - what a program raises is its answer
            failure = LoadError(type(error).__name__, _text(error), _trace(error))
        except BaseException as error:  # noqa: BLE001 - sys.exit and its like end the process, on Lambda as here
            raise _ExitError(error) from None
        self.failures[name] = failure
        raise failure

    def _begin(self, seed: str, at: float) -> None:
        self.clock.move_to(at)
        self.streams.begin(seed)

    def _fork(self, message: dict[str, Any], fds: list[int]) -> None:
        """A copy of this process serves the other two sockets."""
        self.copies = [copy for copy in self.copies if os.waitpid(copy, os.WNOHANG)[0] == 0]
        child = os.fork()
        if child:
            self.copies.append(child)
            for fd in fds:
                os.close(fd)
            return
        self.copies = []
        self.wire.close()
        self.calls.close()
        self.wire, self.calls = (Wire(socket.socket(fileno=fd)) for fd in fds)
        self.output.attach()
        aws.connect(self.calls, lambda: self.clock.now_ns)
        if self.has_namespaces:
            isolate.exchange_tmp(message["tmp"])
        else:
            tmpshim.install(message["tmp"])
            isolate.reopen(isolate.opened_below(self.tmp), self.tmp, message["tmp"])
        self.tmp = message["tmp"]
        self.wire.send({"pid": os.getpid()})


class _ExitError(Exception):
    """The program ended its own process."""


def run(orders: Wire, has_namespaces: bool) -> None:
    """Be a container: a spare until orders come, then one for a program until the driver hangs up.

    Never returns to the server's loop: the caller exits.
    """
    container = Container(has_namespaces)
    container.settle()
    try:
        spec, _, fds = orders.receive()
    except EOFError:
        return
    orders.close()
    control, calls = (Wire(socket.socket(fileno=fd)) for fd in fds)
    container.adopt(control, calls, spec)
    control.send({"pid": os.getpid()})
    container.serve()


def _told(kind: str, payload: str = "", error: str = "", message: str = "", trace: str = "") -> dict[str, Any]:
    return {"kind": kind, "payload": payload, "error": error, "message": message, "trace": trace}


def _ended(stop: _ExitError) -> dict[str, Any]:
    cause = stop.args[0]
    status = cause.code if isinstance(cause, SystemExit) else type(cause).__name__
    return _told("exception", error="Runtime.ExitError", message=f"Runtime exited with error: exit status {status}")


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - even its text is the program's code
        return "<the exception has no text>"


def _trace(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_HERE)]
    return "".join(traceback.format_list(frames))


_HERE = os.path.dirname(__file__)
