"""Uses of a cell -> the reasons why it is built lazily, once per container (rule 6)."""

import ast

from statelift.facts.fates import CHANGING_METHODS
from statelift.facts.values import Access, Cell, Guard, Value
from statelift.judge.evidence import MISSES, Evidence, is_miss
from statelift.judge.fills import FILLS, Uses, holds_state, is_asked_for, is_stale, sources_of, tells_apart
from statelift.link.names import CellKey, Target
from statelift.link.sources import ANY_ARGUMENT, Source
from statelift.link.ways import Frame, Way
from statelift.link.writes import CONTAINER_CALLS, is_container, is_write

WHOLE_FILLS = frozenset({"update", "method:update", "extend", "rebind", "augment"})
ATTEMPTS = frozenset({"read", "attribute", "escape"})
NAME_ERRORS = frozenset({"AttributeError", "NameError"})
ELEMENTS = frozenset({"put", "append", "add"})
WORDS = frozenset({"get", "values", "items", *CHANGING_METHODS})
_FREE = "its value comes from constants, the environment or an external source, never from the request"


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
    sources = sources_of(evidence, fills)
    own = Source("cell", key[1])
    if is_asked_for(evidence, fills) or ANY_ARGUMENT in sources:
        return ()
    if own in sources and not _is_or(fills):
        return ()
    if _is_flag(fills, uses) or tells_apart(evidence, key, fills):
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
    sources = evidence.deciding.of(path, use.value)
    return ANY_ARGUMENT not in sources and not {each.kind for each in sources} & {"event", "context", "cell"}


def _is_changed_later(evidence: Evidence, cell: Cell, uses: Uses, fills: Uses) -> bool:
    """Whether calls change the collection, or the object of the program, that is built once. What they change of
    an object by name is told as a cell of its own.
    """
    if any(holds_state(evidence, path, use.value) for path, use in fills if use.value is not None):
        return False
    made = [each for path, use in fills if use.value is not None for each in _made(evidence, path, use.value)]
    is_data = any(use.value is not None and _is_data(use.value) for _, use in fills)
    is_own = (is_container(cell) or is_data) or (
        bool(made) and not any(_has_words_of_dicts(evidence, each) for each in made)
    )
    return is_own and any(evidence.sources.is_result_changed(path, use) for path, use in uses)


def _is_data(value: Value) -> bool:
    """Whether what is built is a dict or list, of JSON or out of an answer: `json.load(file)`, `answer["Item"]`."""
    match ast.parse(value.text, mode="eval").body:
        case ast.Subscript() | ast.Call(func=ast.Attribute(attr="json"), args=[]):
            return True
        case _:
            return value.type.removeprefix("call:") in CONTAINER_CALLS


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
    if any(
        each.kind in ("event", "context", "cell") or each == ANY_ARGUMENT for each in sources_of(evidence, marks)
    ):
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
    sources = sources_of(evidence, fills)
    is_whole = all(use.op in WHOLE_FILLS | ELEMENTS and use.value is not None for _, use in fills)
    keys = {s for path, use in fills if use.key is not None for s in evidence.sources.of(path, use.key)}
    if not (is_guarded and is_whole) or ANY_ARGUMENT in sources:
        return ()
    if is_asked_for(evidence, fills) or any(each.kind in ("event", "context", "cell") for each in sources | keys):
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


def _is_reset(cell: Cell, use: Access) -> bool:
    return use.op == "unbind" or (use.op == "rebind" and use.value is not None and use.value.text == "None")


def is_pool(evidence: Evidence, uses: Uses) -> bool:
    """Whether what is built lazily is a pool of connections, by the name of its constructor."""
    fills = [(path, use) for path, use in uses if use.op == "rebind"]
    return any("pool" in source.detail.lower() for source in sources_of(evidence, fills))
