"""A dict of counters that code reads -> one atomic addition per key, which tells what is read behind it."""

import ast
from collections.abc import Iterator, Sequence

from statelift.counting import may_be_passed, parsed_of
from statelift.facts.values import Access, Cell
from statelift.infra.names import env_name
from statelift.judge.blocks import is_fixed
from statelift.judge.counters import is_counting, keyed_step
from statelift.judge.values import Judgement
from statelift.model import Edit
from statelift.workspace import Proposal, Workspace

Uses = Sequence[tuple[str, Access]]
_METHODS = {"get": "get", "require": "require", "contains": "contains", "lacks": "contains"}
AGAIN = "line {} asks for the count by itself: between that and an addition others may count, too"
BUSY = "each addition writes one item of the table, and one item takes about 1,000 writes a second"


def keyed(judgement: Judgement, workspace: Workspace, uses: Uses) -> Proposal:
    """`counts[k] += 1` and `return counts[k]` become `count = counts.add(k, 1)` and `return count`."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    path, name = key
    table = workspace.table_for(key)
    edits = [_definition(path, cell, f'Counters("{env_name(table)}")', workspace)]
    local = _reads_behind(cell, uses, workspace)
    value = _value_name(name, workspace, path)
    calls: list[tuple[str, str, str]] = []
    reasons = [BUSY]
    for where, use in uses:
        step = keyed_step(cell, use)
        if step is not None and use.key is not None:
            head = f"{value} = " if (where, use.function) in local.values() else ""
            key_text = workspace.text(where, use.key.span)
            edits.append(Edit(where, use.span.start, use.span.end, f"{head}{use.spelled}.add({key_text}, {step})"))
            calls.append((where, use.function, "counters.add"))
        elif id(use) in local:
            edits.append(Edit(where, use.span.start, use.span.end, value))
        else:
            text, part = _read(cell, use, where, workspace)
            edits.append(Edit(where, use.span.start, use.span.end, text))
            calls.append((where, use.function, part))
            reasons.append(AGAIN.format(use.place.line))
    ops = (
        *edits,
        *workspace.helper(path, "Counters", [part for _, _, part in calls]),
        *workspace.infrastructure(judgement, table, "table", calls),
    )
    title = f"count {name} atomically in DynamoDB, key by key"
    proposal = Proposal("counters", title, ops, judgement.tier, tuple(reasons))
    for tier, reason in workspace.obstacles(judgement, needs_resource=True):
        proposal = proposal.lowered(tier, reason)
    return proposal


def _definition(path: str, cell: Cell, made: str, workspace: Workspace) -> Edit:
    assert cell.value is not None
    name_end = cell.statement.start + len(cell.name.rpartition(".")[2].encode())
    is_plain = workspace.between(path, name_end, cell.value.span.start).strip() == "="
    if is_plain:
        return Edit(path, cell.value.span.start, cell.value.span.end, made)
    return Edit(path, name_end, cell.value.span.end, f" = {made}")  # an annotation says dict


def _read(cell: Cell, use: Access, path: str, workspace: Workspace) -> tuple[str, str]:
    """The call that reads, and its part: in a dict that counts, a missing key is 0."""
    assert use.key is not None
    key = workspace.text(path, use.key.span)
    if use.op == "require" and is_counting(cell):
        return f"{use.spelled}.get({key}, 0)", "counters.get"
    default = "" if use.default is None else f", {workspace.text(path, use.default.span)}"
    method = _METHODS[use.op]
    negation = "not " if use.op == "lacks" else ""
    return f"{negation}{use.spelled}.{method}({key}{default})", f"counters.{method}"


# ---------------------------------------------------------------- reads behind an addition


def _reads_behind(cell: Cell, uses: Uses, workspace: Workspace) -> dict[int, tuple[str, str]]:
    """Id of a read -> its function, where the addition in front of it has just told the value."""
    adding = {(path, use.function) for path, use in uses if keyed_step(cell, use) is not None}
    found: dict[int, tuple[str, str]] = {}
    for function in adding:
        own = [use for path, use in uses if (path, use.function) == function]
        steps = [use for use in own if keyed_step(cell, use) is not None]
        is_alone = not may_be_passed(function, own, adding, workspace)
        if is_alone and _have_one_key(steps, function, workspace):
            found |= {id(use): function for use in own if _is_told(use, steps)}
    return found


def _is_told(use: Access, steps: Sequence[Access]) -> bool:
    has_key = use.key is not None and steps[0].key is not None and use.key.text == steps[0].key.text
    return use.op in ("get", "require") and has_key and any(
        step.span.end <= use.span.start and set(step.guards) <= set(use.guards) for step in steps
    )  # fmt: skip


def _have_one_key(steps: Sequence[Access], function: tuple[str, str], workspace: Workspace) -> bool:
    """Whether all additions of a function are to one entry: their key is spelled alike, and means one thing."""
    first = steps[0].key
    if first is None or not all(is_fixed(step.key) and step.key and step.key.text == first.text for step in steps):
        return False
    nodes = ast.walk(ast.parse(first.text, mode="eval"))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return all(_bindings(name, function, workspace) <= 1 for name in names)


def _bindings(name: str, function: tuple[str, str], workspace: Workspace) -> int:
    """How often a function gives a name a value; its parameters count."""
    nodes = [inner for each in _definitions(function, workspace) for inner in ast.walk(each)]
    stores = [node for node in nodes if isinstance(node, ast.Name) and node.id == name]
    return sum(not isinstance(node.ctx, ast.Load) for node in stores) + sum(
        isinstance(node, ast.arg) and node.arg == name for node in nodes
    )


def _definitions(function: tuple[str, str], workspace: Workspace) -> Iterator[ast.AST]:
    last = function[1].rpartition(".")[2]
    for node in ast.walk(parsed_of(function[0], workspace).tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == last:
            yield node


def _value_name(name: str, workspace: Workspace, path: str) -> str:
    """COUNTS -> count, VISITS -> visit_count; a word that the module does not use."""
    word = name.rpartition(".")[2].strip("_").lower()
    single = word.removesuffix("s")
    wished = single if single.endswith("count") and single != word else f"{single}_count"
    taken = workspace.program.modules[path].identifiers
    return wished if wished not in taken else workspace.unused_name(path, f"new_{wished}")
