"""A connection that is opened at import is opened by the first call, and validated by every one.

## What it does
Finds SQL connections that a module opens while it is imported, and that nothing asks whether they are alive.

## Why
The container sleeps between calls. The server drops what was silent for too long, and the next call fails.

## Becomes
`conn = psycopg2.connect(…)` becomes a slot that opens late. Each handler that reaches it begins with `conn.get()`:
what an earlier call left open is rolled back, the server is asked, and a dead connection is replaced. Every use,
in every file, becomes `conn.current`, the connection that `get` has accepted. Where the module opens it in a
`try:`, `conn.get()` follows there: it still opens it at import, and the `except` answers as it did.

## Left alone
Connections that each handler asks before it uses them (`conn.ping()`), pools, clients that heal themselves.

## Safety
REVIEW: the connection is opened by the first call and no longer at import, so an error is raised there, and a
transaction that one call leaves open is no longer finished by the next. MANUAL where code at import uses the
connection, where a function closes or replaces it, and where a handler's body does not begin
on a line of its own.

## Related
AP-02 stateful operations.
"""

import io
import tokenize
from collections.abc import Iterator

from statelift.catalogue import constructors
from statelift.facts.values import Access, Cell
from statelift.judge.values import Judgement
from statelift.keeping import LIMIT, probe_of
from statelift.model import Edit, EnsureHelperPart, EnsureImport, EntryPoint, Operation, Tier
from statelift.workspace import Proposal, Workspace

RULES = ("SL403",)
LATE = "it is opened by the first call and no longer at import: that is where an error is raised now"
CALLED = "every call asks the server whether it is alive, and replaces it where it is not"
REPLACING = frozenset({"rebind", "unbind", "augment"})


def propose(judgement: Judgement, workspace: Workspace) -> Iterator[Proposal]:
    """One proposal: the connection becomes a slot."""
    if judgement.cell is None or judgement.tier is Tier.MANUAL:
        return
    (path, name), cell = judgement.cell
    if cell.value is None or cell.callee not in constructors()[cell.callee].checks:
        return
    probe, asking = probe_of(cell.callee, constructors()[cell.callee])
    span = cell.value.span
    opening = f"ConnectionSlot(lambda: {workspace.text(path, span)}, lambda connection: {probe}(connection))"
    ops: tuple[Operation, ...] = (
        Edit(path, span.start, span.end, opening),
        *(Edit(site, use.name.end, use.name.end, ".current") for site, use in judgement.accesses),
        *_asked_first(judgement, workspace, path, name),
        EnsureHelperPart(path, probe, asking),
        *workspace.helper(path, "ConnectionSlot", ["connection.current", "connection.slot"]),
    )
    ops += tuple(_opened_there(workspace, path, name, cell))
    proposal = Proposal("slot", f"validate {name} in every call", ops, judgement.tier)
    proposal = proposal.lowered(Tier.REVIEW, CALLED if cell.is_tried else LATE)
    for reason in _obstacles(judgement, workspace, path, name, cell):
        proposal = proposal.lowered(Tier.MANUAL, reason)
    for tier, reason in workspace.obstacles(judgement, needs_resource=False):
        proposal = proposal.lowered(tier, reason)
    yield proposal.lowered(Tier.REVIEW, LIMIT)


def _opened_there(workspace: Workspace, path: str, name: str, cell: Cell) -> Iterator[Operation]:
    """In a `try:`, what is raised while it is opened has to be raised there."""
    if cell.is_tried and cell.line is not None:
        margin = workspace.between(path, cell.line.start, cell.statement.start)
        newline = workspace.program.modules[path].newline
        yield Edit(path, cell.line.end, cell.line.end, f"{margin}{name}.get(){newline}")


def _asked_first(judgement: Judgement, workspace: Workspace, path: str, name: str) -> Iterator[Operation]:
    """`conn.get()` as the first statement of every handler that reaches the connection."""
    for entry in workspace.entry_points(judgement):
        function = workspace.program.functions.get((entry.path, entry.attribute))
        if function is None or function.body is None:
            continue
        spelled = _spelled(judgement, entry, path, name)
        margin = workspace.text(entry.path, function.body)
        newline = workspace.program.modules[entry.path].newline
        yield Edit(entry.path, function.body.end, function.body.end, f"{spelled or name}.get(){newline}{margin}")
        if not spelled:
            yield EnsureImport(entry.path, workspace.program.dotted(path), name)


def _spelled(judgement: Judgement, entry: EntryPoint, path: str, name: str) -> str:
    """What the connection is called in the handler's file; "" where it is not known there."""
    if entry.path == path:
        return name
    called = {use.subject for site, use in judgement.accesses if site == entry.path}
    return name if f"{path.rpartition('/')[2].removesuffix('.py')}.{name}" in called else ""


def _obstacles(judgement: Judgement, workspace: Workspace, path: str, name: str, cell: Cell) -> Iterator[str]:
    is_there = cell.is_top_level or (cell.is_tried and cell.line is not None)
    if not is_there or cell.definition_count != 1:
        yield f"{name} is not assigned once, at the top of the module"
    for site, use in judgement.accesses:
        if use.op in REPLACING or use.op.endswith(":close"):
            yield f"line {use.place.line} of {site} closes or replaces it"
    for entry in workspace.entry_points(judgement):
        function = workspace.program.functions.get((entry.path, entry.attribute))
        if function is None or function.body is None:
            yield f"the body of {entry.attribute} does not begin on a line of its own"
    for site in sorted({path, *(site for site, _ in judgement.accesses)}):
        known = [use for other, use in judgement.accesses if other == site]
        if _count(workspace, site, name) != len(known) + _own(workspace, site, path, known):
            yield f"{site} mentions {name} where it is not used by a function"


def _own(workspace: Workspace, site: str, path: str, known: list[Access]) -> int:
    """How often the name stands in a file without being a use: where it is defined or imported."""
    is_imported = any(
        each.name is not None and each.name in (use.subject.rpartition(".")[2] for use in known)
        for each in workspace.program.modules[site].imports
    )
    return int(site == path or is_imported)


def _count(workspace: Workspace, path: str, name: str) -> int:
    """How often a file has the name as a word of Python."""
    text = workspace.sources[path].decode(workspace.program.modules[path].encoding)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.NAME and token.string == name for token in tokens)
