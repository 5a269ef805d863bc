"""Calls -> answers of one simulated AWS, and of the older states that a lagging replica would show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from statelift.verify.machine.calls import Call
from statelift.verify.machine.inside.wire import Wire, pair
from statelift.verify.values import Bucket, Resource, Table, Thing

_MOST_OLD = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What AWS says. `unsupported` is the reason why the simulator has no answer, else ""."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    unsupported: str = ""


class _Process:
    """One process that plays AWS, and how many worlds look at it."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.users = 1

    def copied(self) -> _Process:
        wire, end = pair()
        self.wire.send({"op": "fork"}, fds=[end.fileno()])
        end.close()
        return _Process(wire)

    def release(self) -> None:
        """Forget it; the process ends when nobody is left."""
        self.users -= 1
        if not self.users:
            self.wire.close()


class Simulator:
    """The AWS of one world. Copies share a process until one of them writes."""

    def __init__(self, wire: Wire) -> None:
        self._now = _Process(wire)
        self._old: list[_Process] = []
        self._number = 0
        self._is_closed = False

    def create(self, resources: Sequence[Resource]) -> None:
        """Make the tables, buckets and things that are there before the first event."""
        if resources:
            self._own()
            self._now.wire.ask({"op": "create", "resources": [_described(resource) for resource in resources]})

    def answer(self, call: Call) -> Answer:
        """Serve a call."""
        self._number += 1
        if not call.is_read:
            self._own()
        return self._asked(self._now, call)

    def remember(self) -> None:
        """Keep the state of this moment for `answer_late`. Called before a write."""
        self._old.append(self._now.copied())
        if len(self._old) > _MOST_OLD:
            self._old.pop(0).release()

    def age(self) -> int:
        """How many older states are kept."""
        return len(self._old)

    def answer_late(self, call: Call, age: int) -> Answer:
        """Serve a read from the state before the last write but `age`."""
        self._number += 1
        return self._asked(self._old[-1 - age], call)

    def state(self) -> dict[str, dict[str, str]]:
        """What tables and buckets hold."""
        answer, _ = self._now.wire.ask({"op": "state"})
        found: dict[str, dict[str, str]] = answer["state"]
        return found

    def copied(self) -> Simulator:
        """Another AWS that starts as this one stands."""
        copy = Simulator.__new__(Simulator)
        copy._now, copy._old, copy._number = self._now, list(self._old), self._number
        copy._is_closed = False
        for process in (self._now, *self._old):
            process.users += 1
        return copy

    def close(self) -> None:
        """End the processes that nobody else looks at. Closing twice is closing once: others still count."""
        for process in () if self._is_closed else (self._now, *self._old):
            process.release()
        self._old, self._is_closed = [], True

    def _own(self) -> None:
        if self._now.users > 1:
            mine = self._now.copied()
            self._now.release()
            self._now = mine

    def _asked(self, process: _Process, call: Call) -> Answer:
        message = {"op": "call", "number": self._number, **asdict(call)}
        del message["body"]
        answer, body = process.wire.ask(message, call.body)
        if reason := answer.get("unsupported"):
            return Answer(501, (), b"", reason)
        headers = tuple((name, value) for name, value in answer["headers"])
        return Answer(answer["status"], headers, body)


def _described(resource: Resource) -> dict[str, Any]:
    match resource:
        case Table():
            return {"kind": "table", **asdict(resource)}
        case Bucket():
            objects = [(key, data.decode("latin-1")) for key, data in resource.objects]
            return {"kind": "bucket", "name": resource.name, "objects": objects}
        case Thing():
            return asdict(resource)
