"""Program and an entry point -> everything that one invocation does to cells and files, in program order."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from statelift.facts.values import Access, Call, FileEffect, Guard
from statelift.link.program import FunctionKey, Program

DEPTH = 10
LIMIT = 3_000  # steps; a longer trace is cut, and says so
CALLS = 30_000  # calls that are followed, also where they lead to no step

Files = Mapping[str, Sequence[FileEffect]]  # effects by the file that the code stands in
Condition = tuple[tuple[int, ...], str, int, bool]  # the calls that lead to a function, and a guard in it
_Conditions = frozenset[Condition]


@dataclass(frozen=True, slots=True)
class Step:
    """One effect within an invocation, with the conditions of the whole call chain."""

    path: str
    item: Access | FileEffect
    conditions: _Conditions
    index: int


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps of one entry point. `is_cut` says that calls were too deep or too many to follow.

    `guards` are what the conditions of its steps ask, each with the file that it stands in.
    """

    entry: FunctionKey
    steps: tuple[Step, ...]
    is_cut: bool
    guards: Mapping[Condition, tuple[str, Guard]]


def traces_of(program: Program, files: Files) -> Iterator[Trace]:
    """Follow the calls from each entry point."""
    touching = _touching(program, files)
    items: dict[FunctionKey, list[_Item]] = {}
    for entry in program.entries:
        tracer = _Tracer(program, files, touching, items)
        steps: list[Step] = []
        for path, item, conditions in tracer.follow(entry, (), frozenset(), (entry,)):
            if len(steps) == LIMIT:
                tracer.is_cut = True
                break
            steps.append(Step(path, item, conditions, len(steps)))
        yield Trace(entry, tuple(steps), tracer.is_cut, tracer.guards)


def _touching(program: Program, files: Files) -> set[FunctionKey]:
    """The functions that touch a cell or file, themselves or through what they call: others are not followed."""
    callers: dict[FunctionKey, list[FunctionKey]] = defaultdict(list)
    for caller, calls in program.calls.items():
        for _, callee in calls:
            callers[callee].append(caller)
    found: set[FunctionKey] = set()
    stack = [
        *program.accesses_in,
        *((path, each.function) for path in files for each in files[path]),
    ]
    while stack:
        key = stack.pop()
        if key not in found:
            found.add(key)
            stack.extend(callers[key])
    return found


def dominates(write: Step, read: Step) -> bool:
    """Whether the write happens on every way to the read."""
    return write.index < read.index and write.conditions <= read.conditions


def excludes(one: Step, other: Step) -> bool:
    """Whether no invocation comes to both steps: they lie in different branches."""
    opposites = {(chain, kind, at, not holds) for chain, kind, at, holds in one.conditions}
    return bool(opposites & other.conditions)


def dominated(writes: list[Step], read: Step) -> bool:
    """Whether one of the writes happens on every way to the read: both branches of an `if` make one way."""
    ways = {write.conditions for write in writes if write.index < read.index}
    while joined := {way for one in ways for way in _without_branch(one, ways)} - ways:
        ways |= joined
    return any(way <= read.conditions for way in ways)


def _without_branch(one: _Conditions, ways: set[_Conditions]) -> Iterator[_Conditions]:
    for condition in one:
        chain, kind, at, holds = condition
        rest = one - {condition}
        if kind == "if" and rest | {(chain, kind, at, not holds)} in ways:
            yield rest


_Item = tuple[Access | FileEffect | Call, FunctionKey | None]


class _Tracer:
    def __init__(
        self, program: Program, files: Files, touching: set[FunctionKey], items: dict[FunctionKey, list[_Item]]
    ) -> None:
        self.program = program
        self.files = files
        self.is_cut = False
        self.guards: dict[Condition, tuple[str, Guard]] = {}
        self._touching = touching
        self._known = items
        self._calls = 0

    def follow(
        self, key: FunctionKey, chain: tuple[int, ...], outer: _Conditions, active: tuple[FunctionKey, ...]
    ) -> Iterator[tuple[str, Access | FileEffect, _Conditions]]:
        for item, callee in self._items(key):
            own: dict[Condition, tuple[str, Guard]] = {
                (chain, guard.kind, guard.at, guard.holds): (key[0], guard) for guard in item.guards
            }
            self.guards |= own
            inner = outer.union(own)
            if not isinstance(item, Call):
                yield key[0], item, inner
            elif callee in self._touching:
                yield from self._follow_call(item, callee, chain, inner, active)

    def _follow_call(
        self,
        call: Call,
        callee: FunctionKey,
        chain: tuple[int, ...],
        inner: _Conditions,
        active: tuple[FunctionKey, ...],
    ) -> Iterator[tuple[str, Access | FileEffect, _Conditions]]:
        self._calls += 1
        if callee in active or len(chain) == DEPTH or self._calls > CALLS:
            self.is_cut = True
        else:
            yield from self.follow(callee, (*chain, call.order), inner, (*active, callee))

    def _items(self, key: FunctionKey) -> list[_Item]:
        """The calls and effects of a function in program order."""
        if key not in self._known:
            items: list[_Item] = [*self.program.calls.get(key, ())]
            items += [(access, None) for access in self.program.accesses_in.get(key, ())]
            items += [(effect, None) for effect in self.files[key[0]] if effect.function == key[1]]
            self._known[key] = sorted(items, key=lambda each: each[0].order)
        return self._known[key]
