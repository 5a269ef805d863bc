"""A connection that is built inside a function -> whether it may outlive the invocation, and how."""

from collections.abc import Iterator

from statelift.catalogue import Library, constructors
from statelift.facts.values import Access, Argument, Connection, Guard, Test
from statelift.judge.caches import FILLS, cache_reasons, lazy_reasons
from statelift.judge.evidence import Evidence, is_miss, uses_of
from statelift.judge.values import Judgement, Subject
from statelift.link.program import FunctionKey, shift_of
from statelift.link.sources import Source
from statelift.model import Tier, Use, Verdict

SKIPPED_KINDS = frozenset({"http-implicit", "sql-embedded"})
CACHING = frozenset({"functools.cache", "functools.lru_cache", "functools.cached_property"})
AMBIENT = {"aws": ("AWS_",)}
CREDENTIALS = frozenset({"aws_access_key_id", "aws_secret_access_key", "aws_session_token"})
CONSTRUCTORS_OF_OPTIONS = ("botocore.config.Config", "botocore.client.Config")
CLOSERS = frozenset({"contextlib.closing", "closing", "stack.enter_context"})
CLOSE_IS_IDLE = frozenset({"aws", "cache", "nosql", "http"})  # kinds whose close() only frees the connection
TOUCHES = frozenset({"close", "dispose", "register", "unregister", "headers", "cookies", "auth"})
FIXED = frozenset({"const", "env"})


def judge_connections(evidence: Evidence) -> Iterator[Judgement]:
    """A judgement for every connection that a handler's call builds."""
    table = constructors()
    for path, connection in evidence.program.connections():
        library = table[connection.constructor]
        is_known = (path, connection.function) in evidence.program.functions  # a lambda at import is none
        if library.kind in SKIPPED_KINDS or not (is_known and evidence.is_reachable(path, connection.function)):
            continue
        yield _judge(evidence, path, connection, library)
    yield from _unvalidated(evidence)


def _unvalidated(evidence: Evidence) -> Iterator[Judgement]:
    """SQL connections opened at import: the server drops them while the container sleeps."""
    for key, uses in sorted(evidence.program.accesses.items()):
        cell = evidence.program.cells.get(key)
        library = constructors().get(cell.callee) if cell is not None else None
        reached = [(path, use) for path, use in uses if evidence.is_reachable(path, use.function)]
        if cell is None or library is None or not reached:
            continue
        if library.kind == "sql" and "pool" not in cell.callee.lower():
            subject = Subject(key[0], cell.place, key[1], evidence.handlers(reached), uses_of(reached))
            yield Judgement(
                rule="SL403",
                subject=subject,
                verdict=Verdict.UNVALIDATED,
                message=f"{key[1]} is opened at import, and never validated",
                reasons=(
                    f"{library.name}: a connection that the server has dropped fails on its next use",
                    "open it in a function that validates it first; end transactions with rollback() or commit()",
                ),
                tier=Tier.MANUAL,
            )


def _judge(evidence: Evidence, path: str, connection: Connection, library: Library) -> Judgement:
    make = _Maker(evidence, path, connection, library)
    lazy = _lazy(evidence, path, connection)
    if lazy:
        return make(Verdict.LAZY_CLIENT, "is built once and kept", (lazy,))
    dependent = _dependence(evidence, path, connection)
    if dependent:
        return make(Verdict.EVENT_DEPENDENT, "is never shared", (dependent,))
    judgement = make(Verdict.PER_CALL, "is built again on every call", (_why(connection),))
    for tier, reason in _obstacles(evidence, path, connection, library):
        judgement = judgement.lowered(tier, reason)
    return judgement


class _Maker:
    def __init__(self, evidence: Evidence, path: str, connection: Connection, library: Library) -> None:
        entries = evidence.reach.entries_of((path, connection.function))
        use = Use(path, connection.place.line, "connect")
        cached = _cached(evidence, path, connection)
        self.subject = Subject(path, connection.place, cached or connection.constructor, entries, (use,))
        self.rule = "SL402" if library.kind.startswith("sql") else "SL401"
        self.path, self.connection = path, connection

    def __call__(self, verdict: Verdict, what: str, reasons: tuple[str, ...]) -> Judgement:
        return Judgement(
            rule=self.rule,
            subject=self.subject,
            verdict=verdict,
            message=f"{_short(self.connection.text)} {what}",
            reasons=reasons,
            connection=(self.path, self.connection),
        )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _why(connection: Connection) -> str:
    return f"{connection.function}() builds it in line {connection.place.line}, with arguments that stay the same"


def _lazy(evidence: Evidence, path: str, connection: Connection) -> str:
    is_kept = _is_kept(evidence, path, connection)
    if is_kept and any(is_miss(guard, connection.cell, "") for guard in connection.guards):
        return f"line {connection.place.line} builds it only where {connection.cell} does not hold it yet"
    if _is_under_miss(evidence, path, connection.function, connection.guards):
        return "it is built only while something that the container keeps is not there yet"
    if _kept_per_key(evidence, path, connection):
        return "it is kept in a dict, by what it is made of"
    owner = evidence.lifetimes.kept_with((path, connection.function))
    if owner:
        return f"it is made together with the {owner} that the container keeps"
    return f"{connection.function}() keeps what it returns" if _cached(evidence, path, connection) else ""


def _is_kept(evidence: Evidence, path: str, connection: Connection) -> bool:
    """Whether it is stored in a cell that outlives the call: an attribute of a new object does not."""
    target = evidence.program.resolve(path, connection.cell) if connection.cell else None
    key = (path, connection.cell) if target is None else (target.path, target.name)
    cell = evidence.program.cells.get(key)
    return bool(connection.cell) and (cell is None or evidence.lifetimes.lasts(key, cell))


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
    """Whether a test holds only while a lazily built cell is still empty."""
    target = evidence.program.resolve(path, test.subject)
    key = (path, test.subject) if target is None else (target.path, target.name)
    cell = evidence.program.cells.get(key)
    if cell is None or test.key or not is_miss(guard, test.subject, ""):
        return False
    return evidence.lifetimes.lasts(key, cell) and bool(lazy_reasons(evidence, key, cell, evidence.reached(key)))


def _kept_per_key(evidence: Evidence, path: str, connection: Connection) -> bool:
    """Whether it is what a cache holds for a key, and no other key gets it."""
    for use in evidence.program.accesses_in.get((path, connection.function), ()):
        if (use.op in FILLS and connection.bound_to in _names(use)) or _is_within(use, connection):
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


def _cached(evidence: Evidence, path: str, connection: Connection) -> str:
    """The name of the function that builds it, where a decorator keeps what it returns."""
    function = evidence.program.functions[path, connection.function]
    names = {each.name for each in function.decorators} & CACHING
    is_lasting = "functools.cached_property" not in names or evidence.lifetimes.is_lasting_class(
        (path, function.class_name)
    )
    return connection.function if names and is_lasting else ""


def _ambient(evidence: Evidence, connection: Connection) -> str:
    """Why the library's own defaults (credentials, region, host) change from call to call, or ""."""
    written = {name.strip("'") for m in evidence.program.modules.values() for name in m.environment_writes}
    library = constructors()[connection.constructor]
    prefixes = AMBIENT.get(library.kind, ("PG", "MYSQL", "REDIS", "DATABASE", "DB_"))
    found = sorted(name for name in written if name == "*" or name.startswith(prefixes))
    what = "the environment" if found[:1] == ["*"] else "".join(found[:1])
    return f"a function of the program changes {what}, which such a client reads by itself" if found else ""


def _dependence(evidence: Evidence, path: str, connection: Connection) -> str:
    """Why the connection belongs to one request or tenant, or ""."""
    ambient = _ambient(evidence, connection)
    if ambient:
        return ambient
    if connection.mutated:
        return f"{connection.mutated} is changed after it is built: a shared client would keep that"
    for argument in connection.arguments:
        sources = evidence.sources.of(path, argument.value)
        text = argument.value.text
        if any(source.kind in ("event", "context") for source in sources):
            return f"its argument {text} comes from the request"
        if any("assume_role" in source.detail for source in sources):
            return f"its argument {text} holds assumed credentials, which expire and belong to one role"
        if argument.name in CREDENTIALS and not {source.kind for source in sources} <= FIXED:
            return f"its argument {text} holds credentials that are not constant"
        if any(source.kind in ("opaque", "cell") for source in sources):
            return f"its argument {text} cannot be followed to a constant or the environment"
    return ""


def _obstacles(
    evidence: Evidence, path: str, connection: Connection, library: Library
) -> Iterator[tuple[Tier, str]]:
    yield from _library(connection, library)
    for argument in connection.arguments:
        yield from _argument(evidence, path, argument)
    yield from _surroundings(evidence, path, connection, library)
    module = path.rpartition("/")[2].removesuffix(".py")
    test = evidence.mentioning_test("patch", module, connection.constructor.partition(".")[0])
    if test is not None:
        yield (
            Tier.REVIEW,
            f"{test} patches {connection.constructor.partition('.')[0]}: a kept client may outlive the patch",
        )


def _library(connection: Connection, library: Library) -> Iterator[tuple[Tier, str]]:
    is_async = "async" in connection.constructor.lower() or library.is_loop_bound
    if is_async:
        yield Tier.MANUAL, f"{library.name} connections are bound to the event loop that made them"
    elif not library.is_self_healing and not library.kind.startswith("sql"):
        yield Tier.MANUAL, f"{library.name} does not reconnect by itself: {library.hazards}"
    elif connection.closes and library.kind not in CLOSE_IS_IDLE and not library.kind.startswith("sql"):
        yield Tier.MANUAL, f"{library.name}: its close() does more than close ({library.hazards})"
    elif library.tier != "safe":
        tier = Tier.MANUAL if library.tier == "manual" else Tier.REVIEW
        yield (
            tier,
            f"{library.name}: {library.hazards}" if library.hazards else f"{library.name} keeps session state",
        )


def _argument(evidence: Evidence, path: str, argument: Argument) -> Iterator[tuple[Tier, str]]:
    text = argument.value.text
    if argument.name in ("*", "**"):
        yield Tier.REVIEW, f"its arguments are unpacked from {text}"
    for source in sorted(evidence.sources.of(path, argument.value)):
        if source.kind in ("external", "nondet") and not _is_option(source):
            yield (
                Tier.REVIEW,
                f"{text} is computed by {source.detail or 'a call'}() on every call; the getter asks once",
            )
        if source.kind == "env" and _is_rewritten(evidence, source):
            yield Tier.REVIEW, f"the program itself changes the environment that {text} reads"


def _is_option(source: Source) -> bool:
    return source.detail in CONSTRUCTORS_OF_OPTIONS


def _is_rewritten(evidence: Evidence, source: Source) -> bool:
    written = {name for module in evidence.program.modules.values() for name in module.environment_writes}
    return any(name == "*" or name in source.detail for name in written)


def _surroundings(
    evidence: Evidence, path: str, connection: Connection, library: Library
) -> Iterator[tuple[Tier, str]]:
    function = evidence.program.functions[path, connection.function]
    is_sql = library.kind.startswith("sql")
    if function.is_async or function.has_generator:
        yield Tier.MANUAL, f"{connection.function}() is a coroutine or generator"
    if connection.is_with:
        yield Tier.MANUAL, "it is opened by a with statement, which closes it or ends a transaction"
    if any(guard.kind == "function" for guard in connection.guards):
        yield Tier.REVIEW, "it is built inside a lambda"
    if is_sql and connection.setting:
        yield Tier.MANUAL, f"{connection.setting} stays in force on a kept connection: say it again, or keep none"
    if is_sql and connection.fates & {"stored", "returned"}:
        yield Tier.MANUAL, "it leaves the function that opens it, so where it is closed cannot be seen"
    elif "stored" in connection.fates and not _is_kept(evidence, path, connection):
        yield Tier.REVIEW, "it is stored in an object, and may be changed or closed elsewhere"
    elif "returned" in connection.fates:
        yield from _callers(evidence, path, connection)
    yield from _passed_on(evidence, path, connection, library)
    threads = _starts_threads(evidence)
    if threads:
        yield (
            Tier.REVIEW,
            f"{threads} starts threads or processes: only low-level clients may be shared between them",
        )
    if is_sql and not connection.bound_to:
        yield Tier.MANUAL, "it is not kept in a variable, so its transaction cannot be ended"


def _callers(evidence: Evidence, path: str, connection: Connection) -> Iterator[tuple[Tier, str]]:
    """A connection that a helper returns must not be closed or changed by those who asked for it."""
    for site, call in evidence.program.call_sites.get((path, connection.function), ()):
        caller = evidence.program.functions.get((site, call.function))
        touched = sorted(caller.attributes & TOUCHES) if caller is not None else []
        if touched:
            yield Tier.REVIEW, f"{call.function}() gets it from {connection.function}(), and uses .{touched[0]}"


def _passed_on(
    evidence: Evidence, path: str, connection: Connection, library: Library
) -> Iterator[tuple[Tier, str]]:
    """A connection that is given to others must not be closed there."""
    for fate in sorted(connection.fates):
        if not fate.startswith("passed"):
            continue
        callee, _, position = fate.removeprefix("passed").strip(":").rpartition(":")
        key = evidence.program.callee(path, callee) if callee else None
        if key is not None and _touches(evidence, key, position):
            yield Tier.REVIEW, f"it is passed to {callee}(), which may close or change it"
        elif callee in CLOSERS:
            yield Tier.MANUAL, f"it is passed to {callee}(), which closes it"
        elif key is None and library.kind != "aws":
            yield Tier.REVIEW, f"it is passed to {callee or 'a function'}, which cannot be followed"


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


def _starts_threads(evidence: Evidence) -> str:
    """The first file of the program that runs code in other threads or processes, or ""."""
    for path, module in sorted(evidence.program.modules.items()):
        imported = {each.module.partition(".")[0] for each in module.imports}
        used = {name for name, _ in module.attributes}
        if imported & {"threading", "concurrent", "multiprocessing"} or used & {"to_thread", "run_in_executor"}:
            return path
    return ""
