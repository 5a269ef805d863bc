"""Program, sources and templates -> what codemods ask: source text, names, infrastructure for a cell."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Literal

from statelift.facts.values import Cell
from statelift.infra.names import env_name, metrics_in, table_id
from statelift.judge.evidence import Evidence
from statelift.judge.values import Judgement
from statelift.link.names import CellKey
from statelift.link.program import Program
from statelift.model import (
    CellOptions,
    EnsureEnv,
    EnsureGrant,
    EnsureHelperPart,
    EnsureImport,
    EnsurePackaged,
    EnsureResource,
    EntryPoint,
    Operation,
    Options,
    Settings,
    Span,
    Tier,
)
from statelift.runtime import ACTIONS, HELPER_FILE

HELPER_MODULE = HELPER_FILE.removesuffix(".py")
_WORD = re.compile(rb"\w+")
NAMESPACE = "POWERTOOLS_METRICS_NAMESPACE"
APART = "it works today only if one container serves both"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a codemod would do about a judgement. `style` tells alternatives of one finding apart.

    `is_default`: of alternatives, the one that is taken where nobody chooses.
    """

    style: str
    title: str
    ops: tuple[Operation, ...]
    tier: Tier
    reasons: tuple[str, ...] = ()
    is_default: bool = False

    def lowered(self, tier: Tier, reason: str) -> "Proposal":
        """The same proposal at this tier or lower, with one more reason."""
        return replace(self, tier=max(self.tier, tier), reasons=(*self.reasons, reason))


@dataclass(frozen=True, slots=True)
class Existing:
    """A table or bucket that is there already: its name, or the environment variable that holds it."""

    kind: Literal["table", "bucket"]
    name: str = ""
    variable: str = ""
    key: str = ""

    def name_for(self, entry: EntryPoint) -> str:
        """The name, as far as a template tells it; "" where it does not."""
        known = {} if entry.ref is None else dict(entry.ref.settings.environment)
        return self.name or known.get(self.variable) or ""


def namespace_of(entry: EntryPoint) -> str:
    """The namespace that a function's metrics go to where the code names none; "" where only deployment knows."""
    known = {} if entry.ref is None else dict(entry.ref.settings.environment)
    return known.get(NAMESPACE, "application") or ""


def table_of(asked: CellOptions) -> Existing | None:
    """The table that is asked for, None where a new one is made."""
    is_there = asked.table or asked.table_env
    return Existing("table", asked.table, asked.table_env, asked.key) if is_there else None


@dataclass(frozen=True)
class Workspace:
    """One program with its bytes. Read-only."""

    evidence: Evidence
    sources: Mapping[str, bytes]
    is_one_of_many: bool = False  # other code roots are deployed beside it
    options: Options = field(default_factory=Options)

    @property
    def program(self) -> Program:
        """The linked code root."""
        return self.evidence.program

    def text(self, path: str, span: Span) -> str:
        """Source text of a span."""
        return self.sources[path][span.start : span.end].decode(self.program.modules[path].encoding)

    def between(self, path: str, start: int, end: int) -> str:
        """Source text between two offsets."""
        return self.text(path, Span(start, end))

    @property
    def helper_path(self) -> str:
        """Where the generated helper file of this code root lies."""
        return "/".join(part for part in (self.program.root.path, self._helper_folder, HELPER_FILE) if part)

    @property
    def _helper_folder(self) -> str:
        """The folder below the code root from which every function is deployed with new files."""
        folders = {entry.ref.helper for entry in self.program.root.entries if entry.ref is not None}
        return folders.pop() if len(folders) == 1 else ""

    @property
    def _helper_module(self) -> str:
        """What imports call the helper file."""
        return ".".join(part for part in (self._helper_folder.replace("/", "."), HELPER_MODULE) if part)

    def helper(self, path: str, name: str, parts: Iterable[str]) -> tuple[Operation, ...]:
        """The import of `name` into `path`, and the helper parts behind it."""
        needed = (EnsureHelperPart(self.helper_path, part) for part in sorted(set(parts)))
        module = self._helper_module
        wanted = EnsureImport(path, module, None if self._is_taken(path, name) else name)
        return (wanted, *needed, *self._packaged(path))

    def helper_name(self, path: str, name: str) -> str:
        """How a file spells what the helper brings: `Store`, or with its module where that is taken."""
        return f"{self._helper_module}.{name}" if self._is_taken(path, name) else name

    def _is_taken(self, path: str, name: str) -> bool:
        """Whether a file uses the name for something that does not come from the helper."""
        module = self.program.modules[path]
        is_ours = any(each.local == name and each.module == self._helper_module for each in module.imports)
        return name in module.identifiers | module.exports and not is_ours

    def _packaged(self, path: str) -> Iterable[EnsurePackaged]:
        """What makes the helper go with each function that may load a file, where a packager has to be told."""
        for entry in self._importing(path, ()):
            if entry.ref is not None and entry.ref.packager:
                yield EnsurePackaged(entry.function, self.helper_path, entry.ref.packager, entry.ref.package_base)

    def resource_name(self, name: str) -> str:
        """A name for a resource that no other code root has: two programs never share what each had of its own."""
        return f"{self.program.root.path}/{name}" if self.is_one_of_many and self.program.root.path else name

    def table_for(self, key: CellKey) -> str:
        """The logical id of a cell's own table, which no other cell of the program has."""
        path, name = key
        twins = [other for other in self.program.accesses if other != key and table_id(other[1]) == table_id(name)]
        return table_id(self.resource_name(f"{self.program.dotted(path)}.{name}" if twins else name))

    def entry_points(self, judgement: Judgement) -> tuple[EntryPoint, ...]:
        """The entry points that reach the judged subject."""
        wanted = set(judgement.subject.handlers)
        return tuple(entry for entry in self.program.root.entries if entry.function in wanted)

    def infrastructure(
        self,
        judgement: Judgement,
        resource: str,
        kind: Literal["table", "bucket"],
        calls: Sequence[tuple[str, str, str]],
        key_prefix: str | None = None,
        existing: Existing | None = None,
        ttl: str = "",
    ) -> tuple[Operation, ...]:
        """The resource, and for each function that reaches it the variable and the rights of its own calls.

        `calls` are (file, function, helper part): what stands where. What exists already is not made.
        """
        entries = self.entry_points(judgement)
        home = home_of(entries)
        if existing is not None:
            return tuple(self._entering(entries, existing, resource, calls, key_prefix))
        origin = f"{judgement.subject.path}:{judgement.subject.symbol}" if kind == "table" else "files in /tmp"
        root = (("root", self.program.root.path),) if self.is_one_of_many else ()
        expiry = (("ttl", ttl),) if ttl else ()
        made: list[Operation] = [EnsureResource(resource, kind, (("origin", origin), *root, *expiry), home)]
        for entry in entries:
            template = entry.ref.template if entry.ref is not None and home is not None else None
            made.append(EnsureEnv(entry.function, env_name(resource), resource, "name", template))
            actions = self._actions(entry, calls)
            for file, role in _rights(entry, home):
                made.append(EnsureGrant(entry.function, resource, actions, key_prefix, None, file, role))
        return tuple(made)

    def _entering(
        self,
        entries: tuple[EntryPoint, ...],
        existing: Existing,
        resource: str,
        calls: Sequence[tuple[str, str, str]],
        key_prefix: str | None,
    ) -> Iterator[Operation]:
        """Variable and rights for what exists; none where its name is known at deployment only."""
        home = home_of(entries)
        for entry in entries:
            name = existing.name_for(entry)
            template = entry.ref.template if entry.ref is not None and home is not None else None
            role = entry.ref.principal if entry.ref is not None else ""
            reference = f"{existing.kind}/{name}"
            if existing.name:
                yield EnsureEnv(entry.function, env_name(resource), reference, "name", template)
            if name:
                actions = self._actions(entry, calls)
                yield EnsureGrant(entry.function, reference, actions, key_prefix, None, home, role)

    def doubts(self, judgement: Judgement, existing: Existing | None) -> Iterable[tuple[Tier, str]]:
        """What has to hold of a table or bucket that exists already."""
        if existing is None:
            return
        what = existing.name or f"what {existing.variable} names"
        if existing.kind == "table":
            yield (
                Tier.REVIEW,
                f"{what} exists: its only key has to be {existing.key or 'pk'}, a string; entries that others wrote"
                " there are not seen, ours have the attributes v, k, c, r and p",
            )
        else:
            yield Tier.REVIEW, f"{what} exists: objects that others put there under the same keys are read, too"
        if self.is_one_of_many:
            yield Tier.REVIEW, f"other programs of this project may use {what}, too, and find what this one keeps"
        for entry in self.entry_points(judgement):
            if not existing.name_for(entry):
                yield (
                    Tier.REVIEW,
                    f"no template tells the name that {existing.variable} holds for {entry.function}: the variable"
                    " has to be set, and the rights to be granted, by hand",
                )

    def metric_rights(
        self, judgement: Judgement, namespace: str, calls: Sequence[tuple[str, str, str]]
    ) -> tuple[Operation, ...]:
        """The right to send metrics, for each function that counts and whose namespace is known."""
        entries = self.entry_points(judgement)
        home = home_of(entries)
        return tuple(
            EnsureGrant(entry.function, metrics_in(space), self._actions(entry, calls), None, None, file, role)
            for entry in entries
            if (space := namespace or namespace_of(entry))
            for file, role in _rights(entry, home)
        )

    def metric_doubts(self, judgement: Judgement, namespace: str) -> Iterator[tuple[Tier, str]]:
        """What has to hold where metrics are sent by calls."""
        entries = self.entry_points(judgement)
        yield from _unpatched(entries)
        yield from _told(entries)
        for entry in entries:
            settings = entry.ref.settings if entry.ref is not None else Settings()
            if settings.has_vpc:
                yield (
                    Tier.REVIEW,
                    f"{entry.function} runs in a VPC: without an endpoint or a NAT it does not reach CloudWatch",
                )
            if settings.is_bounded:
                yield (
                    Tier.REVIEW,
                    f"a permissions boundary limits the role of {entry.function}: it has to allow this, too",
                )
            if not (namespace or namespace_of(entry)):
                yield (
                    Tier.REVIEW,
                    f"no template tells the namespace that {NAMESPACE} holds for {entry.function}: grant"
                    " cloudwatch:PutMetricData by hand, or say metric-namespace",
                )
        yield from _outdated(entries)
        yield from self._unpackaged(self._importing(judgement.subject.path, entries))

    def _actions(self, entry: EntryPoint, calls: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
        """What the calls that this entry point can reach need; least privilege."""
        reach = self.evidence.reach
        own = {part for path, function, part in calls if entry.function in reach.entries_of((path, function))}
        return tuple(sorted({action for part in own for action in ACTIONS[part]}))

    def obstacles(
        self, judgement: Judgement, *, needs_resource: bool, needs_helper: bool = True
    ) -> Iterable[tuple[Tier, str]]:
        """Why a change that needs a helper file (and a resource) is not SAFE here."""
        entries = self.entry_points(judgement)
        if needs_resource:
            yield from _shared(entries)
            yield from _unpatched(entries)
            yield from _told(entries)
            yield from _kept_off(entries)
        yield from _outdated(entries)
        if needs_helper:
            yield from self._unpackaged(self._importing(judgement.subject.path, entries))

    def is_left_out(self, judgement: Judgement) -> bool:
        """Whether a new file is missing in the cloud: what a change needs has to stand in the module itself."""
        entries = self._importing(judgement.subject.path, self.entry_points(judgement))
        return any(entry.ref is not None and entry.ref.is_left_out for entry in entries)

    def _importing(self, path: str, entries: tuple[EntryPoint, ...]) -> tuple[EntryPoint, ...]:
        """These entry points, and those of doubtful packages that may load the file without running into it."""
        doubtful = (each for each in self.program.root.entries if each.ref is not None and each.ref.packaging)
        others = (each for each in doubtful if each not in entries and self._may_load(each.path, path))
        return (*entries, *others)

    def _may_load(self, start: str, goal: str) -> bool:
        """Whether files that name each other lead from one file to another."""
        files = {path: _module_name(path).encode() for path in self.program.root.files if path in self.sources}
        waiting, seen = [start], {start}
        while waiting and goal not in seen:
            words = set(_WORD.findall(self.sources.get(waiting.pop(), b"")))
            found = [path for path, name in files.items() if name in words and path not in seen]
            seen |= set(found)
            waiting += found
        return goal in seen

    def _unpackaged(self, entries: tuple[EntryPoint, ...]) -> Iterable[tuple[Tier, str]]:
        for entry in entries:
            if entry.ref is not None and entry.ref.packager:
                yield Tier.REVIEW, f"{entry.ref.packager} gets a line that packages {HELPER_FILE}"
            elif entry.ref is not None and entry.ref.is_left_out:
                yield Tier.MANUAL, f"{HELPER_FILE} would be missing in the cloud: {entry.ref.packaging}"
            elif entry.ref is not None and entry.ref.packaging:
                yield Tier.REVIEW, f"{HELPER_FILE} may not be deployed: {entry.ref.packaging}"
            elif entry.ref is not None and entry.ref.helper != self._helper_folder:
                yield (
                    Tier.REVIEW,
                    f"{HELPER_FILE} may not be deployed: {entry.ref.template} takes it from elsewhere",
                )

    @property
    def is_packaged(self) -> bool:
        """Whether a new file in the code root is provably deployed with every entry point."""
        entries = self.program.root.entries
        folders = {entry.ref.helper for entry in entries if entry.ref is not None}
        return len(folders) == 1 and all(entry.ref is not None and not entry.ref.packaging for entry in entries)

    def unused_name(self, path: str, wished: str, make: Callable[[str], str] | None = None) -> str:
        """`wished`, or the first variant of it that is free in the module.

        A name that already has the very definition that `make` gives it is free: an earlier run made it.
        """
        module = self.program.modules[path]
        taken = module.identifiers | module.exports
        text = self.sources[path].decode(module.encoding).replace("\r\n", "\n")
        candidates = chain([wished], (f"{wished}_{number}" for number in count(2)))
        return next(name for name in candidates if name not in taken or (make is not None and make(name) in text))


def line_of(cell: Cell, data: bytes) -> tuple[int, int]:
    """The definition of a cell with its line, and one of two blank lines around it: what goes with it."""
    if cell.line is None:
        return cell.statement.start, cell.statement.end
    start, end = cell.line.start, cell.line.end
    while (not start or data[:start].endswith((b"\n\n", b"\n\r\n"))) and data[end:].startswith((b"\n", b"\r\n")):
        end += 1 if data[end:].startswith(b"\n") else 2
    return start, end


def _module_name(path: str) -> str:
    """What an import of the file names: `pkg/__init__.py` -> `pkg`."""
    return path.removesuffix("/__init__.py").rpartition("/")[2].removesuffix(".py")


def home_of(entries: tuple[EntryPoint, ...]) -> str | None:
    """The one file that takes a resource of all these functions, where all of them can be patched."""
    refs = [entry.ref for entry in entries]
    homes = {ref.resources or ref.template for ref in refs if ref is not None and not ref.patchable}
    is_whole = all(ref is not None and not ref.patchable for ref in refs)
    return homes.pop() if is_whole and len(homes) == 1 else None


def _rights(entry: EntryPoint, home: str | None) -> tuple[tuple[str | None, str], ...]:
    """Where the rights of a function go, and what its role is called there."""
    ref = entry.ref
    if ref is not None and ref.rights and home is not None:
        return ref.rights
    return ((home, ref.principal if ref is not None else ""),)


def _outdated(entries: Iterable[EntryPoint]) -> Iterable[tuple[Tier, str]]:
    """Functions whose Python is older than what the generated code is written for."""
    for entry in entries:
        runtime = "" if entry.ref is None else entry.ref.runtime
        if re.fullmatch(r"python(2\.\d+|3\.[0-8])", runtime):
            yield Tier.MANUAL, f"{entry.function} runs on {runtime}: the generated code needs Python 3.9"


def _shared(entries: tuple[EntryPoint, ...]) -> Iterable[tuple[Tier, str]]:
    deployed = sorted({entry.function for entry in entries if entry.ref is not None})
    if len(deployed) > 1:
        names = " and ".join(deployed)
        yield Tier.REVIEW, f"{names} are separate functions that share it: {APART}"


def _told(entries: tuple[EntryPoint, ...]) -> Iterable[tuple[Tier, str]]:
    """What a reviewer should know of the rights; it lowers nothing."""
    for sentence in sorted({entry.ref.sharing for entry in entries if entry.ref is not None and entry.ref.sharing}):
        yield Tier.SAFE, sentence


def _kept_off(entries: tuple[EntryPoint, ...]) -> Iterable[tuple[Tier, str]]:
    """What may stand between a function and its resource although the template grants the rights."""
    for entry in entries:
        settings = entry.ref.settings if entry.ref is not None else Settings()
        if entry.ref is not None and entry.ref.tool == "chalice" and not entry.ref.patchable:
            yield (
                Tier.REVIEW,
                f"Chalice makes no tables: deploy {entry.ref.resources}, which says how, before the app",
            )
        if settings.has_vpc:
            sentence = "runs in a VPC: without a gateway endpoint or a NAT it reaches neither DynamoDB nor S3"
            yield Tier.REVIEW, f"{entry.function} {sentence}"
        if settings.is_bounded:
            yield (
                Tier.REVIEW,
                f"a permissions boundary limits the role of {entry.function}: it has to allow this, too",
            )


def _unpatched(entries: tuple[EntryPoint, ...]) -> Iterable[tuple[Tier, str]]:
    if any(entry.ref is None for entry in entries):
        yield (
            Tier.REVIEW,
            "no template declares the handler, so resource, variable and rights are not patched:"
            " `statelift infra` prints them",
        )
    for entry in entries:
        if entry.ref is not None and entry.ref.patchable:
            yield Tier.REVIEW, f"{entry.ref.template} is not patched for {entry.function}: {entry.ref.patchable}"
    refs = [entry.ref for entry in entries if entry.ref is not None]
    templates = sorted({ref.template for ref in refs})
    if len({ref.resources or ref.template for ref in refs}) > 1:
        yield (
            Tier.REVIEW,
            f"{' and '.join(templates)} deploy it, and none of them is patched: a resource of one is not known in"
            " the other",
        )
