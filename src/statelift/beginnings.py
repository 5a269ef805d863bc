"""A function of the program -> where its body begins, and the names that it binds."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from statelift.link.names import FunctionKey
from statelift.workspace import Workspace

Def = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Body:
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


def body_of(workspace: Workspace, function: FunctionKey) -> Body | None:
    """The function in its file; None where it is not found there."""
    path, _ = function
    line = workspace.program.functions[function].place.line
    data = workspace.sources[path]
    for node in ast.walk(ast.parse(data)):
        if isinstance(node, Def) and node.lineno == line:
            return Body(node, data.splitlines(keepends=True))
    return None
