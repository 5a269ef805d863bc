"""A value -> what it depends on besides what is assigned: what is put into an object, and tests on the way."""

import ast
from collections.abc import Iterator, Sequence

from statelift.facts.asking import answered_once
from statelift.facts.fates import CHANGING_METHODS
from statelift.facts.scopes import Scope, every_parameter
from statelift.facts.syntax import Syntax
from statelift.facts.walk import children

Marks = dict[tuple[str, int, bool], ast.expr]
TESTS_AT_MOST = 50  # that decide about one value


class Inflow:
    """Answers `put_into` and `tests` for one module."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax

    @answered_once
    def put_into(self, scope: Scope, name: str) -> list[tuple[ast.expr, ast.stmt]]:
        """What methods and assignments put into a variable's object, keys too, and the statements that do."""
        syntax = self.syntax
        return [(each, syntax.statement(load)) for load in syntax.loads(scope, name) for each in _put(syntax, load)]

    def tests(self, node: ast.expr) -> list[ast.expr]:
        """The tests that decide which of several values the variables in an expression have."""
        found: dict[ast.expr, None] = {}
        seen: set[tuple[Scope, str, tuple[int, ...]]] = set()
        waiting = [node]
        while waiting and len(found) < TESTS_AT_MOST:
            for scope, load in self._variables(waiting.pop()):
                given, is_open = self.syntax.reaching(scope, load)
                asked = (scope, load.id, tuple(map(id, given)))
                if asked not in seen:
                    seen.add(asked)
                    put = self.put_into(scope, load.id)
                    may_be_given = is_open and load.id in every_parameter(scope.node)
                    found |= dict.fromkeys(self._tests_of(given, put, may_be_given))
                    waiting += [each for each in given if not _is_target(each)]
                    waiting += [each for each, _ in put]
        return list(found)

    def _tests_of(
        self, given: list[ast.expr], put: list[tuple[ast.expr, ast.stmt]], is_open: bool
    ) -> list[ast.expr]:
        places = [*given, *dict.fromkeys(statement for _, statement in put)]
        is_one = len(places) < 2 and not (put or (given and is_open))
        return [] if is_one else tests_between(self.syntax, places, others=is_open)

    @answered_once
    def _variables(self, node: ast.expr) -> list[tuple[Scope, ast.Name]]:
        """The variables that an expression reads. What a function of the module is given, its returns tell."""
        found: list[tuple[Scope, ast.Name]] = []
        waiting: list[ast.AST] = [node]
        while waiting:
            match waiting.pop():
                case ast.Call(func=func) if self.syntax.module_function(func) is not None:
                    continue
                case ast.Name(ctx=ast.Load()) as name:
                    scope = self.syntax.scope(name).binding(name.id)
                    found += [] if scope is None or scope.kind != "function" else [(scope, name)]
                case part:
                    waiting += children(part)
        return found


def _is_target(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


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
