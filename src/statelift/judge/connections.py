"""A connection that is built inside a function -> whether it may outlive the invocation, and how."""

from collections.abc import Iterator
from dataclasses import replace

from statelift.catalogue import Library, constructors
from statelift.facts.values import Connection
from statelift.judge.evidence import Evidence
from statelift.judge.given import FIXED
from statelift.judge.holding import holding_of
from statelift.judge.kept import caching_function, lazy_reason
from statelift.judge.lasting import broken, judge_lasting
from statelift.judge.replacing import replacing_test
from statelift.judge.sharing import dependence, obstacles
from statelift.judge.values import Judgement, Subject
from statelift.link.names import FunctionKey, Target
from statelift.model import Tier, Use, Verdict

EMBEDDED = "sql-embedded"
SESSION = "sql-session"
IMPLICIT = "http-implicit"
LAMBDA = ".<lambda>"
IMPLICIT_CALLS = frozenset({"httpx.get", "httpx.post"})  # as requests.get: they give an answer, not a client


def judge_connections(evidence: Evidence) -> Iterator[Judgement]:
    """A judgement for every connection that a handler's call builds."""
    table = constructors()
    for path, connection in evidence.program.connections():
        library = table[connection.constructor]
        entries = _entries(evidence, path, connection)
        if entries and library.kind != EMBEDDED and not _is_embedded(connection):
            yield _judge(evidence, _Maker(evidence, path, connection, library, entries), library)
    yield from judge_lasting(evidence)


def _is_embedded(connection: Connection) -> bool:
    """Whether an engine is one of SQLite, whose database is in memory or a file of the container."""
    return any(argument.value.text.strip("'\"").startswith("sqlite:") for argument in connection.arguments[:1])


def _entries(evidence: Evidence, path: str, connection: Connection) -> tuple[str, ...]:
    """Ids of the entry points that run the function, use the variable that stands for the lambda, or make objects
    whose fields a lambda of the class fills.
    """
    key = (path, connection.function)
    if key in evidence.program.functions:
        return evidence.reach.entries_of(key)
    users = [
        other
        for other, function in evidence.program.functions.items()
        if other[0] == path and connection.function in function.references
    ]
    users += _makers(evidence, path, connection.function.removesuffix(LAMBDA))
    return tuple(sorted({entry for user in users for entry in evidence.reach.entries_of(user)}))


def _makers(evidence: Evidence, path: str, owner: str) -> Iterator[FunctionKey]:
    """The functions that make objects of a class; none where the container keeps one of them."""
    if (path, owner) not in evidence.program.classes or evidence.lifetimes.is_lasting_class((path, owner)):
        return
    for site, module in evidence.program.modules.items():
        for call in module.calls:
            if evidence.program.resolve(site, call.callee) == Target("class", path, owner):
                yield site, call.function


def _judge(evidence: Evidence, make: "_Maker", library: Library) -> Judgement:
    path, connection = make.path, make.connection
    if make.rule == "SL404":
        return _implicit(make, library)
    lazy = lazy_reason(evidence, path, connection)
    if lazy:
        wrong = broken(evidence, path, connection, library)
        return (
            replace(wrong, subject=make.subject)
            if wrong is not None
            else make(Verdict.LAZY_CLIENT, "is built once and kept", (lazy,))
        )
    if connection.is_dynamic:
        reason = "which client it builds is only known when it runs: choose the keys of a cache of clients yourself"
        return make(Verdict.PER_CALL, "is built again on every call", (reason,)).lowered(Tier.MANUAL, _NO_NAME)
    if library.kind == SESSION:
        return make(Verdict.POOL, "takes a connection from its engine's pool", (_SESSION,))
    holding = holding_of(evidence, path, connection)
    dependent = dependence(evidence, path, connection, holding)
    if dependent:
        return make(Verdict.EVENT_DEPENDENT, "is never shared", (dependent,))
    judgement = make(Verdict.PER_CALL, "is built again on every call", (_why(evidence, path, connection),))
    judgement = replace(judgement, endings=tuple(holding.endings()))
    for tier, reason in obstacles(evidence, path, connection, library, holding):
        judgement = judgement.lowered(tier, reason)
    return judgement


_TLS = frozenset({"verify", "cert"})
_TLS_KEPT = "some versions keep such a connection for other requests"
_NO_NAME = "no constructor is written there that a getter could call"
_STALE = "a kept connection that the server has just dropped fails where a new one would not"
_SESSION = "a session holds the objects of one call; it is the engine that should be kept"


def _implicit(make: "_Maker", library: Library) -> Judgement:
    reason = f"{make.connection.constructor}() opens a connection for this one request, and drops it"
    judgement = make(Verdict.PER_CALL, "opens a connection of its own", (reason,))
    if library.tier == "manual":
        return judgement.lowered(Tier.MANUAL, library.hazards)
    judgement = judgement.lowered(Tier.REVIEW, _STALE)
    for tier, told in _sharing(make.evidence, make.path, make.connection):
        judgement = judgement.lowered(tier, told)
    return judgement


def _sharing(evidence: Evidence, path: str, connection: Connection) -> Iterator[tuple[Tier, str]]:
    """What speaks against one session for all requests of a container."""
    replaced = replacing_test(evidence, path, connection)
    if replaced:
        yield Tier.REVIEW, replaced
    if (path, connection.function) in evidence.beside:
        yield Tier.MANUAL, f"threads run {connection.function}(): they would share the session"
    library = connection.constructor.partition(".")[0]
    for site, other in evidence.program.connections():
        names = {argument.name for argument in other.arguments}
        if other.constructor.startswith(f"{library}.") and names & _TLS:
            where = f"line {other.place.line} of {site}"
            yield Tier.MANUAL, f"{where} asks without checks, or with a certificate of its own: {_TLS_KEPT}"
            return


class _Maker:
    def __init__(
        self, evidence: Evidence, path: str, connection: Connection, library: Library, entries: tuple[str, ...]
    ) -> None:
        use = Use(path, connection.place.line, "connect")
        cached = caching_function(evidence, path, connection)
        self.subject = Subject(path, connection.place, cached or connection.constructor, entries, (use,))
        is_implicit = library.kind == IMPLICIT or connection.constructor in IMPLICIT_CALLS
        self.rule = "SL404" if is_implicit else "SL402" if library.kind.startswith("sql") else "SL401"
        self.evidence, self.path, self.connection = evidence, path, connection

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


def _why(evidence: Evidence, path: str, connection: Connection) -> str:
    kinds = {source.kind for each in connection.arguments for source in evidence.sources.of(path, each.value)}
    same = ", with arguments that stay the same" if kinds <= FIXED else ""
    return f"{connection.function}() builds it in line {connection.place.line}{same}"
