"""A tree -> the path conditions of each statement: which tests, loops and handlers lie on the way to it."""

import ast
from collections.abc import Mapping, Sequence
from typing import Literal

from statelift.facts.values import Guard

Condition = tuple[Guard, ast.expr | None]
CONDITIONS_AT_MOST = 10_000_000  # of all nodes of a file together: half a minute, and some hundred megabytes
EXITS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
EXIT_CALLS = frozenset({"sys.exit", "exit", "quit", "os._exit"})


class TooBranchedError(Exception):
    """The conditions of a file grow with the square of its length, and there are too many of them."""


def always_exits(body: Sequence[ast.stmt]) -> bool:
    """Whether control never falls out of the end of a block."""
    return bool(body) and any(_leaves(statement) for statement in body)


def _leaves(statement: ast.stmt) -> bool:
    match statement:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.If(body=body, orelse=orelse):
            return always_exits(body) and always_exits(orelse)
        case ast.With(body=body) | ast.AsyncWith(body=body):
            return always_exits(body)
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
            main = always_exits(body) or always_exits(orelse)
            return always_exits(final) or (main and all(always_exits(each.body) for each in handlers))
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))):
            return name in EXIT_CALLS
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name))):
            return f"{owner}.{name}" in EXIT_CALLS
        case _:
            return False


class GuardedTree:
    """Path conditions per statement, computed once for a module."""

    def __init__(self, tree: ast.Module) -> None:
        self._of: dict[ast.stmt, tuple[Condition, ...]] = {}
        self._ends: dict[ast.AST, tuple[Condition, ...]] = {}
        self._count = 0
        self._walk(tree.body, ())

    def conditions(self, node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> tuple[Condition, ...]:
        """Conditions of the node's statement and of the expressions around it. TooBranchedError: see there."""
        found: list[Condition] = []
        while not isinstance(node, ast.stmt):
            parent = parents[node]
            found = [*_within(parent, node), *found]
            node = parent
        return self._counted((*self._of.get(node, ()), *found))

    def end(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[Condition, ...] | None:
        """What holds where control falls out of the end of a function; None where it never does."""
        return None if always_exits(function.body) else self._ends[function]

    def _counted(self, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        """A budget of steps and not of seconds, so that every machine gives the same answer."""
        self._count += len(conditions)
        if self._count > CONDITIONS_AT_MOST:
            raise TooBranchedError
        return conditions

    def _walk(self, body: Sequence[ast.stmt], outer: tuple[Condition, ...]) -> tuple[Condition, ...]:
        """Walk a block; give what holds after it beyond what held before."""
        current = outer
        for statement in body:
            self._of[statement] = self._counted(current)
            current = (*current, *self._enter(statement, current))
        return current[len(outer) :]

    def _enter(self, statement: ast.stmt, outer: tuple[Condition, ...]) -> Sequence[Condition]:
        """Walk the blocks of a statement; give what holds after it."""
        match statement:
            case ast.If(test=test, body=body, orelse=orelse):
                return self._branch(statement, test, body, orelse, outer)
            case ast.While(test=test, body=body, orelse=orelse):
                self._walk(body, (*outer, _mark("loop", statement), (_if(statement, holds=True), test)))
                self._walk(orelse, outer)
            case ast.For(body=body, orelse=orelse) | ast.AsyncFor(body=body, orelse=orelse):
                self._walk(body, (*outer, _mark("loop", statement)))
                self._walk(orelse, outer)
            case ast.With(body=body, items=items) | ast.AsyncWith(body=body, items=items):
                cut = [each.context_expr for each in items if "suppress" in ast.unparse(each.context_expr)]
                known = self._walk(body, (*outer, _suppressed(statement, cut)) if cut else outer)
                return () if cut else known
            case ast.Try() | ast.TryStar():
                return self._try(statement, outer)
            case ast.Match(cases=cases):
                for case in cases:
                    self._walk(case.body, (*outer, _case(case, holds=True)))
                    outer = (*outer, _case(case, holds=False))
            case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body) | ast.ClassDef(body=body):
                self._ends[statement] = self._walk(body, ())
            case _:
                pass
        return ()

    def _branch(
        self,
        statement: ast.If,
        test: ast.expr,
        body: Sequence[ast.stmt],
        orelse: Sequence[ast.stmt],
        outer: tuple[Condition, ...],
    ) -> Sequence[Condition]:
        yes, no = (_if(statement, holds=True), test), (_if(statement, holds=False), test)
        self._walk(body, (*outer, yes))
        self._walk(orelse, (*outer, no))
        if always_exits(body):
            return (no,)
        if always_exits(orelse):
            return (yes,)
        return [_not_both(statement, inner) for inner in _leaving(body)] if not orelse else ()

    def _try(self, statement: ast.Try | ast.TryStar, outer: tuple[Condition, ...]) -> Sequence[Condition]:
        inside = _tried(statement)
        known = self._walk(statement.body, (*outer, inside))
        known = (*known, *self._walk(statement.orelse, (*outer, inside, *known)))
        for handler in statement.handlers:
            self._walk(handler.body, (*outer, _except(statement, [handler])))
        self._walk(statement.finalbody, (*outer, _mark("finally", statement)))
        falling = [handler for handler in statement.handlers if not always_exits(handler.body)]
        if not falling:
            return (inside, *known)
        leaves = always_exits(statement.body) or always_exits(statement.orelse)
        return (_except(statement, falling),) if leaves else ()


def _if(statement: ast.If | ast.While, *, holds: bool) -> Guard:
    return Guard("if", number_of(statement.test), holds)


def _leaving(body: Sequence[ast.stmt]) -> list[ast.If]:
    """The direct `if`s of a block that leave the function (or loop) when they hold."""
    return [each for each in body if isinstance(each, ast.If) and not each.orelse and always_exits(each.body)]


def _not_both(outer: ast.If, inner: ast.If) -> Condition:
    """Behind `if a: if b: return`: not both of them hold."""
    both = ast.BoolOp(ast.And(), [outer.test, inner.test])
    return (Guard("if", number_of(inner.test), holds=False), both)


def _case(case: ast.match_case, *, holds: bool) -> Condition:
    return (Guard("case", case.body[0].lineno, holds), None)


def _mark(kind: Literal["loop", "try", "finally"], statement: ast.stmt) -> Condition:
    return (Guard(kind, number_of(statement), holds=True), None)


def _tried(statement: ast.Try | ast.TryStar) -> Condition:
    """A `try` body, with the exceptions that one of its handlers catches."""
    return (Guard("try", number_of(statement), holds=True, catches=_caught(statement.handlers)), None)


def _suppressed(statement: ast.stmt, cut: Sequence[ast.expr]) -> Condition:
    caught = tuple(ast.unparse(each) for call in cut if isinstance(call, ast.Call) for each in call.args)
    return (Guard("try", number_of(statement), holds=True, catches=caught), None)


def _except(statement: ast.Try | ast.TryStar, handlers: Sequence[ast.ExceptHandler]) -> Condition:
    return (Guard("except", number_of(statement), holds=True, catches=_caught(handlers)), None)


def _caught(handlers: Sequence[ast.ExceptHandler]) -> tuple[str, ...]:
    caught: list[str] = []
    for handler in handlers:
        match handler.type:
            case None:
                caught.append("BaseException")
            case ast.Tuple(elts=elements):
                caught += [ast.unparse(element) for element in elements]
            case expression:
                caught.append(ast.unparse(expression))
    return tuple(caught)


def number_of(node: ast.expr | ast.stmt) -> int:
    """A number that tells two places of one file apart."""
    return node.lineno * 10_000 + node.col_offset


def _within(parent: ast.AST, child: ast.AST) -> list[Condition]:
    """Conditions that an expression puts on its own parts."""
    match parent:
        case ast.IfExp(test=test) if child is not test:
            return [(Guard("if", number_of(test), holds=child is parent.body), test)]
        case ast.BoolOp(op=op, values=values) if child is not values[0]:
            before = values[: [value is child for value in values].index(True)]
            holds = isinstance(op, ast.And)
            return [(Guard("if", number_of(test), holds=holds), test) for test in before]
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return [(Guard("loop", number_of(parent), holds=True), None)]
        case ast.For(target=target) | ast.AsyncFor(target=target) if child is target:
            return [(Guard("loop", number_of(parent), holds=True), None)]
        case ast.Lambda():
            return [(Guard("function", number_of(parent), holds=True), None)]
        case _:
            return []
