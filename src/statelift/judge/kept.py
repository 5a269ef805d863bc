"""A connection -> whether the container keeps it: in a cell, with an object, or in a decorated function."""

from statelift.facts.values import Access, Call, Connection, Guard, Test
from statelift.judge.caches import cache_reasons
from statelift.judge.evidence import MISSES, Evidence, is_miss
from statelift.judge.fills import FILLS
from statelift.judge.lazies import lazy_reasons
from statelift.link.names import CellKey

KEEPING = FILLS | {"rebind"}
CACHING = frozenset({"functools.cache", "functools.lru_cache", "functools.cached_property"})


def lazy_reason(evidence: Evidence, path: str, connection: Connection) -> str:
    """Why it is built once per container, or ""."""
    is_stored = is_kept(evidence, path, connection)
    if is_stored and any(is_miss(guard, connection.cell, "") for guard in connection.guards):
        return f"line {connection.place.line} builds it only where {connection.cell} does not hold it yet"
    if is_stored and _is_built_once(evidence, path, connection):
        return f"line {connection.place.line} builds it only where the container has not done that yet"
    if is_stored and _is_repair(evidence, path, connection.cell, connection.function, connection.guards):
        return f"line {connection.place.line} builds it only where {connection.cell} does not work any more"
    holder = _keeper(evidence, path, connection)
    if holder:
        return f"{connection.function}() is asked only where {holder} does not hold one yet"
    if _is_under_miss(evidence, path, connection.function, connection.guards):
        return "it is built only while something that the container keeps is not there yet"
    if _kept_per_key(evidence, path, connection):
        return "it is kept in a dict, by what it is made of"
    owner = evidence.lifetimes.kept_with((path, connection.function))
    if owner:
        return f"it is made together with the {owner} that the container keeps"
    return f"{connection.function}() keeps what it returns" if caching_function(evidence, path, connection) else ""


def is_kept(evidence: Evidence, path: str, connection: Connection) -> bool:
    """Whether it is stored in a cell that outlives the call: an attribute of a new object does not."""
    target = evidence.program.resolve(path, connection.cell) if connection.cell else None
    key = (path, connection.cell) if target is None else (target.path, target.name)
    cell = evidence.program.cells.get(key)
    return bool(connection.cell) and (cell is None or evidence.lifetimes.lasts(key, cell))


def _is_built_once(evidence: Evidence, path: str, connection: Connection) -> bool:
    """Whether the cell that keeps it is filled lazily by any of the ways that rule 6 knows."""
    target = evidence.program.resolve(path, connection.cell)
    key = (path, connection.cell) if target is None else (target.path, target.name)
    cell = evidence.program.cells.get(key)
    return cell is not None and bool(lazy_reasons(evidence, key, cell, evidence.reached(key)))


def _is_repair(evidence: Evidence, path: str, cell: str, function: str, guards: tuple[Guard, ...]) -> bool:
    """Whether code runs only after the cell's connection was tried, and failed."""
    tries = {guard.at for guard in guards if guard.kind == "except"}
    return any(
        use.subject == cell and any(guard.kind != "except" and guard.at in tries for guard in use.guards)
        for use in evidence.program.accesses_in.get((path, function), ())
        if use.op not in ("rebind", "unbind")
    )


def _keeper(evidence: Evidence, path: str, connection: Connection) -> str:
    """The cell into which every caller puts what the function returns, where it holds nothing yet; or ""."""
    sites = evidence.program.call_sites.get((path, connection.function), ())
    if "returned" not in connection.ending.flows or not sites:
        return ""
    found = {_kept_at(evidence, site, call) for site, call in sites}
    return min(found) if "" not in found else ""


def _kept_at(evidence: Evidence, path: str, call: Call) -> str:
    """The cell that keeps what a call gives, where the call is made only while it has nothing."""
    for use in evidence.program.accesses_in.get((path, call.function), ()):
        if use.op not in KEEPING or not use.span.start <= call.span.start < use.span.end:
            continue
        target = evidence.program.resolve(path, use.subject)
        key = (path, use.subject) if target is None else (target.path, target.name)
        cell = evidence.program.cells.get(key)
        is_lasting = cell is not None and evidence.lifetimes.lasts(key, cell)
        is_missing = any(is_miss(guard, use.subject, "") for guard in call.guards)
        if is_lasting and (is_missing or _is_repair(evidence, path, use.subject, call.function, call.guards)):
            return use.subject
    return ""


def _is_under_miss(evidence: Evidence, path: str, function: str, guards: tuple[Guard, ...], depth: int = 3) -> bool:
    """Whether code runs only where a lazily built cell is empty, itself or in every function that calls it."""
    if any(_is_first_time(evidence, path, guard, test) for guard in guards for test in guard.tests):
        return True
    sites = evidence.program.call_sites.get((path, function), ())
    is_called = bool(sites) and (path, function) not in evidence.program.entries and depth > 0
    return is_called and all(
        _is_under_miss(evidence, site, call.function, call.guards, depth - 1) for site, call in sites
    )


def _is_first_time(evidence: Evidence, path: str, guard: Guard, test: Test) -> bool:
    """Whether a test holds only while a lazily built cell is still empty: not when it is old or asked anew."""
    if guard.mode == "any" or (test.relation, test.holds) not in MISSES:
        return False
    if test.subject == "os.environ":
        return _is_first_variable(evidence, ("", f"os.environ[{test.key}]"))
    target = evidence.program.resolve(path, test.subject)
    key = (path, test.subject) if target is None else (target.path, target.name)
    cell = evidence.program.cells.get(key)
    if cell is None or test.key or not is_miss(guard, test.subject, ""):
        return False
    return evidence.lifetimes.lasts(key, cell) and bool(lazy_reasons(evidence, key, cell, evidence.reached(key)))


def _is_first_variable(evidence: Evidence, key: CellKey) -> bool:
    """Whether an environment variable is set where it is missing, once per container."""
    cell = evidence.program.cells.get(key)
    return cell is not None and bool(cache_reasons(evidence, key, cell, evidence.reached(key)))


def _kept_per_key(evidence: Evidence, path: str, connection: Connection) -> bool:
    """Whether it is what a cache holds for a key, and no other key gets it."""
    for use in evidence.program.accesses_in.get((path, connection.function), ()):
        if (use.op in FILLS and connection.ending.bound_to in _names(use)) or _is_within(use, connection):
            target = evidence.program.resolve(path, use.subject)
            key = (path, use.subject) if target is None else (target.path, target.name)
            cell = evidence.program.cells.get(key)
            uses = evidence.reached(key)
            if (
                cell is not None
                and evidence.lifetimes.lasts(key, cell)
                and cache_reasons(evidence, key, cell, uses)
            ):
                return True
    return False


def _names(use: Access) -> set[str]:
    return {use.value.text} if use.value is not None else set()


def _is_within(use: Access, connection: Connection) -> bool:
    return use.op in FILLS and use.span.start <= connection.span.start < use.span.end


def caching_function(evidence: Evidence, path: str, connection: Connection) -> str:
    """The name of the function that builds it, where a decorator keeps what it returns."""
    function = evidence.program.functions.get((path, connection.function))
    if function is None:
        return ""
    names = {each.name for each in function.decorators} & CACHING
    is_lasting = "functools.cached_property" not in names or evidence.lifetimes.is_lasting_class(
        (path, function.class_name)
    )
    return connection.function if names and is_lasting else ""
