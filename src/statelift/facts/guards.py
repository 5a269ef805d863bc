"""Path conditions of a node -> guards whose tests name cells and paths instead of syntax."""

import ast
from dataclasses import replace

from statelift.facts.asking import answered_once
from statelift.facts.filetests import FileTests
from statelift.facts.subjects import Subjects
from statelift.facts.syntax import Syntax
from statelift.facts.values import Guard, Test
from statelift.facts.walk import below


class Guards:
    """Answers `of` for the nodes of one module."""

    def __init__(self, syntax: Syntax, subjects: Subjects, files: FileTests) -> None:
        self.syntax = syntax
        self.subjects = subjects
        self.files = files
        self._known: dict[tuple[ast.expr, bool], Guard] = {}  # each test guards many nodes: look at it once

    @answered_once
    def of(self, node: ast.AST) -> tuple[Guard, ...]:
        """The guards of a node within its function, outermost first."""
        return tuple(
            guard if test is None else self._tested(guard, test) for guard, test in self.syntax.conditions(node)
        )

    def _tested(self, guard: Guard, test: ast.expr) -> Guard:
        known = self._known.get((test, guard.holds))
        if known is None or known.at != guard.at:
            mode, tests = self._normal(test, guard.holds)
            files = tuple(self.files.of(test, holds=guard.holds))
            known = replace(guard, mode="any" if mode == "any" else "all", tests=tuple(tests), files=files)
            self._known[test, guard.holds] = known
        return known

    def _normal(self, test: ast.expr, holds: bool) -> tuple[str, list[Test]]:
        """Push the negation inwards: a conjunction that holds, or a disjunction of what may hold."""
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._normal(operand, not holds)
            case ast.BoolOp(op=op, values=values):
                mode = "all" if isinstance(op, ast.And) is holds else "any"
                return mode, [atom for value in values for atom in self._normal(value, holds)[1]]
            case _:
                return "all", self._atoms(test, holds)

    def _atoms(self, test: ast.expr, holds: bool) -> list[Test]:
        match test:
            case ast.Compare(left=left, ops=[ast.In()], comparators=[right]):
                return self._membership(left, right, holds)
            case ast.Compare(left=left, ops=[ast.NotIn()], comparators=[right]):
                return self._membership(left, right, not holds)
            case ast.Compare(left=left, ops=[ast.Is() | ast.Eq()], comparators=[ast.Constant(value=None)]):
                return self._test(left, "none", holds)
            case ast.Compare(left=left, ops=[ast.IsNot() | ast.NotEq()], comparators=[ast.Constant(value=None)]):
                return self._test(left, "none", not holds)
            case ast.NamedExpr(value=value):
                return self._atoms(value, holds)
            case ast.Name() | ast.Subscript() | ast.Attribute() | ast.Call():
                return self._test(test, "truthy", holds)
            case _:
                return self._mentions(test, holds)

    def _membership(self, key: ast.expr, container: ast.expr, holds: bool) -> list[Test]:
        match key, container:
            case ast.Constant(value=str(name)), ast.Call(func=ast.Name(id="globals"), args=[]):
                return [Test(name, "", "present", holds)]
            case _:
                subject = self.subjects.cell(container)
        if subject:
            return [Test(subject, self.syntax.text(key), "present", holds)]
        found = self.subjects.content(container)
        return [*self._mentions(key, holds), *([] if found is None else [Test(*found, "holds", holds)])]

    def _test(self, node: ast.expr, relation: str, holds: bool) -> list[Test]:
        found = self.subjects.content(node)
        if found is None:
            return self._mentions(node, holds)
        subject, key = found
        return [Test(subject, key, "none" if relation == "none" else "truthy", holds)]

    def _mentions(self, test: ast.expr, holds: bool) -> list[Test]:
        """Any other condition on what came out of a cell: a freshness or validity test."""
        found = {self.subjects.content(node) for node in below(test) if isinstance(node, ast.expr)}
        return [Test(*content, "other", holds) for content in sorted(filter(None, found))]
