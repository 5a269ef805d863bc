"""A cell and what it becomes -> the edits of the place where it gets its first value."""

import ast
from collections.abc import Iterator

from statelift.facts.cells import FIELDS
from statelift.facts.values import Cell
from statelift.model import Edit
from statelift.workspace import Workspace


def placed(path: str, cell: Cell, made: str, kind: str, workspace: Workspace) -> Iterator[Edit]:
    """Put `made`, an object of the class `kind`, in place of the first value; an annotation that said more goes."""
    assert cell.value is not None
    if cell.home == "default":
        yield from _default(path, cell, made, workspace)
    elif cell.callee in FIELDS:
        start = _behind_target(path, cell, workspace)
        factory = f"{cell.value.text.partition('(')[0]}(default_factory=lambda: {made})"
        yield Edit(path, start, cell.value.span.end, f": {kind} = {factory}")
    else:
        start = _behind_target(path, cell, workspace)
        is_plain = workspace.between(path, start, cell.value.span.start).strip() == "="
        at = cell.value.span.start if is_plain else start  # an annotation says dict
        yield Edit(path, at, cell.value.span.end, made if is_plain else f" = {made}")


def _behind_target(path: str, cell: Cell, workspace: Workspace) -> int:
    """Offset behind the name that the statement gives a value to."""
    statement = ast.parse(workspace.text(path, cell.statement)).body[0]
    assert isinstance(statement, ast.Assign | ast.AnnAssign)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
    return cell.statement.start + (target.end_col_offset or 0)


def _default(path: str, cell: Cell, made: str, workspace: Workspace) -> Iterator[Edit]:
    """`sessions: dict = {}` among the parameters; without the annotation, there is no space around `=`."""
    assert cell.value is not None
    start, end = cell.value.span.start, cell.value.span.end
    annotation = _annotation(workspace.sources[path], cell)
    if annotation is None:
        yield Edit(path, start, end, made)
        return
    lines = workspace.sources[path].splitlines(keepends=True)
    name_end = sum(len(each) for each in lines[: annotation.lineno - 1]) + annotation.col_offset
    name_end += len(annotation.arg.encode(workspace.program.modules[path].encoding))
    yield Edit(path, name_end, end, f"={made}")


def _annotation(source: bytes, cell: Cell) -> ast.arg | None:
    """The parameter with this default, where it has an annotation."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.arguments():
                tail = [*node.posonlyargs, *node.args][
                    len(node.posonlyargs) + len(node.args) - len(node.defaults) :
                ]
                pairs = [
                    *zip(tail, node.defaults, strict=True),
                    *zip(node.kwonlyargs, node.kw_defaults, strict=True),
                ]
                for argument, default in pairs:
                    is_meant = default is not None and default.lineno == cell.place.line
                    if is_meant and cell.name.endswith(f"({argument.arg})") and argument.annotation is not None:
                        return argument
            case _:
                pass
    return None
