"""A variable -> what its value depends on besides what is assigned: what is put into it, and tests on the way."""

import ast
from collections.abc import Iterator, Sequence

from statelift.facts.fates import CHANGING_METHODS
from statelift.facts.scopes import Scope
from statelift.facts.syntax import Syntax

Marks = dict[tuple[str, int, bool], ast.expr]


def put_into(syntax: Syntax, scope: Scope, name: str) -> Iterator[tuple[ast.expr, ast.stmt]]:
    """What methods and assignments put into the object of a variable, and the statements that do: the keys, too."""
    for load in syntax.loads(scope, name):
        statement = None
        for each in _put(syntax, load):
            statement = statement or syntax.statement(load)
            yield each, statement


def _put(syntax: Syntax, node: ast.expr) -> Iterator[ast.expr]:
    match syntax.parents[node]:
        case ast.Subscript(value=value, slice=key, ctx=ast.Store()) as part if value is node:
            yield from (key, *_assigned(syntax, part))
        case ast.Attribute(ctx=ast.Store()) as part:
            yield from _assigned(syntax, part)
        case ast.Attribute(attr=method) as part if method in CHANGING_METHODS:
            match syntax.parents[part]:
                case ast.Call(func=function, args=given, keywords=named) if function is part:
                    yield from (*given, *(each.value for each in named))
                case _:
                    pass
        case (ast.Attribute(value=value) | ast.Subscript(value=value)) as part if value is node:
            yield from _put(syntax, part)
        case _:
            pass


def _assigned(syntax: Syntax, target: ast.expr) -> Iterator[ast.expr]:
    match syntax.parents[target]:
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) | ast.AugAssign(value=value):
            yield value
        case _:
            pass


def tests_between(syntax: Syntax, nodes: Sequence[ast.AST], *, others: bool = False) -> list[ast.expr]:
    """The tests on the way to some of these nodes, and not to all. `others`: there are more that are unseen."""
    found = [_tests(syntax, node) for node in nodes]
    common = set(found[0]).intersection(*found[1:]) if found and not others else set()
    return [test for marks in found for mark, test in marks.items() if mark not in common]


def _tests(syntax: Syntax, node: ast.AST) -> Marks:
    marks: Marks = {}
    for guard, test in syntax.conditions(node):
        subject = _matched(syntax, node) if guard.kind == "case" else test
        if subject is not None:
            marks[guard.kind, guard.at, guard.holds] = subject
    return marks


def _matched(syntax: Syntax, node: ast.AST) -> ast.expr | None:
    """What the `match` around a node looks at."""
    return next((each.subject for each in syntax.ancestors(node) if isinstance(each, ast.Match)), None)
