"""A call that opens a shelf -> what the function does with its entries: the calls on S3 that they become."""

import ast
from collections.abc import Mapping, Sequence
from typing import Literal

from statelift.facts.syntax import Syntax

Deed = Literal["read", "write", "remove", "list"]
Deeds = frozenset[Deed]

ALL: Deeds = frozenset({"read", "write", "remove", "list"})
_NONE: Deeds = frozenset()
_READ: Deeds = frozenset({"read"})
_WRITE: Deeds = frozenset({"write"})
_LIST: Deeds = frozenset({"list"})
_ITEM: Mapping[type[ast.expr_context], Deeds] = {ast.Load: _READ, ast.Store: _WRITE, ast.Del: frozenset({"remove"})}
# What the methods of a shelf, and of a dbm file, do. Of those that are not named here anything is thought.
_METHODS: Mapping[str, Deeds] = {
    "get": _READ,
    "setdefault": _READ | _WRITE,
    "pop": frozenset({"read", "remove"}),
    "popitem": frozenset({"read", "remove", "list"}),
    "clear": frozenset({"read", "remove", "list"}),
    "update": _WRITE,
    "items": _READ | _LIST,
    "values": _READ | _LIST,
    "close": _NONE,
    "sync": _NONE,
}
_OF_KEYS = frozenset("all any enumerate frozenset iter len list max min set sorted sum tuple".split())


def deeds_of(syntax: Syntax, uses: Sequence[ast.expr]) -> Deeds:
    """All that is done at these places; everything where one of them hands the shelf on."""
    return _NONE.union(*(_deeds_at(syntax, each) for each in uses))


def _deeds_at(syntax: Syntax, shelf: ast.expr) -> Deeds:
    match syntax.parents[shelf]:
        case ast.Subscript(value=value, ctx=context) as item if value is shelf:
            is_changed = isinstance(syntax.parents[item], ast.AugAssign)
            return _READ | _WRITE if is_changed else _ITEM[type(context)]
        case ast.Attribute(attr=name) as method:
            return _of_method(syntax, method, name)
        case ast.withitem(context_expr=opened, optional_vars=None) if opened is shelf:
            return _NONE
        case ast.withitem(optional_vars=ast.Name()) | ast.Assign(targets=[ast.Name()]) | ast.NamedExpr():
            return ALL
        case ast.Expr():
            return _NONE
        case parent:
            return _of_whole(syntax, parent, shelf)


def _of_whole(syntax: Syntax, parent: ast.AST, shelf: ast.expr) -> Deeds:
    """The shelf stands for its keys, or for whether it has any."""
    match parent:
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[container]) if container is shelf:
            return _READ
        case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
            return _NONE
        case ast.For(iter=source) | ast.comprehension(iter=source) if source is shelf:
            return _LIST
        case ast.Call(func=function, args=[first, *_]) if first is shelf and syntax.outside(function) in _OF_KEYS:
            return _LIST
        case ast.Call(func=function, args=[_]) if syntax.outside(function) == "dict":
            return _READ | _LIST
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if test is shelf:
            return _LIST
        case ast.UnaryOp(op=ast.Not()):
            return _LIST
        case _:
            return ALL


def _of_method(syntax: Syntax, method: ast.Attribute, name: str) -> Deeds:
    call = syntax.parents[method]
    if not isinstance(call, ast.Call) or call.func is not method:
        return ALL
    if name == "keys":  # of what is not seen to go through them it may be asked whether one is there
        return _LIST if _of_whole(syntax, syntax.parents[call], call) == _LIST else _READ | _LIST
    return _METHODS.get(name, ALL)
