"""An expression -> the cell or the file path that it speaks of, followed through local names."""

import ast
import builtins

from statelift.facts.paths import Paths
from statelift.facts.syntax import Syntax

PATH_TESTS = frozenset({"os.path.exists", "os.path.isfile", "os.path.isdir", "os.access"})
PATH_METHODS = frozenset({"exists", "is_file", "is_dir"})
DEPTH = 4


class Subjects:
    """Which expressions of a module denote cells, their contents, or existence tests of paths."""

    def __init__(self, syntax: Syntax, paths: Paths, cells: frozenset[str], classes: frozenset[str]) -> None:
        self.syntax = syntax
        self.paths = paths
        self.cells = cells
        self.classes = classes

    def cell(self, node: ast.AST) -> str:
        """The cell that an expression names: `SESSIONS`, `Api.sessions`, `store.SESSIONS` (imported) or ""."""
        match node:
            case ast.Name(id=name):
                return self._global(node, name)
            case ast.Attribute(value=ast.Name(id=base) as owner, attr=attribute):
                return self._attribute(owner, base, attribute)
            case _:
                return ""

    def _global(self, node: ast.Name, name: str) -> str:
        scope = self.syntax.scope(node).binding(name)
        if scope is None:  # a star import may bring any name
            is_star = "*" in self.syntax.scopes.module.bound and not hasattr(builtins, name)
            return name if is_star else ""
        imported = self.syntax.imports.get((scope, name), "")
        return imported or (name if name in self.cells and scope.kind == "module" else "")

    def _attribute(self, owner: ast.Name, base: str, attribute: str) -> str:
        if base in ("self", "cls"):
            base = self._enclosing_class(owner)
        scope = self.syntax.scope(owner).binding(base) or self.syntax.scopes.module
        imported = self.syntax.imports.get((scope, base), "")
        if imported or self.syntax.is_local(owner):
            return f"{imported}.{attribute}" if imported else ""
        return f"{base}.{attribute}" if f"{base}.{attribute}" in self.cells else ""

    def _enclosing_class(self, node: ast.AST) -> str:
        scope = self.syntax.scope(node)
        while scope.parent is not None:
            if scope.kind == "class":
                return scope.qualname
            scope = scope.parent
        return ""

    def content(self, node: ast.expr, depth: int = DEPTH) -> tuple[str, str] | None:
        """(cell, key) where the expression is a value out of a cell; (cell, "") for the cell's own value.

        An existence test of a path gives (path, "").
        """
        if depth == 0:
            return None
        match node:
            case ast.Subscript(value=value, slice=key) if self.cell(value):
                return self.cell(value), ast.unparse(key)
            case ast.Call(func=ast.Attribute(value=value, attr="get"), args=[key, *_]) if self.cell(value):
                return self.cell(value), ast.unparse(key)
            case ast.Call(func=ast.Attribute(value=value, attr=method)) if not self._path_test(node):
                del method
                return self.content(value, depth - 1)
            case ast.Call():
                path = self._path_test(node)
                return (path, "") if path else None
            case ast.Attribute(value=value) if not self.cell(node):
                return self.content(value, depth - 1)
            case ast.Subscript(value=value):
                return self.content(value, depth - 1)
            case ast.Name() if self.syntax.is_local(node):
                return self._variable(node, depth)
            case _:
                name = self.cell(node)
                return (name, "") if name else None

    def _variable(self, node: ast.Name, depth: int) -> tuple[str, str] | None:
        scope = self.syntax.scope(node).binding(node.id)
        given = [] if scope is None else self.syntax.assigned(scope, node.id)
        for value in given:
            if not (isinstance(value, ast.Name) and isinstance(value.ctx, ast.Store)):
                found = self.content(value, depth - 1)
                if found is not None:
                    return found
        return None

    def _path_test(self, node: ast.Call) -> str:
        if self.syntax.dotted(node.func) in PATH_TESTS and node.args:
            return self.paths.pattern(node.args[0])
        if isinstance(node.func, ast.Attribute) and node.func.attr in PATH_METHODS:
            return self.paths.pattern(node.func.value)
        return ""
