"""A constructor call -> the statement before it that reads what only its arguments use: `secret = read()`."""

import ast

from statelift.facts.scopes import Scope
from statelift.facts.syntax import Syntax
from statelift.facts.values import Reading

# Where these stand in a call, what is written first may be evaluated later, or not at all.
REORDERED = (
    ast.IfExp, ast.BoolOp, ast.Lambda, ast.Starred, ast.NamedExpr, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp,
)  # fmt: skip


def reading_of(syntax: Syntax, node: ast.Call) -> Reading | None:
    """The statement, where it stands in the same block and could as well run when the connection is opened."""
    used = _local_names(syntax, node)
    homes = {(syntax.scope(each).binding(each.id), each.id) for each in used}
    scope, name = next(iter(homes)) if len(homes) == 1 else (None, "")
    if scope is None or scope.kind != "function" or (scope, name) in syntax.captured:
        return None
    statement = _assignment(syntax, scope, name)
    if statement is None or not _is_free(syntax, statement) or set(syntax.loads(scope, name)) != set(used):
        return None
    is_reordered = any(isinstance(each, REORDERED) for each in ast.walk(node))
    if is_reordered or not _is_before(syntax, statement, node):
        return None
    first = min((syntax.span(each) for each in used), key=lambda span: span.start)
    return Reading(f"({name} := {ast.unparse(statement.value)})", syntax.span(statement), first)


def _local_names(syntax: Syntax, node: ast.expr) -> list[ast.Name]:
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name) and syntax.is_local(each)]
    return [each for each in names if (syntax.scope(each).binding(each.id), each.id) not in syntax.imports]


def _assignment(syntax: Syntax, scope: Scope, name: str) -> ast.Assign | None:
    """The only statement that gives the variable a value."""
    given = syntax.assigned(scope, name)
    statement = syntax.parents[given[0]] if len(given) == 1 else None
    match statement:
        case ast.Assign(targets=[ast.Name()]) if not _local_names(syntax, given[0]):
            return statement
        case _:
            return None


def _is_free(syntax: Syntax, statement: ast.Assign) -> bool:
    """Whether nothing else stands on its lines, no comment either."""
    data, span = syntax.parsed.data, syntax.span(statement)
    head = data[data.rfind(b"\n", 0, span.start) + 1 : span.start]
    end = data.find(b"\n", span.end)
    tail = data[span.end : len(data) if end < 0 else end]
    return not head.strip() and not tail.strip() and b"#" not in data[span.start : span.end]


def _is_before(syntax: Syntax, statement: ast.Assign, node: ast.Call) -> bool:
    """Whether the call stands in the same block, so that what catches the errors of one has those of the other."""
    opening = syntax.statement(node)
    is_sibling = syntax.parents[opening] is syntax.parents[statement]
    ways = {syntax.conditions(statement), syntax.conditions(opening)}
    return is_sibling and len(ways) == 1 and statement.lineno < opening.lineno
