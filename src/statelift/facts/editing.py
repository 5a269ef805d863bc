"""Stored values that are changed in place -> whether one block can read them, change them and write them back."""

import ast

from statelift.facts.fates import LOOKING_CALLS, fates_of_variable
from statelift.facts.operations import Operation
from statelift.facts.scopes import COMPREHENSIONS, FUNCTIONS, Scope
from statelift.facts.syntax import Syntax
from statelift.facts.values import Alias
from statelift.model import Span

SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)
HARMLESS = frozenset({"read", "returned", "copy returned", "dropped"})
BLOCKS = ("body", "orelse", "finalbody")


def is_editable(syntax: Syntax, operation: Operation, statement: ast.stmt) -> bool:
    """`d[k][f] = v`, `d[k].append(x)`, `d.setdefault(k, []).append(x)` as a statement of its own line."""
    whole = operation.whole
    is_plain = isinstance(whole, ast.Subscript) or operation.operator == "setdefault"
    if not (is_plain and isinstance(statement, SIMPLE)):
        return False
    has_own_scope = any(isinstance(each, (*COMPREHENSIONS, ast.Lambda)) for each in syntax.ancestors(whole))
    return not has_own_scope and _starts_its_line(syntax, statement)


def _starts_its_line(syntax: Syntax, statement: ast.stmt) -> bool:
    start = syntax.parsed.line_starts[statement.lineno - 1]
    return not syntax.parsed.data[start : syntax.span(statement).start].strip()


def alias_of(syntax: Syntax, operation: Operation) -> Alias | None:
    """The variable that holds the stored object, where the statements behind it are all that use it."""
    whole = operation.whole
    statement = syntax.parents.get(whole)
    if operation.op not in ("require", "setdefault") or not isinstance(whole, ast.expr):
        return None
    match statement:
        case ast.Assign(targets=[ast.Name(id=name) as target], value=value) if value is whole:
            scope = syntax.scope(target).binding(name)
        case _:
            return None
    if scope is None or scope.kind != "function" or len(syntax.assigned(scope, name)) != 1:
        return None
    if not isinstance(scope.node, FUNCTIONS) or not _starts_its_line(syntax, statement):
        return None
    loads = _loads_of_parts(syntax, scope, name, frozenset({name}))
    last = None if loads is None else _last_use(syntax, statement, loads)
    return None if last is None else Alias(name, syntax.span(last), top_of(syntax, scope.node))


def _loads_of_parts(syntax: Syntax, scope: Scope, name: str, known: frozenset[str]) -> list[ast.Name] | None:
    """Every read of a variable, and of those that hold a part of its object and do more than look at it.

    None where a function inside of this one reads it: nobody knows when that is called.
    """
    loads = [*syntax.loads(scope, name)]
    if any(syntax.scopes.of[load].function() is not scope for load in loads):
        return None
    for load in list(loads):
        for other in _names_given(syntax, load) - known:
            if HARMLESS.issuperset(fates_of_variable(syntax, scope, other)):
                continue
            more = _loads_of_parts(syntax, scope, other, known | {other})
            if more is None:
                return None
            loads += more
    return loads


def _names_given(syntax: Syntax, load: ast.Name) -> set[str]:
    """The variables that get the object which a name stands for, or a part of it."""
    node: ast.AST = load
    for parent in syntax.ancestors(load):
        match parent:
            case ast.Compare() | ast.FormattedValue() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                return set()
            case ast.Call(func=called) if syntax.outside(called) in LOOKING_CALLS:
                return set()
            case ast.Assign(value=value, targets=targets) if value is node:
                return {each for target in targets for each in _names_in(target)}
            case (
                ast.AnnAssign(target=target, value=value)
                | ast.NamedExpr(target=target, value=value)
                | ast.AugAssign(target=target, value=value)
                | ast.For(target=target, iter=value)
                | ast.withitem(optional_vars=ast.expr() as target, context_expr=value)
            ) if value is node:
                return _names_in(target)
            case _:
                node = parent
    return set()


def _names_in(target: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(target) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def _last_use(syntax: Syntax, statement: ast.stmt, loads: list[ast.Name]) -> ast.stmt | None:
    """The last statement of the same block that uses the variable; None where one lies elsewhere."""
    owner = syntax.parents[statement]
    block = next((b for b in (getattr(owner, n, []) for n in BLOCKS) if statement in b), [])
    following = block[block.index(statement) + 1 :] if block else []
    homes = [home_in(syntax, load, following) for load in loads]
    if not homes or any(home is None for home in homes):
        return None
    return max((home for home in homes if home is not None), key=lambda each: each.lineno)


def home_in(syntax: Syntax, node: ast.AST, block: list[ast.stmt]) -> ast.stmt | None:
    """The statement of a block that a node stands in."""
    while node in syntax.parents:
        if isinstance(node, ast.stmt) and node in block:
            return node
        node = syntax.parents[node]
    return None


def top_of(syntax: Syntax, node: ast.AST) -> Span:
    """The whole lines of the top-level statement around a node, decorators included."""
    while not isinstance(syntax.parents[node], ast.Module):
        node = syntax.parents[node]
    assert isinstance(node, ast.stmt)
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    last = node.end_lineno or node.lineno
    starts, data = syntax.parsed.line_starts, syntax.parsed.data
    return Span(starts[first - 1], starts[last] if last < len(starts) else len(data))
