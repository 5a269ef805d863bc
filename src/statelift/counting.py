"""Uses of a counter -> where the value that an addition returns is the one that code reads.

An addition on a table tells what it reached. To ask again is another call, and others may have counted meanwhile.
"""

import ast
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from statelift.facts.values import Access
from statelift.judge.counters import increment_of
from statelift.link.names import FunctionKey
from statelift.model import Edit, SourceFile, Span
from statelift.source import Parsed, parse_source
from statelift.workspace import Workspace

Uses = Sequence[tuple[str, Access]]
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.Expr, ast.Return)


def kept_locally(uses: Uses, workspace: Workspace) -> set[str]:
    """Functions that read behind an addition of their own, and nobody else adds: its result is a local value."""
    found: set[str] = set()
    for function in {use.function for _, use in uses}:
        own = [(path, use) for path, use in uses if use.function == function]
        steps = [use for _, use in own if increment_of(use) is not None]
        reads = [use for _, use in own if increment_of(use) is None]
        is_first = all(any(_precedes(step, read) for step in steps) for read in reads)
        if steps and reads and is_first and not adds_below((own[0][0], function), uses, workspace):
            found.add(function)
    return found


def _precedes(step: Access, read: Access) -> bool:
    return step.span.end <= read.span.start and set(step.guards) <= set(read.guards)


def adds_below(function: FunctionKey, uses: Uses, workspace: Workspace) -> bool:
    """Whether something that the function calls, or waits for between its uses, adds to the same counter."""
    adding = {(path, use.function) for path, use in uses if increment_of(use) is not None}
    own = [use for path, use in uses if (path, use.function) == function]
    return may_be_passed(function, own, adding, workspace)


def may_be_passed(
    function: FunctionKey, own: Sequence[Access], adding: Collection[FunctionKey], workspace: Workspace
) -> bool:
    """Whether one of the functions that add may run between the uses of a function."""
    called = [callee for _, callee in workspace.program.calls.get(function, ())]
    is_called = not workspace.evidence.reach.below(called).isdisjoint(adding)
    between = Span(min(use.span.end for use in own), max(use.span.start for use in own))
    return is_called or _waits(between, parsed_of(function[0], workspace))


def _waits(between: Span, parsed: Parsed) -> bool:
    """Whether others may run in between: at an `await`, or where a generator stands still."""
    pausing = (ast.Await, ast.Yield, ast.YieldFrom, ast.AsyncFor, ast.AsyncWith)
    spans = [parsed.span(node) for node in ast.walk(parsed.tree) if isinstance(node, pausing)]
    return any(span.start < between.end and between.start < span.end for span in spans)


def parsed_of(path: str, workspace: Workspace) -> Parsed:
    """The tree of a file of the program; it was read before."""
    parsed = parse_source(SourceFile(path, workspace.sources[path]))
    assert isinstance(parsed, Parsed)
    return parsed


# ---------------------------------------------------------------- `x = n; n += 1`


def taken(uses: Uses, workspace: Workspace) -> dict[int, Access]:
    """Id of a read -> the addition that follows it as the next statement: what it reads is the sum before."""
    found: dict[int, Access] = {}
    using = {(path, use.function) for path, use in uses}
    for path, function in using:
        own = sorted((use for at, use in uses if (at, use.function) == (path, function)), key=lambda use: use.span)
        match own:
            case [read, step] if (
                increment_of(step) is not None and increment_of(read) is None and read.op == "read"
            ):
                is_next = _is_next(parsed_of(path, workspace), read, step)
                if is_next and not _is_seen_early((path, function), read, step, using, workspace):
                    found[id(read)] = step
            case _:
                pass
    return found


def _is_seen_early(
    function: FunctionKey, read: Access, step: Access, using: Collection[FunctionKey], workspace: Workspace
) -> bool:
    """Whether something uses the counter while the statement runs that takes the number: the addition comes earlier
    than it did.
    """
    calls = workspace.program.calls.get(function, ())
    called = [callee for call, callee in calls if _holds(read.statement, call.span)]
    is_used = not workspace.evidence.reach.below(called).isdisjoint(using)
    return is_used or _waits(Span(read.span.end, step.span.start), parsed_of(function[0], workspace))


def _is_next(parsed: Parsed, read: Access, step: Access) -> bool:
    """Whether two simple statements follow each other, each on lines of its own."""
    for body in _bodies(parsed.tree):
        for one, other in pairwise(body):
            if parsed.span(other) == step.span:
                is_read = _holds(parsed.span(one), read.span) and isinstance(one, _SIMPLE[:3])
                return is_read and _has_own_lines(parsed, other) and not _is_deferred(parsed, one, read.span)
    return False


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list):
                yield body


def _holds(outer: Span, inner: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _is_deferred(parsed: Parsed, statement: ast.stmt, read: Span) -> bool:
    """Whether the read is not evaluated exactly once: in a lambda, a comprehension, behind `and`, `or`, `if`."""
    kinds = (
        ast.Lambda,
        ast.ListComp,
        ast.SetComp,
        ast.DictComp,
        ast.GeneratorExp,
        ast.BoolOp,
        ast.IfExp,
        ast.Compare,
    )
    nodes = [node for node in ast.walk(statement) if isinstance(node, kinds)]
    return any(_holds(parsed.span(node), read) for node in nodes)


def _has_own_lines(parsed: Parsed, statement: ast.stmt) -> bool:
    start, end = line_span(parsed, statement.lineno, statement.end_lineno or statement.lineno)
    span = parsed.span(statement)
    around = parsed.data[start : span.start] + parsed.data[span.end : end]
    return not around.strip()


def line_span(parsed: Parsed, first: int, last: int) -> tuple[int, int]:
    """The bytes of whole lines."""
    end = parsed.line_starts[last] if last < len(parsed.line_starts) else len(parsed.data)
    return parsed.line_starts[first - 1], end


def taken_edits(path: str, read: Access, step: Access, counter: str, workspace: Workspace) -> list[Edit]:
    """`x = n` and `n += 1` as `x = counter.add(1) - 1`."""
    parsed = parsed_of(path, workspace)
    size = increment_of(step) or "0"
    before = f"+ {size[1:]}" if size.startswith("-") and size[1:].isdecimal() else f"- {_operand(size)}"
    text = f"{counter}.add({size}) {before}"
    is_whole = any(parsed.span(value) == read.span for value in _values(parsed.tree))
    lines = [node for body in _bodies(parsed.tree) for node in body if parsed.span(node) == step.span]
    start, end = line_span(parsed, lines[0].lineno, lines[0].end_lineno or lines[0].lineno)
    return [
        Edit(path, read.span.start, read.span.end, text if is_whole else f"({text})"),
        Edit(path, start, end, ""),
    ]


def _operand(text: str) -> str:
    return text if isinstance(ast.parse(text, mode="eval").body, ast.Constant | ast.Name) else f"({text})"


def _values(tree: ast.Module) -> Iterator[ast.expr]:
    """Expressions that need no parentheses: right-hand sides, arguments, values of a dict."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(value=value) | ast.keyword(value=value):
                yield value
            case ast.Call(args=values) | ast.Dict(values=values):
                yield from values
            case _:
                pass
