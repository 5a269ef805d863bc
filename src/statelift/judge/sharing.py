"""A connection that is built on every call -> why it must not be shared, and what lowers the tier of sharing it."""

from collections.abc import Iterator

from statelift.catalogue import Library, constructors
from statelift.facts.journeys import REGISTERING
from statelift.facts.values import Atom, Changed, Connection, Ending, Function
from statelift.judge.evidence import Evidence
from statelift.judge.given import ambient, depends_on, doubts_of, is_fixed, rebound
from statelift.judge.holding import Holder, Holding, is_manager
from statelift.judge.kept import is_kept
from statelift.judge.replacing import replacing_test
from statelift.link.beside import starters
from statelift.link.names import FunctionKey, shift_of
from statelift.link.program import HELPER
from statelift.model import Tier

TOUCHES = frozenset({"close", "dispose", "register", "unregister", "headers", "cookies", "auth"})
SESSIONS = frozenset({"boto3.Session", "boto3.session.Session"})
AWS_OWN = ("boto3.", "botocore.", "s3transfer.")
DRIVERS = frozenset(name.partition(".")[0] for name, each in constructors().items() if each.kind.startswith("sql"))


def dependence(evidence: Evidence, path: str, connection: Connection, holding: Holding) -> str:
    """Why the connection belongs to one request or tenant, or ""."""
    around = ambient(evidence, connection) or rebound(evidence, path, connection)
    if around:
        return around
    library = constructors()[connection.constructor]
    for site, ending in holding.endings():
        for changed in _changes(ending, library):
            if _belongs_to_request(evidence, site, changed):
                return f"{changed.text} changes it after it is built: a shared client would keep that"
    found = (depends_on(evidence, path, connection, argument) for argument in connection.arguments)
    return next((each for each in found if each), "")


def _changes(ending: Ending, library: Library) -> Iterator[Changed]:
    """What sets something on it. The methods of AWS clients are operations of AWS, whatever they are called."""
    for changed in ending.changes:
        is_told = bool(changed.given) or changed.name.startswith("init_")
        is_meant = is_told and changed.name != "connect" and library.kind != "aws"
        if not changed.is_guessed or is_meant or changed.name in library.owned:
            yield changed


def _belongs_to_request(evidence: Evidence, path: str, changed: Changed) -> bool:
    """Whether what is set may differ from call to call by what is asked, or gathers."""
    kinds = {source.kind for value in changed.given for source in evidence.sources.of(path, value)}
    is_odd = changed.is_added or not (changed.given or changed.makes)
    return is_odd or bool(kinds & {"event", "context", "opaque", "cell"})


def obstacles(
    evidence: Evidence, path: str, connection: Connection, library: Library, holding: Holding
) -> Iterator[tuple[Tier, str]]:
    """Tier and reason for everything that speaks against keeping it."""
    yield from _library(connection, library)
    yield from _ends(connection, library, holding)
    for argument in connection.arguments:
        yield from doubts_of(evidence, path, connection, argument)
    yield from _surroundings(evidence, path, connection, library)
    for holder in holding.holders:
        yield from _holder(evidence, holder, connection, library)
    for reason in holding.lost:
        yield Tier.MANUAL if _is_sql(library) or library.takes else Tier.REVIEW, reason
    yield from _overlap(evidence, path, connection, library, holding)
    replaced = replacing_test(evidence, path, connection)
    if replaced:
        yield Tier.REVIEW, replaced


def _is_sql(library: Library) -> bool:
    return library.kind.startswith("sql") and library.kind != "sql-pool"


def _library(connection: Connection, library: Library) -> Iterator[tuple[Tier, str]]:
    name, constructor = library.name, connection.constructor
    if "async" in constructor.lower() or library.is_loop_bound:
        yield Tier.MANUAL, f"{name} connections are bound to the event loop that made them"
    elif constructor in library.pools:
        yield Tier.MANUAL, f"{name}: what is taken from a kept pool has to be alive, and given back on every way"
    elif not library.is_lasting(constructor):
        yield Tier.MANUAL, f"{name} does not reconnect by itself: {library.hazards}"
    elif library.tier != "safe":
        tier = Tier.MANUAL if library.tier == "manual" else Tier.REVIEW
        yield tier, f"{name}: {library.hazards}" if library.hazards else f"{name} keeps session state"
    if constructor in library.by_hand:
        yield Tier.MANUAL, f"by hand: {library.by_hand[constructor]}"


def _ends(connection: Connection, library: Library, holding: Holding) -> Iterator[tuple[Tier, str]]:
    """Why the places that end it cannot be rewritten, or a transaction would be left open."""
    endings = [ending for _, ending in holding.endings()]
    is_ended = any(ending.closes or ending.entries for ending in endings)
    if is_ended and connection.constructor not in library.instead_of_close:
        yield Tier.MANUAL, f"{library.name}: its close() does more than close ({library.hazards})"
    if not _is_sql(library):
        return
    for holder in holding.holders:
        if not _is_ended(holder, library):
            yield Tier.MANUAL, f"{holder.function}() never closes it, so where its transaction ends cannot be seen"


def _is_ended(holder: Holder, library: Library) -> bool:
    """Whether a function that holds it closes it, ends its transaction, or gives it on to one that does."""
    ending = holder.ending
    if holder.is_lent or (ending is not None and "returned" in ending.flows):
        return True
    if ending is None:
        return False
    is_closing = any(entry.form == "closing" for entry in ending.entries) or "close" in library.with_effect
    return bool(ending.closes) or (bool(ending.entries) and (is_closing or not ending.is_late))


def _surroundings(
    evidence: Evidence, path: str, connection: Connection, library: Library
) -> Iterator[tuple[Tier, str]]:
    function = evidence.program.functions.get((path, connection.function))
    if function is not None and _decorates(evidence, path, function):
        yield Tier.REVIEW, f"{connection.function}() runs around each call of what it decorates"
    if function is not None and _runs_before_getters(evidence, path, function):
        yield Tier.MANUAL, f"{connection.function}() runs at import, above the place where a getter would stand"
    is_lambda = connection.function.endswith("<lambda>")  # of a class: it fills a field of each object
    if is_lambda or (function is not None and any(guard.kind == "function" for guard in connection.guards)):
        yield Tier.REVIEW, "it is built inside a lambda"
    if library.kind.startswith("sql"):
        yield from _session(evidence)
    yield from _threads(evidence, path, connection, library)


def _holder(
    evidence: Evidence, holder: Holder, connection: Connection, library: Library
) -> Iterator[tuple[Tier, str]]:
    """What one function does with it that a kept connection would feel."""
    function = evidence.program.functions.get((holder.path, holder.function))
    is_plain = function is None or not (function.is_async or function.has_generator)
    if not is_plain and not is_manager(function):
        yield Tier.MANUAL, f"{holder.function}() is a coroutine or generator"
    if holder.ending is None:
        return
    yield from _uses(evidence, holder.path, holder.ending, connection, library)
    if library.takes:
        yield from _takings(evidence, holder.path, holder.ending, connection)
    handed = dict(holder.ending.handed)
    for flow in sorted(holder.ending.flows):
        if flow.startswith("passed:"):
            yield from _passed_on(evidence, holder, flow, handed.get(flow, frozenset()), library)


def _uses(
    evidence: Evidence, path: str, ending: Ending, connection: Connection, library: Library
) -> Iterator[tuple[Tier, str]]:
    if ending.touched and not library.reopens:
        yield Tier.MANUAL, f"{ending.touched} may close it: what is kept would be of no more use"
    for changed in _changes(ending, library):
        if changed.makes and changed.name in library.owned:
            tier = Tier.MANUAL if ending.closes or ending.entries else Tier.REVIEW
            yield tier, f"{changed.text} makes one more of what only its close() ends, in every call"
        else:
            yield _setting(evidence, path, changed, connection)
    if "stored" in ending.flows and not is_kept(evidence, path, connection):
        tier = Tier.MANUAL if _is_sql(library) else Tier.REVIEW
        yield tier, "it is stored in an object, and may be changed or closed elsewhere"
    if library.kind == "aws" and _leaves(ending) and _registers_hooks(evidence):
        yield (
            Tier.REVIEW,
            "something that was reached through it leaves the function, and may get a hook there",
        )
    if library.kind == "nosql" and _may_lead_back(evidence, ending):
        yield (
            Tier.REVIEW,
            "something that was reached through it leaves the function, and `.client` leads back to it",
        )


def _takings(evidence: Evidence, path: str, ending: Ending, connection: Connection) -> Iterator[tuple[Tier, str]]:
    """What is taken out of a kept pool has to be given back: a pool of one call ends with all that it gave."""
    for taken in ending.taken:
        yield Tier.MANUAL, f"{taken} takes a connection out of it, and no with statement gives that back"
    is_seen = not any(flow.startswith(("passed:", "stored", "lost")) for flow in ending.flows)
    if not is_seen and not is_kept(evidence, path, connection):
        yield Tier.MANUAL, "others get the pool: whether they give back what they take out of it cannot be seen"
    if any(argument.name == "open" and argument.value.text != "True" for argument in connection.arguments):
        yield Tier.MANUAL, "it is opened by hand, in every call: a kept one would have to be open already"


def _setting(evidence: Evidence, path: str, changed: Changed, connection: Connection) -> tuple[Tier, str]:
    if not is_fixed(evidence, path, changed.given):
        return Tier.MANUAL, f"{changed.text} sets something on it that is computed in every call"
    if not changed.is_certain:
        return (
            Tier.MANUAL,
            f"{changed.text} sets something on it in some calls only, and the others would have it too",
        )
    if len(_alike(evidence, path, connection)) > 1:
        return Tier.MANUAL, f"{changed.text} sets something on it that other places which open the same do not want"
    return Tier.REVIEW, f"{changed.text} sets the same on it once more in every call"


def _may_lead_back(evidence: Evidence, ending: Ending) -> bool:
    """Whether a part of it leaves the function, and the program closes something that it finds as `.client`."""
    names = [{name for name, _ in module.attributes} for module in evidence.program.modules.values()]
    return _leaves(ending) and any({"client", "close"} <= each for each in names)


def _leaves(ending: Ending) -> bool:
    """Whether something that was reached through it leaves the function."""
    return any(flow.startswith(("part passed", "part stored", "part returned")) for flow in ending.flows)


def _registers_hooks(evidence: Evidence) -> bool:
    """Whether a function of the program registers hooks with a client, which may be found as `.meta.client`."""
    names = [{name for name, _ in module.attributes} for module in evidence.program.modules.values()]
    return any({"meta", "events"} <= each and not each.isdisjoint(REGISTERING) for each in names)


def _alike(evidence: Evidence, path: str, connection: Connection) -> list[Connection]:
    """The connections of a module that are written alike: they share what is kept."""
    return [each for each in evidence.program.connections_of(path) if each.text == connection.text]


# ---------------------------------------------------------------- two at once


def _overlap(
    evidence: Evidence, path: str, connection: Connection, library: Library, holding: Holding
) -> Iterator[tuple[Tier, str]]:
    """Two connections that were open at the same time would become one, with one transaction."""
    if library.kind not in ("sql", "http") or library.tier == "safe":
        return
    alike = _alike(evidence, path, connection)
    if sum(each.function == connection.function for each in alike) > 1:
        yield Tier.MANUAL, f"{connection.function}() opens it twice: both would be the same connection"
    openers = {(path, each.function) for each in alike}
    for holder in holding.holders:
        callee = _opening_while_held(evidence, holder, connection, openers)
        if callee:
            yield (
                Tier.MANUAL,
                f"{holder.function}() holds it while {callee}() opens it again: both would be the same",
            )


def _opening_while_held(
    evidence: Evidence, holder: Holder, connection: Connection, openers: set[FunctionKey]
) -> str:
    """The function that is called while the connection is open, and opens another one like it; or ""."""
    closes = holder.ending.closes if holder.ending is not None else ()
    last = max((close.word.end for close in closes), default=0)
    key = (holder.path, holder.function)
    calls = evidence.program.calls.get(key, ())
    beside = [call for call, callee in calls if callee in openers and call.place.line == holder.line]
    for call, callee in calls:
        is_behind = last and call.order > last
        is_own = call in beside[:1]
        if not (is_behind or is_own or call.place.line < holder.line) and _reaches(evidence, callee, openers):
            return callee[1]
    return ""


def _reaches(evidence: Evidence, key: FunctionKey, wanted: set[FunctionKey]) -> bool:
    """Whether a call of one function can come to one of others."""
    seen: set[FunctionKey] = set()
    waiting = [key]
    while waiting:
        following = waiting.pop()
        if following in wanted:
            return True
        if following not in seen:
            seen.add(following)
            waiting += [callee for _, callee in evidence.program.calls.get(following, ())]
    return False


def _runs_before_getters(evidence: Evidence, path: str, function: Function) -> bool:
    """Whether a function that is defined inside of a statement runs at import: getters stand in front of a def."""
    is_inside = function.place.column > 1 and not (function.is_nested or function.class_name)
    called = {callee for _, callee in evidence.program.calls.get((path, ""), ())}
    return is_inside and (path, function.qualname) in evidence.reach.below(called)


def _decorates(evidence: Evidence, path: str, function: Function) -> bool:
    """Whether it is part of a decorator of the program."""
    around = {function.class_name or function.qualname.partition(".")[0]}
    used = {
        (target.path, target.name)
        for (site, _), each in evidence.program.functions.items()
        for decorator in each.decorators
        if (target := evidence.program.resolve(site, decorator.name)) is not None
    }
    return any((path, name) in used for name in around)


def _session(evidence: Evidence) -> Iterator[tuple[Tier, str]]:
    """What the program tells or asks of a session in the database; a driver beside it is no part of it."""
    root = f"{evidence.program.root.path}/".lstrip("/")
    for path, module in sorted(evidence.program.modules.items()):
        if path.removeprefix(root).partition("/")[0] in DRIVERS:
            continue
        if module.setting and not path.endswith(f"{HELPER}.py"):
            where = f"{module.setting} ({path})"
            yield Tier.MANUAL, f"{where} stays in force on a kept connection: say it again, or keep none"
        used = {name for name, _ in module.attributes}
        if "callproc" in used:
            yield Tier.REVIEW, f"{path} calls procedures of the database: what they set would stay"
        for each in sorted({"notices", "notifies"} & used):
            yield Tier.REVIEW, f"{path} reads {each}: a kept connection still has those of earlier calls"


def _passed_on(
    evidence: Evidence, holder: Holder, flow: str, handed: frozenset[Atom], library: Library
) -> Iterator[tuple[Tier, str]]:
    """A connection that is given to others must not be closed there."""
    path = holder.path
    callee, _, position = flow.removeprefix("passed").strip(":").rpartition(":")
    key = evidence.program.callee(path, callee) if callee else None
    if key is not None and _touches(evidence, key, position):
        tier = Tier.MANUAL if _is_sql(library) else Tier.REVIEW
        yield tier, f"it is passed to {callee}(), which may close or change it"
    elif key is None and library.kind != "aws":
        yield Tier.REVIEW, f"it is passed to {callee or 'a function'}, which cannot be followed"
    elif callee in SESSIONS:
        yield Tier.REVIEW, f"{callee} makes a session of it: what is set on that one is set on this one, too"
    elif callee.startswith("botocore.stub"):
        yield Tier.REVIEW, f"{callee} gives it answers, which a kept client would still have"
    elif key is None and not callee.startswith(AWS_OWN) and _has_request(evidence, path, handed):
        yield Tier.REVIEW, f"{callee or 'a function'} gets it with data of the request, and cannot be followed"
    elif key is None and "." not in callee and _some_value_touches(evidence, position):
        yield Tier.REVIEW, f"it is passed to {callee or 'a function'}, which may be one that changes it"


def _has_request(evidence: Evidence, path: str, atoms: frozenset[Atom]) -> bool:
    kinds = {source.kind for source in evidence.sources.of_atoms(path, atoms)}
    return bool(kinds & {"event", "context", "opaque", "cell"})


def _some_value_touches(evidence: Evidence, position: str) -> bool:
    """Whether a function that stands as a value somewhere closes or changes what it is given there."""
    named = {
        key for (path, _), each in evidence.program.functions.items() for key in evidence.reach.named(path, each)
    }
    for path, module in evidence.program.modules.items():
        targets = [evidence.program.resolve(path, name) for name in module.mentions]
        named |= {(each.path, each.name) for each in targets if each is not None and each.kind == "function"}
    return any(_touches(evidence, key, position) for key in named)


def _touches(evidence: Evidence, key: FunctionKey, position: str, depth: int = 5) -> bool:
    """Whether a function closes or changes what it is given at this position, or passes it on to one that may."""
    function = evidence.program.functions[key]
    shift = shift_of(function)
    for number, parameter in enumerate(function.parameters):
        if position in (parameter.name, str(number - shift)):
            passed = [fate for fate in parameter.fates if fate.startswith("passed")]
            is_touched = bool(parameter.attributes & TOUCHES) or "stored" in parameter.fates
            return is_touched or any(_passes(evidence, key[0], fate, depth) for fate in passed)
    return True


def _passes(evidence: Evidence, path: str, fate: str, depth: int) -> bool:
    callee, _, position = fate.removeprefix("passed").strip(":").rpartition(":")
    key = evidence.program.callee(path, callee) if callee else None
    return key is None or depth == 0 or _touches(evidence, key, position, depth - 1)


def _threads(evidence: Evidence, path: str, connection: Connection, library: Library) -> Iterator[tuple[Tier, str]]:
    """What speaks against one connection for all threads of the program."""
    started = next(starters(evidence.program), "")
    is_beside = (path, connection.function) in evidence.beside
    if not started:
        return
    if connection.constructor in library.thread_safe:
        if is_beside:
            yield Tier.REVIEW, f"threads of {started} would share it: {library.name} allows that"
    elif is_beside:
        yield (
            Tier.MANUAL,
            f"threads of {started} would share it, and {library.name} does not allow that: keep one per thread",
        )
    else:
        yield Tier.REVIEW, f"{started} starts threads: none of them may get it"
