"""Program and an entry point -> everything that one invocation does to cells and files, in program order."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from statelift.facts.values import Access, Call, FileEffect, Guard
from statelift.link.names import FunctionKey
from statelift.link.program import Program

DEPTH = 10
LIMIT = 3_000  # steps; a longer trace is cut, and says so
CALLS = 30_000  # calls that are followed, also where they lead to no step

Files = Mapping[str, Sequence[FileEffect]]  # effects by the file that the code stands in
Condition = tuple[tuple[int, ...], str, int, bool]  # the calls that lead to a function, and a guard in it
_Conditions = frozenset[Condition]


@dataclass(frozen=True, slots=True)
class Frame:
    """A call that a function runs for, in the file `path`, and the call around it. `id` tells it from others.

    `chain` are the places of this call and those around it, outermost first.
    """

    path: str
    call: Call
    callee: FunctionKey
    id: str
    outer: "Frame | None"
    chain: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One effect within an invocation, with the conditions of the whole call chain, and its innermost call."""

    path: str
    item: Access | FileEffect
    conditions: _Conditions
    index: int
    frame: Frame | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The steps of one entry point. `is_cut` says that calls were too deep or too many to follow.

    `guards` are what the conditions of its steps ask, each with the file that it stands in; `functions` all that
    were followed.
    """

    entry: FunctionKey
    steps: tuple[Step, ...]
    is_cut: bool
    guards: Mapping[Condition, tuple[str, Guard]]
    functions: frozenset[FunctionKey]


def traces_of(program: Program, files: Files, starts: Iterable[FunctionKey] = ()) -> Iterator[Trace]:
    """Follow the calls from each entry point, or from these functions."""
    touching = _touching(program, files)
    items: dict[FunctionKey, list[_Item]] = {}
    for entry in starts or program.entries:
        tracer = _Tracer(program, files, touching, items)
        steps: list[Step] = []
        first, *inner = (*program.wrappers.get(entry, ()), entry)
        for found in tracer.follow(_Run(first, (), frozenset(), (first,), None, tuple(inner))):
            if len(steps) == LIMIT:
                tracer.is_cut = True
                break
            steps.append(replace(found, index=len(steps)))
        yield Trace(entry, tuple(steps), tracer.is_cut, tracer.guards, frozenset(tracer.functions))


def _touching(program: Program, files: Files) -> set[FunctionKey]:
    """The functions that touch a cell or file, themselves or through what they call: others are not followed."""
    callers: dict[FunctionKey, list[FunctionKey]] = defaultdict(list)
    for caller, calls in (*program.calls.items(), *program.implicit_calls.items()):
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


def seen_after(step: Step, other: Step, program: Program) -> Step:
    """A step as it looks where another one happens: what holds wherever a function comes back to its caller is
    no condition any more, once it has come back."""
    inside = () if other.frame is None else other.frame.chain
    conditions, frame = step.conditions, step.frame
    while frame is not None and frame.chain != inside[: len(frame.chain)]:
        always = program.functions[frame.callee].always
        conditions -= {(frame.chain, *each) for each in always}
        frame = frame.outer
    return replace(step, conditions=conditions)


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


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a function: the calls that led to it, and the conditions that they were made under.

    `inner` are the functions that it wraps, outermost first.
    """

    key: FunctionKey
    chain: tuple[int, ...]
    conditions: _Conditions
    active: tuple[FunctionKey, ...]
    frame: Frame | None
    inner: tuple[FunctionKey, ...] = ()


class _Tracer:
    def __init__(
        self, program: Program, files: Files, touching: set[FunctionKey], items: dict[FunctionKey, list[_Item]]
    ) -> None:
        self.program = program
        self.files = files
        self.is_cut = False
        self.guards: dict[Condition, tuple[str, Guard]] = {}
        self.functions: set[FunctionKey] = set()
        self._touching = touching
        self._known = items
        self._calls = 0

    def follow(self, run: "_Run") -> Iterator[Step]:
        """The steps of one run of a function, and of what it calls, not numbered yet."""
        self.functions.add(run.key)
        for item, callee in self._items(run.key):
            own: dict[Condition, tuple[str, Guard]] = {
                (run.chain, guard.kind, guard.at, guard.holds): (run.key[0], guard) for guard in item.guards
            }
            self.guards |= own
            conditions = run.conditions.union(own)
            if not isinstance(item, Call):
                yield Step(run.key[0], item, conditions, 0, run.frame)
                continue
            chain = run.inner if callee is None else (*self.program.wrappers.get(callee, ()), callee)
            if not self._touching.isdisjoint(chain):
                yield from self._follow_call(run, item, chain, conditions)

    def _follow_call(
        self, run: "_Run", call: Call, called: tuple[FunctionKey, ...], conditions: _Conditions
    ) -> Iterator[Step]:
        callee, *inner = called
        self._calls += 1
        if callee in run.active or len(run.chain) == DEPTH or self._calls > CALLS:
            self.is_cut = True
            return
        chain = (*run.chain, call.order)
        frame = Frame(run.key[0], call, callee, ".".join(map(str, chain)), run.frame, chain)
        yield from self.follow(_Run(callee, chain, conditions, (*run.active, callee), frame, tuple(inner)))

    def _items(self, key: FunctionKey) -> list[_Item]:
        """The calls and effects of a function in program order."""
        if key not in self._known:
            items: list[_Item] = [*self.program.calls.get(key, ()), *self.program.implicit_calls.get(key, ())]
            items += [(call, None) for call in self.program.wrapped_calls.get(key, ())]
            items += [(access, None) for access in self.program.accesses_in.get(key, ())]
            items += [(effect, None) for effect in self.files[key[0]] if effect.function == key[1]]
            self._known[key] = sorted(items, key=lambda each: each[0].order)
        return self._known[key]
