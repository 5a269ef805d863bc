"""A node -> the setting of a library that it changes for the whole process, and what it is set to."""

import ast

from statelift.catalogue.objects import SETTERS
from statelift.facts.operations import Operation
from statelift.facts.syntax import Syntax


def setting_of(syntax: Syntax, node: ast.expr) -> tuple[str, Operation] | None:
    """`decimal.getcontext().prec = 5`, also through a variable, and `locale.setlocale(…)`; otherwise None."""
    match node:
        case ast.Attribute(value=owner, ctx=ast.Store()):
            maker = _maker(syntax, owner)
            value = _given(syntax.parents[node], node)
            is_known = value is not None and SETTERS.get(maker) == "attribute"
            return (f"{maker}()", Operation("rebind", syntax.statement(node), value=value)) if is_known else None
        case ast.Call(func=func, args=[*_, value]) if SETTERS.get(name := syntax.outside(func)) == "call":
            return f"{name}()", Operation("rebind", node, value=value, result=node)
        case _:
            return None


def _maker(syntax: Syntax, owner: ast.expr) -> str:
    match owner:
        case ast.Call(func=func, args=[]):
            return syntax.outside(func)
        case ast.Name(id=name) if syntax.is_local(owner):
            scope = syntax.scope(owner).binding(name)
            given = [] if scope is None else syntax.assigned(scope, name)
            return _maker(syntax, given[0]) if len(given) == 1 and isinstance(given[0], ast.Call) else ""
        case _:
            return ""


def _given(statement: ast.AST, target: ast.expr) -> ast.expr | None:
    match statement:
        case ast.Assign(targets=[only], value=value) if only is target:
            return value
        case ast.AugAssign(value=value):
            return value
        case _:
            return None
