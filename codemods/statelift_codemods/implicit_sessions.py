"""`requests.get(…)` asks through a session that the container keeps.

## What it does
Finds `requests.get`, `post`, `put`, `patch`, `delete`, `head`, `request`, `httpx.get` and `httpx.post` in
functions that a handler's call runs. The rule is off by default: select it with `--select SL404`.

## Why
Each of these functions opens a connection for one request, with a TLS handshake, and drops it.

## Becomes
`requests.get(url)` becomes `_shared_requests_session().get(url)`. The function gives out one session per
container, without the cookies of earlier calls: each request begins as it did.

## Left alone
Requests at import. `urllib.request.urlopen` has no session that it could use: it is told only.

## Safety
REVIEW: a server may drop a kept connection just when a request is sent, and such a request fails. MANUAL where an
argument is meant for the client and not for the request (`verify` of httpx), or where positions do not fit.

## Related
AP-02 stateful operations.
"""

from collections.abc import Iterator

from statelift.facts.values import Connection
from statelift.judge.values import Judgement
from statelift.keeping import forgetting
from statelift.model import Edit, EnsureHelperPart, EnsureImport, Operation, Tier, Verdict
from statelift.workspace import Proposal, Workspace

RULES = ("SL404",)
CLIENTS = {"requests": ("_shared_requests_session", "Session"), "httpx": ("_shared_httpx_client", "Client")}
OF_THE_CLIENT = frozenset({"verify", "cert", "proxy", "proxies", "trust_env", "http2", "limits", "transport"})


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: the function of the library becomes a method of a kept client."""
    if judgement.connection is None or judgement.verdict is not Verdict.PER_CALL:
        return
    path, connection = judgement.connection
    library, _, method = connection.constructor.rpartition(".")
    if judgement.tier is Tier.MANUAL or library not in CLIENTS:
        return
    wished, maker = CLIENTS[library]
    name = workspace.unused_name(path, wished, lambda each: _definition(library, maker, each))
    inner = f"_kept{name}"
    ops: tuple[Operation, ...] = (
        Edit(path, connection.maker.start, connection.maker.end, f"{name}().{method}"),
        EnsureImport(path, "functools"),
        EnsureImport(path, library),
        *(
            EnsureHelperPart(path, part, text)
            for part, text in forgetting(name, _definition(library, maker, inner), inner)
        ),
    )
    proposal = Proposal("session", f"ask through one {library} {maker} per container", ops, judgement.tier)
    for reason in _obstacles(library, method, connection):
        proposal = proposal.lowered(Tier.MANUAL, reason)
    yield proposal


def _definition(library: str, maker: str, name: str) -> str:
    return f"@functools.cache\ndef {name}():\n    return {library}.{maker}()\n"


def _obstacles(library: str, method: str, connection: Connection) -> Iterator[str]:
    """Why the method does not take what the function takes."""
    names = [argument.name for argument in connection.arguments]
    if library == "requests" and method == "get" and not {"1", "*"}.isdisjoint(names):
        yield "a session's get() takes nothing but the address by position: write params=… first"
    if library == "httpx":
        given = sorted({"*", "**", *OF_THE_CLIENT}.intersection(names))
        if given:
            yield f"{given[0]} may be meant for the client, and not for one request"
