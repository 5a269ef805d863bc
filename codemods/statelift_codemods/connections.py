"""A client or connection that every call opens becomes a lazy getter at the same place.

## What it does
Finds constructors of client libraries (boto3, redis, SQL drivers and others) that run on every invocation.

## Why
Opening costs time on every call, and a busy function exhausts the database's connections.

## Becomes
`boto3.client("s3")` becomes `_s3_client()`, with a `@functools.cache` function that builds it once per
container. It is called where the constructor stood (a function that does nothing but return the client gets
the decorator itself), so exceptions are raised in the same place, nothing happens at import, and tests can
clear it with `_s3_client.cache_clear()`. A `with` that only closed goes, and so does `close()`. Engines get
`pool_pre_ping=True`, and pools what makes them ask their connections (`check=`, `ping_interval=0`); sessions of
requests and httpx are given out without the cookies of earlier calls. Where a client signs with `AWS4Auth`, that
gets the credentials themselves (`refreshable_credentials`) in place of the keys of one moment.

SQL connections come from a slot that is validated before every use, and that opens another one when an argument has
changed (a rotated password); clients whose arguments are no keys of a cache come from such a slot, too. A password
out of Secrets Manager or SSM is read where a connection is opened, and no longer in every call; clients that open
connections by themselves (engines, redis) are given it in every call. Where the package takes no new file (an image
that copies single ones), the slot stands in the module itself. What ended them
stays an end of the transaction: `x.close()` becomes `quietly(x.rollback)`, which raises as little where the server
has hung up, `closing(x)` and a `with` that closes become `lent(x)`, one that commits as well `transaction(x)`.
Kafka producers keep `flush()`. All functions that get the connection are rewritten together, in every file.

## Left alone
Clients built at import or behind a sentinel, and every client that depends on the request: arguments from
the event, assumed credentials, headers and hooks that are set after it is built.

## Safety
SAFE for libraries that heal themselves, with arguments that are constant or come from the environment. REVIEW
for SQL, for engines and cookies, where an argument is computed on every call, where the same setting is made
in every call, where threads would share a client that allows it, and where the connection leaves the function on
a way that cannot be followed. MANUAL for what threads must not share (sessions, resources, SQL), for connections
bound to an event loop, for pools that cannot ask or whose connections are taken without a `with`, for libraries
that do not reconnect, for SQL connections that nobody closes or that are open twice at the same time.

## Related
AP-02 stateful operations.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from statelift.catalogue import Library, constructors
from statelift.facts.values import Access, Argument, Close, Connection, Reading
from statelift.judge.given import is_read_late, is_secret
from statelift.judge.signing import is_renewed, signers_of
from statelift.judge.values import Judgement
from statelift.keeping import (
    LIMIT,
    QUIETLY,
    SLOT,
    Kept,
    forgetting,
    keep_open,
    leave_open,
    leave_open_at,
    probe_of,
    quietly_there,
    slot_there,
)
from statelift.model import Edit, EnsureHelperPart, EnsureImport, Operation, Span, Tier, Verdict
from statelift.resigning import kept as kept_signer
from statelift.resigning import renewed
from statelift.workspace import Proposal, Workspace

RULES = ("SL401", "SL402")
HASHABLE = frozenset({"str", "int", "bool", "none", "float"})
ENGINE = "sql-pool"
DATABASES = frozenset({"sql", ENGINE})
ALIVE = "lambda _: True"  # in place of a question: it reconnects by itself
COOKIES = frozenset({"requests", "httpx"})  # a new client has none, so a kept one begins each call without


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: the constructor call becomes a getter call, or a kept connection is not closed any more."""
    proposal = _proposed(judgement, workspace)
    if proposal is None:
        return
    if any(isinstance(each, EnsureHelperPart) and each.text is None for each in proposal.ops):
        for tier, reason in workspace.obstacles(judgement, needs_resource=False):
            proposal = proposal.lowered(tier, reason)
    yield proposal


def _proposed(judgement: Judgement, workspace: Workspace) -> Proposal | None:
    if judgement.connection is None:
        return None
    path, connection = judgement.connection
    library = constructors()[connection.constructor]
    if judgement.verdict is Verdict.BROKEN:
        return _limited(_unclosed(judgement, workspace, connection), library)
    is_wanted = judgement.verdict is Verdict.PER_CALL and judgement.tier is not Tier.MANUAL
    if not is_wanted or not library.is_lasting(connection.constructor):
        return None
    is_asked = not library.is_self_healing or _is_compared(workspace, path, connection)
    proposal = (_slot if is_asked else _getter)(judgement, workspace, path, connection)
    for tier, reason in _obstacles(workspace, path, connection, is_asked=is_asked):
        proposal = proposal.lowered(tier, reason)
    return _limited(proposal, library)


def _limited(proposal: Proposal, library: Library) -> Proposal:
    """A database is told how many connections will stay open: it allows so many, and no more."""
    is_counted = library.kind in DATABASES and proposal.tier is not Tier.MANUAL
    return replace(proposal, reasons=(*proposal.reasons, LIMIT)) if is_counted else proposal


def _obstacles(
    workspace: Workspace, path: str, connection: Connection, *, is_asked: bool
) -> Iterator[tuple[Tier, str]]:
    for argument in connection.arguments:
        is_unpacked = argument.name in ("*", "**")
        if is_renewed(workspace.evidence, path, connection, argument):
            continue
        if argument.has_locals and argument.is_inherited:
            yield Tier.MANUAL, f"its session's argument {argument.value.text} is a local value"
        elif argument.has_locals and not is_asked and (is_unpacked or not _is_hashable(workspace, path, argument)):
            yield Tier.MANUAL, f"its argument {argument.value.text} is a local value that cannot be a cache key"


def _is_compared(workspace: Workspace, path: str, connection: Connection) -> bool:
    """Whether its arguments can be compared, but are no keys of a cache: parts of a secret, of whatever type."""
    given = [argument for argument in connection.arguments if _is_given(workspace, path, argument)]
    local = [argument for argument in given if not argument.is_inherited]
    is_plain = not any(argument.name in ("*", "**") or _is_object(workspace, path, argument) for argument in local)
    is_other = constructors()[connection.constructor].name not in COOKIES
    return is_plain and is_other and not all(_is_hashable(workspace, path, each) for each in local)


def _is_given(workspace: Workspace, path: str, argument: Argument) -> bool:
    """Whether a client that is never opened anew gets it in every call: a local value, or a secret."""
    return argument.has_locals or is_secret(workspace.evidence, path, argument)


def _is_object(workspace: Workspace, path: str, argument: Argument) -> bool:
    """Whether a class makes it in every call: such objects seldom equal each other."""
    sources = workspace.evidence.sources.of(path, argument.value)
    return any(source.detail.rpartition(".")[2][:1].isupper() for source in sources if source.kind == "external")


def _is_hashable(workspace: Workspace, path: str, argument: Argument) -> bool:
    return workspace.evidence.sources.types.of(path, argument.value.type) in HASHABLE


def _kept(kept: Kept, workspace: Workspace, *, is_own: bool = False) -> tuple[Operation, ...]:
    """The operations of a connection that stays open, in an order that does not depend on the run."""
    edits = sorted(dict.fromkeys(kept.edits), key=lambda edit: (edit.path, edit.start, edit.end))
    imports = [EnsureImport(path, module) for path, module in sorted(kept.modules)]
    helpers = [op for path, name in sorted(kept.helpers) for op in _helper(path, name, workspace, is_own=is_own)]
    return (*edits, *imports, *helpers)


def _helper(path: str, name: str, workspace: Workspace, *, is_own: bool) -> Iterable[Operation]:
    """A function of the helper file, or its definition in the module where the package takes no new file."""
    if is_own and name == QUIETLY:
        return (EnsureImport(path, "contextlib"), EnsureHelperPart(path, QUIETLY, quietly_there()))
    return workspace.helper(path, name, [f"connection.{name}"])


def _flawed(proposal: Proposal, kept: Kept) -> Proposal:
    for flaw in kept.flaws:
        proposal = proposal.lowered(Tier.MANUAL, flaw)
    return proposal


# ---------------------------------------------------------------- self-healing clients


def _getter(judgement: Judgement, workspace: Workspace, path: str, connection: Connection) -> Proposal:
    title = f"build {_short(connection.text)} once per container"
    library = constructors()[connection.constructor]
    signing = dict.fromkeys(_signing(judgement, workspace, path, connection))
    varying = [argument for argument in connection.arguments if _is_given(workspace, path, argument)]
    if connection.factory is not None and library.name not in COOKIES and not varying:
        # the function is a getter already: it only has to keep what it builds
        kept = keep_open(connection, "", path, library, judgement.endings)
        cached = Edit(path, connection.factory, connection.factory, "@functools.cache\n")
        pinged = _pinged(workspace, path, connection)
        ops = (cached, *pinged, *_kept(kept, workspace), *signing, EnsureImport(path, "functools"))
        return _flawed(Proposal("getter", title, ops, judgement.tier), kept)

    def define(name: str) -> str:
        return _definition(name, path, connection, varying, workspace)

    name = _name(path, connection, workspace, define)
    call = ", ".join(argument.value.text for argument in varying)
    kept = keep_open(connection, f"{name}({call})", path, library, judgement.endings)
    ops = (
        *_kept(kept, workspace),
        *signing,
        EnsureImport(path, "functools"),
        *_definitions(name, path, define, varying, library),
    )
    return _flawed(Proposal("getter", title, ops, judgement.tier), kept)


def _signing(judgement: Judgement, workspace: Workspace, path: str, connection: Connection) -> Iterator[Operation]:
    """What lets the signers of a kept client ask for the keys each time; the session they ask is kept, too."""
    for argument in connection.arguments:
        if not is_renewed(workspace.evidence, path, connection, argument):
            continue
        for site, signer in signers_of(workspace.evidence, path, connection, argument):
            if not argument.has_locals:
                yield from renewed(site, signer)
                continue
            yield from kept_signer(site, signer, workspace)
            for session in workspace.program.connections_of(site):
                if session.span == signer.session:
                    own = replace(judgement, endings=((site, session.ending),))
                    yield from _getter(own, workspace, site, session).ops


def _definitions(
    name: str, path: str, define: Callable[[str], str], varying: list[Argument], library: Library
) -> Iterator[EnsureHelperPart]:
    """The getter; of a client with cookies also the one that forgets them before it gives the client out."""
    if library.name not in COOKIES:
        yield EnsureHelperPart(path, name, define(name))
        return
    inner = f"_kept{name}"
    parameters = ", ".join(_parameter(argument) for argument in varying)
    for part, text in forgetting(name, define(inner), inner, parameters):
        yield EnsureHelperPart(path, part, text)


def _pinged(workspace: Workspace, path: str, connection: Connection) -> Iterator[Edit]:
    """A pool that outlives a call has to ask whether its connections are alive."""
    end = connection.span.end - 1
    text = _asking(workspace, path, connection, workspace.between(path, connection.span.start, end))
    if text:
        yield Edit(path, end, end, text)


def _asking(workspace: Workspace, path: str, connection: Connection, head: str) -> str:
    """The arguments that make a pool ask, as they stand in front of the closing bracket; "" for none."""
    given = {argument.name for argument in connection.arguments}
    asks = () if "**" in given else constructors()[connection.constructor].asks
    maker = workspace.text(path, connection.maker)
    added = [each.format(maker=maker) for each in asks if each.partition("=")[0] not in given]
    before = "" if head.rstrip().endswith("(") else " " if head.rstrip().endswith(",") else ", "
    return before + ", ".join(added) if added else ""


def _short(text: str) -> str:
    return text if len(text) <= 50 else f"{text[:47]}..."


def _definition(name: str, path: str, connection: Connection, varying: list[Argument], workspace: Workspace) -> str:
    parameters = {argument.value.text: _parameter(argument) for argument in varying}
    text = _source(path, connection, workspace)
    if parameters:
        text = _parameterised(workspace, path, connection, parameters)
    text = f"{text[:-1]}{_asking(workspace, path, connection, text[:-1])})"
    lines = [f"    {line}\n" for line in dict.fromkeys(connection.local_imports)]
    return f"@functools.cache\ndef {name}({', '.join(parameters.values())}):\n{''.join(lines)}    return {text}\n"


def _source(path: str, connection: Connection, workspace: Workspace) -> str:
    return _spelled(path, connection, workspace, connection.span)


def _spelled(path: str, connection: Connection, workspace: Workspace, span: Span) -> str:
    """A text of the file; the session that a client is made of stands in for its variable."""
    owner = connection.owner
    if owner is None:
        return workspace.text(path, span)
    head, tail = Span(span.start, owner.name.start), Span(owner.name.end, span.end)
    return "".join(workspace.text(path, each) for each in (head, owner.call, tail))


def _parameter(argument: Argument) -> str:
    plain = argument.value.text.removeprefix("*")
    if plain.isidentifier():
        return plain
    return argument.name if argument.name.isidentifier() else f"argument_{argument.name}"


def _parameterised(workspace: Workspace, path: str, connection: Connection, parameters: dict[str, str]) -> str:
    function = _spelled(path, connection, workspace, connection.maker)
    given = []
    own = Span(connection.maker.end, connection.span.end)  # those of a session, or of a partial, stand elsewhere
    for argument in connection.arguments:
        if not (own.start <= argument.value.span.start and argument.value.span.end <= own.end):
            continue
        text = parameters.get(argument.value.text) or workspace.text(path, argument.value.span)
        match argument.name:
            case "*" | "**" as stars:
                given.append(f"{stars}{text.removeprefix('*')}")
            case name:
                given.append(text if name.isdigit() else f"{name}={text}")
    return f"{function}({', '.join(given)})"


def _name(path: str, connection: Connection, workspace: Workspace, define: Callable[[str], str]) -> str:
    """A name per different constructor text of the module: it does not depend on what else is accepted."""
    wished = _wished(connection)
    texts: dict[str, None] = {}
    for other in workspace.program.connections_of(path):
        is_generated = other.function.startswith((wished, "<lambda>"))  # by an earlier run, unless it is judged now
        if _wished(other) == wished and (other == connection or not is_generated):
            texts.setdefault(_identity(other))
    number = list(texts).index(_identity(connection)) + 1
    return workspace.unused_name(path, wished if number == 1 else f"{wished}_{number}", define)


def _identity(connection: Connection) -> str:
    read = "" if connection.reading is None else connection.reading.text
    return connection.text + "".join(connection.local_imports) + read


def _wished(connection: Connection) -> str:
    library, _, made = connection.constructor.rpartition(".")
    if library.startswith("boto3") and made in ("client", "resource"):
        return f"_{_service(connection)}_{made}"
    kind = next(
        (word for word in ("session", "engine", "pool", "producer", "consumer") if word in made.lower()), "client"
    )
    if constructors()[connection.constructor].kind == "sql":
        kind = "connection"
    head = library.partition(".")[0].lower()
    return f"_{head.removesuffix(f'_{kind}')}_{kind}"


def _service(connection: Connection) -> str:
    """The AWS service that is written there, as part of a name."""
    for argument in connection.arguments:
        written = re.fullmatch(r"['\"]([\w.-]+)['\"]", argument.value.text)
        if argument.name in ("0", "service_name") and written and not argument.is_inherited:
            return written[1].replace("-", "_").replace(".", "_")
    return "aws"


# ---------------------------------------------------------------- kept already, and closed


def _unclosed(judgement: Judgement, workspace: Workspace, connection: Connection) -> Proposal:
    library = constructors()[connection.constructor]
    closes = [(path, _close(access)) for path, access in judgement.accesses]
    kept = leave_open(connection, library, judgement.endings)
    there = leave_open_at(connection, library, closes)
    kept.edits += there.edits
    kept.helpers |= there.helpers
    kept.flaws += there.flaws
    title = f"leave {_short(connection.text)} open between calls"
    return _flawed(Proposal("open", title, _kept(kept, workspace), judgement.tier), kept)


def _close(access: Access) -> Close:
    """A use of a cell that calls a method which closes."""
    start = access.name.end + 1
    word = Span(start, start + len(access.op.rpartition(":")[2]))
    return Close(word, access.statement, None, is_alone=access.is_statement)


# ---------------------------------------------------------------- SQL connections


def _slot(judgement: Judgement, workspace: Workspace, path: str, connection: Connection) -> Proposal:
    library = constructors()[connection.constructor]
    probe, asking = (ALIVE, "") if library.is_self_healing else probe_of(connection.constructor, library)
    reading = connection.reading if is_read_late(workspace.evidence, path, connection) else None
    varying = [] if reading is not None else _varying(workspace, path, connection, library)
    opening = _opening(workspace, path, connection, varying)
    if reading is not None:
        head, tail = Span(connection.span.start, reading.first.start), Span(reading.first.end, connection.span.end)
        opening = f"lambda: {workspace.text(path, head)}{reading.text}{workspace.text(path, tail)}"
    imports = "".join(f"{line}\n" for line in dict.fromkeys(connection.local_imports))

    is_own = workspace.is_left_out(judgement)

    def define(name: str) -> str:
        return f"{imports}{name} = {SLOT if is_own else 'ConnectionSlot'}(\n    {opening},\n    {probe},\n)\n"

    name = _name(path, connection, workspace, define)
    given = ", ".join(argument.value.text.removeprefix("*") for argument in varying)
    kept = keep_open(connection, f"{name}.get({given})", path, library, judgement.endings)
    ops: tuple[Operation, ...] = (
        *_kept(kept, workspace, is_own=is_own),
        *([EnsureHelperPart(path, probe, asking)] if asking else []),
        *([] if reading is None else [_without(path, reading, workspace)]),
        EnsureHelperPart(path, name, define(name)),
        *(_own_slot(path) if is_own else workspace.helper(path, "ConnectionSlot", ["connection.slot"])),
    )
    what = "and validate it before use" if asking else "until its arguments change"
    title = f"keep {_short(connection.text)} open, {what}"
    return _flawed(Proposal("slot", title, ops, judgement.tier), kept)


def _own_slot(path: str) -> Iterator[Operation]:
    """The class in the module itself: its package takes no new file."""
    yield EnsureImport(path, "contextlib")
    yield EnsureHelperPart(path, SLOT, slot_there())


def _without(path: str, reading: Reading, workspace: Workspace) -> Edit:
    """The statement goes, with its lines."""
    data = workspace.sources[path]
    start, end = data.rfind(b"\n", 0, reading.span.start) + 1, data.find(b"\n", reading.span.end)
    return Edit(path, start, len(data) if end < 0 else end + 1, "")


def _varying(workspace: Workspace, path: str, connection: Connection, library: Library) -> list[Argument]:
    """What is handed over each time; one that reconnects by itself is also given its secret."""
    return [
        each
        for each in connection.arguments
        if _may_vary(workspace, path, each) or (library.is_self_healing and _is_given(workspace, path, each))
    ]


def _may_vary(workspace: Workspace, path: str, argument: Argument) -> bool:
    """Whether an argument has to be handed over each time: another value means another connection."""
    kinds = {source.kind for source in workspace.evidence.sources.of(path, argument.value)}
    return argument.has_locals or bool(kinds & {"cell", "opaque"})


def _opening(workspace: Workspace, path: str, connection: Connection, varying: list[Argument]) -> str:
    if not varying:
        return f"lambda: {workspace.text(path, connection.span)}"
    parameters = {argument.value.text: _parameter(argument) for argument in varying}
    return f"lambda {', '.join(parameters.values())}: {_parameterised(workspace, path, connection, parameters)}"
