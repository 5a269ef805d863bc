"""A client or connection that every call opens becomes a lazy getter at the same place.

## What it does
Finds constructors of client libraries (boto3, redis, SQL drivers and others) that run on every invocation.

## Why
Opening costs time on every call, and a busy function exhausts the database's connections.

## Becomes
`boto3.client("s3")` becomes `_s3_client()`, with a `@functools.cache` function that builds it once per
container. It is called where the constructor stood (a function that does nothing but return the client gets
the decorator itself), so exceptions are raised in the same place, nothing happens at import, and tests can
clear it with `_s3_client.cache_clear()`. SQL connections come from a slot that is validated before every use
and rolled back where `close()` stood.

## Left alone
Clients built at import or behind a sentinel, pools, and every client that depends on the request: arguments
from the event, assumed credentials, headers set after it is built.

## Safety
SAFE for libraries that heal themselves, with arguments that are constant or come from the environment. REVIEW
for SQL, for cookies, and where an argument is computed on every call. MANUAL for connections bound to an
event loop and for with statements.

## Related
AP-02 stateful operations.
"""

import re
from collections.abc import Callable, Iterator

from statelift.catalogue import constructors
from statelift.facts.values import Argument, Connection
from statelift.judge.values import Judgement
from statelift.model import Edit, EnsureHelperPart, EnsureImport, Operation, Span, Tier, Verdict
from statelift.workspace import Proposal, Workspace

RULES = ("SL401", "SL402")
VALIDATED = {
    "psycopg2.connect": 'connection.cursor().execute("SELECT 1")',
    "psycopg.connect": 'connection.execute("SELECT 1")',
    "pymysql.connect": "connection.ping(reconnect=False)",
    "pymysql.Connect": "connection.ping(reconnect=False)",
    "mysql.connector.connect": "connection.ping(reconnect=False)",
}
HASHABLE = frozenset({"str", "int", "bool", "none", "float"})


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: the constructor call becomes a getter call."""
    if judgement.verdict is not Verdict.PER_CALL or judgement.tier is Tier.MANUAL or judgement.connection is None:
        return
    path, connection = judgement.connection
    is_sql = constructors()[connection.constructor].kind.startswith("sql")
    if is_sql and connection.constructor not in VALIDATED:
        return
    proposal = (_slot if is_sql else _getter)(judgement, workspace, path, connection)
    for tier, reason in _obstacles(workspace, path, connection, judgement, is_sql=is_sql):
        proposal = proposal.lowered(tier, reason)
    yield proposal


def _obstacles(
    workspace: Workspace, path: str, connection: Connection, judgement: Judgement, *, is_sql: bool
) -> Iterator[tuple[Tier, str]]:
    if is_sql:
        yield from workspace.obstacles(judgement, needs_resource=False)
        if not connection.ending.closes:
            yield Tier.MANUAL, "it is never closed here, so where its transaction ends cannot be seen"
    for argument in connection.arguments:
        is_unpacked = argument.name in ("*", "**")
        if argument.has_locals and argument.is_inherited:
            yield Tier.MANUAL, f"its session's argument {argument.value.text} is a local value"
        elif argument.has_locals and (is_sql or is_unpacked or not _is_hashable(workspace, path, argument)):
            yield Tier.MANUAL, f"its argument {argument.value.text} is a local value that cannot be a cache key"
    if any(close.line is None for close in connection.ending.closes) and not is_sql:
        yield Tier.MANUAL, "its close() is part of a larger statement"


def _is_hashable(workspace: Workspace, path: str, argument: Argument) -> bool:
    return workspace.evidence.sources.type_of(path, argument.value.type) in HASHABLE


# ---------------------------------------------------------------- self-healing clients


def _getter(judgement: Judgement, workspace: Workspace, path: str, connection: Connection) -> Proposal:
    title = f"build {_short(connection.text)} once per container"
    if connection.factory is not None:  # the function is a getter already: it only has to keep what it builds
        cached = Edit(path, connection.factory, connection.factory, "@functools.cache\n")
        return Proposal("getter", title, (cached, EnsureImport(path, "functools")), judgement.tier)
    varying = [argument for argument in connection.arguments if argument.has_locals]

    def define(name: str) -> str:
        return _definition(name, path, connection, varying, workspace)

    name = _name(path, connection, workspace, define)
    call = ", ".join(argument.value.text for argument in varying)
    edits = [Edit(path, connection.span.start, connection.span.end, f"{name}({call})")]
    edits += [Edit(path, close.line.start, close.line.end, "") for close in connection.ending.closes if close.line]
    ops: tuple[Operation, ...] = (
        *edits,
        EnsureImport(path, "functools"),
        EnsureHelperPart(path, name, define(name)),
    )
    return Proposal("getter", title, ops, judgement.tier)


def _short(text: str) -> str:
    return text if len(text) <= 50 else f"{text[:47]}..."


def _definition(name: str, path: str, connection: Connection, varying: list[Argument], workspace: Workspace) -> str:
    parameters = {argument.value.text: _parameter(argument) for argument in varying}
    text = _source(path, connection, workspace)
    if parameters:
        text = _parameterised(connection, parameters)
    lines = [f"    {line}\n" for line in dict.fromkeys(connection.local_imports)]
    return f"@functools.cache\ndef {name}({', '.join(parameters.values())}):\n{''.join(lines)}    return {text}\n"


def _source(path: str, connection: Connection, workspace: Workspace) -> str:
    """The constructor as it is written; the session that it is made of stands in for its variable."""
    span, owner = connection.span, connection.owner
    if owner is None:
        return workspace.text(path, span)
    head, tail = Span(span.start, owner.name.start), Span(owner.name.end, span.end)
    return "".join(workspace.text(path, each) for each in (head, owner.call, tail))


def _parameter(argument: Argument) -> str:
    if argument.value.text.isidentifier():
        return argument.value.text
    return argument.name if argument.name.isidentifier() else f"argument_{argument.name}"


def _parameterised(connection: Connection, parameters: dict[str, str]) -> str:
    function = connection.text.partition("(")[0]
    given = []
    for argument in connection.arguments:
        text = parameters.get(argument.value.text, argument.value.text)
        given.append(text if argument.name.isdigit() else f"{argument.name}={text}")
    return f"{function}({', '.join(given)})"


def _name(path: str, connection: Connection, workspace: Workspace, define: Callable[[str], str]) -> str:
    """A name per different constructor text of the module: it does not depend on what else is accepted."""
    wished = _wished(connection)
    texts: dict[str, None] = {}
    for other in workspace.program.modules[path].connections:
        is_generated = other.function.startswith((wished, "<lambda>"))  # by an earlier run, unless it is judged now
        if _wished(other) == wished and (other == connection or not is_generated):
            texts.setdefault(_identity(other))
    number = list(texts).index(_identity(connection)) + 1
    return workspace.unused_name(path, wished if number == 1 else f"{wished}_{number}", define)


def _identity(connection: Connection) -> str:
    return connection.text + "".join(connection.local_imports)


def _wished(connection: Connection) -> str:
    library, _, made = connection.constructor.rpartition(".")
    literal = re.search(r"\(['\"]([\w.-]+)['\"][^()]*\)$", connection.text)
    if library.startswith("boto3") and made in ("client", "resource"):
        service = literal.group(1).replace("-", "_").replace(".", "_") if literal else "aws"
        return f"_{service}_{made}"
    kind = next(
        (word for word in ("session", "engine", "pool", "producer", "consumer") if word in made.lower()), "client"
    )
    if constructors()[connection.constructor].kind == "sql":
        kind = "connection"
    return f"_{library.partition('.')[0].lower()}_{kind}"


# ---------------------------------------------------------------- SQL connections


def _slot(judgement: Judgement, workspace: Workspace, path: str, connection: Connection) -> Proposal:
    driver = connection.constructor.rpartition(".")[0]
    probe = f"_{driver.replace('.', '_')}_is_usable"
    opening = workspace.text(path, connection.span)
    imports = "".join(f"{line}\n" for line in dict.fromkeys(connection.local_imports))

    def define(name: str) -> str:
        return f"{imports}{name} = ConnectionSlot(\n    lambda: {opening},\n    {probe},\n)\n"

    name = _name(path, connection, workspace, define)
    edits = [Edit(path, connection.span.start, connection.span.end, f"{name}.get()")]
    edits += [Edit(path, close.word.start, close.word.end, "rollback") for close in connection.ending.closes]
    ops: tuple[Operation, ...] = (
        *edits,
        EnsureHelperPart(
            path, probe, _PROBE.format(name=probe, driver=driver, ask=VALIDATED[connection.constructor])
        ),
        EnsureHelperPart(path, name, define(name)),
        *workspace.helper(path, "ConnectionSlot", ["connection.slot"]),
    )
    return Proposal("slot", f"keep {_short(connection.text)} open, and validate it before use", ops, judgement.tier)


# A dead connection is found by asking, never by looking at it; a silent reconnect would lose the transaction.
_PROBE = '''def {name}(connection):
    """End what an earlier call left open, and ask the server."""
    import {driver}

    try:
        connection.rollback()
        {ask}
        connection.rollback()
    except {driver}.Error:
        return False
    return True
'''
