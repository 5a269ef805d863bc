"""A connection -> every function that gets it, and how each of them ends it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from statelift.facts.values import Call, Connection, Ending, Function
from statelift.judge.evidence import Evidence
from statelift.link.names import FunctionKey

DEPTH = 5  # how many functions hand a connection on with return
MANAGERS = frozenset({"contextlib.contextmanager"})


@dataclass(frozen=True, slots=True)
class Holder:
    """A function that holds the connection; `ending` is None where it only uses it and lets it go.

    `is_lent`: a context manager of the program gives it, and ends it.
    """

    path: str
    function: str
    line: int
    ending: Ending | None
    is_lent: bool = False


@dataclass(slots=True)
class Holding:
    """All holders of one connection, and why there may be more, each with the place where it gets lost."""

    holders: list[Holder] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def endings(self) -> Iterator[tuple[str, Ending]]:
        """The endings that have to change when the connection is kept."""
        for holder in self.holders:
            if holder.ending is not None and not holder.is_lent:
                yield holder.path, holder.ending


def holding_of(evidence: Evidence, path: str, connection: Connection) -> Holding:
    """Follow a connection through `return` to the functions that ask for it."""
    found = Holding([Holder(path, connection.function, connection.place.line, connection.ending)])
    _follow(evidence, (path, connection.function), connection.ending, found, DEPTH)
    return found


def _follow(evidence: Evidence, key: FunctionKey, ending: Ending, found: Holding, depth: int) -> None:
    if "lost" in ending.flows:
        found.lost.append(f"what becomes of it in {key[1]}() cannot be followed")
    if "returned" not in ending.flows:
        return
    function = evidence.program.functions.get(key)
    sites = evidence.program.call_sites.get(key, ())
    if function is None or not sites or depth == 0 or _is_attribute(function):
        found.lost.append(f"who gets what {key[1]}() returns cannot be followed")
        return
    is_lent = _is_manager(function)
    for site, call in sites:
        found.holders.append(_holder(site, call, is_lent=is_lent))
        if call.ending is not None:
            _follow(evidence, (site, call.function), call.ending, found, depth - 1)


def _holder(path: str, call: Call, *, is_lent: bool) -> Holder:
    return Holder(path, call.function, call.place.line, call.ending, is_lent)


def _is_attribute(function: Function) -> bool:
    return bool({"functools.cached_property", "property"} & {each.name for each in function.decorators})


def _is_manager(function: Function) -> bool:
    return bool(MANAGERS & {each.name for each in function.decorators})


def is_manager(function: Function | None) -> bool:
    """Whether a generator is a context manager: what it yields goes to with statements."""
    return function is not None and function.has_generator and _is_manager(function)
