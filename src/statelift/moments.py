"""Changes -> Changes: what a call writes at another moment than what stands beside it is told.

A call that is refused at the end of a step has left its other writes behind, and another may have seen them before.
Of two calls that write the same two entries at once, each may leave one.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeAlias

from statelift.facts.values import Access
from statelift.judge.values import Judgement
from statelift.link.names import CellKey
from statelift.link.trace import Step, Trace, excludes
from statelift.link.writes import is_write
from statelift.model import Change, EnsureHelperPart, Tier
from statelift.workspace import Workspace

AT_END = "stateless.handler"  # with others of its kind in one item
STEPS = frozenset({"store.step", "store.steps"})
APART = (
    "{} {} no part of that step: others may see what a call did to one before what it did to the other, and one"
    " stays where the other ends in StateConflictError"
)
TOGETHER = (
    "a call writes {}, one after the other: of two such calls at once each may leave a part, and a reader may see"
    " one without the other"
)
Made: TypeAlias = tuple[Workspace, Judgement, Change]
Met: TypeAlias = dict[CellKey, dict[CellKey, bool]]


def tell_moments(made: Sequence[Made]) -> Iterator[Change]:
    """The same changes, with what they write at another moment than what their calls write beside it."""
    moments = {
        (id(workspace), judgement.cell[0]): _moment(change)
        for workspace, judgement, change in made
        if judgement.cell is not None and judgement.rule != "SL201" and not change.id.endswith(".localise")
    }
    stores = {
        (id(workspace), judgement.cell[0])
        for workspace, judgement, _ in made
        if judgement.cell is not None and judgement.rule == "SL101"
    }
    workspaces = {id(workspace): workspace for workspace, _, _ in made}
    met = {id_: _met(workspace, moments) for id_, workspace in workspaces.items()}
    for workspace, judgement, change in made:
        key, moment = judgement.cell[0] if judgement.cell is not None else None, _moment(change)
        beside = met[id(workspace)].get(key, {}) if key is not None else {}
        if moment:
            others = [each for each in beside if moments.get((id(workspace), each), moment) != moment]
            yield _told(change, _apart(sorted(name for _, name in others)))
        else:
            at_once = [each for each, is_both in beside.items() if is_both and not moments[id(workspace), each]]
            kept = [each for each in at_once if {(id(workspace), each), (id(workspace), key)} <= stores]
            yield _told(change, _together(key, sorted(kept)))


def _told(change: Change, reason: str) -> Change:
    """With the reason, and no longer SAFE: in one container no other call comes in between."""
    if not reason:
        return change
    return replace(change, tier=max(change.tier, Tier.REVIEW), reasons=(*change.reasons, reason))


def _apart(names: Sequence[str]) -> str:
    return APART.format(", ".join(names), "is" if len(names) == 1 else "are") if names else ""


def _together(key: CellKey | None, written: Sequence[CellKey]) -> str:
    """What two calls at once may make of entries that each of them writes."""
    names = [each[1] for each in written if each != key]
    if not names:
        return TOGETHER.format("it more than once") if written else ""
    return TOGETHER.format(f"it and {', '.join(names)}")


def _moment(change: Change) -> str:
    """When the cell is written: at the end of a call, at that of a step, or at once ("")."""
    parts = {op.part for op in change.ops if isinstance(op, EnsureHelperPart)}
    return AT_END if AT_END in parts else "step" if parts & STEPS else ""


def _met(workspace: Workspace, moved: Container[tuple[int, CellKey]]) -> Met:
    """Each cell, with those that one call uses, too, where it writes either of the two; and if it writes both.

    With itself, where a call writes it more than once.
    """
    program = workspace.program
    mine = [(key, uses) for key, uses in program.accesses.items() if (id(workspace), key) in moved]
    cells = {(path, use.name): key for key, uses in mine for path, use in uses}
    found: Met = {}
    for trace in workspace.evidence.traces:
        uses: dict[tuple[CellKey, bool, object], Step] = {}
        for step in trace.steps:
            key = cells.get((step.path, step.item.name)) if isinstance(step.item, Access) else None
            if key is None or not isinstance(step.item, Access):
                continue
            use = (key, is_write(program.cells.get(key), step.item.op), step.conditions)
            if use[1] and (use in uses or _is_in_loop(trace, step)):
                found.setdefault(key, {})[key] = True
            uses.setdefault(use, step)
        for ((one, writes, _), step), ((other, is_other, _), later) in combinations(uses.items(), 2):
            is_both = writes and is_other
            is_meeting = is_both if one == other else writes or is_other
            is_known = found.get(one, {}).get(other, False) >= is_both and other in found.get(one, {})
            if is_meeting and not is_known and not excludes(step, later):
                found.setdefault(one, {})[other] = is_both
                found.setdefault(other, {})[one] = is_both
    return found


def _is_in_loop(trace: Trace, step: Step) -> bool:
    guards = (trace.guards.get(each) for each in step.conditions)
    return any(found is not None and found[1].kind == "loop" for found in guards)
