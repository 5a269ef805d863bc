"""Uses of a cell -> the reasons why it is a cache, if it is one (rule 7)."""

import ast
from collections.abc import Iterator
from itertools import takewhile

from statelift.facts.values import Access, Cell, Guard, Value
from statelift.judge.evidence import KEY_ERRORS, MISSES, Evidence, is_miss
from statelift.judge.fills import FILLS, Uses, holds_state, is_stale, tells_apart
from statelift.judge.lazies import lazy_reasons
from statelift.link.names import CellKey, FunctionKey
from statelift.link.sources import ANY_ARGUMENT, Source
from statelift.link.trace import dominated
from statelift.link.ways import Frame, Way
from statelift.link.writes import is_container, is_write

EVICTIONS = frozenset({"delete", "pop", "clear", "method:popitem", "method:move_to_end", "unbind"})
VALUE_READS = frozenset({"get", "require", "setdefault"})
ASKING = frozenset({"get", "contains", "lacks"})
CLOCKS = ("time.", "datetime.")  # the stamp of an entry that expires
PLAIN_READS = frozenset({"get", "require", "contains", "lacks", "truth", "len", "read"})


def cache_reasons(
    evidence: Evidence, key: CellKey, cell: Cell, uses: Uses, asked: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Rule 7: every fill lies on a miss path of the same key, every reader can miss, nothing changes values.

    `asked` are the cells for which the same is being asked, as one cache may be filled from another.
    """
    if not is_container(cell):
        return ()
    fills = [(path, use) for path, use in uses if use.op in FILLS]
    others = [use for _, use in uses if is_write(cell, use.op) and use.op not in FILLS | EVICTIONS]
    if not fills or any(not _is_eviction(use) for use in others):
        return ()
    if not _are_on_miss_paths(evidence, key, uses, fills):
        return ()
    derived = [(path, use) for path, use in fills if _is_derived(evidence, path, use, asked | {key[1]})]
    stamps = [each for each in fills if each not in derived]
    if not all(_is_stamp_of(evidence, path, use, derived, uses) for path, use in stamps):
        return ()
    if not all(_can_miss(evidence, key, path, use, fills) for path, use in uses):
        return ()
    if not any(use.op in VALUE_READS and use.fates - {"dropped"} for _, use in uses):
        return ()  # only what it holds is asked, never what for: it remembers what has been seen
    if tells_apart(evidence, key, fills) or any(is_stale(evidence, *each) for each in fills):
        return ()
    line = fills[0][1].place.line
    return (
        f"rule 7: line {line} fills it only where the key is missing (or stale), with a value computed there",
        "every reader has that fallback, so a lost entry costs time, not correctness",
    )


def companion_reasons(evidence: Evidence, cell: Cell, uses: Uses) -> tuple[str, ...]:
    """Rule 7: the time stamps of a cache that stand in a cell of their own, filled with it and only compared."""
    fills = [(path, use) for path, use in uses if use.op in FILLS]
    reads = [use for _, use in uses if use.op in VALUE_READS | {"contains", "lacks"}]
    if not is_container(cell) or len(fills) + len(reads) != len(uses) or not fills:
        return ()
    if not all(use.fates <= {"read"} for use in reads):
        return ()
    for path, fill in fills:
        sources = evidence.sources.of(path, fill.value) if fill.value is not None else frozenset()
        is_stamp = bool(sources) and all(each.detail.startswith(CLOCKS) for each in sources if each.kind != "const")
        if not is_stamp or not _has_cache_beside(evidence, path, fill):
            return ()
    line = fills[0][1].place.line
    return (f"rule 7: line {line} stamps what a cache holds; the stamps are only compared with the clock",)


def _has_cache_beside(evidence: Evidence, path: str, stamp: Access) -> bool:
    """Whether the same key of a cache is filled in the same function, under the same conditions."""
    for use in evidence.program.accesses_in.get((path, stamp.function), ()):
        is_fill = use.op in FILLS and use is not stamp and use.guards == stamp.guards
        if is_fill and use.key is not None and stamp.key is not None and use.key.text == stamp.key.text:
            target = evidence.program.resolve(path, use.subject)
            key = (path, use.subject) if target is None else (target.path, target.name)
            cell = evidence.program.cells.get(key)
            if cell is not None and cache_reasons(evidence, key, cell, evidence.reached(key)):
                return True
    return False


def _is_eviction(use: Access) -> bool:
    is_empty = use.value is not None and use.value.text in ("{}", "dict()")
    return use.op == "rebind" and is_empty


def _tries(evidence: Evidence, key: CellKey, uses: Uses) -> set[tuple[str, str, str, int]]:
    """Path, function, key and place of each `try` in which the cell raises KeyError where it lacks the key."""
    ways = [way for path, use in uses if use.op == "require" for way in evidence.ways.of(key, path, use)]
    return {
        (frame.path, frame.function, frame.key, guard.at)
        for way in ways
        for frame in way
        for guard in frame.guards
        if guard.kind == "try"
    }


def _are_on_miss_paths(evidence: Evidence, key: CellKey, uses: Uses, fills: Uses) -> bool:
    """Whether every fill is made only where its key is missing, or one that is always filled together with it."""
    tries = _tries(evidence, key, uses)
    asked = [(path, use) for path, use in fills if use.op != "setdefault"]
    on_miss = {
        id(use)
        for path, use in asked
        if all(_is_on_miss_path(way, tries) for way in evidence.ways.of(key, path, use))
        or (_is_fetched(evidence, path, use) and all(map(_lacks_some_key, evidence.ways.of(key, path, use))))
    }
    is_lost = any(use.op in EVICTIONS for _, use in uses)
    together = {_group(path, use) for path, use in asked if id(use) in on_miss and not is_lost} - {None}
    return all(id(use) in on_miss or _group(path, use) in together for path, use in asked)


def _group(path: str, fill: Access) -> tuple[str, str, tuple[Guard, ...]] | None:
    """What fills of fixed keys have in common that are made together; None for a key that is no literal."""
    is_fixed = fill.key is not None and {atom.kind for atom in fill.key.atoms} == {"const"}
    return (path, fill.function, fill.guards) if is_fixed else None


def _is_on_miss_path(way: Way, tries: set[tuple[str, str, str, int]]) -> bool:
    return any(frame.subject and _is_miss_path(frame, tries) for frame in way)


def _is_fetched(evidence: Evidence, path: str, fill: Access) -> bool:
    """Whether an entry comes from outside, its key included, whatever the request: one of all that is there."""
    if fill.op != "put" or fill.key is None or fill.value is None:
        return False
    sources = evidence.deciding.of(path, fill.value) | evidence.deciding.of(path, fill.key)
    kinds = {each.kind for each in sources - {Source("opaque")}}  # what `with … as reply` gives
    return ANY_ARGUMENT not in sources and "external" in kinds and kinds <= {"const", "env", "external"}


def _lacks_some_key(way: Way) -> bool:
    """Whether a way leads over a test that finds no entry of some key."""
    return any(
        test.subject == frame.subject and test.key and (test.relation, test.holds) in MISSES
        for frame in way
        for guard in frame.guards
        for test in guard.tests
        if guard.mode == "all"
    )


def _is_miss_path(frame: Frame, tries: set[tuple[str, str, str, int]]) -> bool:
    if any(is_miss(guard, frame.subject, frame.key) for guard in frame.guards):
        return True
    caught = [guard.at for guard in frame.guards if guard.kind == "except" and set(guard.catches) & KEY_ERRORS]
    return any((frame.path, frame.function, frame.key, at) in tries for at in caught)


def _is_derived(evidence: Evidence, path: str, use: Access, asked: frozenset[str]) -> bool:
    """Whether the stored value can be computed again from its key alone."""
    given = use.default if use.op == "setdefault" else use.value
    if given is None or use.key is None:
        return False
    sources = evidence.deciding.of(path, given)
    keys = evidence.sources.of(path, use.key)
    kinds = {source.kind for source in sources}
    if kinds <= {"nondet", "const"} and "nondet" in kinds:
        return False
    if given.text.isidentifier() and _are_stamps(sources):
        return False  # when something happened, as the clock or the caller tells
    if holds_state(evidence, path, given, use.function):
        return False
    others = {each.detail for each in sources if each.kind == "cell"} - _asked_again(evidence, path, use, given)
    if not all(_is_found_again(evidence, each, asked) for each in others):
        return False
    if any(source.kind == "nondet" and not source.detail.startswith(CLOCKS) for source in sources):
        return False
    return all(_is_in_key(source, keys) for source in sources if source.kind in ("event", "context"))


def _are_stamps(sources: frozenset[Source]) -> bool:
    """Whether a value is the time, or one of that kind that an unknown caller gives."""
    kinds = {each.kind for each in sources}
    given = {each.detail for each in sources if each.kind == "opaque"}
    return kinds <= {"nondet", "const", "opaque"} and "nondet" in kinds and given <= {"an argument"}


def _asked_again(evidence: Evidence, path: str, use: Access, given: Value) -> set[str]:
    """The cache itself, if the value has it from calls alone: `f(n - 1) + f(n - 2)`, which can miss, too."""
    own = evidence.program.resolve(path, use.subject)
    names = {atom.detail for atom in given.atoms if atom.kind in ("name", "import", "call") and atom.detail}
    read = [
        evidence.program.resolve(path, each) for name in names for each in (name, name.rpartition(".")[0]) if each
    ]
    return set() if own is None or own in read else {own.name}


def _is_stamp_of(evidence: Evidence, path: str, stamp: Access, derived: Uses, uses: Uses) -> bool:
    """Whether a fill is the time of another one that is made together with it, and is only compared."""
    group = _group(path, stamp)
    sources = evidence.sources.of(path, stamp.value) if stamp.value is not None else frozenset()
    is_time = bool(sources) and all(each.detail.startswith(CLOCKS) for each in sources if each.kind != "const")
    reads = [use for _, use in uses if use is not stamp and (use.key is None or use.key.text == _text(stamp))]
    is_beside = group is not None and any(_group(site, use) == group for site, use in derived)
    return is_time and is_beside and all(use.fates <= {"read", "logged"} for use in reads)


def _text(use: Access) -> str:
    return "" if use.key is None else use.key.text


def _is_in_key(source: Source, keys: frozenset[Source]) -> bool:
    """Whether the key is made of the same part of the event, or of one that holds it."""
    return any(each.kind == source.kind and source.detail.startswith(each.detail) for each in keys)


def _is_found_again(evidence: Evidence, name: str, asked: frozenset[str]) -> bool:
    """Whether each cell of this name is built once or a cache: its value does not tell of earlier calls."""
    found = {key: cell for key, cell in evidence.program.cells.items() if key[1] == name}
    return name not in asked and all(
        lazy_reasons(evidence, key, cell, evidence.reached(key))
        or cache_reasons(evidence, key, cell, evidence.reached(key), asked)
        for key, cell in found.items()
    )


def _can_miss(evidence: Evidence, key: CellKey, path: str, use: Access, fills: Uses) -> bool:
    """Whether a use is a fill, an eviction, or a read whose function has a fill to fall back on."""
    if use.op == "setdefault":
        return not evidence.sources.is_result_changed(path, use)
    if use.op in FILLS | EVICTIONS or use.op == "rebind":
        return not (use.op == "pop" and use.fates - {"dropped"})
    if use.op not in PLAIN_READS or evidence.sources.is_result_changed(path, use):
        return False
    if use.op in ("len", "truth", "read"):
        return not use.fates & {"returned", "copy returned", "stored"} and use.op != "read"
    if _is_there_from_the_start(evidence, key, use, fills) or _is_entered_before(evidence, key, use, fills):
        return True
    name = use.subject.rpartition(".")[2]
    return all(_falls_back(evidence, way, name, fills) for way in evidence.ways.of(key, path, use))


def _is_there_from_the_start(evidence: Evidence, key: CellKey, use: Access, fills: Uses) -> bool:
    """Whether a read asks for a key that the table is written with, and that nothing takes out or enters again."""
    value = evidence.program.cells[key].value
    match ast.parse(value.text, mode="eval").body if value is not None else None:
        case ast.Dict(keys=keys):
            known = {ast.unparse(each) for each in keys if isinstance(each, ast.Constant)}
        case _:
            return False
    is_lost = any(each.op in EVICTIONS or each.op == "rebind" for _, each in evidence.reached(key))
    entered = {each.key.text if each.key is not None and _group("", each) else "" for _, each in fills}
    is_known = use.key is not None and use.key.text in known
    return is_known and not is_lost and use.key is not None and not {use.key.text, ""} & entered


def _is_entered_before(evidence: Evidence, key: CellKey, use: Access, fills: Uses) -> bool:
    """Whether every call has entered the key, where it was missing, before it comes to the read."""
    reached = evidence.reached(key)
    is_lost = any(each.op in EVICTIONS or each.op == "rebind" for _, each in reached)
    asking = {
        id(each) for path, each in reached for site, fill in fills if path == site and _leads_to(each, fill, use)
    }
    entered = {id(fill) for _, fill in fills}
    every = [(trace, step) for trace in evidence.traces for step in trace.steps if step.item is use]
    steps = [each for each in every if any(id(step.item) in entered for step in each[0].steps)]
    if not key[1].startswith("os.environ"):  # of which each function has its own, as it is deployed
        steps = every
    return bool(every and asking and not is_lost) and all(
        dominated([each for each in trace.steps if id(each.item) in asking], step) for trace, step in steps
    )


def _leads_to(asked: Access, fill: Access, use: Access) -> bool:
    """Whether a use is the test whose miss leads to a fill of the fixed key: `if "a" not in C: C["a"] = …`."""
    is_same = fill.function == asked.function and _text(fill) == _text(asked) == _text(use)
    is_fixed = fill.key is not None and {atom.kind for atom in fill.key.atoms} == {"const"}
    before = len(asked.guards)
    is_test = asked.op in ASKING and fill.guards[:before] == asked.guards and len(fill.guards) == before + 1
    return is_same and is_fixed and is_test and is_miss(fill.guards[before], fill.subject, _text(fill))


def _falls_back(evidence: Evidence, way: Way, name: str, fills: Uses) -> bool:
    """Whether a function on the way to a read comes to a fill wherever it comes to the read."""
    for frame in way:
        taken = {(guard.at, guard.holds) for guard in frame.guards}
        conditions = _conditions(evidence, (frame.path, frame.function), fills)
        if any(_outside(guards, name) <= taken for guards in conditions):
            return True
    return False


def _conditions(evidence: Evidence, reader: FunctionKey, fills: Uses) -> Iterator[tuple[Guard, ...]]:
    """The conditions of each fill that the reading function can come to, itself or by a call."""
    calls = evidence.program.calls.get(reader, ())
    for path, fill in fills:
        if (path, fill.function) == reader:
            yield fill.guards
        yield from ((*call.guards, *fill.guards) for call, callee in calls if callee == (path, fill.function))


def _outside(guards: tuple[Guard, ...], name: str) -> set[tuple[int, bool]]:
    """The conditions that stand around the test of the cell: a reader must be under them, too."""
    around = takewhile(lambda guard: guard.kind != "except" and not _is_about(guard, name), guards)
    return {(guard.at, guard.holds) for guard in around if guard.kind in ("if", "case")}


def _is_about(guard: Guard, name: str) -> bool:
    return any(test.subject.rpartition(".")[2] == name for test in guard.tests)
