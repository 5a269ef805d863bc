"""One container as the driver sees it: a process behind two wires, a folder that it takes for /tmp."""

import base64
import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statelift.verify.machine.calls import Call, call_from
from statelift.verify.machine.inside.wire import Wire, pair
from statelift.verify.machine.sandbox import Process
from statelift.verify.values import Canned, Effect, Event


@dataclass(frozen=True, slots=True)
class Spec:
    """What a container is started with: enough to start another one like it."""

    server: Process
    root: Path
    environment: Mapping[str, str]
    canned: tuple[Canned, ...]
    has_coverage: bool
    modules: tuple[str, ...]
    hash_seed: int


@dataclass(eq=False, slots=True)
class Container:
    """One execution environment: a process, a /tmp. Made by `World.start_container`."""

    name: str
    spec: Spec
    tmp: Path
    control: Wire
    calls: Wire
    pid: int = 0
    is_alive: bool = True
    is_fresh: bool = True
    owns_tmp: bool = True
    start_ms: float = 0.0
    early: list[Effect] = field(default_factory=list)
    """What the import called, until the first event takes it over."""

    def send_event(self, event: Event) -> None:
        """Begin an invocation."""
        message = {
            "op": "invoke",
            "call": event.call,
            "payload": event.payload,
            "seed": event.seed,
            "at": event.at,
            "style": event.style,
            "request_id": event.request_id,
        }
        with contextlib.suppress(OSError):  # a dead process is noticed where its answer is awaited
            self.control.send(message)

    def receive_call(self) -> Call:
        """The call to AWS that it waits with. EOFError if it died."""
        message, body, _ = self.calls.receive()
        return call_from(message, body)

    def copied(self, tmp: Path, *, owns_tmp: bool) -> "Container":
        """A fork of it, with the same memory and the /tmp that is given. EOFError if it died."""
        wires = [pair(), pair()]
        self.control.send({"op": "fork", "tmp": str(tmp)}, fds=[end.fileno() for _, end in wires])
        for _, end in wires:
            end.close()
        control, calls = (wire for wire, _ in wires)
        copy = Container(self.name, self.spec, tmp, control, calls, is_fresh=self.is_fresh, owns_tmp=owns_tmp)
        copy.early = list(self.early)
        greeting, _, _ = control.receive()
        copy.pid = greeting["pid"]
        return copy

    def kill(self) -> None:
        """End the process, keep its /tmp."""
        if self.is_alive:
            self.is_alive = False
            with contextlib.suppress(OSError):  # a sandbox that is closed has killed it
                self.spec.server.wire.send({"op": "kill", "pids": [self.pid]})
            self.control.close()
            self.calls.close()

    def recycle(self) -> None:
        """Kill it and forget its /tmp."""
        self.kill()
        if self.owns_tmp:
            shutil.rmtree(self.tmp, ignore_errors=True)


def spawn(name: str, spec: Spec, tmp: Path, at: float, *, owns_tmp: bool) -> Container:
    """Start a container and let it begin its imports; the answer to those is not awaited. EOFError if it died."""
    wires = [pair(), pair()]
    spec.server.wire.send(_start_message(spec, tmp, at), fds=[end.fileno() for _, end in wires])
    for _, end in wires:
        end.close()
    control, calls = (wire for wire, _ in wires)
    container = Container(name, spec, tmp, control, calls, owns_tmp=owns_tmp)
    control.send({"op": "load", "modules": list(spec.modules), "at": at})
    greeting, _, _ = control.receive()
    container.pid = greeting["pid"]
    return container


def _start_message(spec: Spec, tmp: Path, at: float) -> dict[str, Any]:
    canned = [
        {
            "url": answer.url,
            "method": answer.method,
            "status": answer.status,
            "headers": answer.headers,
            "body": base64.b64encode(answer.body).decode(),
            "echoes": answer.echoes,
        }
        for answer in spec.canned
    ]
    return {
        "op": "spawn",
        "root": str(spec.root),
        "tmp": str(tmp),
        "environment": dict(spec.environment),
        "canned": canned,
        "has_coverage": spec.has_coverage,
        "at": at,
    }
