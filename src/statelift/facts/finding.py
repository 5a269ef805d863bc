"""A read of an entry -> the check before it that found the entry: `if k in d: return d[k]`."""

import ast
from collections.abc import Callable, Iterator

from statelift.facts.operations import Operation
from statelift.facts.scopes import Scope
from statelift.facts.syntax import Syntax
from statelift.facts.values import Found
from statelift.model import Span

READING = frozenset({"require", "get"})
Loops = frozenset[int]


def found_of(syntax: Syntax, operation: Operation, is_cell: Callable[[ast.AST], bool]) -> Found | None:
    """The innermost check that leads to a read, with the same key; None where a loop or function begins between."""
    whole, key = operation.whole, operation.key
    if operation.op not in READING or key is None or not isinstance(whole, ast.expr):
        return None
    for guard, test in reversed(syntax.conditions(whole)):
        checks = [] if test is None or guard.kind != "if" else [*_found_there(test, guard.holds)]
        for check in checks:
            if is_cell(check.comparators[0]) and _is_same(syntax, check, whole, key):
                return Found(syntax.span(check), *_given(syntax, whole), *_choice(syntax, check, whole))
    return None


def _choice(syntax: Syntax, check: ast.Compare, whole: ast.expr) -> tuple[Span | None, str]:
    """The expression `d[k] if k in d else 0`, which does nothing else, and its constant."""
    match syntax.parents[whole]:
        case ast.IfExp(test=test, body=body, orelse=ast.Constant() as other) as choice if body is whole:
            text = syntax.parsed.segment(syntax.span(other))
            return (syntax.span(choice), text) if test is check else (None, "")
        case _:
            return None, ""


def _found_there(test: ast.expr, holds: bool) -> Iterator[ast.Compare]:
    """The comparisons by `in` that say that something is there, where a test holds or does not."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _found_there(operand, not holds)
        case ast.BoolOp(op=op, values=values) if isinstance(op, ast.And) is holds:
            for each in values:
                yield from _found_there(each, holds)
        case ast.Compare(ops=[ast.In()]) if holds:
            yield test
        case ast.Compare(ops=[ast.NotIn()]) if not holds:
            yield test
        case _:
            pass


def _is_same(syntax: Syntax, check: ast.Compare, whole: ast.expr, key: ast.expr) -> bool:
    """Whether both speak of one entry, in one function and the same round of the same loops."""
    scopes, left = syntax.scopes.of, check.left
    is_near = scopes[check].function() is scopes[whole].function()
    is_one_round = is_near and _loops(syntax, check) == _loops(syntax, whole)
    return is_one_round and ast.dump(left) == ast.dump(key) and _bindings(syntax, left) == _bindings(syntax, key)


def _loops(syntax: Syntax, node: ast.expr) -> Loops:
    return frozenset(guard.at for guard, _ in syntax.conditions(node) if guard.kind == "loop")


def _bindings(syntax: Syntax, key: ast.expr) -> list[tuple[str, Scope | None, frozenset[int], bool]]:
    """What the names of a key can stand for at that place."""
    found: list[tuple[str, Scope | None, frozenset[int], bool]] = []
    for name in (each for each in ast.walk(key) if isinstance(each, ast.Name)):
        scope = syntax.scope(name).binding(name.id)
        values, is_given = ([], True) if scope is None else syntax.reaching(scope, name)
        found.append((name.id, scope, frozenset(map(id, values)), is_given))
    return found


def _given(syntax: Syntax, whole: ast.expr) -> tuple[str, Span | None]:
    """The variable that a statement of its own lines gives what is read, and that nothing else gives a value."""
    statement = syntax.parents[whole]
    match statement:
        case ast.Assign(targets=[ast.Name(id=name) as target]):
            scope = syntax.scope(target).binding(name)
        case _:
            return "", None
    is_only = scope is not None and scope.kind == "function" and len(syntax.assigned(scope, name)) == 1
    is_plain = scope is not None and (scope, name) not in syntax.captured and not _loops(syntax, whole)
    line = _lines(syntax, statement)
    return (name, line) if is_only and is_plain and line is not None else ("", None)


def _lines(syntax: Syntax, statement: ast.stmt) -> Span | None:
    """The whole lines of a statement that shares them with nothing, and does not stand alone in its block."""
    parsed, span = syntax.parsed, syntax.span(statement)
    last = statement.end_lineno or statement.lineno
    start = parsed.line_starts[statement.lineno - 1]
    end = parsed.line_starts[last] if last < len(parsed.line_starts) else len(parsed.data)
    is_alone = not parsed.data[start : span.start].strip() and not parsed.data[span.end : end].strip()
    owner = syntax.parents[statement]
    blocks = [getattr(owner, name, []) for name in ("body", "orelse", "finalbody")]
    is_one_of_more = all(statement not in block or len(block) > 1 for block in blocks)
    return Span(start, end) if is_alone and is_one_of_more else None
