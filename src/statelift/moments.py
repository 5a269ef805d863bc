"""Changes -> Changes: what a call writes at another moment than a step is told with the step.

A call that is refused at its end has left its other writes behind, and another one may have seen them before.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeAlias

from statelift.facts.values import Access
from statelift.judge.values import Judgement
from statelift.link.names import CellKey
from statelift.link.trace import excludes
from statelift.link.writes import is_write
from statelift.model import Change, EnsureHelperPart
from statelift.workspace import Workspace

AT_END = "stateless.handler"  # with others of its kind in one item
STEPS = frozenset({"store.step", "store.steps"})
APART = (
    "{} {} no part of that step: others may see what a call did to one before what it did to the other, and one"
    " stays where the other ends in StateConflictError"
)
Made: TypeAlias = tuple[Workspace, Judgement, Change]


def tell_moments(made: Sequence[Made]) -> Iterator[Change]:
    """The same changes; those that are steps name the cells that their calls write apart from them."""
    moments = {
        (id(workspace), judgement.cell[0]): _moment(change)
        for workspace, judgement, change in made
        if judgement.cell is not None and judgement.rule != "SL201" and not change.id.endswith(".localise")
    }
    met = {id(workspace): _met(workspace, moments) for workspace, _, _ in made}
    for workspace, judgement, change in made:
        moment = _moment(change)
        beside = met[id(workspace)].get(judgement.cell[0], ()) if judgement.cell is not None else ()
        others = [key for key in beside if moments.get((id(workspace), key), moment) != moment]
        yield _told(change, sorted(name for _, name in others)) if moment and others else change


def _told(change: Change, names: Sequence[str]) -> Change:
    reason = APART.format(", ".join(names), "is" if len(names) == 1 else "are")
    return replace(change, reasons=(*change.reasons, reason))


def _moment(change: Change) -> str:
    """When the cell is written: at the end of a call, at that of a step, or at once ("")."""
    parts = {op.part for op in change.ops if isinstance(op, EnsureHelperPart)}
    return AT_END if AT_END in parts else "step" if parts & STEPS else ""


def _met(workspace: Workspace, moved: Container[tuple[int, CellKey]]) -> dict[CellKey, set[CellKey]]:
    """Each cell, with those that one call uses, too, where it writes either of the two."""
    program = workspace.program
    mine = [(key, uses) for key, uses in program.accesses.items() if (id(workspace), key) in moved]
    cells = {(path, use.name): key for key, uses in mine for path, use in uses}
    found: dict[CellKey, set[CellKey]] = {}
    for trace in workspace.evidence.traces:
        uses = {
            (key, step.conditions, is_write(program.cells.get(key), step.item.op)): step
            for step in trace.steps
            if isinstance(step.item, Access) and (key := cells.get((step.path, step.item.name))) is not None
        }
        for ((one, _, writes), step), ((other, _, is_other), second) in combinations(uses.items(), 2):
            if one != other and (writes or is_other) and not excludes(step, second):
                found.setdefault(one, set()).add(other)
                found.setdefault(other, set()).add(one)
    return found
