"""Writes to a cell -> the reason why a call leaves nothing in it: what it enters it takes out, on every way out."""

from dataclasses import replace

from statelift.facts.values import Access, Cell, Guard
from statelift.judge.evidence import Evidence
from statelift.link.names import CellKey

UNDOING = {
    "put": frozenset({"delete", "pop"}),
    "add": frozenset({"discard", "remove"}),
    "append": frozenset({"method:pop", "remove"}),
    "augment": frozenset({"augment"}),
    "rebind": frozenset({"rebind", "unbind"}),
}
OPPOSITE = {"Add": "Sub", "Sub": "Add"}
NEAR = 2  # lines between the entry and its `try`: nothing may be called there
PLACE = 10_000  # what the line of a guard is multiplied with
Uses = list[tuple[str, Access]]


def balanced_reasons(evidence: Evidence, key: CellKey, cell: Cell, writes: Uses) -> tuple[str, ...]:
    """Rule 3: every write has a counterpart in the `finally` behind it, or in the `__exit__` of its `__enter__`."""
    pairs = [(one, other) for one in writes for other in writes if _undoes(evidence, key, cell, one, other)]
    matched = {id(use) for pair in pairs for _, use in pair}
    if not writes or any(id(use) not in matched for _, use in writes):
        return ()
    lines = ", ".join(str(line) for line in sorted({left.place.line for _, (_, left) in pairs}))
    return (f"rule 3: line {lines} takes out again what the call has entered, also after an exception",)


def _undoes(
    evidence: Evidence, key: CellKey, cell: Cell, one: tuple[str, Access], other: tuple[str, Access]
) -> bool:
    """Whether the second write takes back the first, and nothing can keep it from running."""
    path, entered = _as_entered(evidence, one, other)
    site, left = _as_called(evidence, key, one, other)
    if path != site or entered is left or left.op not in UNDOING.get(entered.op, ()):
        return False
    return _is_inverse(cell, entered, left) and (
        _is_behind(evidence, path, entered, left) or _is_leaving(evidence, entered, left)
    )


def _as_entered(evidence: Evidence, one: tuple[str, Access], other: tuple[str, Access]) -> tuple[str, Access]:
    """The first write where the function of the second calls one whose last deed it is, under no condition."""
    (path, entered), (site, left) = one, other
    callers = evidence.program.call_sites.get((path, entered.function), [])
    if entered.op != "rebind" or entered.guards or entered.function == left.function or len(callers) != 1:
        return one
    at, call = callers[0]
    inside = evidence.program.modules[path].calls
    is_last = not any(each.function == entered.function and each.order > entered.span.end for each in inside)
    if not is_last or (at, call.function) != (site, left.function):
        return one
    return at, replace(entered, function=call.function, guards=call.guards, place=call.place)


def _as_called(
    evidence: Evidence, key: CellKey, one: tuple[str, Access], other: tuple[str, Access]
) -> tuple[str, Access]:
    """The second write where the function of the first calls one that does nothing but that, under no condition."""
    (path, entered), (site, left) = one, other
    if left.function == entered.function or left.guards or left.key is not None:
        return other
    ways = evidence.ways.of(key, site, left, is_keyed=False)
    callers = [way[1] if len(way) > 1 else way[0] for way in ways]
    if len(callers) != 1 or (callers[0].path, callers[0].function) != (path, entered.function):
        return other
    return path, replace(left, function=entered.function, guards=callers[0].guards)


def _is_inverse(cell: Cell, entered: Access, left: Access) -> bool:
    match entered.op, left.op:
        case "augment", _:
            is_opposite = OPPOSITE.get(entered.operator) == left.operator
            return is_opposite and _text(entered) == _text(left) and _is_fixed(entered)
        case "rebind", "rebind":
            first = None if cell.value is None else cell.value.text
            return first is not None and _text(left) == first and _is_fixed(left)
        case "rebind", _:
            return True  # ContextVar.reset() with the token, or `del`
        case "append", "method:pop":
            return left.key is None
        case "put", _:
            return _is_same(entered, left) and not left.fates - {"dropped"}
        case _:
            return _text(entered) == _text(left) and _is_steady(entered)


def _is_same(entered: Access, left: Access) -> bool:
    is_same = entered.key is not None and left.key is not None and entered.key.text == left.key.text
    return is_same and entered.key is not None and (entered.key.is_pure or entered.key.text.startswith("id("))


def _is_steady(entered: Access) -> bool:
    """Whether an element is the same wherever its expression is evaluated in the function."""
    return entered.value is not None and (entered.value.is_pure or entered.value.text.startswith("id("))


def _is_fixed(use: Access) -> bool:
    return use.value is not None and {atom.kind for atom in use.value.atoms} <= {"const"}


def _text(use: Access) -> str:
    return use.value.text if use.value is not None else ""


def _is_behind(evidence: Evidence, path: str, entered: Access, left: Access) -> bool:
    """Whether the one is in the `finally` of the `try` that begins right behind the other."""
    ends = [guard for guard in left.guards if guard.kind == "finally"]
    if entered.function != left.function or len(ends) != 1 or left.guards[-1] is not ends[0]:
        return False
    start = ends[0].at // PLACE
    around = _conditions(left.guards[:-1])
    is_next = _conditions(entered.guards) == around and 0 < start - entered.place.line <= NEAR
    return is_next and not _is_called_between(evidence, path, entered.place.line, start)


def _conditions(guards: tuple[Guard, ...]) -> list[tuple[str, int, bool]]:
    return [(guard.kind, guard.at, guard.holds) for guard in guards]


def _is_called_between(evidence: Evidence, path: str, first: int, last: int) -> bool:
    return any(first < call.place.line < last for call in evidence.program.modules[path].calls)


def _is_leaving(evidence: Evidence, entered: Access, left: Access) -> bool:
    """`__enter__` and `__exit__` of one class, which nobody calls by their names."""
    owner, _, method = entered.function.rpartition(".")
    is_pair = method == "__enter__" and left.function == f"{owner}.__exit__"
    named = [dict(module.attributes) for module in evidence.program.modules.values()]
    is_named = any("__enter__" in each or "__exit__" in each for each in named)
    return is_pair and not (entered.guards or left.guards or is_named)
