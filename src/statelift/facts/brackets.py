"""A call that needs a real file -> whether that can be fetched from S3 before, and stored there behind."""

import ast

from statelift.catalogue.files import ARCHIVES, MOVERS, OPENERS, SHELVES
from statelift.facts.effects import Found
from statelift.facts.syntax import Syntax
from statelift.model import Span

READING = frozenset({"read", "append"})
WRITING = frozenset({"write", "append"})
ENDED = WRITING | {"fill"}
OTHERS = frozenset({"os.open", "extract"})  # what they write is not complete, or not what they are given
# What gives the same where it is evaluated again, if the names do.
STEADY = (
    ast.Constant, ast.Name, ast.Attribute, ast.JoinedStr, ast.FormattedValue, ast.BinOp, ast.operator,
    ast.expr_context,
)  # fmt: skip
JOINS = frozenset({"os.path.join", "str", "os.fspath", "pathlib.Path"})


class Brackets:
    """Answers questions on the calls of one module."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax

    def fits(self, node: ast.Call, found: Found) -> bool:
        """Whether a file of S3 can be what the call reads, and what it writes can be put there."""
        is_other = found.api in OTHERS | MOVERS or found.api.startswith(SHELVES) or bool(found.keeper)
        is_in_place = "+" in found.mode  # bytes of it are changed: with S3, of two calls one is lost
        if found.named is None or found.joint is not None or is_other or is_in_place:
            return False
        if found.effect in WRITING:
            return self.behind(node, found.named, found.api) is not None
        return found.effect in READING

    def behind(self, node: ast.Call, path: ast.expr, api: str) -> Span | None:
        """The statement after which the file is complete, where that has lines of its own and the path keeps
        its meaning."""
        is_opened = api in OPENERS | ARCHIVES or api == "Path.open"
        owner = self._closing(node) if is_opened else self._calling(node)
        if owner is None or not self._is_steady(path, owner):
            return None
        return self.syntax.span(owner) if self._has_own_lines(owner) else None

    def _calling(self, node: ast.Call) -> ast.stmt | None:
        """The simple statement that a call stands in."""
        statement = self.syntax.statement(node)
        return statement if isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign)) else None

    def _closing(self, node: ast.Call) -> ast.stmt | None:
        """The with statement that closes what a call opens."""
        statement = self.syntax.statement(node)
        is_entered = isinstance(statement, ast.With) and any(each.context_expr is node for each in statement.items)
        return statement if is_entered else None

    def _is_steady(self, path: ast.expr, owner: ast.stmt) -> bool:
        bound = {each.id for each in ast.walk(owner) if isinstance(each, ast.Name) and _is_bound(each)}
        nodes = set(ast.walk(path))
        names = {each.id for each in nodes if isinstance(each, ast.Name)}
        calls = [each for each in nodes if isinstance(each, ast.Call)]
        is_plain = all(isinstance(each, (*STEADY, ast.Call)) for each in nodes)
        return is_plain and not names & bound and all(self.syntax.dotted(each.func) in JOINS for each in calls)

    def _has_own_lines(self, statement: ast.stmt) -> bool:
        """Whether nothing else stands in the statement's first and last line."""
        data, span = self.syntax.parsed.data, self.syntax.span(statement)
        head = data[data.rfind(b"\n", 0, span.start) + 1 : span.start]
        end = data.find(b"\n", span.end)
        tail = data[span.end : len(data) if end < 0 else end].strip()
        return not head.strip() and (not tail or tail.startswith(b"#"))


def _is_bound(name: ast.Name) -> bool:
    return not isinstance(name.ctx, ast.Load)
