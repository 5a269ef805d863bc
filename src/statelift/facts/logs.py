"""An expression -> whether its value goes into lines of the log, metrics and traces, and nowhere else."""

import ast
import sys
from collections.abc import Iterable

from statelift.facts.fates import CHANGING_METHODS, LOOKING_CALLS, LOOKING_METHODS, is_setup, steers
from statelift.facts.scopes import Scope
from statelift.facts.syntax import Syntax, pairs_of

DEPTH = 8
MAKERS = LOOKING_CALLS | {
    "dict",
    "list",
    "tuple",
    "set",
    "sorted",
    "min",
    "max",
    "divmod",
}  # a new value, of no more
TRACES = (
    "put_annotation",
    "put_metadata",
    "set_attribute",
    "add_dimension",
    "set_dimensions",
    "append_keys",
    "set_property",
)
COMBINING = (
    ast.FormattedValue, ast.JoinedStr, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.Dict,
    ast.List, ast.Set, ast.Tuple, ast.Starred, ast.Slice,
)  # fmt: skip


def is_logged(syntax: Syntax, node: ast.expr, depth: int = DEPTH, others: set[str] | None = None) -> bool:
    """Whether nothing but the log, metrics and traces can show what the value is.

    `others` takes the functions of other files, with the argument, that must do no more with it: `audit.note:1`.
    """
    parent = syntax.parents[node]
    match parent:
        case _ if depth == 0:
            return False
        case ast.If(test=test) if test is node:
            return not steers(syntax, node)
        case ast.Tuple() if targets := _unpacked_to(syntax, parent, node):
            return all(_is_kept_for_logs(syntax, each, depth, others) for each in targets)
        case ast.expr() if isinstance(parent, COMBINING):
            return is_logged(syntax, parent, depth - 1, others)
        case ast.keyword() | ast.Call():
            call = syntax.parents[parent] if isinstance(parent, ast.keyword) else parent
            is_argument = isinstance(call, ast.Call) and node is not call.func
            return isinstance(call, ast.Call) and is_argument and _is_given(syntax, call, node, depth, others)
        case ast.Attribute(attr=method) if method in LOOKING_METHODS:
            call = syntax.parents[parent]
            return isinstance(call, ast.Call) and call.func is parent and is_logged(syntax, call, depth - 1, others)
        case ast.Assign(targets=targets):
            return all(_is_kept_for_logs(syntax, each, depth, others) for each in targets)
        case ast.AnnAssign(target=target):
            return _is_kept_for_logs(syntax, target, depth, others)
        case _:
            return False


def _unpacked_to(syntax: Syntax, display: ast.Tuple, element: ast.expr) -> list[ast.expr]:
    match syntax.parents[display]:
        case ast.Assign(targets=targets, value=value) if value is display:
            return [name for each in targets for name, given in pairs_of(each, value) if given is element]
        case _:
            return []


def are_logged(syntax: Syntax, scope: Scope, name: str) -> bool:
    """Whether a function does no more with what a variable of it holds."""
    loads = syntax.loads(scope, name)
    return bool(loads) and _are_logged(syntax, loads, DEPTH, None)


def _is_given(syntax: Syntax, call: ast.Call, node: ast.expr, depth: int, others: set[str] | None) -> bool:
    """What becomes of an argument: of a line for the log, of a new value, of a parameter."""
    called = syntax.module_function(call.func)
    is_statement = isinstance(syntax.parents[call], ast.Expr)
    match call.func:
        case _ if called is not None:
            return _is_logged_by(syntax, called, call, node, depth, others)
        case ast.Attribute(attr=method) if is_statement and method.startswith(TRACES):
            return True
        case _ if is_statement and is_setup(syntax, call.func):
            return True
        case ast.Attribute(value=ast.Name() as base, attr=method) if is_statement and method in CHANGING_METHODS:
            return _is_kept_for_logs(syntax, base, depth, others)
        case ast.Attribute(value=ast.Constant(), attr="format" | "join"):
            return is_logged(syntax, call, depth - 1, others)
        case _ if syntax.outside(call.func) in MAKERS:
            return is_logged(syntax, call, depth - 1, others)
        case _:
            return is_statement and others is not None and _is_assumed(syntax, call, node, others)


def _is_assumed(syntax: Syntax, call: ast.Call, node: ast.expr, others: set[str]) -> bool:
    """Notes the function of another file that gets the value."""
    name = syntax.outside(call.func)
    is_own = "." in name and name.partition(".")[0] not in sys.stdlib_module_names
    named = next((each.arg for each in call.keywords if each.value is node), None)
    if is_own and (named is not None or node in call.args):
        others.add(f"{name}:{named if named is not None else call.args.index(node)}")
    return is_own and bool(others)


def _is_logged_by(
    syntax: Syntax,
    called: ast.FunctionDef | ast.AsyncFunctionDef,
    call: ast.Call,
    node: ast.expr,
    depth: int,
    others: set[str] | None,
) -> bool:
    """Whether a function of the module does no more with the parameter that gets it."""
    parameters = [*called.args.posonlyargs, *called.args.args, *called.args.kwonlyargs]
    by_name = {each.value: each.arg for each in call.keywords}
    by_place = {given: each.arg for each, given in zip(parameters, call.args, strict=False)}
    name = by_name.get(node) or by_place.get(node)
    scope = syntax.scopes.opened[called]
    is_known = name in {each.arg for each in parameters} and not called.decorator_list
    return is_known and name is not None and _are_logged(syntax, syntax.loads(scope, name), depth, others)


def _is_kept_for_logs(syntax: Syntax, target: ast.expr, depth: int, others: set[str] | None) -> bool:
    """Whether a local variable, or a local object that it is put into, is only logged."""
    while isinstance(target, ast.Subscript):
        target = target.value
    scope = syntax.scope(target).binding(target.id) if isinstance(target, ast.Name) else None
    if scope is None or not isinstance(target, ast.Name) or not syntax.is_local(target):
        return False
    is_new = all(not isinstance(each, (ast.Name, ast.Attribute)) for each in syntax.assigned(scope, target.id))
    is_bound = isinstance(target.ctx, ast.Store)
    return (is_bound or is_new) and _are_logged(syntax, syntax.loads(scope, target.id), depth, others)


def _are_logged(syntax: Syntax, loads: Iterable[ast.Name], depth: int, others: set[str] | None) -> bool:
    return all(_is_filled(syntax, each) or is_logged(syntax, each, depth - 1, others) for each in loads)


def _is_filled(syntax: Syntax, load: ast.Name) -> bool:
    """`line["cold"] = …`, `line.update(…)`: more is put into it."""
    match syntax.parents[load]:
        case ast.Subscript(ctx=ast.Store()):
            return True
        case ast.Attribute(attr=method) as bound if method in CHANGING_METHODS:
            call = syntax.parents[bound]
            return isinstance(call, ast.Call) and isinstance(syntax.parents[call], ast.Expr)
        case _:
            return False
