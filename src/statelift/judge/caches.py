"""Uses of a cell -> the reasons why it is a cache or a lazy singleton, if it is one (rules 6 and 7)."""

import ast
from collections.abc import Iterator
from itertools import takewhile

from statelift.facts.fates import CHANGING_METHODS
from statelift.facts.values import Access, Cell, Guard, Value
from statelift.judge.evidence import KEY_ERRORS, MISSES, Evidence, is_hit, is_miss
from statelift.link.names import CellKey, FunctionKey, Target
from statelift.link.sources import ANY_ARGUMENT, Source
from statelift.link.ways import Frame, Way
from statelift.link.writes import is_container, is_write

EVICTIONS = frozenset({"delete", "pop", "clear", "method:popitem", "method:move_to_end", "unbind"})
WHOLE_FILLS = frozenset({"update", "method:update", "extend", "rebind", "augment"})
FILLS = frozenset({"put", "setdefault", "unpacked"})
ATTEMPTS = frozenset({"read", "attribute", "escape"})
NAME_ERRORS = frozenset({"AttributeError", "NameError"})
ELEMENTS = frozenset({"put", "append", "add"})
WORDS = frozenset({"get", "values", "items", *CHANGING_METHODS})
VALUE_READS = frozenset({"get", "require", "setdefault"})
CLOCKS = ("time.", "datetime.")  # the stamp of an entry that expires
PLAIN_READS = frozenset({"get", "require", "contains", "lacks", "truth", "len", "read"})
Uses = list[tuple[str, Access]]


def lazy_reasons(evidence: Evidence, key: CellKey, cell: Cell, uses: Uses) -> tuple[str, ...]:
    """Rule 6: a sentinel test of the cell itself leads to every write, and no request decides the value."""
    writes = [(path, use) for path, use in uses if is_write(cell, use.op)]
    fills = [(path, use) for path, use in writes if not _is_reset(cell, use)]
    built = {(path, use.function, use.guards) for path, use in fills if use.op == "rebind"}
    fills = [each for each in fills if not _is_finishing(evidence, built, *each)]
    if is_container(cell) and not all(use.op == "rebind" for _, use in fills):
        is_changed = any(evidence.sources.is_result_changed(path, use) for path, use in uses)
        return () if is_changed else _filled_once(evidence, key, fills)
    if fills and all(use.op in ("append", "nested") for _, use in fills):
        return _set_up_once(evidence, key, fills)
    if not fills or not all(use.op == "rebind" and use.value for _, use in fills):
        return ()
    if _is_changed_later(evidence, cell, uses, fills) or any(is_stale(evidence, *each) for each in fills):
        return ()
    if not all(_is_default(use) or _is_built_once(evidence, key, path, use) for path, use in fills):
        return ()
    sources = _sources(evidence, fills)
    own = Source("cell", key[1])
    if _is_asked_for(evidence, fills) or ANY_ARGUMENT in sources:
        return ()
    if own in sources and not _is_or(fills):
        return ()
    if _is_flag(fills, uses) or _tells_apart(evidence, key, fills):
        return ()
    if _is_stamp(sources) and not any(_has_value_beside(evidence, path, use) for path, use in fills):
        return ()  # the time of an event, such as the last failure, and not of something that was built then
    line = fills[0][1].place.line
    return (f"rule 6: line {line} builds it only where it is not there (or no longer valid) yet", _FREE)


def _is_finishing(
    evidence: Evidence, built: set[tuple[str, str, tuple[Guard, ...]]], path: str, use: Access
) -> bool:
    """`cls._instance.data = {}` beside `cls._instance = …`: an attribute of what was just built."""
    if use.op != "nested" or use.value is None or (path, use.function, use.guards) not in built:
        return False
    return {source.kind for source in evidence.sources.of(path, use.value)} <= {"const", "env", "external"}


def _is_changed_later(evidence: Evidence, cell: Cell, uses: Uses, fills: Uses) -> bool:
    """Whether calls change the collection, or the object of the program, that is built once. What they change of
    an object by name is told as a cell of its own.
    """
    if any(_holds_state(evidence, path, use.value) for path, use in fills if use.value is not None):
        return False
    made = [each for path, use in fills if use.value is not None for each in _made(evidence, path, use.value)]
    is_own = is_container(cell) or (bool(made) and not any(_has_words_of_dicts(evidence, each) for each in made))
    return is_own and any(evidence.sources.is_result_changed(path, use) for path, use in uses)


def _made(evidence: Evidence, path: str, value: Value) -> list[Target]:
    """The classes of the program of which a value may be an object."""
    found = [evidence.program.resolve(path, atom.detail) for atom in value.atoms if atom.kind == "call"]
    return [each for each in found if each is not None and each.kind == "class"]


def _has_words_of_dicts(evidence: Evidence, made: Target) -> bool:
    """Whether a class has a method `get` or `update` of its own, which says nothing of what it holds."""
    return any(evidence.program.method_of(made, name) is not None for name in WORDS)


def _is_built_once(evidence: Evidence, key: CellKey, path: str, use: Access) -> bool:
    """Whether every way there leads over a test that the cell has nothing yet, or that its mark is not set."""
    return all(
        any(is_miss(guard, frame.subject, "") for frame in way for guard in frame.guards if frame.subject)
        or any(_is_unmarked(evidence, frame, guard, way) for frame in way for guard in frame.guards)
        or any(_is_looked_up(evidence, key, frame) for frame in way)
        for way in evidence.ways.of(key, path, use)
    )


def _is_unmarked(evidence: Evidence, frame: Frame, guard: Guard, way: Way) -> bool:
    """Whether a guard asks for another cell, a flag or a time, that is set together with this one."""
    for test in guard.tests:
        is_open = (test.relation, test.holds) in MISSES or test.relation == "other"
        target = evidence.program.resolve(frame.path, test.subject)
        key = (frame.path, test.subject) if target is None else (target.path, target.name)
        if is_open and not test.key and _is_mark(evidence, key, way):
            return True
    return False


def _is_looked_up(evidence: Evidence, key: CellKey, frame: Frame) -> bool:
    """`try: return f.made` / `except AttributeError: …`: the way goes over an attempt that found nothing."""
    tried = {
        guard.at
        for site, each in evidence.program.accesses.get(key, ())
        for guard in each.guards
        if guard.kind == "try" and (site, each.function) == (frame.path, frame.function) and each.op in ATTEMPTS
    }
    return any(
        guard.kind == "except" and guard.at in tried and set(guard.catches) & NAME_ERRORS for guard in frame.guards
    )


def _is_mark(evidence: Evidence, key: CellKey, way: Way) -> bool:
    """Whether every call that goes this way sets the cell on it, to nothing of a request."""
    marks = [
        (site, each) for site, each in evidence.reached(key) if is_write(evidence.program.cells.get(key), each.op)
    ]
    if not marks or any(each.op not in ("rebind", "augment") or each.value is None for _, each in marks):
        return False
    if any(each.kind in ("event", "context", "cell") or each == ANY_ARGUMENT for each in _sources(evidence, marks)):
        return False
    places = {(frame.path, frame.function, frame.guards) for frame in way}
    return any(each.op == "rebind" and (site, each.function, each.guards) in places for site, each in marks)


def _is_stamp(sources: set[Source]) -> bool:
    kinds = {each.kind for each in sources}
    return kinds <= {"nondet", "const"} and "nondet" in kinds


def _has_value_beside(evidence: Evidence, path: str, stamp: Access) -> bool:
    """Whether something else is kept in the same branch, of which this is the time."""
    for use in evidence.program.accesses_in.get((path, stamp.function), ()):
        is_fill = use.op in FILLS | WHOLE_FILLS and use is not stamp and use.guards == stamp.guards
        if is_fill and use.value is not None:
            kinds = {each.kind for each in evidence.sources.of(path, use.value)}
            if not kinds <= {"nondet", "const", "cell"}:
                return True
    return False


def _filled_once(evidence: Evidence, key: CellKey, fills: Uses) -> tuple[str, ...]:
    """`if not MODEL: MODEL.update(load())`: filled as a whole where it is still empty."""
    is_guarded = _is_filled_empty(evidence, key, fills) or _is_filled_with_mark(evidence, key, fills)
    sources = _sources(evidence, fills)
    is_whole = all(use.op in WHOLE_FILLS | ELEMENTS and use.value is not None for _, use in fills)
    keys = {s for path, use in fills if use.key is not None for s in evidence.sources.of(path, use.key)}
    if not (is_guarded and is_whole) or ANY_ARGUMENT in sources:
        return ()
    if _is_asked_for(evidence, fills) or any(each.kind in ("event", "context", "cell") for each in sources | keys):
        return ()
    return (f"rule 6: line {fills[0][1].place.line} fills it only while it is empty", _FREE)


def _set_up_once(evidence: Evidence, key: CellKey, fills: Uses) -> tuple[str, ...]:
    """`if not logger.handlers: logger.addHandler(…)`: added to where it has none yet."""
    is_guarded = _is_filled_empty(evidence, key, fills)
    return (f"rule 6: line {fills[0][1].place.line} adds to it only while it has none yet",) if is_guarded else ()


def _is_filled_empty(evidence: Evidence, key: CellKey, fills: Uses) -> bool:
    return all(
        any(_is_empty(guard, frame.subject) for frame in way for guard in frame.guards if frame.subject)
        for path, use in fills
        for way in evidence.ways.of(key, path, use, is_keyed=False)
    )


def _is_filled_with_mark(evidence: Evidence, key: CellKey, fills: Uses) -> bool:
    """Whether every way to a fill leads over the test of a flag that is set there, once for all."""
    return all(
        any(_is_unmarked(evidence, frame, guard, way) for frame in way for guard in frame.guards)
        for path, use in fills
        for way in evidence.ways.of(key, path, use, is_keyed=False)
    )


def _is_empty(guard: Guard, subject: str) -> bool:
    return any(
        f"{test.subject}.".startswith(f"{subject}.") and not test.key
        and (test.relation, test.holds) == ("truthy", False)
        for test in guard.tests
    )  # fmt: skip


def _is_flag(fills: Uses, uses: Uses) -> bool:
    """Whether it is only set to constants, and what is done depends on whether that happened already."""
    is_fixed = all(use.value and {atom.kind for atom in use.value.atoms} == {"const"} for _, use in fills)
    return is_fixed and any("decides" in use.fates for _, use in uses)


def _is_default(use: Access) -> bool:
    """`x = x or build()`: builds only where there is nothing yet."""
    name = use.subject.rpartition(".")[2]
    match ast.parse(use.value.text, mode="eval").body if use.value else None:
        case ast.BoolOp(op=ast.Or(), values=[ast.Name(id=first) | ast.Attribute(attr=first), *_]):
            return first == name
        case _:
            return False


def _is_or(fills: Uses) -> bool:
    return any(_is_default(use) for _, use in fills)


_FREE = "its value comes from constants, the environment or an external source, never from the request"


def _is_reset(cell: Cell, use: Access) -> bool:
    return use.op == "unbind" or (use.op == "rebind" and use.value is not None and use.value.text == "None")


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
    if not all(_is_derived(evidence, path, use, asked | {key[1]}) for path, use in fills):
        return ()
    if not all(_can_miss(evidence, key, path, use, fills) for path, use in uses):
        return ()
    if not any(use.op in VALUE_READS and use.fates - {"dropped"} for _, use in uses):
        return ()  # only what it holds is asked, never what for: it remembers what has been seen
    if _tells_apart(evidence, key, fills) or any(is_stale(evidence, *each) for each in fills):
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


def is_stale(evidence: Evidence, path: str, fill: Access) -> bool:
    """Whether the program writes to the table, or to the very object, from which a use gets what it keeps."""
    if fill.value is None or fill.op not in FILLS | {"rebind"}:
        return False
    key = (path, fill.function)
    is_external = any(each.kind in ("external", "cell") for each in evidence.sources.of(path, fill.value))
    is_written = any(evidence.rewritten_source(key, only_tables=True)) or evidence.is_source_written(key)
    return is_external and is_written


def _tells_apart(evidence: Evidence, key: CellKey, fills: Uses) -> bool:
    """Whether a function that decides about a fill tells by its reply whether it was a hit."""
    frames = {frame for path, use in fills for way in evidence.ways.of(key, path, use) for frame in way}
    return any(_tells_hit_from_miss(evidence, frame) for frame in frames)


def _tells_hit_from_miss(evidence: Evidence, frame: Frame) -> bool:
    """Whether replies of the hit path hold other literals than those of the miss path (a `fromCache` flag)."""
    hits: set[tuple[str, ...]] = set()
    misses: set[tuple[str, ...]] = set()
    fixed: set[tuple[str, ...]] = set()
    for each in evidence.program.functions[frame.path, frame.function].returns:
        if any(is_hit(guard, frame.subject, frame.key) for guard in each.guards):
            hits.add(each.literals)
            fixed |= {each.literals} if {atom.kind for atom in each.value.atoms} == {"const"} else set()
        elif any(is_miss(guard, frame.subject, frame.key) for guard in each.guards):
            misses.add(each.literals)
    flags = {"True", "False"}
    is_told = any(set(one) & flags != set(other) & flags for one in hits for other in misses)
    return is_told or bool(fixed - misses)


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
    if _holds_state(evidence, path, given):
        return False
    if any(source.kind == "cell" and not _is_found_again(evidence, source.detail, asked) for source in sources):
        return False
    if any(source.kind == "nondet" and not source.detail.startswith(CLOCKS) for source in sources):
        return False
    return all(_is_in_key(source, keys) for source in sources if source.kind in ("event", "context"))


def _is_in_key(source: Source, keys: frozenset[Source]) -> bool:
    """Whether the key is made of the same part of the event, or of one that holds it."""
    return any(each.kind == source.kind and source.detail.startswith(each.detail) for each in keys)


def _holds_state(evidence: Evidence, path: str, given: Value) -> bool:
    """Whether what is stored is an object of the program whose own attributes calls change."""
    owners = set(evidence.classes_made(path, given))
    fields = [
        (key, cell)
        for key, cell in evidence.program.cells.items()
        if cell.home == "instance" and key[1].rpartition(".")[0] in owners
    ]
    return any(
        evidence.sources.is_changed_by(cell, at, use) for key, cell in fields for at, use in evidence.reached(key)
    )


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
    if use.op in FILLS | EVICTIONS or use.op == "rebind":
        return not (use.op == "pop" and use.fates - {"dropped"})
    if use.op not in PLAIN_READS or evidence.sources.is_result_changed(path, use):
        return False
    if use.op in ("len", "truth", "read"):
        return not use.fates & {"returned", "copy returned", "stored"} and use.op != "read"
    name = use.subject.rpartition(".")[2]
    return all(_falls_back(evidence, way, name, fills) for way in evidence.ways.of(key, path, use))


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


def _sources(evidence: Evidence, fills: Uses) -> set[Source]:
    return {s for path, use in fills if use.value is not None for s in evidence.sources.of(path, use.value)}


def _is_asked_for(evidence: Evidence, fills: Uses) -> bool:
    """Whether the request is part of what is kept, or of a test that decides what that is."""
    values = [(path, use.value) for path, use in fills if use.value is not None]
    return any(each.kind in ("event", "context") for path, value in values for each in evidence.deciding.of(path, value))


def is_pool(evidence: Evidence, uses: Uses) -> bool:
    """Whether what is built lazily is a pool of connections, by the name of its constructor."""
    fills = [(path, use) for path, use in uses if use.op == "rebind"]
    return any("pool" in source.detail.lower() for source in _sources(evidence, fills))
