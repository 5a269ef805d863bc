"""A call -> the dotted name of what it calls, followed through variables that hold a new object."""

import ast
import builtins
import sys
from collections.abc import Iterator, Sequence

from statelift.facts.syntax import Syntax

BUILTINS = frozenset(dir(builtins))
FILE_STORE = "FileStore"
PARTIAL = "functools.partial"


def may_be_own(syntax: Syntax, node: ast.Call, callee: str) -> bool:
    """Whether a function of the program may be called: no builtin, nothing of the standard library."""
    head = callee.partition(".")[0]  # "" of a relative import
    if head in sys.stdlib_module_names and syntax.outside(node.func):
        return False
    match node.func:
        case ast.Name(id=name):
            return name not in BUILTINS or bool(syntax.scope(node).binding(name))
        case ast.Attribute(value=ast.Name() as owner) if callee == f"{owner.id}.{node.func.attr}":
            return not syntax.is_local(owner)
        case _:
            return True


def callee_of(syntax: Syntax, node: ast.Call) -> str:
    """Dotted name of what is called; `Class.method` for `self.method`, `cls.method` and `Class().method`."""
    return named_by(syntax, node.func)


def named_by(syntax: Syntax, func: ast.expr) -> str:
    """The same for an expression that stands for a function."""
    if isinstance(func, ast.Name):
        return _inner(syntax, func) or syntax.dotted(func)
    if not isinstance(func, ast.Attribute):
        return ""
    owner = syntax.owner_of(func.value)
    if owner is not None:
        return f"{owner}.{func.attr}"
    made = _maker(syntax, func.value)
    return f"{made}.{func.attr}" if made else syntax.dotted(func)


def run_by(syntax: Syntax, value: ast.expr) -> Iterator[str]:
    """Dotted names of what a call of a value runs: `App.handle` for `App().handle`, `Handler.__call__` for
    `Handler()`, what a lambda hands its arguments on to, and a partial function.
    """
    match value:
        case ast.Attribute(value=owner, attr=method):
            made = _maker(syntax, owner)
            yield f"{made}.{method}" if made else syntax.dotted(value)
        case ast.Call(func=func, args=[given, *_]) if syntax.dotted(func) == PARTIAL:
            yield from run_by(syntax, given) if isinstance(given, ast.Attribute) else [syntax.dotted(given)]
        case ast.Call(func=func) if syntax.dotted(func):
            yield f"{syntax.dotted(func)}.__call__"
        case ast.Lambda(args=arguments, body=body):
            names = [each.arg for each in arguments.args]
            calls = [each for each in ast.walk(body) if isinstance(each, ast.Call)]
            handing = [each for each in calls if _names(each.args) and names[: len(each.args)] == _names(each.args)]
            yield from (callee for each in handing if (callee := callee_of(syntax, each)))
        case _:
            pass


def _names(given: Sequence[ast.expr]) -> list[str]:
    return [each.id if isinstance(each, ast.Name) else "" for each in given]


def is_kept_in_s3(syntax: Syntax, node: ast.Call) -> bool:
    """Whether a call is of a store that a rewrite has put there: its files are no longer below /tmp."""
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    scope = syntax.scope(owner).binding(owner.id) if isinstance(owner, ast.Name) else None
    if not isinstance(owner, ast.Name) or scope is None:
        return False
    made = [each for each in syntax.assigned(scope, owner.id) if isinstance(each, ast.Call)]
    return any(syntax.dotted(each.func).endswith(FILE_STORE) for each in made)


def _inner(syntax: Syntax, name: ast.Name) -> str:
    """The qualified name of a function that is defined inside of another one, or ""."""
    scope = syntax.scope(name).binding(name.id)
    qualname = "" if scope is None or scope.kind != "function" else f"{scope.qualname}.{name.id}"
    return qualname if qualname in syntax.inner_functions else ""


def _maker(syntax: Syntax, node: ast.expr) -> str:
    """Dotted name of what is called to make an object, followed through a variable that is bound once."""
    match node:
        case ast.Call(func=func):
            return syntax.dotted(func)
        case ast.Attribute(value=base, attr=attribute) if (owner := syntax.owner_of(base)) is not None:
            return f"{owner}.{attribute}"
        case ast.Name(id=name) if syntax.is_local(node):
            scope = syntax.scope(node).binding(name)
            given = [] if scope is None else syntax.assigned(scope, name)
            is_made = len(given) == 1 and isinstance(given[0], ast.Call)
            return _maker(syntax, given[0]) if is_made else ""
        case _:
            return ""
