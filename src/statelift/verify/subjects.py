"""A plan -> Subjects: for every code root the original, the migrated program, and the lines that have to run."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from statelift.analysis import Analysis
from statelift.compose import compose_changes
from statelift.link.program import Program
from statelift.model import (
    Change,
    CodeRoot,
    Edit,
    EnsureHelperPart,
    EntryPoint,
    FileWrite,
    Finding,
    Options,
    Plan,
    Verdict,
)
from statelift.runtime import HELPER_FILE
from statelift.selecting import is_per_call
from statelift.verify.deployment.reading import deployed_of, variables_of
from statelift.verify.events.steps import Entry
from statelift.verify.machine.world import Setting
from statelift.verify.playing.compare import Rules, rules_of
from statelift.verify.playing.driver import Metric, Pair
from statelift.verify.resources import existing_of, read_canned, read_tree, resources_of, stand_ins
from statelift.verify.statements import Statement, changed_statements
from statelift.verify.surroundings import read_surroundings
from statelift.verify.values import Canned, CodeTree, Deployed, Resource

_METRIC = re.compile(r"""\b(?:count|put)_metric\(\s*["']([^"']+)["']""")
_STATE = frozenset({Verdict.STATE, Verdict.LEAK})


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the user says what is there: paths of files ("" for none), and parts of replies not to compare.

    `run` is the id of a run: what it wrote is verified, as it stands now. `python` is the interpreter.
    """

    plan: str = ""
    run: str = ""
    python: str = ""
    resources: str = ""
    http: str = ""
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What the user says of the world around the program, read. `written`: the folder with the migrated program,
    where it is there already.
    """

    written: Path | None = None
    sources: Sources = Sources()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    resources: tuple[Resource, ...] = ()
    canned: tuple[Canned, ...] = ()
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Kept:
    """State that no chosen change takes out of the container: what it is, where, and the calls that touch it."""

    symbol: str
    place: str
    calls: frozenset[str]


@dataclass(frozen=True, slots=True)
class Subject:
    """One code root to verify. `alone` gives the program with one change only; `is_stateful`: it is about state.

    `about_state` are the changes that move state, `reach` names the calls that each change can make answer
    differently, `kept` the state that stays in memory. `base` are changes that the original has, too.
    """

    name: str
    root: str
    pair: Pair
    entries: tuple[Entry, ...]
    changes: tuple[Change, ...] = ()
    statements: tuple[Statement, ...] = ()
    is_stateful: bool = True
    about_state: frozenset[str] = frozenset()
    reach: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    kept: tuple[Kept, ...] = ()
    options: Options = field(default_factory=Options)
    sources: Sources = Sources()
    alone: Callable[[str], CodeTree] = field(default=lambda _: CodeTree(()))
    base: tuple[Change, ...] = ()


def read_given(sources: Sources, written: Path | None = None) -> Given:
    """Read what the user gives. ResourceError says what cannot be used, OSError which file cannot be read."""
    canned = read_canned(Path(sources.http)) if sources.http else ()
    if not sources.resources:
        return Given(written, sources, canned=canned)
    environment, resources = read_surroundings(Path(sources.resources))
    return Given(written, sources, environment, resources, canned)


def subjects_of(plan: Plan, analysis: Analysis, chosen: Sequence[Change], given: Given) -> list[Subject]:
    """The code roots that the chosen changes touch. ComposeError and OSError pass through.

    What makes a variable one of each call is a subject of its own: the measure is the program with all other
    changes in new containers. That of the other changes has the variable as one of each call, too.
    """
    subjects = []
    for workspace in analysis.workspaces:
        root = workspace.program.root
        own = [change for change in chosen if any(_is_inside(path, root) for path in _paths(change))]
        local = [change for change in own if is_per_call(change)]
        others = [change for change in own if not is_per_call(change)]
        if others:
            subjects.append(_subject(plan, analysis, workspace.program, others, given, local))
        if local:
            subjects.append(_subject(plan, analysis, workspace.program, local, given, others, is_fresh=True))
    return subjects


def originals_of(plan: Plan, analysis: Analysis, given: Given) -> list[Subject]:
    """The code roots with a finding or a suspect, to show whether the program as it is keeps state at all."""
    places = [finding.place.path for finding in (*plan.findings, *plan.left_alone)]
    return [
        _subject(plan, analysis, workspace.program, [], given)
        for workspace in analysis.workspaces
        if any(path in workspace.program.root.files for path in places)
    ]


def _paths(change: Change) -> Iterator[str]:
    for operation in change.ops:
        if isinstance(operation, Edit | EnsureHelperPart):
            yield operation.path


def _is_inside(path: str, root: CodeRoot) -> bool:
    helpers = {
        "/".join(part for part in (root.path, folder, HELPER_FILE) if part) for folder in _helper_folders(root)
    }
    return path in root.files or path in helpers


def _helper_folders(root: CodeRoot) -> set[str]:
    return {"", *(entry.ref.helper for entry in root.entries if entry.ref is not None)}


def _subject(
    plan: Plan, analysis: Analysis, program: Program, changes: Sequence[Change], given: Given,
    base: Sequence[Change] = (), *, is_fresh: bool = False,
) -> Subject:  # fmt: skip
    """The measure is the program with the changes of `base`; `is_fresh`: in new containers."""
    root = program.root
    folder = Path(plan.root) / root.path
    every = [*base, *changes]

    def migrated(accepted: Sequence[Change]) -> CodeTree:
        return read_tree(folder, _written(root, compose_changes(accepted, analysis.read)))

    writes = compose_changes(every, analysis.read) if given.written is None else []
    original = read_tree(folder)
    after = (
        read_tree(folder, _written(root, writes)) if given.written is None else read_tree(given.written / root.path)
    )
    entries = tuple(_entry(program, entry) for entry in root.entries)
    read = _reader(writes, analysis.read) if given.written is None else _reader_of(given.written)
    calls = [(made.call, entry) for made, entry in zip(entries, root.entries, strict=True)]
    deployed = deployed_of(calls, [operation for change in every for operation in change.ops], read)
    setting = _setting(plan, every, given, deployed)
    own = frozenset(change.id for change in changes)
    metrics = tuple(_metrics(plan, program, every))
    rules = replace(_rules(plan, every, setting, given), metrics=frozenset(each.metric for each in metrics))
    pair = Pair(
        migrated(base) if base else original, after, setting,
        tuple(sorted({each.call.partition(":")[0] for each in entries})), rules,
        tuple(each for each in metrics if each.change in own and not is_fresh), is_fresh=is_fresh,
    )  # fmt: skip
    by_id = {change.id: change for change in every}
    moving = frozenset(change.id for change in changes if _concerns_state(plan, change))
    written = changed_statements(original, after, _uses(plan, root, every), _generated(every))
    return Subject(
        name=root.path or ".",
        root=plan.root if given.written is None else str(given.written),
        pair=pair,
        entries=entries,
        changes=tuple(changes),
        statements=tuple(each for each in written if not base or own & set(each.changes)),
        is_stateful=not changes or bool(moving),
        about_state=moving,
        reach=_reach(plan, entries, changes),
        kept=tuple(_kept(plan, root, entries, every)),
        options=plan.options,
        sources=given.sources,
        alone=lambda id_: migrated([*base, *_with_needs(by_id, id_)]),
        base=tuple(base),
    )


def _uses(plan: Plan, root: CodeRoot, changes: Sequence[Change]) -> dict[str, frozenset[tuple[str, int]]]:
    """The lines that use what each change rewrites, by its id: paths below the code root, lines of the original."""
    prefix = f"{root.path}/" if root.path else ""
    return {
        change.id: frozenset(
            (use.path.removeprefix(prefix), use.line)
            for finding in plan.findings
            if change.id in finding.changes
            for use in finding.uses
        )
        for change in changes
    }


def _generated(changes: Sequence[Change]) -> frozenset[str]:
    """The functions that the changes bring along: not every branch of theirs has to run."""
    return frozenset(op.part for change in changes for op in change.ops if isinstance(op, EnsureHelperPart))


def _reach(plan: Plan, entries: Sequence[Entry], changes: Sequence[Change]) -> dict[str, frozenset[str]]:
    """The calls that each change is about, by its id."""
    return {
        change.id: _calls(finding, entries)
        for change in changes
        for finding in plan.findings
        if change.id in finding.changes
    }


def _kept(
    plan: Plan, root: CodeRoot, entries: Sequence[Entry], changes: Sequence[Change]
) -> Iterator[Kept]:  # fmt: skip
    """The state of this code root that stays where it is: for a person to rewrite, rejected, or suppressed."""
    chosen = {change.id for change in changes}
    for finding in (*plan.findings, *(each.finding for each in plan.suppressed)):
        is_here = finding.place.path in root.files
        if is_here and finding.verdict in _STATE and not chosen & set(finding.changes):
            yield Kept(finding.symbol, f"{finding.place.path}:{finding.place.line}", _calls(finding, entries))


def _calls(finding: Finding, entries: Sequence[Entry]) -> frozenset[str]:
    """The calls that reach a finding; all of them where nothing is known."""
    found = {entry.call for entry in entries if set(entry.names) & set(finding.handlers)}
    return frozenset(found or {entry.call for entry in entries})


def _with_needs(by_id: Mapping[str, Change], id_: str) -> list[Change]:
    return [by_id[each] for each in (id_, *by_id[id_].needs) if each in by_id]


def _reader(writes: Sequence[FileWrite], read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Files as the changes leave them."""
    after = {write.path: write.after for write in writes}
    return lambda path: after[path] if path in after else read(path)


def _reader_of(folder: Path) -> Callable[[str], bytes]:
    return lambda path: (folder / path).read_bytes()


def _written(root: CodeRoot, writes: Sequence[FileWrite]) -> dict[str, bytes | None]:
    """The files of the code root that the changes write."""
    prefix = f"{root.path}/" if root.path else ""
    return {write.path.removeprefix(prefix): write.after for write in writes if write.path.startswith(prefix)}


def _entry(program: Program, entry: EntryPoint) -> Entry:
    call = f"{program.dotted(entry.path)}:{entry.attribute}"
    names = (entry.function, entry.attribute, f"{program.dotted(entry.path)}.{entry.attribute}")
    return Entry(call, "call" if entry.origin == "public" else "lambda", names)


def _setting(plan: Plan, changes: Sequence[Change], given: Given, deployed: Deployed) -> Setting:
    operations = [operation for change in changes for operation in change.ops]
    environment = {**stand_ins(plan.options), **variables_of(deployed), **given.environment}
    known = {resource.name for resource in given.resources}
    existing = [each for each in existing_of(operations, plan.options, environment) if each.name not in known]
    resources = (*given.resources, *existing, *resources_of(operations))
    return Setting(environment, resources, given.canned, given.timeout, deployed=deployed)


def _rules(plan: Plan, changes: Sequence[Change], setting: Setting, given: Given) -> Rules:
    operations = [operation for change in changes for operation in change.ops]
    own = (*resources_of(operations), *existing_of(operations, plan.options, setting.environment))
    return rules_of(given.sources.ignore, [resource.name for resource in own])


def _concerns_state(plan: Plan, change: Change) -> bool:
    finding = next((each for each in plan.findings if change.id in each.changes), None)
    return finding is not None and finding.verdict in _STATE


def _metrics(plan: Plan, program: Program, changes: Sequence[Change]) -> Iterator[Metric]:
    """The counters that are sent as metrics, with the names that the edits give them."""
    for finding in plan.findings:
        cell = program.cells.get((finding.place.path, finding.symbol))
        first = cell.value.text if cell is not None and cell.value is not None else ""
        if cell is not None and cell.callee.endswith(".Gauge"):
            continue  # what it was set to makes no sum
        for change in changes:
            names = [_METRIC.search(op.text) for op in change.ops if isinstance(op, Edit)]
            found = next((name[1] for name in names if name), None)
            if change.id in finding.changes and found is not None:
                initial = int(first) if first.removeprefix("-").isdecimal() else 0
                module = program.dotted(finding.place.path)
                yield Metric(module, finding.symbol, found, change.id, initial)
