"""Uses of a dict -> whether it is a store between invocations, and how sure a rewrite of it is (rule 10)."""

import ast
import builtins
import re
from collections.abc import Callable, Collection, Container, Iterator
from dataclasses import replace

from statelift.catalogue import CONSTRUCTORS
from statelift.facts.cells import FIELDS
from statelift.facts.values import Access, Cell, Value
from statelift.judge.blocks import conflicts, is_edited, put_backs
from statelift.judge.checks import AT_ONCE, DECIDED, EARLY, asked_in, checked
from statelift.judge.evidence import Evidence
from statelift.judge.local_meaning import local_meaning
from statelift.judge.lookups import fetched, lookups
from statelift.judge.renewals import inner_reads, renewals
from statelift.judge.values import Judgement
from statelift.link.dangers import CHANGED
from statelift.link.names import CellKey, FunctionKey, Target
from statelift.link.trace import Step, excludes
from statelift.link.valuetypes import IMMUTABLE, STORABLE
from statelift.model import Span, Tier, Verdict

ELEMENTS = frozenset({"add", "discard", "remove"})  # of a set: an entry without a value
SAFE_OPERATIONS = ELEMENTS | {"put", "require", "get", "contains", "lacks", "delete", "pop", "setdefault"}
REVIEW_OPERATIONS = frozenset({"items", "len"})
READS = frozenset({"get", "require", "contains", "lacks"})
REMOVING = frozenset({"delete", "pop", "discard", "remove"})
WRITES = ELEMENTS | {"put", "delete", "pop", "setdefault"}
FILLING = frozenset({"put", "add", "setdefault", "nested", "augment_key", "method:update"})
GIVEN_BACK = frozenset({"returned", "copy returned"})
ADVICE = {
    "nested": "the stored value is changed in place: read it, change it and put it back in one step",
    "clear": "clearing the whole store is not one atomic operation on a table",
    "drain": "emptying the whole store is not one atomic operation on a table",
    "rebind": "replacing the whole store is not one atomic operation on a table",
    "augment_key": "adding to a stored value must be one atomic update",
    "escape": "the whole dict is passed on, so not every use of it can be seen",
    "iterate": "iterating needs a scan of the table",
    "values": "reading all values needs a scan of the table",
    "keys": "reading all keys needs a scan of the table",
}
EDITED = "changes the stored value: read first, then changed and written back; raises if another call came between"
GONE = "reads what a check found: another invocation may remove it in between, and that is a KeyError"
RENEWED = (
    "computes the new value from the stored one: in one step, and once more where another call wrote in between"
)
UNKNOWN = "the type of {} is not known; one that JSON cannot hold would raise"
MAKERS = frozenset("client resource connect cursor Lock RLock Thread open StringIO BytesIO".split())
EXCEPTIONS = frozenset(name for name, each in vars(builtins).items() if isinstance(each, type)
                       and issubclass(each, BaseException))  # fmt: skip
Uses = list[tuple[str, Access]]
Lowered = tuple[Tier, str]


def judge_store(evidence: Evidence, make: Callable[..., Judgement], uses: Uses) -> Judgement:
    """Verdict state, at the lowest tier of all uses."""
    judgement = make(
        "SL101", Verdict.STATE, "is read by later invocations, which may run in another container", (_why(uses),)
    )
    done, checks = operations(evidence, judgement, uses), checked(evidence, judgement.accesses)
    inner = inner_reads(renewals(judgement.accesses)) | asked_in(checks)
    races = [
        *_check_then_act(evidence, judgement, done, checks.keys()),
        *_read_then_written(evidence, judgement, done),
    ]
    results = _read_results(evidence, [(path, use) for path, use in uses if id(use) not in inner])
    for tier, reason in (*_obstacles(evidence, judgement, uses, done), *races, *results):
        judgement = judgement.lowered(tier, reason)
    return replace(judgement, is_racing=bool(races))


def operations(evidence: Evidence, judgement: Judgement, uses: Uses) -> Uses:
    """The uses that become operations of their own: the others are read or written as part of one."""
    inner = inner_reads(renewals(judgement.accesses)) | asked_in(checked(evidence, judgement.accesses))
    served = inner | put_backs(list(judgement.accesses))
    served |= fetched(lookups(evidence, judgement.accesses, served))
    return [(path, use) for path, use in uses if id(use) not in served]


def _why(uses: Uses) -> str:
    writes = sorted({use.place.line for _, use in uses if use.op in FILLING})
    reads = sorted({use.place.line for _, use in uses if use.op not in FILLING - {"setdefault"}})
    return f"rule 10: written in line {_lines(writes)}, read in line {_lines(reads)} without any other source"


def _lines(lines: list[int]) -> str:
    return ", ".join(map(str, lines)) or "-"


def _obstacles(evidence: Evidence, judgement: Judgement, uses: Uses, done: Uses) -> Iterator[Lowered]:
    yield from _definition(judgement)
    yield from _strangers(evidence, judgement)
    yield from _operations(evidence, list(judgement.accesses))
    yield from _unkeyed(evidence, uses)
    assert judgement.cell is not None
    yield from ((Tier.MANUAL, each) for each in conflicts(evidence, judgement.cell[0], list(judgement.accesses)))
    checks = checked(evidence, judgement.accesses)
    yield from _key_and_value(evidence, judgement.cell[0], done, renewals(judgement.accesses).keys())
    yield from _twice(evidence, done)
    decided = [use for _, use in done if id(use) in checks and checks[id(use)].form in AT_ONCE]
    yield from ((Tier.REVIEW, f"line {use.place.line} {DECIDED}") for use in decided)
    early = [use.place.line for use in decided if checks[id(use)].is_early]
    yield from ((Tier.REVIEW, f"line {line} {EARLY}") for line in early)


def _definition(judgement: Judgement) -> Iterator[Lowered]:
    assert judgement.cell is not None
    _, cell = judgement.cell
    is_nested = cell.home in ("instance", "closure", "function", "default")  # who makes these is asked apart
    if cell.definition_count > 1 or not (cell.is_top_level or is_nested):
        yield Tier.MANUAL, "it is defined in more than one place, or conditionally"
    if not cell.is_alone:
        yield Tier.MANUAL, f"line {cell.place.line} defines it together with others: give it a statement of its own"
    if not is_empty(cell):
        yield Tier.MANUAL, "it starts with entries: a table would have to be seeded with them"


def is_empty(cell: Cell) -> bool:
    """Whether it starts as a dict or set without entries: `{}`, or a field that is made so."""
    text = "" if cell.value is None else cell.value.text
    is_field = cell.callee in FIELDS and re.fullmatch(r"[\w.]+\(default_factory=(dict|set)\)", text) is not None
    return text in ("{}", "dict()", "set()") or is_field


def is_first_value(cell: Cell, path: str, use: Access) -> bool:
    """Whether a use is the statement that the cell starts with."""
    return use.op == "rebind" and (path, use.statement) == (cell.place.path, cell.statement)


def _strangers(evidence: Evidence, judgement: Judgement) -> Iterator[Lowered]:
    """The same attribute on an object that cannot be followed may be the same dict."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    if cell.home in ("closure", "default"):
        return  # a variable, which only its own functions see
    for name in evidence.program.overriding(key):
        yield Tier.MANUAL, f"the subclass {name} has an attribute of its own of that name"
    if evidence.program.stray_attributes(key):
        yield Tier.MANUAL, f".{key[1].rpartition('.')[2]} is also used on objects that cannot be followed"


def _operations(evidence: Evidence, uses: Uses) -> Iterator[Lowered]:
    """Every use counts, also in functions that no handler reaches: half a rewrite is a broken program."""
    at_import = evidence.sources.run_at_import
    for path, use in uses:
        where = f"line {use.place.line}"
        if not use.function:
            yield Tier.MANUAL, f"{where} uses it at import time"
        elif (path, use.function) in at_import:
            yield Tier.MANUAL, f"{where} uses it at import time, too: {use.function}() is called there"
        elif use.op in REVIEW_OPERATIONS:
            yield Tier.REVIEW, f"{where} reads the whole store: one scan per call, whose cost grows with the table"
        elif use.op == "nested" and use.is_editable and use.key is not None and use.key.is_pure:
            yield Tier.REVIEW, f"{where} {EDITED}"
        elif use.op not in SAFE_OPERATIONS or (use.op in ELEMENTS and use.key is None):
            advice = ADVICE.get(use.op, f"{use.op.partition(':')[2] or use.op} has no counterpart on a table yet")
            yield Tier.MANUAL, f"{where}: {advice}"
        elif any(guard.kind == "function" for guard in use.guards):
            yield Tier.REVIEW, f"{where} uses it inside a lambda"


def _unkeyed(evidence: Evidence, uses: Uses) -> Iterator[Lowered]:
    """Rule 10 speaks of what is keyed by requests."""
    keys = [evidence.sources.of(path, use.key) for path, use in uses if use.key is not None]
    if keys and all({source.kind for source in each} <= {"const", "env"} for each in keys):
        yield (
            Tier.MANUAL,
            "rule 10: no key comes from a request: it holds a few fixed entries, or grows for all alike",
        )


def _key_and_value(evidence: Evidence, store: CellKey, uses: Uses, renewed: Collection[int]) -> Iterator[Lowered]:
    for path, use in uses:
        line = use.place.line
        if use.key is not None:
            for reason in local_meaning(evidence, store, path, use.key):
                yield Tier.REVIEW, f"line {line}: the key {use.key.text}: {reason}"
        if use.op in SAFE_OPERATIONS and use.key is not None:
            kind = evidence.sources.types.of(path, use.key.type)
            if kind not in STORABLE:
                yield Tier.REVIEW, f"line {line}: the type of the key {use.key.text} is not known"
            if kind == "float":
                yield (
                    Tier.REVIEW,
                    f"line {line}: the key {use.key.text} is a float, and NaN cannot be a table's key",
                )
        given = use.value if use.op == "put" else use.default if use.op == "setdefault" else None
        if given is not None:
            yield from _value(evidence, path, use, given)
            yield from _computed(evidence, store, path, use, given, is_renewed=id(use) in renewed)
            for reason in local_meaning(evidence, store, path, given):
                yield Tier.REVIEW, f"line {line}: {given.text}: {reason}"


def live_value(evidence: Evidence, path: str, use: Access, given: Value) -> Iterator[str]:
    """Why no table can hold what a use is given: connections, functions, objects of the program's classes."""
    line = use.place.line
    for source in sorted(evidence.sources.of(path, given)):
        if source.detail in CONSTRUCTORS or source.detail.rpartition(".")[2] in MAKERS:
            yield f"line {line}: {given.text} is a live object ({source.detail}), which no table can hold"
    for atom in sorted(given.atoms):
        if atom.kind == "call" and atom.detail in EXCEPTIONS:
            yield f"line {line}: {given.text} is an exception, which no table can hold: keep its text"
    if _holds_code(given):
        yield f"line {line}: {given.text} holds a function or a generator, which no table can hold"
    for name in (*evidence.classes_made(path, given, use.function), *_annotated(evidence, path, given)):
        yield f"line {line}: {given.text} is an object of {name}, which no table can hold as it is"


def _annotated(evidence: Evidence, path: str, given: Value) -> Iterator[str]:
    """Classes of the program that a parameter is said to be of: a framework makes objects of them."""
    for atom in sorted(given.atoms):
        qualname, _, name = atom.detail.rpartition(":")
        function = (
            evidence.program.functions.get((path, qualname)) if atom.kind == "param" and not atom.path else None
        )
        for parameter, text in (
            () if function is None else zip(function.parameters, function.annotations, strict=False)
        ):
            for word in re.findall(r"[\w.]+", text) if parameter.name == name else ():
                target = evidence.program.resolve(path, word)
                if target is not None and target.kind == "class" and not _is_plain(evidence, target):
                    yield target.name


def _is_plain(evidence: Evidence, target: Target) -> bool:
    """Whether objects of a class are dicts by another name."""
    bases = evidence.program.classes[target.path, target.name].bases
    return any(base.rpartition(".")[2] == "TypedDict" for base in bases)


def _value(evidence: Evidence, path: str, use: Access, given: Value) -> Iterator[Lowered]:
    line = use.place.line
    yield from ((Tier.MANUAL, reason) for reason in live_value(evidence, path, use, given))
    kind = evidence.sources.types.of(path, given.type)
    if kind not in STORABLE:
        yield (
            Tier.REVIEW,
            f"line {line}: {UNKNOWN.format(given.text)}",
        )
    if kind not in IMMUTABLE:
        here = evidence.sources.dangers.stored_in(path, use.subject)
        known = {here, f"{use.subject}.get() may keep what it returns"}  # the store gives copies
        for danger in sorted(evidence.sources.dangers.of_held(path, use.function, given) - known):
            yield Tier.REVIEW, f"line {line}: {given.text} is stored as a copy, but {danger}"


def _computed(
    evidence: Evidence, store: CellKey, path: str, use: Access, given: Value, *, is_renewed: bool
) -> Iterator[Lowered]:
    """A value that depends on what is stored: on the entry that it replaces, or on others."""
    line, own = use.place.line, {store[1]} if is_renewed else set()
    if is_renewed:
        yield Tier.REVIEW, f"line {line} {RENEWED}"
    if {source.detail for source in evidence.sources.of(path, given) if source.kind == "cell"} - own:
        yield (
            Tier.REVIEW,
            f"line {line}: the new value depends on stored state; two invocations may do that at once",
        )


def _holds_code(given: Value) -> bool:
    found = ast.walk(ast.parse(given.text, mode="eval"))
    return any(isinstance(each, (ast.Lambda, ast.GeneratorExp)) for each in found)


def _twice(evidence: Evidence, uses: Uses) -> Iterator[Lowered]:
    """One object under two keys: a change by way of one was seen by way of the other."""
    seen: dict[tuple[str, str, str], Access] = {}
    for path, use in uses:
        given = use.value if use.op == "put" else None
        if given is None or not given.text.isidentifier():
            continue
        if evidence.sources.types.of(path, given.type) in IMMUTABLE:
            continue
        other = seen.setdefault((path, use.function, given.text), use)
        if other is not use and not _are_apart(other, use):
            yield (
                Tier.REVIEW,
                f"line {use.place.line}: {given.text} is also put in line {other.place.line}: one object under"
                " two keys becomes two",
            )


def _are_apart(one: Access, other: Access) -> bool:
    """Whether no call does both: they stand in different branches."""
    ways = {(guard.at, guard.holds) for guard in one.guards if guard.kind == "if"}
    return any((guard.at, not guard.holds) in ways for guard in other.guards if guard.kind == "if")


def _check_then_act(
    evidence: Evidence, judgement: Judgement, uses: Uses, at_once: Collection[int]
) -> Iterator[Lowered]:
    """Acts on what a test of the store found; not those that are one step with that test."""
    assert judgement.cell is not None
    is_emptied = any(use.op in REMOVING for _, use in uses)
    for path, use in uses:
        frames = [frame for way in evidence.ways.of(judgement.cell[0], path, use) for frame in way]
        own = use.check.at if use.check is not None and id(use) in at_once else None
        guards = [(f, guard) for f in frames for guard in f.guards if guard.at != own or f.function != use.function]
        tests = [t for f, guard in guards for t in guard.tests if t.subject == f.subject]
        if use.op in WRITES and tests:
            yield (
                Tier.REVIEW,
                (f"line {use.place.line} acts on a check of the store: another invocation may come in between"),
            )
        elif use.op == "require" and tests and is_emptied:
            yield Tier.REVIEW, f"line {use.place.line} {GONE}"


def is_torn(evidence: Evidence, judgement: Judgement) -> bool:
    """Whether a call looks at the store and then writes, and not in one step."""
    checks = checked(evidence, judgement.accesses)
    apart = [(path, use) for path, use in judgement.accesses if id(use) not in asked_in(checks)]
    found = (
        *_check_then_act(evidence, judgement, apart, checks.keys()),
        *_read_then_written(evidence, judgement, apart),
    )
    return bool(found)


def _read_then_written(evidence: Evidence, judgement: Judgement, uses: Uses) -> Iterator[Lowered]:
    for _, before, after in racing(evidence, judgement, uses):
        first = "reads" if _is_look(before) else "writes"
        then = "writes" if not _is_look(after) else "reads it again" if first == "reads" else "reads"
        what = f"line {_line(before)} {first} it and line {_line(after)} {then} it in the same event: "
        yield Tier.REVIEW, what.replace("again it", "again") + "another invocation may come in between"


def racing(evidence: Evidence, judgement: Judgement, uses: Uses) -> Iterator[tuple[FunctionKey, Step, Step]]:
    """Entry points with two operations that another call can part: single ones are atomic, two are not.

    A read and a later write, or anything and a later read: what it gives may be another invocation's by then. Two
    writes are not among them, as what is written tells nobody of the other.
    """
    checks = checked(evidence, judgement.accesses)
    deciding = {(path, use.name) for path, use in uses if id(use) in checks and checks[id(use)].form in AT_ONCE}
    mine = {(path, use.name) for path, use in uses}
    for trace in evidence.traces:
        items = [(step, step.item) for step in trace.steps]
        steps = [step for step, item in items if isinstance(item, Access) and (step.path, item.name) in mine]
        reads = [step for step in steps if _is_look(step) or _is_edit(step, deciding)]
        writes = [step for step in steps if _op(step) in WRITES or _is_edit(step, deciding)]
        for after in dict.fromkeys((*writes, *reads)):
            earlier = reads if after in writes else [*writes, *reads]
            before = next((e for e in earlier if e.index < after.index and not excludes(e, after)), None)
            if before is not None:
                yield trace.entry, before, after


def _op(step: Step) -> str:
    return step.item.op if isinstance(step.item, Access) else ""


def _is_look(step: Step) -> bool:
    return _op(step) in READS | REVIEW_OPERATIONS


def _is_edit(step: Step, deciding: Container[tuple[str, Span]]) -> bool:
    """Whether it reads an entry, and writes it."""
    item = step.item
    return isinstance(item, Access) and (is_edited(item) or (step.path, item.name) in deciding)


def _line(step: Step) -> int:
    return step.item.place.line


def _read_results(evidence: Evidence, uses: Uses) -> Iterator[Lowered]:
    stored = [use.value or use.default for _, use in uses if use.op in ("put", "setdefault")]
    kinds = {evidence.sources.types.of(path, v.type) for path, use in uses for v in [use.value or use.default] if v}
    if stored and kinds <= IMMUTABLE:
        return
    for path, use in uses:
        if use.op in ("get", "require", "pop", "setdefault", "items"):
            dangers = set(evidence.sources.dangers.of_returned(path, use.function, use.fates))
            behind = evidence.sources.dangers.of_returned(path, use.function, use.fates & GIVEN_BACK)
            if use.alias is not None and use.key is not None and use.key.is_pure:
                dangers -= {CHANGED} - set(behind) if use.changes_result else set()
                yield from [(Tier.REVIEW, f"line {use.place.line} {EDITED}")] if use.changes_result else []
            for danger in sorted(dangers):
                tier = Tier.MANUAL if danger == CHANGED else Tier.REVIEW
                yield tier, f"line {use.place.line}: what is read becomes a copy, but {danger}"
