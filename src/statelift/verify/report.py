"""Results -> text for people, JSON for machines."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from statelift.report.terminal import escape
from statelift.verify.playing.driver import PERMISSION
from statelift.verify.verdicts import Counterexample, Part, Result, Shown, Verdict

_PLAIN = frozenset({Verdict.STATEFUL, Verdict.NO_STATE_SEEN})


def to_text(results: Sequence[Result], limits: Sequence[str]) -> str:
    """The report that people read; the program that repeats a difference stands at its end."""
    lines = [line for result in results for line in _lines(result)]
    lines += [f"Not isolated here: {limit}" for limit in limits]
    return "".join(f"{line}\n" for line in lines)


def _lines(result: Result) -> Iterator[str]:
    yield f"{escape(result.name)}: {result.verdict} ({_figures(result)})"
    yield f"  {escape(result.reason)}"
    for kind, parts in (("handler", result.handlers), ("change", result.changes)):
        for part in parts:
            yield _part(kind, part)
    for note in result.notes:
        yield f"  note: {escape(note)}"
    if result.counterexample is not None:
        yield from _example(result.counterexample, result.verdict)


def _figures(result: Result) -> str:
    events = f"{result.events} {'event' if result.events == 1 else 'events'}"
    if result.verdict in _PLAIN:
        return events
    return f"{events}, {result.covered} of {result.statements} changed statements ran"


def _part(kind: str, part: Part) -> str:
    reason = f": {escape(part.reason)}" if part.reason and part.verdict is not Verdict.EQUIVALENT else ""
    events = f"{part.events} {'event' if part.events == 1 else 'events'}"
    ran = f", {part.covered} of {part.statements} changed statements ran" if part.statements else ""
    return f"  {kind} {escape(part.name)} {part.verdict} ({events}{ran}){reason}"


def _example(example: Counterexample, verdict: Verdict) -> Iterator[str]:
    one, other = ("one container", "new ones") if verdict is Verdict.STATEFUL else ("original", "migrated")
    yield "  The smallest run that was found:"
    for number, event in enumerate(example.events, 1):
        together = ", at the same time as its neighbour" if event.is_concurrent else ""
        yield f"  {number}. {escape(event.call)} {escape(event.payload)} (container {event.container}{together})"
        yield f"       {one}: {escape(event.expected)}"
        yield f"       {other}: {escape(event.found)}"
    difference = example.divergence.difference
    if difference.aspect not in ("answer", PERMISSION):
        yield f"  They differ in {difference.aspect}:"
        yield f"       {one}: {escape(difference.expected)}"
        yield f"       {other}: {escape(difference.found)}"
    for fault in example.divergence.script.faults.plan:
        yield f"  On the way: {fault.kind} at call {fault.call} of event {fault.event + 1}"
    yield "  This program runs it again:"
    yield ""
    yield from (escape(line) for line in example.script.splitlines())


def to_json(results: Sequence[Result], limits: Sequence[str]) -> str:
    """The same as JSON."""
    shown = {"schema": 1, "limits": list(limits), "results": [_object(result) for result in results]}
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def _object(result: Result) -> dict[str, object]:
    return {
        "name": result.name,
        "verdict": str(result.verdict),
        "reason": result.reason,
        "events": result.events,
        "coverage": _coverage(result),
        "handlers": [_part_object(part) for part in result.handlers],
        "changes": [{**_part_object(part), "coverage": _coverage(part)} for part in result.changes],
        "notes": list(result.notes),
        "unused_rights": [asdict(right) for right in result.unused],
        "counterexample": None if result.counterexample is None else _example_object(result.counterexample),
    }


def _coverage(judged: Result | Part) -> dict[str, int]:
    return {"statements": judged.statements, "run": judged.covered}


def _part_object(part: Part) -> dict[str, object]:
    return {"name": part.name, "verdict": str(part.verdict), "reason": part.reason, "events": part.events}


def _example_object(example: Counterexample) -> dict[str, object]:
    difference = example.divergence.difference
    return {
        "aspect": difference.aspect,
        "expected": difference.expected,
        "found": difference.found,
        "events": [_event_object(event) for event in example.events],
        "faults": [asdict(fault) for fault in example.divergence.script.faults.plan],
        "script": example.script,
    }


def _event_object(event: Shown) -> dict[str, object]:
    return {
        "call": event.call,
        "payload": json.loads(event.payload),
        "at": event.at,
        "container": event.container,
        "expected": event.expected,
        "found": event.found,
        "concurrent": event.is_concurrent,
    }
