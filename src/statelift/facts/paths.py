"""An expression -> the file path that it denotes, as a pattern with `{text}` for what is not known."""

import ast
import re

from statelift.facts.scopes import parameter_names
from statelift.facts.syntax import Syntax

DEPTH = 6
TEMPORARY = "/tmp"  # noqa: S108 - the very folder that this tool looks for
JOINS = frozenset({"os.path.join", "posixpath.join"})
WRAPPERS = frozenset(
    {"pathlib.Path", "pathlib.PurePath", "str", "os.fspath", "os.path.abspath", "os.path.normpath"}
)
PARENTS = frozenset({"tempfile.gettempdir"})


class Paths:
    """Answers `path_of` for the expressions of one module."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax

    def pattern(self, node: ast.expr) -> str:
        """The pattern of a path below /tmp, otherwise ""."""
        path = self.path_of(node)
        return path if path is not None and may_be_temporary(path) else ""

    def path_of(self, node: ast.expr, depth: int = DEPTH) -> str | None:
        """The path, or None where the expression is not known to be one."""
        if depth == 0:
            return None
        match node:
            case ast.Constant(value=str(text)):
                return text
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
            case ast.BinOp(op=ast.Mod(), left=ast.Constant(value=str(text)), right=right):
                return re.sub(r"%[-#0 +.\d]*[a-zA-Z]", lambda _: self._unknown(right), text)
            case ast.Name(id=name):
                return self._name(node, name, depth)
            case ast.Attribute() if self.syntax.outside(node):
                return f"<import {self.syntax.dotted(node)}>"
            case _:
                return None

    def _call(self, node: ast.Call, name: str, arguments: list[ast.expr], depth: int) -> str | None:
        if name in JOINS:
            return self._joined(arguments, depth)
        if name in WRAPPERS and arguments:
            return self._joined(arguments, depth)
        if name in PARENTS:
            return TEMPORARY
        if name in ("os.getenv", "os.environ.get") and len(arguments) == 2:
            return self.path_of(arguments[1], depth - 1)
        match node.func:
            case ast.Attribute(value=base, attr="joinpath"):
                return self._joined([base, *arguments], depth)
            case ast.Attribute(value=ast.Constant(value=str(text)), attr="format"):
                return re.sub(r"\{[^{}]*\}", lambda _: self._unknown(node), text)
            case _:
                return None

    def _name(self, node: ast.Name, name: str, depth: int) -> str | None:
        scope = self.syntax.scope(node).binding(name)
        if scope is None:
            return None
        given = self.syntax.assigned(scope, name)
        imported = self.syntax.imports.get((scope, name))
        if imported and not given:
            return f"<import {imported}>"
        if not given and name in parameter_names(scope.node):
            return f"<param {scope.qualname}:{name}>"
        if len(given) != 1 or (isinstance(given[0], ast.Name) and isinstance(given[0].ctx, ast.Store)):
            return None
        return self.path_of(given[0], depth - 1)

    def _piece(self, node: ast.expr, depth: int) -> str:
        return self.path_of(node, depth - 1) or self._unknown(node)

    def _pieces(self, nodes: list[ast.expr], depth: int) -> list[str]:
        """Only the first piece may be looked up in the linked program: `<param …>` inside a path is unknown."""
        found = [self._piece(node, depth) for node in nodes]
        return [
            piece if number == 0 or not piece.startswith("<") else self._unknown(node)
            for number, (node, piece) in enumerate(zip(nodes, found, strict=True))
        ]

    def _unknown(self, node: ast.expr) -> str:
        """A piece that only stands for the same text where the same variables hold the same values."""
        names = [each for each in ast.walk(node) if isinstance(each, ast.Name) and self.syntax.is_local(each)]
        where = self.syntax.function(node) if names else ""
        if not all(self._is_fixed(name) for name in names):
            where += f":{node.lineno}:{node.col_offset}"
        return f"{{{_plain(ast.unparse(node))}@{where}}}"

    def _is_fixed(self, name: ast.Name) -> bool:
        scope = self.syntax.scope(name).binding(name.id)
        if scope is None:
            return True
        is_parameter = name.id in parameter_names(scope.node)
        return len(self.syntax.assigned(scope, name.id)) + is_parameter <= 1

    def _concatenated(self, nodes: list[ast.expr], depth: int) -> str:
        return "".join(self._pieces(nodes, depth))

    def _joined(self, nodes: list[ast.expr], depth: int) -> str | None:
        if not nodes or any(isinstance(node, ast.Starred) for node in nodes):
            return None
        pieces = self._pieces(nodes, depth)
        pattern = pieces[0]
        for piece in pieces[1:]:
            pattern = piece if piece.startswith("/") else f"{pattern.rstrip('/')}/{piece}"
        return pattern


def _plain(text: str) -> str:
    """The text of an unknown piece, without the braces that mark one."""
    return text.replace("{", "(").replace("}", ")").replace("@", "(at)")


def generic(pattern: str) -> str:
    """The pattern with `{}` for every unknown piece: what two functions have in common."""
    return re.sub(r"\{[^{}]*\}", "{}", pattern)


def is_unique(pattern: str) -> bool:
    """Whether an unknown piece makes the path new in every invocation: a clock, a random or a request id."""
    return re.search(r"\{[^{}@]*(uuid|time|random|token|request_id|mkdtemp|mkstemp)[^{}]*\}", pattern) is not None


def is_temporary(pattern: str) -> bool:
    """Whether a path lies below /tmp."""
    return pattern == TEMPORARY or pattern.startswith(f"{TEMPORARY}/")


def may_be_temporary(pattern: str) -> bool:
    """Whether a path lies below /tmp, or starts with something that only the linked program knows."""
    return is_temporary(pattern) or pattern.startswith(("<import ", "<param "))
