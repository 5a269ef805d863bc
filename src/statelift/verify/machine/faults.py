"""A call and a seed -> the mishap that it meets, and what AWS says then."""

import json
import random
from dataclasses import dataclass

from statelift.verify.machine.calls import Call, is_weak_read, target_of
from statelift.verify.machine.simulator import Answer
from statelift.verify.values import FaultKind, Faults

_LASTING = frozenset({"stale", "lost"})  # mishaps that no second try cures
_MOST_IN_A_ROW = 2  # the SDK tries at least three times: refusals alone never reach the program


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a call stands: number of the event in its world, number of the call in its event."""

    event: int
    call: int
    in_a_row: int
    was_killed: bool
    has_old_states: bool


def choose_fault(faults: Faults, seed: int, moment: Moment, call: Call) -> FaultKind | None:
    """The mishap of this call: as planned, else drawn. Equal arguments give equal answers."""
    is_spared = bool(faults.spared) and not set(faults.spared).isdisjoint(target_of(call).split(","))
    for planned in faults.plan:
        if (planned.event, planned.call) == (moment.event, moment.call):
            return planned.kind if _is_possible(planned.kind, moment, call, is_spared=is_spared) else None
    draw = random.Random(f"{seed}:fault:{moment.event}:{moment.call}").random()  # noqa: S311 - it has to repeat itself
    for kind, share in _shares(faults):
        if not _is_possible(kind, moment, call, is_spared=is_spared):
            continue
        if draw < share:
            return kind
        draw -= share
    return None


def _shares(faults: Faults) -> tuple[tuple[FaultKind, float], ...]:
    return (
        ("stale", faults.stale),
        ("throttled", faults.throttled),
        ("error", faults.error),
        ("lost", faults.lost),
        ("kill", faults.kill),
    )


def _is_possible(kind: FaultKind, moment: Moment, call: Call, *, is_spared: bool) -> bool:
    if is_spared and kind in _LASTING:
        return False
    match kind:
        case "stale":
            return moment.has_old_states and is_weak_read(call)
        case "kill":
            return not moment.was_killed
        case "lost":
            return not call.is_read and moment.in_a_row < _MOST_IN_A_ROW
        case _:
            return moment.in_a_row < _MOST_IN_A_ROW


def refusal(kind: FaultKind, call: Call) -> Answer:
    """The answer of a service that did nothing: too many requests, or an error of its own."""
    is_throttled = kind == "throttled"
    if call.service == "s3":
        code, status = ("SlowDown", 503) if is_throttled else ("InternalError", 500)
        body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
        return Answer(status, (("Content-Type", "application/xml"),), body.encode())
    if call.service == "dynamodb":
        name = "ProvisionedThroughputExceededException" if is_throttled else "InternalServerError"
        return _json("com.amazonaws.dynamodb.v20120810#" + name, 400 if is_throttled else 500)
    if any(name.lower() == "x-amz-target" for name, _ in call.headers):
        return _json("ThrottlingException" if is_throttled else "InternalFailure", 400 if is_throttled else 500)
    code, status = ("Throttling", 400) if is_throttled else ("InternalFailure", 500)
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>injected</Message></Error></ErrorResponse>"
    return Answer(status, (("Content-Type", "text/xml"),), body.encode())


def _json(name: str, status: int) -> Answer:
    body = json.dumps({"__type": name, "message": "injected"}).encode()
    return Answer(status, (("Content-Type", "application/x-amz-json-1.0"),), body)
