"""A connection that is built on every call -> why it must not be shared, and what lowers the tier of sharing it."""

from collections.abc import Iterator

from statelift.catalogue import Library, constructors
from statelift.facts.values import Argument, Connection, Function
from statelift.judge.evidence import Evidence
from statelift.judge.kept import is_kept
from statelift.link.program import FunctionKey, shift_of
from statelift.link.sources import Source
from statelift.model import Tier

AMBIENT = {"aws": ("AWS_",)}
CREDENTIALS = frozenset({"aws_access_key_id", "aws_secret_access_key", "aws_session_token"})
OPTIONS = frozenset(
    """botocore.config.Config botocore.client.Config urllib3.util.Retry urllib3.util.retry.Retry urllib3.Retry
    urllib3.Timeout urllib3.util.Timeout httpx.Timeout httpx.Limits""".split()
)  # their objects are plain settings
CLOSERS = frozenset({"contextlib.closing", "closing"})
CLOSE_IS_IDLE = frozenset({"aws", "cache", "nosql", "http"})  # kinds whose close() only frees the connection
TOUCHES = frozenset({"close", "dispose", "register", "unregister", "headers", "cookies", "auth"})
FIXED = frozenset({"const", "env"})


def _ambient(evidence: Evidence, connection: Connection) -> str:
    """Why the library's own defaults (credentials, region, host) change from call to call, or ""."""
    written = {name.strip("'") for m in evidence.program.modules.values() for name in m.environment_writes}
    library = constructors()[connection.constructor]
    prefixes = AMBIENT.get(library.kind, ("PG", "MYSQL", "REDIS", "DATABASE", "DB_"))
    found = sorted(name for name in written if name == "*" or name.startswith(prefixes))
    what = "the environment" if found[:1] == ["*"] else "".join(found[:1])
    return f"a function of the program changes {what}, which such a client reads by itself" if found else ""


def dependence(evidence: Evidence, path: str, connection: Connection) -> str:
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


def obstacles(
    evidence: Evidence, path: str, connection: Connection, library: Library
) -> Iterator[tuple[Tier, str]]:
    """Tier and reason for everything that speaks against keeping it."""
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
    elif connection.ending.closes and library.kind not in CLOSE_IS_IDLE and not library.kind.startswith("sql"):
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
    return source.detail in OPTIONS


def _is_rewritten(evidence: Evidence, source: Source) -> bool:
    written = {name for module in evidence.program.modules.values() for name in module.environment_writes}
    return any(name == "*" or name in source.detail for name in written)


def _surroundings(
    evidence: Evidence, path: str, connection: Connection, library: Library
) -> Iterator[tuple[Tier, str]]:
    function = evidence.program.functions.get((path, connection.function))
    is_sql = library.kind.startswith("sql")
    if function is not None and (function.is_async or function.has_generator):
        yield Tier.MANUAL, f"{connection.function}() is a coroutine or generator"
    if function is not None and _decorates(evidence, path, function):
        yield Tier.REVIEW, f"{connection.function}() runs around each call of what it decorates"
    if connection.ending.form != "plain":
        yield Tier.MANUAL, "it is opened by a with statement, which closes it or ends a transaction"
    if function is not None and any(guard.kind == "function" for guard in connection.guards):
        yield Tier.REVIEW, "it is built inside a lambda"
    if is_sql and connection.setting:
        yield Tier.MANUAL, f"{connection.setting} stays in force on a kept connection: say it again, or keep none"
    if is_sql and connection.fates & {"stored", "returned"}:
        yield Tier.MANUAL, "it leaves the function that opens it, so where it is closed cannot be seen"
    elif "stored" in connection.fates and not is_kept(evidence, path, connection):
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
    if is_sql and not connection.ending.bound_to:
        yield Tier.MANUAL, "it is not kept in a variable, so its transaction cannot be ended"


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


def _callers(evidence: Evidence, path: str, connection: Connection) -> Iterator[tuple[Tier, str]]:
    """A connection that a helper returns must not be closed or changed by those who asked for it."""
    sites = evidence.program.call_sites.get((path, connection.function), ())
    function = evidence.program.functions.get((path, connection.function))
    if function is not None and "functools.cached_property" in {each.name for each in function.decorators}:
        yield (
            Tier.REVIEW,
            f"each object keeps what {connection.function} gives, and may close or change it elsewhere",
        )
    elif function is not None and not sites:
        yield Tier.REVIEW, f"who gets what {connection.function}() returns cannot be followed"
    for site, call in sites:
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
