"""bytes -> Module: a parsed Python file with its imports, and what every name in it is bound to."""

import ast
from collections.abc import Iterator
from functools import cached_property


class Module:
    """One parsed file with its imports."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path = path
        self.tree = tree
        self.parents: dict[ast.AST, ast.AST] = {
            child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)
        }

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name -> dotted name; relative ones begin with dots."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                for alias in node.names:
                    joint = "" if base.endswith(".") or not base else "."
                    found[alias.asname or alias.name] = f"{base}{joint}{alias.name}"
        return found

    def owner(self, node: ast.AST) -> ast.AST:
        """The function, class or module that a node stands in."""
        while (parent := self.parents.get(node)) is not None:
            if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
                return parent
            node = parent
        return self.tree

    @cached_property
    def bindings(self) -> dict[ast.AST, dict[str, list[ast.expr | None]]]:
        """For each function, class and module: its names and what they are bound to, None if not simple."""
        found: dict[ast.AST, dict[str, list[ast.expr | None]]] = {}
        for node in ast.walk(self.tree):
            for name, value in _bound(node):
                found.setdefault(self.owner(node), {}).setdefault(name, []).append(value)
        return found


def _bound(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    match node:
        case ast.Assign(targets=[target], value=value):
            yield from _targets(target, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _targets(target, value)
        case ast.AugAssign(target=target) | ast.NamedExpr(target=target) | ast.For(target=target):
            yield from _targets(target, None)
        case ast.withitem(optional_vars=ast.expr() as target) | ast.comprehension(target=target):
            yield from _targets(target, None)
        case _:
            pass


def _targets(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, ast.expr | None]]:
    match target:
        case ast.Name(id=name):
            yield name, value
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            yield f"self.{name}", value
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from _targets(element, None)
        case _:
            pass


def dotted_name(node: ast.expr) -> str | None:
    """`a.b.c` as text."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            base = dotted_name(value)
            return None if base is None else f"{base}.{name}"
        case _:
            return None


def last_name(node: ast.expr) -> str:
    """`c` of `a.b.c`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def has_parameter(owner: ast.AST, name: str) -> bool:
    """Whether a function takes an argument of this name."""
    if not isinstance(owner, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    every = (*owner.args.posonlyargs, *owner.args.args, *owner.args.kwonlyargs)
    return any(each.arg == name for each in every) and name != "self"
