"""The values that travel between the stages. This module imports none of ours.

Paths are POSIX strings relative to the root of the run. Lines and columns are 1-based, columns in
code points. Offsets are half-open byte offsets into the file as it was hashed.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Literal, TypeAlias

Family: TypeAlias = Literal["memory", "counter", "tmp", "connection", "foreign"]
Decision: TypeAlias = Literal["accepted", "rejected"]
Style: TypeAlias = Literal["store", "inline", "transaction"]
Metrics: TypeAlias = Literal["emf", "api"]


class Tier(IntEnum):
    """How far a change may go without a person. The order is the order of `--fail-on`."""

    SAFE = 0
    REVIEW = 1
    MANUAL = 2

    @property
    def word(self) -> str:
        """The tier as it is written in reports and plans."""
        return self.name.lower()


class Verdict(StrEnum):
    """What a cell is. The first group is reported, the second is left alone."""

    STATE = "state"
    WRITE_ONLY = "write-only"
    LEAK = "leak"
    BROKEN = "broken"
    FROZEN = "frozen"
    PER_CALL = "per-call"
    UNVALIDATED = "unvalidated"
    FOREIGN = "foreign"

    CONSTANT = "constant"
    CACHE = "cache"
    LATCH = "latch"
    LAZY_CLIENT = "lazy-client"
    REQUEST_SCOPED = "request-scoped"
    SCRATCH = "scratch"
    EVENT_DEPENDENT = "event-dependent"
    POOL = "pool"
    NOT_REACHABLE = "not-reachable"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Bytes of one file, half open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands: for people and for machine formats, not for edits."""

    path: str
    line: int
    column: int = 1
    end_line: int = 0


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as it was read."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be analysed. Reported, never skipped in silence (exit 3)."""

    path: str
    line: int
    kind: str
    message: str


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """One place that touches a cell."""

    path: str
    line: int
    kind: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One cell judged. A suspect that is left alone is a finding without tier and changes."""

    id: str
    rule: str
    name: str
    family: Family
    place: Place
    symbol: str
    verdict: Verdict
    message: str
    reasons: tuple[str, ...]
    handlers: tuple[str, ...]
    uses: tuple[Use, ...]
    tier: Tier | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that somebody knows of: it gets no change. `reason` is the comment's, or names the baseline."""

    finding: Finding
    by: Literal["comment", "baseline"]
    reason: str


# ---------------------------------------------------------------- operations


@dataclass(frozen=True, slots=True)
class Edit:
    """Put text where bytes [start, end) were."""

    path: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class EnsureImport:
    """`import module` (name is None) or `from module import name` at the top of the file."""

    path: str
    module: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class EnsureHelperPart:
    """A piece of generated code. `text` is None: a named part of the helper file at `path`, rendered
    from the templates. Otherwise `text` is a top-level definition called `part`, put into the module at
    `path` in front of its first function or class. Equal parts of several changes go in once."""

    path: str
    part: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class EnsureResource:
    """A table, bucket, metric or alarm. `template` is None where no template can be patched."""

    id: str
    kind: Literal["table", "bucket", "metric", "alarm"]
    properties: tuple[tuple[str, str], ...] = ()
    template: str | None = None


@dataclass(frozen=True, slots=True)
class EnsureEnv:
    """Environment variable `name` of a function holds `attribute` ("name" or "arn") of the resource."""

    function: str
    name: str
    resource: str
    attribute: str = "name"
    template: str | None = None


@dataclass(frozen=True, slots=True)
class EnsureGrant:
    """The function may do exactly these actions on the resource (objects below `key_prefix` of a bucket).

    `role` names the function's role where `template` is not the file that declares the function; for Chalice it
    is what the names of a stage begin with.
    """

    function: str
    resource: str
    actions: tuple[str, ...]
    key_prefix: str | None = None
    condition: str | None = None
    template: str | None = None
    role: str = ""


@dataclass(frozen=True, slots=True)
class EnsurePackaged:
    """The file `path` goes with the function: `template` (a Dockerfile, a serverless.yml) says so.

    Paths in it start in the folder `base`.
    """

    function: str
    path: str
    template: str
    base: str = ""


InfraOperation: TypeAlias = EnsureResource | EnsureEnv | EnsureGrant | EnsurePackaged
Operation: TypeAlias = Edit | EnsureImport | EnsureHelperPart | InfraOperation


@dataclass(frozen=True, slots=True)
class Change:
    """All that one finding needs, as one unit: a person accepts or rejects changes, never text hunks.

    Of several answers to one finding (`alternatives_of`), one at most `is_default`: taken where nobody chooses.
    """

    id: str
    rule: str
    tier: Tier
    title: str
    reasons: tuple[str, ...]
    ops: tuple[Operation, ...]
    alternatives_of: str | None = None
    needs: tuple[str, ...] = ()
    decision: Decision | None = None
    is_default: bool = False


# ---------------------------------------------------------------- where the program starts


Tool: TypeAlias = Literal["sam", "cloudformation", "serverless", "terraform", "cdk", "chalice"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a template says of a function beside its code; "", None or False where it says nothing.

    `role` is the role as the template names it. `environment` has None for values that only the deployment
    knows. Memory is in MB, the timeout in seconds. `is_managed`: on managed instances, where several processes
    of one environment run at once. `is_bounded`: a permissions boundary limits the role.
    """

    role: str = ""
    environment: tuple[tuple[str, str | None], ...] = ()
    memory: int | None = None
    timeout: int | None = None
    has_vpc: bool = False
    has_snap_start: bool = False
    is_managed: bool = False
    is_bounded: bool = False


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """One deployed function, as its template declares it.

    `root` is the code root's folder ("" for the run's root); `path` the Python file that holds the handler,
    or None where it cannot be found; `packaging` is "" where a new file in the helper's folder is provably
    inside the deployed artefact, otherwise the sentence that says why not (`is_left_out`: it provably is not,
    unless `packager`, a file whose paths start in `package_base`, gets a line that names it);
    `patchable` likewise for the template. `sharing` says who else gets rights that this function is given, ""
    where nobody does. `resources` is the file that takes new resources and rights, "" for the template itself;
    `principal` names the role there; `rights` has (file, role) for each place where the rights go instead. `helper`
    is the folder below `root` that a new file has to go to, "" for the root itself.
    """

    template: str
    logical_id: str
    root: str
    module: str
    attribute: str
    path: str | None
    runtime: str = ""
    packaging: str = ""
    patchable: str = ""
    tool: Tool = "cloudformation"
    line: int = 1
    settings: Settings = Settings()
    helper: str = ""
    sharing: str = ""
    resources: str = ""
    principal: str = ""
    rights: tuple[tuple[str, str], ...] = ()
    is_left_out: bool = False
    packager: str = ""
    package_base: str = ""


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A function that the outside calls. `function` is the logical id, or `module.attribute` without one."""

    path: str
    attribute: str
    function: str
    origin: Literal["template", "signature", "route", "public"]
    ref: FunctionRef | None = None


@dataclass(frozen=True, slots=True)
class CodeRoot:
    """One program: the files that are deployed together, and where the outside enters."""

    path: str
    files: tuple[str, ...]
    entries: tuple[EntryPoint, ...]


# ---------------------------------------------------------------- results


@dataclass(frozen=True, slots=True)
class FileHash:
    """A file that the plan changes, and the sha256 of the bytes that it was made from ("" for a new file)."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class CellOptions:
    """What is asked for one cell, `module:qualified.name`; "" where nothing is said.

    `table` names a table that exists, `table_env` the variable that holds such a name; `key` is its key attribute.
    `ttl` is the attribute that holds the expiry, `ttl_seconds` how long an entry lives after it was written.
    `metrics` is the way of a counter that becomes a metric; `counter_metric`: one that code reads is sent, too.
    """

    cell: str
    style: Style | Literal[""] = ""
    table: str = ""
    table_env: str = ""
    key: str = ""
    ttl: str = ""
    ttl_seconds: int = 0
    metrics: Metrics | Literal[""] = ""
    counter_metric: bool | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What a plan was made with: only what changes its result.

    `is_ephemeral`: tables and buckets go with their stack, as is right for previews and tests only.
    `style` is the form of the code that keeps state in a table; `stores` says it for single cells. `bucket` names a
    bucket that exists, `bucket_env` the variable that holds such a name. `fix_original`: what raises in every call
    is repaired first. `metrics` is how they are sent: a line on stdout, or a call; `metric_dimensions` are texts
    `name=value`. `counter_metric`: each addition of a counter that code reads is sent as a metric, too.
    """

    strict_handlers: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    codemods: tuple[str, ...] = ()
    metrics: Metrics = "emf"
    is_ephemeral: bool = False
    style: Style = "store"
    stores: tuple[CellOptions, ...] = ()
    bucket: str = ""
    bucket_env: str = ""
    fix_original: bool = False
    metric_namespace: str = ""
    metric_unit: str = "Count"
    metric_dimensions: tuple[str, ...] = ()
    counter_metric: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The saved result of an analysis."""

    root: str
    options: Options
    files: tuple[FileHash, ...]
    findings: tuple[Finding, ...]
    left_alone: tuple[Finding, ...]
    changes: tuple[Change, ...]
    errors: tuple[Problem, ...]
    file_count: int = 0
    function_count: int = 0
    suppressed: tuple[Suppressed, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class FileWrite:
    """The new bytes of one file. `before` is None where the file does not exist yet."""

    path: str
    before: bytes | None
    after: bytes
