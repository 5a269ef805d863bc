"""An edited value's block -> what else is done with the same store in it: it sees the value as it was before.

`with S.edit(key) as value:` reads at its start and writes at its end, and only if nobody wrote in between.
"""

import ast
from collections.abc import Iterable, Iterator

from statelift.facts.values import Access, Value
from statelift.judge.evidence import Evidence
from statelift.link.names import CellKey, FunctionKey

Uses = list[tuple[str, Access]]


def is_edited(use: Access) -> bool:
    """Whether a use becomes a block: the value that it gives is changed by that statement or those behind it."""
    return use.op == "nested" or (use.alias is not None and use.changes_result)


def put_backs(uses: Uses) -> frozenset[int]:
    """Ids of the uses that put an edited value back to where it came from, as the end of its block does."""
    edited = [(path, use) for path, use in uses if is_edited(use)]
    return frozenset(id(use) for path, use in uses for at, each in edited if at == path and _is_back(each, use))


def _is_back(edited: Access, use: Access) -> bool:
    if edited.alias is None or not _is_inside(edited, use.function, use.span.start) or use.op != "put":
        return False
    is_same = use.value is not None and use.value.text == edited.alias.name and use.is_statement
    return is_same and _has_same_key(edited, use) and is_fixed(use.key) and is_fixed(edited.key)


def is_fixed(key: Value | None) -> bool:
    """Whether an expression gives the same all through the block."""
    return (
        key is not None
        and key.is_pure
        and not any(each.startswith(("mutated", "inside", "augmented:")) for each in key.threats)
    )


def serves(edited: Access, use: Access) -> bool:
    """Whether the use reads the key that its statement edits: the edited value is what it means."""
    is_same = edited.statement == use.statement and edited.function == use.function
    return edited.op == "nested" and use.op == "require" and is_same and _has_same_key(edited, use)


def _has_same_key(one: Access, other: Access) -> bool:
    return one.key is not None and other.key is not None and one.key.text == other.key.text


def conflicts(evidence: Evidence, key: CellKey, uses: Uses) -> Iterator[str]:
    """What comes to the store inside of a block, by itself or in a function that is called there."""
    dropped = put_backs(uses)
    home = {(path, use.function) for path, use in uses}
    for path, edited in ((path, use) for path, use in uses if is_edited(use)):
        head = f"line {edited.place.line} changes a stored value, and until that is written back"
        for at, other in uses:
            is_other = other is not edited and at == path and id(other) not in dropped
            if is_other and _is_inside(edited, other.function, other.span.start) and _may_meet(edited, other):
                yield f"{head} line {other.place.line} uses {key[1]}, too"
        for name in _callers(evidence, (path, edited.function), edited, home):
            yield f"{head} {name}() uses {key[1]}, too"


def _callers(
    evidence: Evidence, function: FunctionKey, edited: Access, home: Iterable[FunctionKey]
) -> Iterator[str]:
    for call, callee in evidence.program.calls.get(function, ()):
        is_inside = _is_inside(edited, call.function, call.span.start)
        if is_inside and not evidence.reach.below([callee]).isdisjoint(home):
            yield call.callee


def _is_inside(edited: Access, function: str, offset: int) -> bool:
    end = edited.statement.end if edited.alias is None else edited.alias.last.end
    return edited.function == function and edited.statement.start <= offset < end


def _may_meet(edited: Access, other: Access) -> bool:
    """Whether both may mean one entry: two different constants do not."""
    if edited.key is None or other.key is None:
        return True
    return not serves(edited, other) and not _are_apart(edited.key.text, other.key.text)


def _are_apart(one: str, other: str) -> bool:
    found = [ast.parse(text, mode="eval").body for text in (one, other)]
    return all(isinstance(each, ast.Constant) for each in found) and one != other
