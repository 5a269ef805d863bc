"""The arguments of a connection and what it reads by itself -> whether they are the same in every call."""

import re
import sys
from collections.abc import Iterator

from statelift.catalogue import constructors
from statelift.facts.values import Argument, Connection, EnvironmentWrite, Value
from statelift.judge.evidence import Evidence
from statelift.judge.running import doubts
from statelift.judge.signing import doubts_of_signers, is_renewed
from statelift.link.arguments import argument_of
from statelift.link.names import shift_of
from statelift.link.sources import Source
from statelift.model import Tier

AMBIENT = {
    "aws": ("AWS_",),
    "sql": ("PG", "MYSQL", "ORACLE"),
    "sql-pool": ("PG", "MYSQL", "ORACLE"),
    "http": ("HTTP_", "HTTPS_", "NO_PROXY", "ALL_PROXY", "SSL_CERT", "REQUESTS_CA", "http_", "https_", "all_proxy"),
}  # what clients of a kind read by themselves; the others read nothing
CREDENTIALS = frozenset({"aws_access_key_id", "aws_secret_access_key", "aws_session_token"})
POSITIONS = {
    "boto3.Session": ("0", "1", "2"),
    "boto3.session.Session": ("0", "1", "2"),
    "boto3.client": ("6", "7", "8"),
    "boto3.resource": ("6", "7", "8"),
}  # of the credentials
OPTIONS = frozenset(
    """botocore.config.Config botocore.client.Config urllib3.util.Retry urllib3.util.retry.Retry urllib3.Retry
    urllib3.Timeout urllib3.util.Timeout httpx.Timeout httpx.Limits requests.adapters.HTTPAdapter
    requests.packages.urllib3.util.retry.Retry""".split()
)  # their objects are plain settings
TOKENS = frozenset(
    {"generate_db_auth_token", "generate_db_connect_admin_auth_token", "generate_db_connect_auth_token"}
)
SECRETS = frozenset(
    """get_secret_value batch_get_secret_value get_secret get_secret_string get_secret_binary get_parameter
    get_parameters get_parameters_by_path""".split()
)  # of Secrets Manager, SSM and what asks them: another answer after a rotation
FIXED = frozenset({"const", "env"})
LIBRARIES = frozenset(name.partition(".")[0] for name in constructors()) - sys.stdlib_module_names
ODD = re.compile(r"(?<![\w.])(?:super|locals|vars|globals|dir|__class__)\b|\b__(?!\w*__\b)\w+")
SHARED = ("botocore.", "urllib3.", "socket.", "ssl.")  # what libraries of connections are built on
UNKNOWN = frozenset({"opaque", "cell"})


def depends_on(evidence: Evidence, path: str, connection: Connection, argument: Argument) -> str:
    """Why one argument makes it a connection of one request or tenant, or ""."""
    library = constructors()[connection.constructor]
    is_compared = not library.is_self_healing and connection.constructor in library.checks
    sources = evidence.sources.of(path, argument.value)
    text = argument.value.text
    if any(source.kind in ("event", "context") for source in sources):
        return f"its argument {text} comes from the request"
    if any(source.kind == "env" and _is_rewritten(evidence, source) for source in sources):
        return f"its argument {text} reads what the program itself writes into the environment"
    if any("assume_role" in source.detail for source in sources):
        return f"its argument {text} holds assumed credentials, which expire and belong to one role"
    if _is_credential(connection, argument) and not {source.kind for source in sources} <= FIXED:
        return f"its argument {text} holds credentials that are not constant"
    decisive = [name for kind, name in doubts(evidence, path, argument) if kind == "state"]
    if decisive:
        return f"its argument {text} depends on {decisive[0]}, which calls change"
    if not is_compared and any(source.kind in UNKNOWN for source in sources):
        return f"its argument {text} cannot be followed to a constant or the environment"
    return ""


def _is_credential(connection: Connection, argument: Argument) -> bool:
    positions = POSITIONS.get(connection.constructor, ())
    return argument.name in CREDENTIALS or argument.name in positions


def is_secret(evidence: Evidence, path: str, argument: Argument) -> bool:
    """Whether it is read out of Secrets Manager or SSM, or made of what is."""
    sources = evidence.sources.of(path, argument.value)
    return any(each.kind == "external" and each.detail.rpartition(".")[2] in SECRETS for each in sources)


def is_read_late(evidence: Evidence, path: str, connection: Connection) -> bool:
    """Whether its secret can be read where the connection is opened, and only then: one that is validated."""
    library = constructors()[connection.constructor]
    if library.is_self_healing or connection.constructor not in library.checks:
        return False
    kinds = {source.kind for each in connection.arguments for source in evidence.sources.of(path, each.value)}
    local = [each for each in connection.arguments if each.has_locals]
    is_whole = connection.reading is not None or not local
    return (
        is_whole and not kinds & UNKNOWN and any(is_secret(evidence, path, each) for each in connection.arguments)
    )


def _asked(evidence: Evidence, path: str, connection: Connection, argument: Argument) -> str:
    """When the value of an argument that somebody else computes is asked for."""
    if is_secret(evidence, path, argument) and is_read_late(evidence, path, connection):
        return (
            "on every call; now when a connection is opened, which reads a rotated one"
            " unless the program keeps what it has read"
        )
    if argument.has_locals or is_secret(evidence, path, argument):
        return "on every call; another answer opens another one"
    return "on every call; the getter asks once"


def doubts_of(
    evidence: Evidence, path: str, connection: Connection, argument: Argument
) -> Iterator[tuple[Tier, str]]:
    """Tier and reason for everything that speaks against keeping what is opened with an argument."""
    text = argument.value.text
    if argument.name in ("*", "**"):
        yield Tier.REVIEW, f"its arguments are unpacked from {text}"
    if ODD.search(text) and not argument.has_locals:
        yield Tier.MANUAL, f"{text} means something else outside of its function"
    yield from doubts_of_signers(evidence, path, connection, argument)
    if is_renewed(evidence, path, connection, argument):
        return
    for kind, name in doubts(evidence, path, argument):
        if kind == "effect":
            yield (
                Tier.REVIEW,
                f"{text} uses {name or 'what a call gives'}: that happens once per container then, and no longer in"
                " every call",
            )
            break
    sources = evidence.sources.of(path, argument.value)
    if any(source.kind in UNKNOWN for source in sources):
        yield Tier.REVIEW, f"{text} cannot be followed: another value opens another connection"
    for source in sorted(sources):
        if source.kind == "nondet" or source.detail.rpartition(".")[2] in TOKENS:
            yield Tier.MANUAL, f"{text} is another one in every call: what is opened with it serves one call"
        if source.kind == "external" and not _is_option(source):
            asked = _asked(evidence, path, connection, argument)
            yield Tier.REVIEW, f"{text} is computed by {source.detail or 'a call'}() {asked}"


def is_fixed(evidence: Evidence, path: str, values: tuple[Value, ...]) -> bool:
    """Whether values are the same in every call; plain settings of libraries are."""
    sources = {source for value in values for source in evidence.sources.of(path, value)}
    return all(source.kind in FIXED or (source.kind == "external" and _is_option(source)) for source in sources)


def _is_option(source: Source) -> bool:
    """Whether it is a setting, or a class or constant of a client library: `pymysql.cursors.DictCursor`."""
    head, last = source.detail.partition(".")[0], source.detail.rpartition(".")[2]
    is_named = head in LIBRARIES and last[:1].isupper() and source.detail not in constructors()
    return source.detail in OPTIONS or is_named


def ambient(evidence: Evidence, connection: Connection) -> str:
    """Why the library's own defaults (credentials, region, host) change from call to call, or ""."""
    written = _written(evidence)
    prefixes = AMBIENT.get(constructors()[connection.constructor].kind)
    own = (f"{connection.constructor.partition('.')[0]}.", *SHARED)
    found = sorted(
        name
        for name in written
        if name.startswith(own) or (prefixes and (name == "*" or name.startswith(prefixes)))
    )
    what = "the environment" if found[:1] == ["*"] else "".join(found[:1])
    return f"a function of the program changes {what}, which such a client reads by itself" if found else ""


def rebound(evidence: Evidence, path: str, connection: Connection) -> str:
    """Why the constructor's own name means another thing in some calls: `global boto3; boto3 = Fake()`."""
    head = re.match(r"\w*", connection.text)
    name = head[0] if head is not None else ""
    module = evidence.program.modules[path]
    lazily = {each.function for each in module.imports if each.local == name}
    functions = [each.function for each in module.globals if name in each.names and each.function not in lazily]
    if functions:
        return f"{functions[0]}() gives the name {name} another meaning, which a kept client would not follow"
    return ""


def _is_rewritten(evidence: Evidence, source: Source) -> bool:
    return any(name == "*" or repr(name) in source.detail for name in _written(evidence))


def _written(evidence: Evidence) -> set[str]:
    """The environment variables that a handler's call may change."""
    return {
        name
        for path, module in evidence.program.modules.items()
        for write in module.environment_writes
        if evidence.is_reachable(path, write.function)
        for name in _names(evidence, path, write)
    }


def _names(evidence: Evidence, path: str, write: EnvironmentWrite) -> Iterator[str]:
    """The variables that a function changes: what its callers name, where they name it."""
    if write.given and is_fixed(evidence, path, write.given):
        return
    if write.passed and not evidence.sources.dangers.of(path, frozenset({write.passed})):
        return
    function = evidence.program.functions.get((path, write.function))
    sites = evidence.program.call_sites.get((path, write.function), ())
    positions = {each.name: number for number, each in enumerate(function.parameters)} if function else {}
    if function is None or not sites or write.parameter not in positions:
        yield write.name
        return
    for _, call in sites:
        given = argument_of(call, write.parameter, positions[write.parameter] - shift_of(function))
        literal = re.fullmatch(r"['\"](\w+)['\"]", given.text) if given is not None else None
        yield write.name if literal is None else literal[1]
