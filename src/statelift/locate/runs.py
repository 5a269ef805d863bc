"""A call in a Python program -> the scopes that it is run with: arguments of each caller, elements of each loop."""

import ast
from collections.abc import Iterator
from itertools import islice, product
from typing import TypeAlias

from statelift.locate.bound import Module, last_name
from statelift.locate.constants import Code, Scope
from statelift.locate.evaluate import UNKNOWN
from statelift.locate.values import Table, Value

_MOST_SCOPES = 100
_CALLERS = 2  # of callers

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Given: TypeAlias = tuple[tuple[str, Value], ...]


def scopes_of(node: ast.AST, module: Module, code: Code, depth: int = _CALLERS) -> list[Scope]:
    """A node with each set of arguments and loop elements that its function is run with; one at least."""
    function = module.owner(node)
    outer = [Scope(module, function, given) for given in _arguments(function, module, code, depth)]
    found = [
        Scope(module, function, (*scope.given, *elements))
        for scope in outer
        for elements in _elements(node, scope, code)
    ]
    return found[:_MOST_SCOPES]


def _arguments(function: ast.AST, module: Module, code: Code, depth: int) -> list[Given]:
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or depth == 0:
        return [()]
    found: list[Given] = []
    for site, call in _sites(function, module, code):
        for scope in scopes_of(call, site, code, depth - 1):
            given = _given(function, call, scope, code)
            if given not in found:
                found.append(given)
    return found[:_MOST_SCOPES] or [_defaults(function)]


def _sites(function: Function, module: Module, code: Code) -> Iterator[tuple[Module, ast.Call]]:
    """The calls of a function, of a constructor those of its class, by name."""
    owner = module.owner(function)
    is_constructor = isinstance(owner, ast.ClassDef) and function.name == "__init__"
    name = owner.name if is_constructor and isinstance(owner, ast.ClassDef) else function.name
    for path, other in code.known:
        if path == module.path or name in other.imports:
            for node in ast.walk(other.tree):
                if isinstance(node, ast.Call) and last_name(node.func) == name:
                    yield other, node


def _given(function: Function, call: ast.Call, scope: Scope, code: Code) -> Given:
    """Parameter names and what a call passes for them."""
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args) if each.arg != "self"]
    found = dict(_defaults(function))
    found |= {name: code.value(value, scope) for name, value in zip(names, call.args, strict=False)}
    found |= {each.arg: code.value(each.value, scope) for each in call.keywords if each.arg}
    return tuple((name, value) for name, value in found.items() if value is not UNKNOWN)


def _defaults(function: Function) -> Given:
    """The defaults that are constants."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(positional), reversed(arguments.defaults), strict=False)]
    pairs += [
        (each, value) for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value
    ]
    return tuple(
        (each.arg, value.value)
        for each, value in pairs
        if isinstance(value, ast.Constant) and isinstance(value.value, str | int | None)
    )


def _elements(node: ast.AST, scope: Scope, code: Code) -> Iterator[Given]:
    """What the names of the loops around a node are bound to, one combination after the other."""
    choices: list[list[Given]] = []
    current = scope.module.parents.get(node)
    while current is not None and current is not scope.place:
        if isinstance(current, ast.For):
            choices.append(list(_loop(current, scope, code)) or [()])
        current = scope.module.parents.get(current)
    for combination in islice(product(*choices), _MOST_SCOPES):
        yield tuple(pair for pairs in combination for pair in pairs)


def _loop(loop: ast.For, scope: Scope, code: Code) -> Iterator[Given]:
    for item in _items(loop.iter, scope, code):
        match loop.target, item:
            case ast.Name(id=name), _:
                yield ((name, item),)
            case ast.Tuple(elts=names), tuple() if len(names) == len(item):
                pairs = zip(names, item, strict=True)
                yield tuple((name.id, value) for name, value in pairs if isinstance(name, ast.Name))
            case _:
                pass


def _items(node: ast.expr, scope: Scope, code: Code) -> tuple[Value, ...]:
    match node:
        case ast.Call(func=ast.Attribute(value=base, attr="items"), args=[]):
            table = code.value(base, scope)
            return table.entries if isinstance(table, Table) else ()
        case _:
            found = code.value(node, scope)
            if isinstance(found, Table):
                return tuple(key for key, _ in found.entries)
            return found if isinstance(found, tuple) else ()
