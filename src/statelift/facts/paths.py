"""An expression -> the file path that it denotes, as a pattern with `{}` for what is not known."""

import ast
from dataclasses import dataclass

from statelift.facts.scopes import parameter_names
from statelift.facts.syntax import Syntax

DEPTH = 6
TEMPORARY = "/tmp"  # noqa: S108 - the very folder that this tool looks for
JOINS = frozenset({"os.path.join", "posixpath.join"})
WRAPPERS = frozenset(
    {"pathlib.Path", "pathlib.PurePath", "str", "os.fspath", "os.path.abspath", "os.path.normpath"}
)
PARENTS = frozenset({"tempfile.gettempdir"})


@dataclass(frozen=True, slots=True)
class Path:
    """A path pattern and the texts of its unknown pieces."""

    pattern: str
    holes: tuple[str, ...] = ()


class Paths:
    """Answers `path_of` for the expressions of one module."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax

    def pattern(self, node: ast.expr) -> str:
        """The pattern of a path below /tmp, otherwise ""."""
        path = self.path_of(node)
        return path.pattern if path is not None and may_be_temporary(path.pattern) else ""

    def path_of(self, node: ast.expr, depth: int = DEPTH) -> Path | None:
        """The path, or None where the expression is not known to be one."""
        if depth == 0:
            return None
        match node:
            case ast.Constant(value=str(text)):
                return Path(text)
            case ast.JoinedStr(values=values):
                return self._concatenated(values, depth)
            case ast.FormattedValue(value=value):
                return self._piece(value, depth)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return self._concatenated([left, right], depth)
            case ast.BinOp(op=ast.Div(), left=left, right=right):
                return self._joined([left, right], depth)
            case ast.Call(func=function, args=arguments):
                return self._call(node, self.syntax.dotted(function), arguments, depth)
            case ast.Name(id=name):
                return self._name(node, name, depth)
            case _:
                return None

    def _call(self, node: ast.Call, name: str, arguments: list[ast.expr], depth: int) -> Path | None:
        if name in JOINS:
            return self._joined(arguments, depth)
        if name in WRAPPERS and arguments:
            return self._joined(arguments, depth)
        if name in PARENTS:
            return Path(TEMPORARY)
        if name in ("os.getenv", "os.environ.get") and len(arguments) == 2:
            return self.path_of(arguments[1], depth - 1)
        match node.func:
            case ast.Attribute(value=base, attr="joinpath"):
                return self._joined([base, *arguments], depth)
            case _:
                return None

    def _name(self, node: ast.Name, name: str, depth: int) -> Path | None:
        scope = self.syntax.scope(node).binding(name)
        if scope is None:
            return None
        given = self.syntax.assigned(scope, name)
        imported = self.syntax.imports.get((scope, name))
        if imported and not given:
            return Path(f"<import {imported}>")
        if not given and name in parameter_names(scope.node):
            return Path(f"<param {scope.qualname}:{name}>")
        if len(given) != 1 or (isinstance(given[0], ast.Name) and isinstance(given[0].ctx, ast.Store)):
            return None
        return self.path_of(given[0], depth - 1)

    def _piece(self, node: ast.expr, depth: int) -> Path:
        return self.path_of(node, depth - 1) or Path("{}", (ast.unparse(node),))

    def _concatenated(self, nodes: list[ast.expr], depth: int) -> Path:
        pieces = [self._piece(node, depth) for node in nodes]
        return Path("".join(p.pattern for p in pieces), tuple(hole for p in pieces for hole in p.holes))

    def _joined(self, nodes: list[ast.expr], depth: int) -> Path | None:
        pieces = [self._piece(node, depth) for node in nodes if not isinstance(node, ast.Starred)]
        if not pieces or len(pieces) != len(nodes):
            return None
        pattern = pieces[0].pattern
        for piece in pieces[1:]:
            is_absolute = piece.pattern.startswith("/")
            pattern = piece.pattern if is_absolute else f"{pattern.rstrip('/')}/{piece.pattern}"
        return Path(pattern, tuple(hole for p in pieces for hole in p.holes))


def is_temporary(pattern: str) -> bool:
    """Whether a path lies below /tmp."""
    return pattern == TEMPORARY or pattern.startswith(f"{TEMPORARY}/")


def may_be_temporary(pattern: str) -> bool:
    """Whether a path lies below /tmp, or starts with something that only the linked program knows."""
    return is_temporary(pattern) or pattern.startswith(("<import ", "<param "))
