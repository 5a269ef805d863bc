"""Analysis -> Plan: proposes changes for what is judged, and keeps those that hold up. Nothing is written."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from statelift.analysis import Analysis, analyse, analyse_project
from statelift.baseline import Baseline, Entry, is_looked_at
from statelift.compose import compose_changes, hash_of, touched
from statelift.discover import Project
from statelift.facts.pieces import TEMPORARY
from statelift.fixing import repaired_proposals
from statelift.gate import demoted, pass_gate
from statelift.gathering import Progress, no_progress
from statelift.infra.names import getter_name
from statelift.judge.rules import BY_CODE, covers
from statelift.judge.styles import is_called, name_of
from statelift.judge.values import Judgement, finding_of
from statelift.model import (
    Change,
    EnsureResource,
    EntryPoint,
    Finding,
    Options,
    Plan,
    SourceFile,
    Suppressed,
    Tier,
    Verdict,
)
from statelift.moments import tell_moments
from statelift.registry import codemod_for
from statelift.runtime import HELPER_FILE
from statelift.selecting import selections
from statelift.suppressing import Candidate, Hidden, hide
from statelift.workspace import Proposal, Workspace

Judged: TypeAlias = tuple[Workspace, Judgement, str]


class UnknownHandlerError(ValueError):
    """No entry point has this name."""


class UnknownCellError(ValueError):
    """The options name a cell that no program has."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a plan leaves out beside the options.

    Findings that none of `handlers` reaches (none named: nothing), and what is `known` from a baseline.
    """

    handlers: tuple[str, ...] = ()
    known: Baseline | None = None


_WHOLE = Scope()


def make_plan(
    paths: Sequence[Path],
    options: Options,
    exclude: Sequence[str] = (),
    only: Collection[str] | None = None,
    progress: Progress = no_progress,
) -> Plan:
    """Find, judge, propose, check. With `only`, changes of other ids are not even proposed."""
    analysis = analyse(paths, options, exclude, progress)
    return plan_of(analysis, options, only)


def plan_of(
    analysis: Analysis, options: Options, only: Collection[str] | None = None, scope: Scope = _WHOLE
) -> Plan:
    """The plan of an analysis.

    UnknownHandlerError where a handler of the scope is no entry point, UnknownCellError where options name no cell.
    """
    _check_cells(analysis, options)
    reached = _reached(analysis, scope.handlers)
    wanted = [each for each in analysis.judgements if _is_wanted(each[1], analysis.project)]
    foreign = _foreign(analysis, options)
    hidden, warnings = hide(
        candidates_of(wanted, [finding for finding, _ in foreign]), _looked_at(analysis), analysis.project.root,
        scope.known,
    )  # fmt: skip
    selected = [each for each in wanted if _is_selected(each[1].rule, options) and reached(each)]
    suppressed = [_suppressed(finding_of(each[1], each[2]), hidden) for each in selected if each[2] in hidden]
    suppressed += [_suppressed(finding, hidden) for finding, _ in foreign if finding.id in hidden]
    chosen = [each for each in selected if each[2] not in hidden]
    foreign = [pair for pair in foreign if pair[0].id not in hidden]
    proposed = [*tell_moments([(w, judgement, change) for w, judgement, id_ in chosen
                               for change in _changes(w, judgement, id_)])]  # fmt: skip
    if options.fix_original:
        proposed += _repairs(analysis, options, chosen)
    proposed += [change for _, change in foreign if change is not None]
    kept = [_as_asked(change, options) for change in proposed if only is None or change.id in only]
    changes = _settled(analysis, options, pass_gate(kept, analysis.read))
    found = [_finding(judgement, id_, changes) for _, judgement, id_ in chosen]
    found += [_with_changes(finding, changes) for finding, _ in foreign]
    written = _without_lone_defaults([change for change in changes if change.tier is not Tier.MANUAL])
    paths = sorted({path for change in written for op in change.ops for path in touched(op)})
    return Plan(
        root=str(analysis.project.root),
        options=options,
        files=tuple(hash_of(path, analysis.read) for path in paths),
        findings=tuple(f for f in found if f.tier is not None),
        left_alone=tuple(f for f in found if f.tier is None and f.verdict is not Verdict.CONSTANT),
        changes=tuple(written),
        errors=analysis.problems,
        file_count=analysis.file_count,
        function_count=sum(len(each.program.root.entries) for each in analysis.workspaces),
        suppressed=tuple(suppressed),
        warnings=tuple(warnings),
    )


def candidates_of(judged: Iterable[Judged], foreign: Iterable[Finding] = ()) -> list[Candidate]:
    """All that is reported unless something hides it."""
    own = [
        Candidate(id_, judgement.rule, judgement.subject.symbol, judgement.subject.place)
        for _, judgement, id_ in judged
        if not judgement.is_left_alone
    ]
    return own + [Candidate(each.id, each.rule, each.symbol, each.place) for each in foreign]


def known_entries(analysis: Analysis, options: Options, known: Baseline) -> tuple[list[Entry], list[Entry]]:
    """For a baseline: the entries of all findings that no comment hides, and those of `known` to be kept.

    Kept are entries that this run has no opinion on: of rules that are not selected, of other files.
    """
    sources, root = _looked_at(analysis), analysis.project.root
    wanted = [each for each in analysis.judgements if _is_wanted(each[1], analysis.project)]
    found = candidates_of(each for each in wanted if _is_selected(each[1].rule, options))
    hidden, _ = hide(found, sources, root, None)
    present = [
        known.entry(root, each.rule, each.symbol, each.place, sources[each.place.path])
        for each in found
        if each.id not in hidden
    ]
    folder = known.file.parent
    kept = [
        entry
        for entry in known.entries
        if not (_is_selected(entry.rule, options) and is_looked_at(entry, folder, root, sources))
    ]
    return present, kept


def _looked_at(analysis: Analysis) -> dict[str, bytes]:
    """The files asked for that could be analysed."""
    broken = {problem.path for problem in analysis.problems}
    wanted = (path for path in analysis.project.wanted if path not in broken)
    return {path: analysis.sources[path] for path in wanted if path in analysis.sources}


def _suppressed(finding: Finding, hidden: Mapping[str, Hidden]) -> Suppressed:
    why = hidden[finding.id]
    return Suppressed(replace(finding, tier=None, changes=()), why.by, why.reason)


def _reached(analysis: Analysis, names: Sequence[str]) -> Callable[[Judged], bool]:
    """Whether one of the named entry points reaches a judgement's subject."""
    if not names:
        return lambda _: True
    entries = [entry for workspace in analysis.workspaces for entry in workspace.program.root.entries]
    for name in names:
        if not any(_is_called(entry, name) for entry in entries):
            close = get_close_matches(name, [_full_name(entry) for entry in entries], n=1, cutoff=0.3)
            hint = f"Did you mean {close[0]}?" if close else "Name a function as MODULE.FUNCTION."
            raise UnknownHandlerError(f"there is no entry point {name}. {hint}")

    def is_reached(judged: Judged) -> bool:
        own = judged[0].program.root.entries
        ids = {entry.function for entry in own if any(_is_called(entry, name) for name in names)}
        return not ids.isdisjoint(judged[1].subject.handlers)

    return is_reached


def _check_cells(analysis: Analysis, options: Options) -> None:
    programs = [workspace.program for workspace in analysis.workspaces]
    for name in (each.cell for each in options.stores):
        keys = [(program, key) for program in programs for key in program.cells]
        keys += [
            (workspace.program, (judgement.subject.path, judgement.subject.symbol))
            for workspace, judgement, _ in analysis.judgements
            if judgement.rule == "SL301"
        ]
        is_there = any(is_called(program, key, name) for program, key in keys)
        if not is_there and not any(_is_replaced(workspace, name) for workspace in analysis.workspaces):
            close = get_close_matches(name, sorted({name_of(key) for _, key in keys}), n=1, cutoff=0.3)
            hint = f"Did you mean {close[0]}?" if close else "Name a variable as MODULE:NAME."
            raise UnknownCellError(f"there is no cell {name}. {hint}")


def _is_replaced(workspace: Workspace, name: str) -> bool:
    """Whether an earlier run put a counter or the getter of a table in the place of the cell, or an object."""
    program, cell = workspace.program, name.partition(":")[2]
    left = cell[1:] if cell.startswith(f"{TEMPORARY}/") else f'.{cell}")'  # the key, or the end of `Counter(…)`
    places = [path for path, data in workspace.sources.items() if left.encode() in data]
    places += [path for path, function in program.functions if function == getter_name(cell)]
    return any(is_called(program, (path, cell), name) for path in places)


def _is_called(entry: EntryPoint, name: str) -> bool:
    """A logical id, or a dotted name or the end of one: `src.app.handler`, `app.handler`."""
    return name == entry.function or f".{_full_name(entry)}".endswith(f".{name}")


def _full_name(entry: EntryPoint) -> str:
    return f"{entry.path.removesuffix('.py').replace('/', '.')}.{entry.attribute}"


def _is_wanted(judgement: Judgement, project: Project) -> bool:
    path = judgement.subject.path
    return path in project.wanted and path.rpartition("/")[2] != HELPER_FILE


def _is_selected(rule: str, options: Options) -> bool:
    is_selected = any(covers(word, rule) for word in options.select) if options.select else _is_default(rule)
    return is_selected and not any(covers(word, rule) for word in options.ignore)


def _is_default(rule: str) -> bool:
    known = BY_CODE.get(rule)
    return known is None or known.is_default


def _repairs(analysis: Analysis, options: Options, chosen: Sequence[Judged]) -> Iterator[Change]:
    """For each counter without `global` one change: it repairs all of its functions."""
    for workspace, judgement, id_ in chosen:
        if judgement.rule == "SL203":
            proposals = list(repaired_proposals(analysis, options, judgement, workspace.program))
            # The finding is MANUAL: there is no behaviour to keep. The change has another one, and says so.
            yield from _as_changes(replace(judgement, tier=Tier.SAFE, reasons=()), proposals, id_)


def _changes(workspace: Workspace, judgement: Judgement, finding: str) -> Iterator[Change]:
    codemod = None if judgement.is_left_alone else codemod_for(judgement.rule)
    if codemod is not None:
        yield from _as_changes(judgement, list(codemod.propose(judgement, workspace)), finding)


def _as_changes(judgement: Judgement, proposals: Sequence[Proposal], finding: str) -> Iterator[Change]:
    for proposal in proposals:
        yield Change(
            id=f"{finding}.{proposal.style}",
            rule=judgement.rule,
            tier=max(judgement.tier, proposal.tier),
            title=proposal.title,
            reasons=tuple(dict.fromkeys((*judgement.reasons, *proposal.reasons))),
            ops=proposal.ops,
            alternatives_of=finding if len(proposals) > 1 else None,
            is_default=proposal.is_default and len(proposals) > 1,
        )


def _as_asked(change: Change, options: Options) -> Change:
    """The change with tables and buckets that are kept, or that go with their stack."""
    if not options.is_ephemeral:
        return change
    asked = ("retention", "delete")
    is_kept = [isinstance(op, EnsureResource) and op.kind in ("table", "bucket") for op in change.ops]
    ops = [
        replace(op, properties=(*op.properties, asked)) if kept and isinstance(op, EnsureResource) else op
        for op, kept in zip(change.ops, is_kept, strict=True)
    ]
    return replace(change, ops=tuple(ops))


def _foreign(analysis: Analysis, options: Options) -> list[tuple[Finding, Change | None]]:
    if not options.codemods:
        return []
    from statelift.foreign import foreign_changes

    wanted = [SourceFile(path, analysis.read(path)) for path in analysis.project.wanted]
    root = analysis.project.root
    return [pair for script in options.codemods for pair in foreign_changes(Path(script), wanted, root)]


def _without_lone_defaults(written: Sequence[Change]) -> list[Change]:
    """A default whose rivals did not hold up is the one answer, and no alternative."""
    answers = Counter(change.alternatives_of for change in written)
    return [
        replace(change, alternatives_of=None, is_default=False)
        if change.is_default and answers[change.alternatives_of] == 1
        else change
        for change in written
    ]


def _settled(analysis: Analysis, options: Options, changes: list[Change]) -> list[Change]:
    """Demote every change after which the same finding would be made again: a second run must find nothing.

    Of several answers to a finding, each is tried.
    """
    for chosen in selections([change for change in changes if change.tier is not Tier.MANUAL]):
        stubborn = _stubborn(analysis, options, chosen)
        changes = [
            demoted(change, "a second run would find the same again") if change in stubborn else change
            for change in changes
        ]
    return changes


def _stubborn(analysis: Analysis, options: Options, chosen: Sequence[Change]) -> list[Change]:
    """The changes whose subject is found again when all of these are written."""
    overlay = {write.path: write.after for write in compose_changes(chosen, analysis.read)}
    changed = {**analysis.sources, **overlay}
    again = analyse_project(analysis.project, options, changed, gatherer=analysis.gatherer)
    still = {_subject(judgement) for _, judgement, _ in again.judgements if not judgement.is_left_alone}
    names = {id_: _subject(judgement) for _, judgement, id_ in analysis.judgements}
    manual = {id_ for _, j, id_ in analysis.judgements if not j.is_left_alone} - {_owner(c) for c in chosen}
    stubborn = still - {names[id_] for id_ in manual}
    return [change for change in chosen if names.get(_owner(change)) in stubborn]


def _subject(judgement: Judgement) -> tuple[str, str, str]:
    """What a judgement is about. A variable stays the same one, whichever rule finds it the next time."""
    rule = "cell" if judgement.cell is not None else judgement.rule
    return rule, judgement.subject.path, judgement.subject.symbol


def _owner(change: Change) -> str:
    return change.id.partition(".")[0]


def _finding(judgement: Judgement, identifier: str, changes: Sequence[Change]) -> Finding:
    finding = finding_of(judgement, identifier)
    return finding if finding.tier is None else _with_changes(finding, changes)


def _with_changes(finding: Finding, changes: Sequence[Change]) -> Finding:
    """The finding takes tier and reasons of its best change; without one it is MANUAL."""
    own = [change for change in changes if _owner(change) == finding.id]
    written = [change for change in own if change.tier is not Tier.MANUAL]
    best = min(own, key=lambda change: (not change.is_default, change.tier), default=None)
    reasons = finding.reasons if best is None else tuple(dict.fromkeys((*finding.reasons, *best.reasons)))
    tier = Tier.MANUAL if best is None else best.tier
    return replace(finding, tier=tier, reasons=reasons, changes=tuple(change.id for change in written))
