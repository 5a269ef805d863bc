"""A cell that was meant for one call -> the change: every function that a call begins with sets it anew."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from statelift.judge.addresses import CONTEXT, function_of
from statelift.judge.values import Judgement
from statelift.link.names import CellKey, FunctionKey
from statelift.model import Edit, EntryPoint, Tier, Verdict
from statelift.workspace import Proposal, Workspace

FRESH = (
    "what earlier calls left is gone: each call starts with {value}, also where the container is the same. That is"
    " another behaviour: choose it if nothing was meant to last"
)
ANEW = (
    "each call computes {value} anew: what one call does alone stays as it is, and calls of one container no longer"
    " share it"
)
Def = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Body:
    """A function in its file: where its first statement begins, after the docstring."""

    node: Def
    lines: Sequence[bytes]

    @property
    def first(self) -> int:
        """Index of the first statement that does something."""
        return 1 if ast.get_docstring(self.node, clean=False) is not None and len(self.node.body) > 1 else 0

    @property
    def margin(self) -> str:
        """The white space in front of its statements."""
        statement = self.node.body[self.first]
        return self.lines[statement.lineno - 1][: statement.col_offset].decode()

    @property
    def is_plain(self) -> bool:
        """Whether its statements have lines of their own."""
        return not self.margin.strip() and self.node.body[0].lineno > self.node.lineno

    def start_of(self, index: int) -> int:
        """Offset of the line on which a statement of the body begins; behind the last one: of the line after it."""
        body = self.node.body
        line = _first_line(body[index]) - 1 if index < len(body) else (body[-1].end_lineno or 1)
        return sum(len(each) for each in self.lines[:line])

    @property
    def names(self) -> set[str]:
        """Names that the function binds itself."""
        arguments = self.node.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        stored = {n.id for n in ast.walk(self.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        return stored | {each.arg for each in given if each is not None}


def _first_line(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(each.lineno for each in decorators)])


def renew(judgement: Judgement, workspace: Workspace) -> Proposal | None:
    """Set the cell to its first value at the start of each call; None where that has no one place."""
    assert judgement.cell is not None
    key, cell = judgement.cell
    if cell.value is None or cell.home != "module" or not cell.is_top_level or cell.definition_count != 1:
        return None
    if cell.callee == CONTEXT:  # a new one for each call would never go
        return None
    if any(
        _is_computed(workspace, key, atom.detail) for atom in cell.value.atoms if atom.kind in ("name", "import")
    ):
        return None
    if any(not use.function or use.function.endswith("<lambda>") for _, use in judgement.accesses):
        return None
    written = workspace.text(key[0], cell.value.span)
    value = cell.value.text if "\n" in written else written  # as its author wrote it, where that is one line
    edits: list[Edit] = []
    for entry in workspace.entry_points(judgement):
        made = _renewed(key, value, workspace, entry)
        if made is None:
            return None
        edits += made
    reasons = [(ANEW if judgement.verdict is Verdict.FROZEN else FRESH).format(value=value)]
    if who := workspace.evidence.mentions(key[0], key[1].rpartition(".")[2]):
        reasons.append(f"{who} {key[1]}: what is put there before a call is gone when the call begins")
    title = f"start each call with a new {key[1]}"
    ops = tuple(dict.fromkeys(edits))
    return Proposal("localise", title, ops, max(Tier.REVIEW, judgement.tier), tuple(reasons)) if ops else None


def _is_computed(workspace: Workspace, key: CellKey, name: str) -> bool:
    """Whether a name stands for a value of the program that is not written out: it would be as old as before."""
    target = workspace.program.resolve(key[0], name)
    value = workspace.program.cells[target.path, target.name].value if target and target.kind == "cell" else None
    return target is not None and (value is None or {atom.kind for atom in value.atoms} != {"const"})


def _renewed(key: CellKey, value: str, workspace: Workspace, entry: EntryPoint) -> list[Edit] | None:
    function = function_of(workspace.program, entry)
    if function is None or function[0] != key[0] or workspace.program.modules[key[0]].encoding != "utf-8":
        return None
    body = _body(workspace, function)
    used = {node.id for node in ast.walk(ast.parse(value, mode="eval")) if isinstance(node, ast.Name)}
    if body is None or not body.is_plain or used & (body.names - {key[1]}):
        return None
    return list(_lines(key[1], value, function[0], body))


def _lines(name: str, value: str, path: str, body: _Body) -> Iterator[Edit]:
    """`global name` where the function has none at its top, and the assignment behind it."""
    declared = [
        index for index, each in enumerate(body.node.body) if isinstance(each, ast.Global) and name in each.names
    ]
    elsewhere = [each for each in ast.walk(body.node) if isinstance(each, ast.Global) and name in each.names]
    margin = body.margin
    if declared:
        at = body.start_of(declared[0] + 1)
        yield Edit(path, at, at, f"{margin}{name} = {value}\n")
    elif not elsewhere:
        at = body.start_of(_place(name, body))
        yield Edit(path, at, at, f"{margin}global {name}\n{margin}{name} = {value}\n")


def _place(name: str, body: _Body) -> int:
    """Behind such lines for names that come earlier, so that changes give one text in any order."""
    statements, index = body.node.body, body.first
    while index + 1 < len(statements):
        match statements[index], statements[index + 1]:
            case ast.Global(names=[one]), ast.Assign(targets=[ast.Name(id=other)]) if one == other and one < name:
                index += 2
            case _:
                break
    return index


def _body(workspace: Workspace, function: FunctionKey) -> _Body | None:
    path, _ = function
    line = workspace.program.functions[function].place.line
    data = workspace.sources[path]
    for node in ast.walk(ast.parse(data)):
        if isinstance(node, Def) and node.lineno == line:
            return _Body(node, data.splitlines(keepends=True))
    return None
