"""The values of a verification: what is sent to containers, what comes back, what may go wrong on the way."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

OutcomeKind: TypeAlias = Literal["reply", "exception", "timeout", "killed", "load-error"]
FaultKind: TypeAlias = Literal["stale", "throttled", "error", "lost", "kill"]

_READS = ("Get", "List", "Describe", "Head", "Query", "Scan", "BatchGet", "TransactGet", "Select", "Receive")


@dataclass(frozen=True, slots=True)
class Event:
    """One invocation. Two runs of the same event see the same clock, random numbers and request id.

    `call` is `module:attribute`. `payload` is JSON: what the handler gets as its event or, with `style`
    "call", the list of positional arguments of a plain function. `at` is the frozen time in seconds since
    the epoch, `seed` picks the streams of random numbers.
    """

    call: str
    payload: str
    seed: int = 0
    at: float = 1_700_000_000.0
    style: Literal["lambda", "call"] = "lambda"

    @property
    def request_id(self) -> str:
        """The id that Lambda would give: a UUID made of the seed."""
        digits = f"{(self.seed + 1) & ((1 << 128) - 1):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended.

    `payload` is the reply as JSON text, as Lambda would send it; of bytes, their text in Latin-1 as a JSON
    string. `error` and `message` name the exception, or say what happened to the container.
    """

    kind: OutcomeKind
    payload: str = ""
    error: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A function may do one action on a table or bucket, which is named as in the simulated AWS."""

    function: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Condition:
    """`operator` of IAM, the key that it is about, and the values of which one has to fit."""

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a policy says. Actions and resources are IAM's patterns, resources with the simulated names."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    is_deny: bool = False


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a function runs with once the change is deployed.

    `statements` is None where its role cannot be read: then nothing is refused. `unread` names policies that may
    allow more, `unenforced` says as sentences what may forbid more.
    """

    function: str
    variables: tuple[tuple[str, str], ...] = ()
    statements: tuple[Statement, ...] | None = ()
    unread: tuple[str, ...] = ()
    unenforced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployed:
    """The functions behind each call (`module:attribute`), and the tables and buckets that the change makes."""

    functions: tuple[tuple[str, tuple[Deployment, ...]], ...] = ()
    names: frozenset[str] = frozenset()

    def behind(self, call: str) -> tuple[Deployment, ...]:
        """The functions that a call goes to."""
        return next((found for name, found in self.functions if name == call), ())

    @property
    def all(self) -> tuple[Deployment, ...]:
        """Every function, once."""
        found = {each.function: each for _, many in self.functions for each in many}
        return tuple(found[name] for name in sorted(found))


NOT_DEPLOYED = Deployed()


@dataclass(frozen=True, slots=True)
class Effect:
    """One call that left the container.

    `kind` is "aws" for a call that the simulator answered, "unsupported" for one that it cannot answer,
    "outside" for a blocked connection (`target` names host and port), "canned" for an HTTP request that got
    its answer from the user's file. `operation` is the API's name (`PutItem`) or the HTTP method, `target` a
    table, a bucket, a URL; `request` the whole request in a canonical form; `fault` what was injected. `rights`
    are those that it used, `missing` says as sentences which it lacked: then it was refused. `absent` is what the
    call takes for granted and AWS has not.
    """

    kind: Literal["aws", "outside", "canned", "unsupported"]
    service: str
    operation: str
    target: str
    request: str = ""
    status: int = 0
    fault: FaultKind | None = None
    has_weak_read: bool = False
    rights: tuple[Right, ...] = ()
    missing: tuple[str, ...] = ()
    absent: "Resource | None" = None

    @property
    def is_write(self) -> bool:
        """Whether the call can change something, by the name of the operation."""
        return self.kind == "aws" and not self.operation.startswith(_READS)

    @property
    def is_inconclusive(self) -> bool:
        """Whether the real answer to this call is unknown here."""
        return self.kind in ("outside", "unsupported")


@dataclass(frozen=True, slots=True)
class Fault:
    """A planned mishap: `kind` at the AWS call number `call` (from 0) of event number `event` of the world."""

    kind: FaultKind
    event: int
    call: int


@dataclass(frozen=True, slots=True)
class Faults:
    """What may go wrong, as probabilities per AWS call, or exactly as planned.

    `stale`: an eventually consistent read misses the last writes. `throttled`: refused, nothing done.
    `error`: a 500, nothing done. `lost`: done, but the answer never arrives. `kill`: the container dies
    after the call, and the event is delivered again. Tables, buckets and the like in `spared` are never read from
    a replica that lags, and no answer of theirs is lost.
    """

    stale: float = 0.0
    throttled: float = 0.0
    error: float = 0.0
    lost: float = 0.0
    kill: float = 0.0
    plan: tuple[Fault, ...] = ()
    spared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """One invocation as it was seen from outside.

    `lines` are the lines of the program's own files that ran: (path in the tree, line). `earlier` are the
    deliveries of the same event that were killed before this one. `trace` is the traceback, for people.
    `last_call` is the position of its last
    AWS call among all calls of the world, -1 without one: the witness order of a batch.
    """

    event: Event
    container: str
    outcome: Outcome
    stdout: str = ""
    stderr: str = ""
    trace: str = ""
    effects: tuple[Effect, ...] = ()
    lines: frozenset[tuple[str, int]] = frozenset()
    is_cold: bool = False
    notes: tuple[str, ...] = ()
    earlier: tuple["Observation", ...] = ()
    last_call: int = -1


@dataclass(frozen=True, slots=True)
class CodeTree:
    """A program: every file of its code root, path (POSIX, relative) and bytes."""

    files: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A DynamoDB table. `items` are JSON texts in DynamoDB's own notation ({"pk": {"S": "a"}}).

    `region` is "" for the region that programs run in.
    """

    name: str
    key: str = "pk"
    key_type: Literal["S", "N", "B"] = "S"
    sort_key: str = ""
    sort_key_type: Literal["S", "N", "B"] = "S"
    items: tuple[str, ...] = ()
    region: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """An S3 bucket with its first objects: key and bytes."""

    name: str
    objects: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Thing:
    """Anything else that is there before the first event: a topic, a queue, a stream, a parameter, a secret.

    `region` is "" for the region that programs run in.
    """

    kind: Literal["topic", "queue", "stream", "delivery_stream", "parameter", "secret"]
    name: str
    text: str = ""
    region: str = ""


Resource: TypeAlias = Table | Bucket | Thing


@dataclass(frozen=True, slots=True)
class Canned:
    """The answer to an HTTP request that leaves AWS, equal on both sides. A `*` ends a URL that is a prefix.

    `method` may be `*`. With `echoes`, the body is the request itself as JSON: its method, URL and body.
    """

    url: str
    body: bytes = b""
    method: str = "GET"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    echoes: bool = False
