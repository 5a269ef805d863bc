"""Stored values that are changed in place -> whether one block can read them, change them and write them back."""

import ast

from statelift.facts.operations import Operation
from statelift.facts.scopes import COMPREHENSIONS, FUNCTIONS
from statelift.facts.syntax import Syntax
from statelift.facts.values import Alias
from statelift.model import Span

SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)
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
    last = _last_use(syntax, statement, syntax.loads(scope, name))
    return None if last is None else Alias(name, syntax.span(last), _top(syntax, scope.node))


def _last_use(syntax: Syntax, statement: ast.stmt, loads: list[ast.Name]) -> ast.stmt | None:
    """The last statement of the same block that uses the variable; None where one lies elsewhere."""
    owner = syntax.parents[statement]
    block = next((b for b in (getattr(owner, n, []) for n in BLOCKS) if statement in b), [])
    following = block[block.index(statement) + 1 :] if block else []
    homes = [_home(syntax, load, following) for load in loads]
    if not homes or any(home is None for home in homes):
        return None
    return max((home for home in homes if home is not None), key=lambda each: each.lineno)


def _home(syntax: Syntax, node: ast.AST, block: list[ast.stmt]) -> ast.stmt | None:
    while node in syntax.parents:
        if isinstance(node, ast.stmt) and node in block:
            return node
        node = syntax.parents[node]
    return None


def _top(syntax: Syntax, node: ast.AST) -> Span:
    """The whole lines of the top-level statement around a node, decorators included."""
    while not isinstance(syntax.parents[node], ast.Module):
        node = syntax.parents[node]
    assert isinstance(node, ast.stmt)
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    last = node.end_lineno or node.lineno
    starts, data = syntax.parsed.line_starts, syntax.parsed.data
    return Span(starts[first - 1], starts[last] if last < len(starts) else len(data))
