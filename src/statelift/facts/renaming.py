"""An expression in the names of a function -> the same expression in the names of who calls it."""

import ast
import builtins
from collections.abc import Collection, Mapping


def names_in(text: str) -> frozenset[str]:
    """The names that an expression reads."""
    return frozenset(node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name))


def in_names_of_caller(text: str, given: Mapping[str, str], known: Collection[str]) -> str | None:
    """The expression with what is `given` for each parameter; None where it holds a name that is neither that, nor
    `known` to mean the same in both functions.
    """
    if any(name not in given and name not in known and not hasattr(builtins, name) for name in names_in(text)):
        return None
    return ast.unparse(_Giving(given).visit(ast.parse(text, mode="eval")))


class _Giving(ast.NodeTransformer):
    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        text = self.given.get(node.id)
        return node if text is None else ast.parse(text, mode="eval").body
