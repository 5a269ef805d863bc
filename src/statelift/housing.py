"""A counter in an object, class, function or closure -> the change: it counts in DynamoDB at the same place."""

import ast
import re
from collections.abc import Iterator, Sequence

from statelift.counting import kept_locally
from statelift.facts.values import Access
from statelift.infra.names import env_name, table_id
from statelift.judge.counters import increment_of
from statelift.judge.values import Judgement
from statelift.link.names import FunctionKey
from statelift.model import Edit, Operation, Tier
from statelift.placing import placed
from statelift.workspace import Proposal, Workspace

TABLE = "COUNTERS"
HOMES = frozenset({"instance", "class", "function", "closure"})
COSTS = "each call writes one item of the table, which takes about 1,000 writes a second"
Uses = Sequence[tuple[str, Access]]


def count_in_place(judgement: Judgement, workspace: Workspace, uses: Uses) -> Proposal:
    """`self.hits += 1` becomes `hits = self.hits.add(1)`; MANUAL where a use has no such form."""
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    assert cell.value is not None
    kind = workspace.helper_name(path, "Counter")
    variable = env_name(table_id(workspace.resource_name(TABLE)))
    initial = "" if cell.value.text == "0" else f", initial={cell.value.text}"
    made = f'{kind}("{variable}", "{workspace.program.dotted(path)}.{name}"{initial})'
    edits: list[Operation] = [*placed(path, cell, made, kind, workspace)]
    calls: list[tuple[str, str, str]] = []
    reasons = [COSTS]
    kept = kept_locally(uses, workspace)
    for where, function, own in _by_function(uses):
        local = _local_name(workspace, (where, function), name)
        keeps = function in kept
        for use in own:
            text = workspace.text(where, use.name)
            if increment_of(use) is not None:
                call = f"{text}.add({increment_of(use)})"
                made = f"{local} = {call}" if keeps else call
                edits.append(Edit(where, use.span.start, use.span.end, made))
                calls.append((where, function, "counter.add"))
            else:
                edits.append(Edit(where, use.name.start, use.name.end, local if keeps else f"{text}.value()"))
                calls += [] if keeps else [(where, function, "counter.value")]
                reasons += [] if keeps else [f"line {use.place.line} asks for the count again: {BETWEEN}"]
        edits += _without_nonlocal(workspace, (where, function), name)
    ops = (
        *edits,
        *workspace.helper(path, "Counter", [part for _, _, part in calls]),
        *workspace.infrastructure(judgement, table_id(workspace.resource_name(TABLE)), "table", calls),
    )
    proposal = Proposal("counter", f"count {name} atomically in DynamoDB", ops, judgement.tier, tuple(reasons))
    for tier, reason in (*workspace.obstacles(judgement, needs_resource=True), *_odd(judgement, workspace, uses)):
        proposal = proposal.lowered(tier, reason)
    return proposal


BETWEEN = "others may have counted in between"


def _by_function(uses: Uses) -> Iterator[tuple[str, str, list[Access]]]:
    for where, function in dict.fromkeys((path, use.function) for path, use in uses):
        yield where, function, [use for path, use in uses if (path, use.function) == (where, function)]


def _local_name(workspace: Workspace, function: FunctionKey, name: str) -> str:
    """The attribute's own name as a local variable, where the function has no other use of it."""
    word = name.rpartition(".")[2].strip("_")
    known = workspace.program.functions.get(function)
    module = workspace.program.modules[function[0]]
    taken = module.exports | (known.bound | known.references if known is not None else frozenset())
    is_variable = any(cell.name == name and cell.home == "closure" for cell in module.cells)
    return workspace.unused_name(function[0], f"new_{word}") if word in taken or is_variable else word


def _without_nonlocal(workspace: Workspace, function: FunctionKey, name: str) -> Iterator[Edit]:
    """`nonlocal hits` goes: nothing is assigned any more."""
    path, qualname = function
    maker, _, word = name.rpartition(".")
    data = workspace.sources[path]
    for node in _nonlocals(workspace, function) if qualname.startswith(f"{maker}.") else ():
        if word in node.names:
            lines = data.splitlines(keepends=True)
            start = sum(len(each) for each in lines[: node.lineno - 1])
            rest = [each for each in node.names if each != word]
            at = start + node.col_offset
            end = start + (node.end_col_offset or 0)
            if rest:
                yield Edit(path, at, end, f"nonlocal {', '.join(rest)}")
            else:
                yield Edit(path, start, start + len(lines[node.lineno - 1]), "")


def _nonlocals(workspace: Workspace, function: FunctionKey) -> Iterator[ast.Nonlocal]:
    known = workspace.program.functions.get(function)
    for node in ast.walk(ast.parse(workspace.sources[function[0]])) if known is not None else ():
        if isinstance(node, ast.FunctionDef) and known is not None and node.lineno == known.place.line:
            yield from (each for each in node.body if isinstance(each, ast.Nonlocal))


def _odd(judgement: Judgement, workspace: Workspace, uses: Uses) -> Iterator[tuple[Tier, str]]:
    """Uses that a counter in the same place does not serve."""
    assert judgement.cell is not None
    (path, name), cell = judgement.cell
    if cell.home not in HOMES or cell.value is None or not re.fullmatch(r"-?\d+", cell.value.text):
        yield Tier.MANUAL, "its first value is no number that is written out"
    if not cell.is_direct or not cell.is_alone or cell.definition_count > 1:
        yield Tier.MANUAL, f"line {cell.place.line} gives it its first value under a condition, or not alone"
    if cell.home == "class" and workspace.program.derived_from((path, name.rpartition(".")[0])):
        yield Tier.MANUAL, "subclasses may have a number of their own of that name"
    if cell.home != "closure" and workspace.program.stray_attributes((path, name)):
        yield Tier.MANUAL, f".{name.rpartition('.')[2]} is also used on objects that cannot be followed"
    if who := workspace.evidence.mentions(path, name.rpartition(".")[2]):
        yield Tier.REVIEW, f"{who} {name}, which is no number any more"
    for where, use in uses:
        line = use.place.line
        if not use.function or use.function.endswith("<lambda>"):
            yield Tier.MANUAL, f"line {line} uses it at import time"
        elif not re.fullmatch(r"[\w.()]+", workspace.text(where, use.name)) or use.name.start < use.span.start:
            yield Tier.MANUAL, f"line {line} names it in another way"
    for where, function, _ in _by_function(uses):
        yield from _unremovable(workspace, (where, function), name)


def _unremovable(workspace: Workspace, function: FunctionKey, name: str) -> Iterator[tuple[Tier, str]]:
    """A `nonlocal` that shares its line, or stands inside of something: it cannot simply go."""
    word = name.rpartition(".")[2]
    lines = workspace.sources[function[0]].splitlines()
    plain = [
        each for each in _nonlocals(workspace, function) if lines[each.lineno - 1].strip().startswith(b"nonlocal")
    ]
    named = {each for node in plain if b";" not in lines[node.lineno - 1] for each in node.names}
    is_closure = any(
        cell.name == name and cell.home == "closure" for cell in workspace.program.modules[function[0]].cells
    )
    steps = [use for use in workspace.program.accesses_in.get(function, ()) if increment_of(use) is not None]
    if is_closure and steps and word not in named:
        yield Tier.MANUAL, f"`nonlocal {word}` of {function[1]}() does not stand in a line of its own"
