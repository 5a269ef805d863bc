"""A condition -> what it says of files: that they are there, or something else about them.

Besides questions such as `os.path.exists(path)`, these are tests of what was read from a file, or of what a
function of the program gave (its name stands for the files that it reads): `if cached is None`.
"""

import ast
from collections.abc import Iterator
from typing import Literal

from statelift.facts.callees import callee_of, may_be_own
from statelift.facts.paths import Paths
from statelift.facts.pieces import may_be_temporary
from statelift.facts.syntax import Syntax
from statelift.facts.values import Test
from statelift.facts.walk import below

DEPTH = 4
QUESTIONS = frozenset({"os.path.exists", "os.path.isfile", "os.path.isdir", "os.path.lexists", "os.access"})
METHODS = frozenset({"exists", "is_file", "is_dir"})
DETAILS = frozenset(
    "os.path.getmtime os.path.getctime os.path.getsize os.stat os.lstat os.listdir os.scandir glob.glob".split()
)
DETAIL_METHODS = frozenset({"stat", "lstat", "iterdir", "glob"})
RESULT = "<result "  # what a subject starts with that names a function
Relation = Literal["present", "none", "truthy", "other"]


class FileTests:
    """Answers `of` for the conditions of one module."""

    def __init__(self, syntax: Syntax, paths: Paths) -> None:
        self.syntax = syntax
        self.paths = paths

    def of(self, test: ast.expr, *, holds: bool) -> list[Test]:
        """What a condition says of files where it holds (or does not)."""
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.of(operand, holds=not holds)
            case ast.BoolOp(values=values):
                return [each for value in values for each in self.of(value, holds=holds)]
            case ast.NamedExpr(value=value):
                return self.of(value, holds=holds)
            case ast.Compare(left=left, ops=[ast.Is() | ast.Eq()], comparators=[ast.Constant(value=None)]):
                return self._present(left, holds=not holds)
            case ast.Compare(left=left, ops=[ast.IsNot() | ast.NotEq()], comparators=[ast.Constant(value=None)]):
                return self._present(left, holds=holds)
            case ast.Name() | ast.Call() | ast.Attribute() | ast.Subscript():
                return self._present(test, holds=holds)
            case _:
                return self._compared(test, holds=holds)

    def _present(self, node: ast.expr, *, holds: bool) -> list[Test]:
        found = sorted(set(self._contents(node, DEPTH)))
        return [Test(subject, "", relation, holds) for subject, relation in found]

    def _compared(self, node: ast.expr, *, holds: bool) -> list[Test]:
        """A test of a file's age or size says whether it can be used; one of what is in it, what to do."""
        inside = [each for each in below(node) if isinstance(each, ast.Call)]
        details = {path for each in inside for path in self._details(each)}
        return [Test(each, "", "other", holds) for each in sorted(details)]

    # ------------------------------------------------------------ what a value comes from

    def _contents(self, node: ast.expr, depth: int) -> Iterator[tuple[str, Relation]]:
        """The files (and functions) that a value comes from, and what it says of them where it is true."""
        if depth == 0:
            return
        match node:
            case ast.Name() if self.syntax.is_local(node):
                for value in self._given(node):
                    yield from self._contents(value, depth - 1)
            case ast.Call():
                yield from self._called(node, depth)
            case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Await(value=value):
                yield from self._contents(value, depth - 1)
            case ast.IfExp(body=body, orelse=orelse):
                yield from self._contents(body, depth - 1)
                yield from self._contents(orelse, depth - 1)
            case ast.NamedExpr(value=value):
                yield from self._contents(value, depth - 1)
            case _:
                pass

    def _given(self, node: ast.Name) -> list[ast.expr]:
        scope = self.syntax.scope(node).binding(node.id)
        given = [] if scope is None else self.syntax.assigned(scope, node.id)
        return [each for each in given if not (isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store))]

    def _called(self, node: ast.Call, depth: int) -> Iterator[tuple[str, Relation]]:
        callee = callee_of(self.syntax, node)
        if callee and may_be_own(self.syntax, node, callee) and not self._is_method_of_path(node):
            yield from ((path, "other") for path in self._paths_of(node))
            yield f"{RESULT}{callee}>", "present"
            return
        yield from ((path, "present") for path in self._paths_of(node))
        for argument in node.args:
            yield from self._contents(argument, depth - 1)
        if isinstance(node.func, ast.Attribute):
            yield from self._contents(node.func.value, depth - 1)

    def _is_method_of_path(self, node: ast.Call) -> bool:
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        path = None if owner is None else self.paths.path_of(owner)
        return path is not None and may_be_temporary(path) and not path.startswith("<import ")

    def _paths_of(self, node: ast.Call) -> Iterator[str]:
        """The paths that a call is given, or is a method of."""
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        for each in (*node.args, *([] if owner is None else [owner])):
            path = self.paths.path_of(each)
            if path is not None and may_be_temporary(path):
                yield path

    def _details(self, node: ast.Call) -> Iterator[str]:
        """The paths of which a call tells age, size or contents of a folder."""
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if self.syntax.outside(node.func) in DETAILS | QUESTIONS or method in DETAIL_METHODS | METHODS:
            yield from self._paths_of(node)
