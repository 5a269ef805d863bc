"""Program and an entry point -> everything that one invocation does to cells and files, in program order."""

from collections.abc import Iterator
from dataclasses import dataclass

from statelift.facts.values import Access, Call, FileEffect, Guard
from statelift.link.program import FunctionKey, Program

DEPTH = 10
LIMIT = 3_000  # steps; a longer trace is cut, and says so

Condition = tuple[tuple[int, ...], Guard]  # the calls that lead to the function, and a guard in it


@dataclass(frozen=True, slots=True)
class Step:
    """One effect within an invocation, with the conditions of the whole call chain."""

    path: str
    item: Access | FileEffect
    conditions: frozenset[tuple[tuple[int, ...], str, int, bool]]
    index: int


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps of one entry point. `is_cut` says that calls were too deep or too many to follow."""

    entry: FunctionKey
    steps: tuple[Step, ...]
    is_cut: bool


def trace_of(program: Program, entry: FunctionKey) -> Trace:
    """Follow the calls from one entry point."""
    tracer = _Tracer(program)
    steps: list[Step] = []
    for path, item, conditions in tracer.follow(entry, (), frozenset(), (entry,)):
        if len(steps) == LIMIT:
            tracer.is_cut = True
            break
        steps.append(Step(path, item, conditions, len(steps)))
    return Trace(entry, tuple(steps), tracer.is_cut)


def dominates(write: Step, read: Step) -> bool:
    """Whether the write happens on every way to the read."""
    return write.index < read.index and write.conditions <= read.conditions


def dominated(writes: list[Step], read: Step) -> bool:
    """Whether one of the writes happens on every way to the read: both branches of an `if` make one way."""
    ways = {write.conditions for write in writes if write.index < read.index}
    while joined := {way for one in ways for way in _without_branch(one, ways)} - ways:
        ways |= joined
    return any(way <= read.conditions for way in ways)


def _without_branch(one: "_Conditions", ways: set["_Conditions"]) -> Iterator["_Conditions"]:
    for condition in one:
        chain, kind, at, holds = condition
        rest = one - {condition}
        if kind == "if" and rest | {(chain, kind, at, not holds)} in ways:
            yield rest


_Conditions = frozenset[tuple[tuple[int, ...], str, int, bool]]


class _Tracer:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.is_cut = False

    def follow(
        self, key: FunctionKey, chain: tuple[int, ...], outer: _Conditions, active: tuple[FunctionKey, ...]
    ) -> Iterator[tuple[str, Access | FileEffect, _Conditions]]:
        path, qualname = key
        for item, callee in self._items(path, qualname):
            inner = outer | {(chain, guard.kind, guard.at, guard.holds) for guard in item.guards}
            if not isinstance(item, Call):
                yield path, item, inner
            elif callee is not None and callee not in active and len(chain) < DEPTH:
                yield from self.follow(callee, (*chain, item.order), inner, (*active, callee))
            else:
                self.is_cut = True

    def _items(self, path: str, qualname: str) -> list[tuple[Access | FileEffect | Call, FunctionKey | None]]:
        effects = self.program.files[path]
        items: list[tuple[Access | FileEffect | Call, FunctionKey | None]] = [
            (call, callee) for call, callee in self.program.calls.get((path, qualname), ())
        ]
        items += [(access, None) for access in self.program.accesses_in.get((path, qualname), ())]
        items += [(effect, None) for effect in effects if effect.function == qualname]
        return sorted(items, key=lambda each: each[0].order)
