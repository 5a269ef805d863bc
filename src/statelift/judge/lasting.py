"""Connections that outlive a call -> those that nothing validates, that calls close, or that gather hooks."""

from collections.abc import Iterator

from statelift.catalogue import Library, constructors
from statelift.facts.values import Access, Call, Connection, Ending, Hook
from statelift.judge.evidence import Evidence, uses_of
from statelift.judge.kept import caching_function
from statelift.judge.values import Judgement, Subject
from statelift.link.names import CellKey
from statelift.model import Tier, Use, Verdict

PROBES = frozenset({"ping", "is_connected", "reconnect"})
BRANCHES = frozenset({"if", "except", "case", "loop"})
UNREGISTER = "unregister"
FINAL = frozenset({"sql", "broker"})  # kinds whose closed connections are of no more use
FINAL_NAMES = frozenset({"pymongo", "httpx"})


def judge_lasting(evidence: Evidence) -> Iterator[Judgement]:
    """A judgement for every connection of the container that is used in a wrong way."""
    yield from _unvalidated(evidence)
    for path, module in sorted(evidence.program.modules.items()):
        for hook in module.hooks:
            yield from _gathered(evidence, path, hook)


# ---------------------------------------------------------------- opened at import


def _unvalidated(evidence: Evidence) -> Iterator[Judgement]:
    """SQL connections opened at import: the server drops them while the container sleeps."""
    for key, uses in sorted(evidence.program.accesses.items()):
        cell = evidence.program.cells.get(key)
        library = constructors().get(cell.callee) if cell is not None else None
        reached = [(path, use) for path, use in uses if evidence.is_reachable(path, use.function)]
        if cell is None or library is None or not reached or _is_built_later(evidence, key):
            continue
        if library.kind == "sql" and "pool" not in cell.callee.lower():
            yield _raw(evidence, key, library, reached)


def _is_built_later(evidence: Evidence, key: CellKey) -> bool:
    """Whether a function builds what the cell holds: it is judged as a connection of that function."""
    return any(path == key[0] and each.cell == key[1] for path, each in evidence.program.connections())


def _raw(evidence: Evidence, key: CellKey, library: Library, reached: list[tuple[str, Access]]) -> Judgement:
    cell = evidence.program.cells[key]
    judgement = Judgement(
        rule="SL403",
        subject=Subject(key[0], cell.place, key[1], evidence.handlers(reached), uses_of(reached)),
        verdict=Verdict.UNVALIDATED,
        message=f"{key[1]} is opened at import, and never validated",
        reasons=(f"{library.name}: a connection that the server has dropped fails on its next use",),
        tier=Tier.REVIEW,
        cell=(key, cell),
        accesses=tuple(reached),
    )
    probe = _first_probe(evidence, key)
    if probe is None:
        return judgement.lowered(
            Tier.REVIEW, "transactions that a call leaves open would be rolled back by the next"
        )
    reason = f"line {probe.place.line} asks whether it is alive before any other use of it"
    return Judgement(
        judgement.rule, judgement.subject, Verdict.LAZY_CLIENT, f"{key[1]} is asked before use", (reason,)
    )


def _first_probe(evidence: Evidence, key: CellKey) -> Access | None:
    """The use that asks the connection whether it is alive, where every invocation does that first."""
    cell_uses = {id(use) for _, use in evidence.program.accesses[key]}
    found: Access | None = None
    for trace in evidence.traces:
        first = next((step.item for step in trace.steps if id(step.item) in cell_uses), None)
        if first is None:
            continue
        if not isinstance(first, Access) or first.op.rpartition(":")[2] not in PROBES or _is_branched(first):
            return None
        found = first
    return found


def _is_branched(use: Access | Call) -> bool:
    return any(guard.kind in BRANCHES for guard in use.guards)


# ---------------------------------------------------------------- closed while it is kept


def broken(evidence: Evidence, path: str, connection: Connection, library: Library) -> Judgement | None:
    """For a connection that the container keeps: the judgement that calls close what the next one gets."""
    is_final = library.kind in FINAL or library.name in FINAL_NAMES
    if not is_final or any(guard.mode == "any" for guard in connection.guards):
        return None
    closes = tuple(_closing_uses(evidence, path, connection))
    endings = tuple(
        (site, call.ending)
        for site, call in _given_to(evidence, path, connection)
        if call.ending is not None and _is_closed(library, call.ending)
    )
    if not closes and not endings:
        return None
    line = f"line {closes[0][1].place.line}" if closes else "the function that asks for it"
    return Judgement(
        rule="SL402" if library.kind.startswith("sql") else "SL401",
        subject=Subject(path, connection.place, connection.constructor, (), ()),
        verdict=Verdict.BROKEN,
        message=f"{connection.constructor} is kept, and every call closes it",
        reasons=(f"{line} closes it: the next call gets a closed connection",),
        tier=Tier.REVIEW,
        connection=(path, connection),
        accesses=closes,
        endings=endings,
    )


def _closing_uses(evidence: Evidence, path: str, connection: Connection) -> Iterator[tuple[str, Access]]:
    """Where every call closes the cell's connection, and does not empty the cell behind that."""
    target = evidence.program.resolve(path, connection.cell) if connection.cell else None
    key = (path, connection.cell) if target is None else (target.path, target.name)
    uses = evidence.reached(key) if key in evidence.program.cells else []
    resets = [(site, use) for site, use in uses if use.op in ("rebind", "unbind")]
    for site, use in uses:
        if use.op.endswith(":close") and not _is_put_right(evidence, site, use, resets):
            yield site, use


def _is_put_right(
    evidence: Evidence, path: str, closing: Access | Call, resets: list[tuple[str, Access]], hops: int = 3
) -> bool:
    """Whether not every call comes to what closes, or the cell is emptied behind it, here or by all who call it."""
    function = (path, closing.function)
    if _is_branched(closing):
        return True
    if any((site, use.function) == function and use.order > closing.order for site, use in resets):
        return True
    sites = (
        evidence.program.call_sites.get(function, ()) if hops and function not in evidence.program.entries else ()
    )
    return bool(sites) and all(_is_put_right(evidence, site, call, resets, hops - 1) for site, call in sites)


def _given_to(evidence: Evidence, path: str, connection: Connection) -> Iterator[tuple[str, Call]]:
    """The calls that get the kept connection from the function that builds it."""
    key = (path, connection.function)
    function = evidence.program.functions.get(key)
    returned = {each.value.text for each in function.returns} if function is not None else set()
    if caching_function(evidence, path, connection) or connection.cell in returned:
        yield from evidence.program.call_sites.get(key, ())


def _is_closed(library: Library, ending: Ending) -> bool:
    return any(each.is_certain for each in ending.closes) or _is_left(library, ending)


def _is_left(library: Library, ending: Ending) -> bool:
    """Whether a with statement closes it."""
    closes = library.with_effect in ("close", "transaction-close")
    return any(entry.form == "closing" or closes for entry in ending.entries)


# ---------------------------------------------------------------- hooks


def _gathered(evidence: Evidence, path: str, hook: Hook) -> Iterator[Judgement]:
    """A hook that every call registers with a client of the container: it runs once more after each call."""
    target = evidence.program.resolve(path, hook.subject)
    key = (path, hook.subject) if target is None else (target.path, target.name)
    cell = evidence.program.cells.get(key)
    entries = evidence.reach.entries_of((path, hook.function)) if hook.function else ()
    is_built = cell is not None and (cell.callee in constructors() or _is_built_later(evidence, key))
    is_first = any(guard.kind == "if" and guard.tests for guard in hook.guards)
    function = evidence.program.functions.get((path, hook.function))
    is_taken_out = function is not None and UNREGISTER in function.attributes
    if not (entries and is_built) or is_first or is_taken_out:
        return
    yield Judgement(
        rule="SL405",
        subject=Subject(
            path, hook.place, _named(hook, path, key), entries, (Use(path, hook.place.line, "register"),)
        ),
        verdict=Verdict.STATE,
        message=f"{hook.text}() adds one more hook to a client that all calls share",
        reasons=(
            f"{hook.function}() registers it again on every call: after n calls it runs n times for each request",
        ),
        hook=(path, hook),
    ).lowered(*_hook_tier(evidence, hook))


def _named(hook: Hook, path: str, key: CellKey) -> str:
    """How the call is written; in another file than the client's, with the name that the client has in its own."""
    _, word, method = hook.text.partition(".meta.")
    return hook.text if path == key[0] or not word else f"{key[1]}{word}{method}"


def _hook_tier(evidence: Evidence, hook: Hook) -> tuple[Tier, str]:
    takers = [
        path for path, each in sorted(evidence.program.modules.items()) if UNREGISTER in dict(each.attributes)
    ]
    if takers:
        return Tier.MANUAL, f"{takers[0]} unregisters hooks: with a unique_id that is gone for good"
    if hook.is_plain and hook.event:
        return Tier.REVIEW, "with a unique_id it is registered once"
    return (
        Tier.MANUAL,
        "it is made anew by each call: register it at import, and unregister what belongs to a request",
    )
