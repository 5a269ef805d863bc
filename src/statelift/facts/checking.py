"""A write at the edge of an `if` -> the check that decides about it, where both can be one step.

`if k in seen: return …` and then `seen.add(k)`; `if n > best.get(k, 0): best[k] = n`; `if k in d: del d[k]`.
Nothing lies between the test and the write, so nobody could tell if both happened at once.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from statelift.facts.flow import EXITS, number_of
from statelift.facts.operations import Operation
from statelift.facts.syntax import Syntax
from statelift.facts.values import Check
from statelift.model import Span

WRITING = frozenset({"put", "add", "delete", "pop", "remove", "discard"})
SIMPLE = (ast.Assign, ast.AnnAssign, ast.Expr, ast.Delete)
BLOCKS = ("body", "orelse", "finalbody")
JOINT = re.compile(r"\s+(and|or)\s+")
Reads = Callable[[ast.AST], bool]


def check_of(syntax: Syntax, operation: Operation, statement: ast.stmt, is_cell: Reads) -> Check | None:
    """The check, None where there is none, or where more than the test stands between it and the write.

    `is_cell` tells whether a node names the cell that is written.
    """
    is_whole = operation.whole is statement or syntax.parents.get(operation.whole) is statement
    if operation.op not in WRITING or not isinstance(statement, SIMPLE) or not is_whole:
        return None
    if isinstance(statement, ast.Delete) and len(statement.targets) > 1:
        return None
    found = _deciding(syntax, statement)
    if found is None:
        return None
    decision, holds = found
    source = _source(syntax, decision, is_cell)
    variable = "" if source is None else _target(source)
    part = _part(syntax, decision.test, holds, _mentions(is_cell, variable))
    if part is None:
        return None
    layout = _layout(syntax, decision, statement, part)
    if layout is None or (source is not None and _lines(syntax, source) is None):
        return None
    whole, gone, comments = layout
    lines = () if source is None else (_lines(syntax, source) or Span(0, 0),)
    return Check(
        at=number_of(decision.test),
        test=part.whole,
        condition=part.condition,
        text=syntax.parsed.segment(part.condition),
        leads=holds,
        holds=part.holds,
        joint=part.joint,
        whole=whole,
        gone=(*lines, *gone),
        comments=comments,
        line=syntax.parsed.line_starts[decision.lineno - 1],
        variable=variable,
        source=None if source is None else syntax.span(source),
    )


# ---------------------------------------------------------------- which `if`


def _deciding(syntax: Syntax, statement: ast.stmt) -> tuple[ast.If, bool] | None:
    """The `if` that the write stands next to, and which answer of its test leads there."""
    owner = syntax.parents[statement]
    if isinstance(owner, ast.If) and owner.body[0] is statement:
        return owner, True
    if isinstance(owner, ast.If) and owner.orelse[:1] == [statement]:
        return owner, False
    before = _before(syntax, statement)
    is_guard = isinstance(before, ast.If) and not before.orelse and isinstance(before.body[-1], EXITS)
    return (before, False) if isinstance(before, ast.If) and is_guard else None


def _before(syntax: Syntax, statement: ast.stmt) -> ast.stmt | None:
    """The statement in front of it in the same block."""
    owner = syntax.parents[statement]
    block = next((b for name in BLOCKS if statement in (b := getattr(owner, name, []))), [])
    index = block.index(statement) if block else 0
    found: ast.stmt | None = block[index - 1] if index else None
    return found


def _source(syntax: Syntax, decision: ast.If, is_cell: Reads) -> ast.stmt | None:
    """`last = d.get(k, 0)` in front of the `if`, where the test alone uses the variable."""
    before = _before(syntax, decision)
    match before:
        case ast.Assign(targets=[ast.Name(id=name) as target], value=value) if any(
            is_cell(each) for each in ast.walk(value)
        ):
            scope = syntax.scope(target).binding(name)
        case _:
            return None
    if scope is None or scope.kind != "function" or len(syntax.assigned(scope, name)) != 1:
        return None
    inside = set(ast.walk(decision.test))
    return before if all(load in inside for load in syntax.loads(scope, name)) else None


def _target(source: ast.stmt) -> str:
    target = source.targets[0] if isinstance(source, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) else ""


# ---------------------------------------------------------------- which part of its test


def _mentions(is_cell: Reads, variable: str) -> Reads:
    def mentions(part: ast.AST) -> bool:
        return any(
            is_cell(each) or (bool(variable) and isinstance(each, ast.Name) and each.id == variable)
            for each in ast.walk(part)
        )

    return mentions


@dataclass(frozen=True, slots=True)
class _Part:
    """The last part of a test: `whole` as it stands there, `condition` without a `not` in front of it."""

    whole: Span
    condition: Span
    holds: bool
    joint: Span | None = None


def _part(syntax: Syntax, test: ast.expr, holds: bool, mentions: Reads) -> _Part | None:
    """What reads the cell, and nothing in front of it does."""
    if not mentions(test):
        return None
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _part(syntax, operand, not holds, mentions)
            is_all = inner is not None and inner.joint is None
            return replace(inner, whole=syntax.span(test)) if inner is not None and is_all else None
        case ast.BoolOp(op=op, values=values) if isinstance(op, ast.And) is holds and not mentions(values[0]):
            first = next(index for index, each in enumerate(values) if mentions(each))
            before = syntax.span(values[first - 1]).end
            part = _tail(syntax, op, values[first:], holds, mentions)
            return None if part is None else replace(part, joint=Span(before, part.whole.start))
        case _:
            return _Part(syntax.span(test), syntax.span(test), holds)


def _tail(syntax: Syntax, op: ast.boolop, values: Sequence[ast.expr], holds: bool, mentions: Reads) -> _Part | None:
    """The same for the end of a row of conditions, where it stands there as one text."""
    if len(values) == 1:
        return _part(syntax, values[0], holds, mentions)
    span = Span(syntax.span(values[0]).start, syntax.span(values[-1]).end)
    try:
        parsed = ast.parse(f"({syntax.parsed.segment(span)}\n)", mode="eval").body
    except SyntaxError:  # parentheses that are opened or closed elsewhere
        return None
    is_same = ast.dump(parsed) == ast.dump(ast.BoolOp(op, list(values)))
    return _Part(span, span, holds) if is_same else None


# ---------------------------------------------------------------- what goes with it


def _layout(
    syntax: Syntax, decision: ast.If, statement: ast.stmt, part: _Part
) -> tuple[Span | None, tuple[Span, ...], tuple[str, ...]] | None:
    """The whole `if` where it is for the write alone, the lines that go, and the comments in them."""
    is_alone = decision.body == [statement]
    is_elif = not syntax.parsed.segment(syntax.span(decision)).startswith("if")
    if is_alone and part.joint is not None:
        is_row = (
            JOINT.fullmatch(syntax.parsed.segment(part.joint)) and part.whole.end == syntax.span(decision.test).end
        )
        return (syntax.span(decision), (), ()) if is_row and not decision.orelse else None
    if is_alone and (decision.orelse or is_elif):
        return None
    whole = syntax.span(decision) if is_alone else None
    gone = () if whole is not None else _gone(syntax, decision, statement)
    region = whole or (gone[0] if gone else None)
    comments = None if region is None else _comments(syntax.parsed.segment(region))
    return None if comments is None or (is_elif and comments) else (whole, gone, comments)


def _gone(syntax: Syntax, decision: ast.If, statement: ast.stmt) -> tuple[Span, ...]:
    """The lines of the write, and of comments above it; the whole `else:` where there is nothing else in it."""
    lines = _lines(syntax, statement)
    if lines is None:
        return ()
    first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
    end = _end_before(decision, statement)
    while first > end and _line(syntax, first - 1).startswith(b"#"):
        first -= 1
    if decision.orelse == [statement]:
        while first > end and not _line(syntax, first).startswith(b"else"):
            first -= 1
    elif not _line(syntax, last) or _is_last(syntax, statement):
        while first > end and not _line(syntax, first - 1):
            first -= 1
    return (Span(syntax.parsed.line_starts[first], lines.end),)


def _end_before(decision: ast.If, statement: ast.stmt) -> int:
    """The last line of what stands in front of the write."""
    is_inside = decision.body[0] is statement
    before = decision.test if is_inside else decision.body[-1]
    return before.end_lineno or before.lineno


def _is_last(syntax: Syntax, statement: ast.stmt) -> bool:
    owner = syntax.parents[statement]
    return any(getattr(owner, name, [None])[-1:] == [statement] for name in BLOCKS)


def _line(syntax: Syntax, index: int) -> bytes:
    """A line without the white space around it; "-" beyond the ends of the file."""
    starts, data = syntax.parsed.line_starts, syntax.parsed.data
    if not 0 <= index < len(starts):
        return b"-"
    end = starts[index + 1] if index + 1 < len(starts) else len(data)
    return data[starts[index] : end].strip() if starts[index] < len(data) else b"-"


def _lines(syntax: Syntax, statement: ast.stmt) -> Span | None:
    """The whole lines of a statement, where nothing but a comment shares them."""
    parsed = syntax.parsed
    span, last = syntax.span(statement), statement.end_lineno or statement.lineno
    end = parsed.line_starts[last] if last < len(parsed.line_starts) else len(parsed.data)
    start = parsed.line_starts[statement.lineno - 1]
    behind = parsed.data[span.end : end].strip()
    is_alone = not parsed.data[start : span.start].strip() and (not behind or behind.startswith(b"#"))
    return Span(start, end) if is_alone else None


def _comments(text: str) -> tuple[str, ...] | None:
    """The comments of some lines; None where they cannot be told."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text.replace("\r\n", "\n")).readline))
    except (tokenize.TokenError, SyntaxError):
        return None
    return tuple(each.string for each in tokens if each.type == tokenize.COMMENT)
