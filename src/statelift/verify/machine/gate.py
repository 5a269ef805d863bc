"""A batch of events -> Observations: lets one call to AWS pass at a time, in an order that the seed chooses."""

import random
import select
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from statelift.verify.machine.absent import absent_of
from statelift.verify.machine.calls import Call, canonical, is_weak_read, target_of
from statelift.verify.machine.containers import Container
from statelift.verify.machine.faults import Moment, choose_fault, refusal
from statelift.verify.machine.guard import Judged, denial, judged, judged_missing
from statelift.verify.machine.simulator import Answer, Simulator
from statelift.verify.values import (
    NOT_DEPLOYED,
    Deployed,
    Effect,
    Event,
    Fault,
    FaultKind,
    Faults,
    Observation,
    Outcome,
)

_MOST_CALLS = 2000  # of one event: a loop around a call would never end by the clock


@dataclass(slots=True)
class Run:
    """One event on its way through a container."""

    number: int
    event: Event
    container: Container
    effects: list[Effect] = field(default_factory=list)
    earlier: list[Observation] = field(default_factory=list)
    waiting: Call | None = None
    outcome: Outcome | None = None
    told: dict[str, Any] = field(default_factory=dict)
    call_count: int = 0
    in_a_row: int = 0
    last_call: int = -1
    deadline: float = 0.0


@dataclass(slots=True)
class Gate:
    """The only way from containers to the simulator of one world."""

    simulator: Simulator
    faults: Faults
    seed: int
    timeout: float
    replace: Callable[[Container, float], Container]
    """Start a container like the one given, for a second delivery at that time."""
    deployed: Deployed = NOT_DEPLOYED
    log: list[str] = field(default_factory=list)
    injected: list[Fault] = field(default_factory=list)
    call_count: int = 0
    has_weak_reads: bool = False

    def load(self, container: Container) -> None:
        """Let a new container finish its imports. It is dead afterwards if they ended the process."""
        run = Run(-1, Event("", ""), container)
        run.deadline = time.monotonic() + self.timeout
        while run.outcome is None:
            self._settle([run])
            if run.waiting is not None:
                self._pass(run, None)
        container.early = run.effects
        if run.outcome.kind != "reply":
            container.kill()

    def run(self, runs: Sequence[Run], order: random.Random) -> list[Observation]:
        """Bring all events to their end. Only one container works at a time: two may share a /tmp."""
        for run in runs:
            self._begin(run)
            self._settle([run])
        while True:
            self._settle(runs)
            waiting = [run for run in runs if run.waiting is not None]
            if not waiting:
                return [observed(run) for run in runs]
            chosen = order.choice(waiting)
            self._step(chosen)

    def _begin(self, run: Run) -> None:
        run.effects += run.container.early
        run.container.early = []
        run.deadline = time.monotonic() + self.timeout
        if run.container.is_alive:
            run.container.send_event(run.event)
        else:
            run.outcome = Outcome("killed", error="Container", message="The container had ended before the event.")

    def _settle(self, runs: Sequence[Run]) -> None:
        """Wait until every container waits with a call or is done."""
        while busy := [run for run in runs if run.outcome is None and run.waiting is None]:
            wires = {wire.fileno(): run for run in busy for wire in (run.container.control, run.container.calls)}
            ready = _ready(wires, min(run.deadline for run in busy) - time.monotonic())
            for run in {id(wires[fd]): wires[fd] for fd in ready}.values():
                self._receive(run, ready)
            now = time.monotonic()
            for run in busy:
                if run.outcome is None and run.waiting is None and run.deadline <= now:
                    self._time_out(run)

    def _receive(self, run: Run, ready: set[int]) -> None:
        container = run.container
        run.deadline = time.monotonic() + self.timeout
        try:
            if container.calls.fileno() in ready:
                run.waiting = container.receive_call()
            else:
                told, _, _ = container.control.receive()
                self._finish(run, told)
        except (EOFError, OSError):
            run.waiting = None
            container.kill()
            run.outcome = Outcome("killed", error="Container", message="The process ended by itself.")

    def _finish(self, run: Run, told: dict[str, Any]) -> None:
        run.told = told
        if told.get("loaded"):
            run.outcome = Outcome("reply")
            return
        run.outcome = Outcome(told["kind"], told["payload"], told["error"], told["message"])
        run.effects += [_outside(entry) for entry in told.get("outside", ())]
        if told.get("is_over"):
            run.container.kill()

    def _time_out(self, run: Run) -> None:
        run.container.kill()
        message = f"Task timed out after {self.timeout:.2f} seconds"
        run.outcome = Outcome("timeout", error="Sandbox.Timedout", message=message)

    def _step(self, run: Run) -> None:
        """Let the call of one container pass, with the mishap that it meets."""
        call = run.waiting
        if call is None:
            return
        if run.call_count >= _MOST_CALLS:
            run.waiting = None
            self._time_out(run)
            return
        moment = Moment(
            event=run.number,
            call=run.call_count,
            in_a_row=run.in_a_row,
            was_killed=bool(run.earlier),
            has_old_states=self.simulator.age() > 0,
        )
        fault = choose_fault(self.faults, self.seed, moment, call)
        if fault is not None:
            self.injected.append(Fault(fault, run.number, run.call_count))
        self._pass(run, fault)
        run.call_count += 1
        run.in_a_row = run.in_a_row + 1 if fault in ("throttled", "error", "lost") else 0
        if fault == "kill":
            self._deliver_again(run)

    def _pass(self, run: Run, fault: FaultKind | None) -> None:
        call = run.waiting
        if call is None:
            return
        run.waiting = None
        answer, found = self._guarded(run.event.call, call, fault)
        run.effects.append(_effect(call, answer, fault, found))
        run.last_call = self.call_count
        self.call_count += 1
        self.log.append(
            f"event {run.number} {run.container.name} {call.service}.{call.operation} {target_of(call)}"
            f" {fault or 'passes'} {answer.status}"
        )
        run.deadline = time.monotonic() + self.timeout
        if fault != "kill":
            self._reply(run, answer, is_lost=fault == "lost")

    def _guarded(self, handler: str, call: Call, fault: FaultKind | None) -> tuple[Answer, Judged]:
        """The answer, or the service's refusal where the handler's function may not make this call."""
        found = judged(call, handler, self.deployed)
        if found.missing:
            return denial(call, found), found
        answer = self._answered(call, fault)
        if answer.status != 404:
            return answer, found
        absent = judged_missing(call, handler, self.deployed)
        answer = denial(call, absent) if absent.missing else answer
        return answer, replace(absent, used=(*found.used, *absent.used))

    def _answered(self, call: Call, fault: FaultKind | None) -> Answer:
        if fault in ("throttled", "error"):
            return refusal(fault, call)
        if fault == "stale":
            return self.simulator.answer_late(call, call.now % self.simulator.age())
        self.has_weak_reads = self.has_weak_reads or is_weak_read(call)
        # An old state is worth its price only in a program that ever reads weakly.
        if self._wants_old_states and call.service == "dynamodb" and not call.is_read:
            self.simulator.remember()
        return self.simulator.answer(call)

    @property
    def _wants_old_states(self) -> bool:
        is_planned = any(fault.kind == "stale" for fault in self.faults.plan)
        return self.has_weak_reads and (is_planned or self.faults.stale > 0)

    def _reply(self, run: Run, answer: Answer, *, is_lost: bool) -> None:
        try:
            message = {"status": answer.status, "headers": answer.headers, "lost": is_lost}
            run.container.calls.send(message, answer.body)
        except OSError:
            return  # it died while it waited: its control wire will say so

    def _deliver_again(self, run: Run) -> None:
        run.container.kill()
        run.outcome = Outcome("killed", error="Container", message="Killed between two calls; delivered again.")
        run.earlier.append(observed(run))
        run.effects, run.outcome, run.told = [], None, {}
        run.container = self.replace(run.container, run.event.at)
        self.log.append(f"event {run.number} again in {run.container.name}")
        self._begin(run)


def _ready(descriptors: Iterable[int], seconds: float) -> set[int]:
    """Those that can be read, after waiting that long at most."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)}


def observed(run: Run) -> Observation:
    """What was seen of an event that has ended."""
    root = str(run.container.spec.root)
    told = run.told
    outcome = run.outcome or Outcome("killed")
    is_cold, run.container.is_fresh = run.container.is_fresh, False

    def masked(text: str) -> str:
        return text.replace(root, "/var/task")

    return Observation(
        event=run.event,
        container=run.container.name,
        outcome=Outcome(outcome.kind, masked(outcome.payload), outcome.error, masked(outcome.message)),
        stdout=masked(told.get("stdout", "")),
        stderr=masked(told.get("stderr", "")),
        trace=masked(told.get("trace", "")),
        effects=tuple(run.effects),
        lines=frozenset((path, line) for path, line in told.get("lines", ())),
        is_cold=is_cold,
        notes=tuple(told.get("notes", ())),
        earlier=tuple(run.earlier),
        last_call=run.last_call,
    )


def _effect(call: Call, answer: Answer, fault: FaultKind | None, found: Judged) -> Effect:
    return Effect(
        kind="unsupported" if answer.unsupported else "aws",
        service=call.service,
        operation=call.operation,
        target=target_of(call),
        request=canonical(call),
        status=answer.status,
        fault=fault,
        has_weak_read=is_weak_read(call),
        rights=found.used,
        missing=found.missing,
        absent=absent_of(call, answer) if fault is None and answer.status >= 400 else None,
    )


def _outside(entry: dict[str, Any]) -> Effect:
    kind: Literal["canned", "outside"] = "canned" if entry["kind"] == "canned" else "outside"
    return Effect(kind, "network", entry["operation"], entry["target"], status=entry["status"])
