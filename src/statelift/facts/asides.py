"""A question about a file -> what its answer decides: housekeeping, which files are written, or more."""

import ast
from collections.abc import Callable, Sequence
from typing import Literal

from statelift.facts.scopes import FUNCTIONS
from statelift.facts.syntax import Syntax

HOUSEKEEPING = frozenset(
    """remove unlink rmtree rmdir makedirs mkdir removedirs print debug info warning warn error exception critical
    log""".split()
)
WRITING = frozenset({"write", "writelines", "close", "dump", "chmod", "flush", "extractall", "extract", "writestr"})
PARTS = frozenset("join glob iglob listdir iterdir Path exists isfile isdir is_file is_dir str scandir".split())
DEPTH = 2  # how many functions of the module are looked into


class Asides:
    """Answers `decided_by` for the calls of one module. `touches` tells of a call whether it works on files."""

    def __init__(self, syntax: Syntax, touches: Callable[[ast.Call], bool]) -> None:
        self.syntax = syntax
        self.touches = touches

    def decided_by(self, node: ast.Call) -> Literal["nothing", "setup", "more"]:
        """What depends on the answer that a call gives."""
        statements = self._decided(node)
        if statements is None:
            return "more"
        if self._is_housekeeping(statements, DEPTH):
            return "nothing"
        return "setup" if self._is_setup(statements, DEPTH) else "more"

    def _decided(self, node: ast.Call) -> Sequence[ast.stmt] | None:
        """The statements that run or not, as the call says; None where that is not all."""
        child: ast.AST = node
        inner: ast.AST = node
        while not isinstance(child, ast.stmt):
            child, inner = self.syntax.parents[child], child
        match child:
            case ast.If(test=test, body=body, orelse=orelse) if test is inner:
                return [*body, *orelse, *self._skipped(child)]
            case ast.Expr(value=ast.BoolOp(op=ast.And(), values=[*_, last])):
                return [ast.Expr(last)]
            case _:
                return None

    def _skipped(self, test: ast.If) -> list[ast.stmt]:
        """What a bare `return` under the test keeps from running: the rest of the function."""
        if not any(isinstance(each, ast.Return) for each in (*test.body, *test.orelse)):
            return []
        owner = self.syntax.parents[test]
        return owner.body[owner.body.index(test) + 1 :] if isinstance(owner, FUNCTIONS) else [test]

    # ------------------------------------------------------------ housekeeping

    def _is_housekeeping(self, statements: Sequence[ast.stmt], depth: int) -> bool:
        return all(self._is_step(each, depth) for each in statements)

    def _is_step(self, statement: ast.stmt, depth: int) -> bool:
        match statement:
            case ast.Expr(value=ast.Call() as call):
                return self._is_kept_clean(call, depth)
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Return(value=None | ast.Constant(value=None)):
                return True
            case ast.Import() | ast.ImportFrom():
                return True
            case ast.If(test=test, body=body, orelse=orelse):
                return self._is_question(test) and self._is_housekeeping([*body, *orelse], depth)
            case ast.For(iter=iterated, body=body, orelse=[]):
                return self._is_question(iterated) and self._is_housekeeping(body, depth)
            case ast.With(body=body):
                return self._is_housekeeping(body, depth)
            case ast.Try():
                return self._is_housekeeping(_blocks(statement), depth)
            case _:
                return False

    def _is_kept_clean(self, call: ast.Call, depth: int) -> bool:
        if _called(call) in HOUSEKEEPING:
            return all(map(self._is_question, call.args))
        body = self._body(call.func)
        return bool(body) and depth > 0 and self._is_housekeeping(body, depth - 1)

    def _is_question(self, node: ast.expr) -> bool:
        """Whether an expression calls nothing but what looks at paths."""
        return {_called(each) for each in ast.walk(node) if isinstance(each, ast.Call)} <= PARTS

    # ------------------------------------------------------------ writing files

    def _is_setup(self, statements: Sequence[ast.stmt], depth: int) -> bool:
        return all(self._writes(each, depth) for each in statements)

    def _writes(self, statement: ast.stmt, depth: int) -> bool:
        match statement:
            case ast.Expr(value=ast.Call() as call):
                return self._is_written_by(call, depth)
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Return(value=None):
                return True
            case ast.Import() | ast.ImportFrom():
                return True
            case ast.With(items=items, body=body):
                opened = [each.context_expr for each in items]
                is_known = all(isinstance(each, ast.Call) and self.touches(each) for each in opened)
                return is_known and self._is_setup(body, depth)
            case ast.For(body=body, orelse=[]) | ast.If(body=body, orelse=[]):
                return self._is_setup(body, depth)
            case ast.Try():
                return self._is_setup(_blocks(statement), depth)
            case _:
                return False

    def _is_written_by(self, call: ast.Call, depth: int) -> bool:
        name = _called(call)
        if name in HOUSEKEEPING | WRITING or self.touches(call):
            return True
        body = self._body(call.func)
        return bool(body) and depth > 0 and self._is_setup(body, depth - 1)

    def _body(self, function: ast.expr) -> Sequence[ast.stmt]:
        """The statements of the function of this module that is called by its name."""
        found = self.syntax.module_function(function)
        return () if found is None else found.body


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


def _blocks(statement: ast.Try) -> list[ast.stmt]:
    caught = [each for handler in statement.handlers for each in handler.body]
    return [*statement.body, *caught, *statement.orelse, *statement.finalbody]
