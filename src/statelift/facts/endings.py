"""A call that opens something -> how its function ends that: with, closing(), close(); what can be unwrapped."""

import ast
from collections.abc import Iterator, Sequence

from statelift.catalogue import TAKING
from statelift.facts.cells import whole_line
from statelift.facts.journeys import ADDING, CLOSING, Journey
from statelift.facts.provenance import Provenance
from statelift.facts.syntax import Syntax
from statelift.facts.values import Atom, Block, Changed, Close, Ending, Entry
from statelift.model import Span

BRANCHES = frozenset({"if", "loop", "except", "case"})


def ending_of(syntax: Syntax, provenance: Provenance, node: ast.Call) -> Ending:
    """How what `node` opens is ended, and where it goes."""
    journey = Journey(syntax, node)
    whole = _closer(syntax, node) or node
    stack = _stack(syntax, whole)
    outer: ast.expr = stack or whole
    variable = variable_of(syntax, outer)
    statement = syntax.parents[outer] if isinstance(syntax.parents[outer], ast.withitem) else None
    is_entered = statement is not None or stack is not None
    block = syntax.parents[statement] if statement is not None else None
    return Ending(
        form="plain" if not is_entered else "with" if whole is node else "closing",
        whole=syntax.span(whole),
        bound_to="" if variable is None else variable.id,
        closes=tuple(_closes(syntax, journey.holders)),
        block=unwrapped(syntax, block) if isinstance(block, ast.With) else None,
        is_late=isinstance(block, ast.With) and any(_is_behind(syntax, block, each) for each in journey.holders),
        entries=tuple(_entries(syntax, journey.holders)),
        flows=frozenset(journey.flows),
        touched="" if journey.touched is None else _told(syntax, journey.touched),
        changes=tuple(_changes(syntax, provenance, journey, node)),
        handed=tuple(_handed(provenance, journey)),
        taken=tuple(_taken(syntax, journey.holders)),
    )


def _told(syntax: Syntax, node: ast.expr) -> str:
    return f"{syntax.text(node)} in line {syntax.place(node).line}"


def _changes(syntax: Syntax, provenance: Provenance, journey: Journey, node: ast.expr) -> Iterator[Changed]:
    """What sets something on it, in order of place."""
    opened = {(guard.kind, guard.at, guard.holds) for guard, _ in syntax.conditions(node)}
    for change in sorted(journey.changes, key=lambda each: syntax.span(each.node).start):
        conditions = [guard for guard, _ in syntax.conditions(change.node) if guard.kind in BRANCHES]
        call = syntax.parents[change.node]
        name = getattr(change.node, "attr", "")
        yield Changed(
            text=_told(syntax, change.node),
            given=tuple(provenance.value_of(each) for each in change.given),
            is_added=name in ADDING,
            name=name,
            is_certain=all((each.kind, each.at, each.holds) in opened for each in conditions),
            is_guessed=change.is_guessed,
            makes=isinstance(call, ast.Call) and not isinstance(syntax.parents[call], ast.Expr),
        )


def _handed(provenance: Provenance, journey: Journey) -> Iterator[tuple[str, frozenset[Atom]]]:
    for flow, given in sorted(journey.handed.items()):
        yield flow, frozenset[Atom]().union(*(provenance.value_of(each).atoms for each in given))


def _taken(syntax: Syntax, holders: Sequence[ast.expr]) -> Iterator[str]:
    """Where something is taken out of it that no with statement gives back."""
    for holder in holders:
        method = syntax.parents[holder]
        if isinstance(method, ast.Attribute) and method.attr in TAKING:
            call = syntax.parents[method]
            is_called = isinstance(call, ast.Call) and call.func is method
            if not is_called or not isinstance(syntax.parents[call], ast.withitem):
                yield _told(syntax, method)


def _closer(syntax: Syntax, node: ast.Call) -> ast.Call | None:
    """The `closing(node)` around a call."""
    match syntax.parents[node]:
        case ast.Call(func=func, args=[given]) as call if given is node:
            return call if syntax.outside(func) == "contextlib.closing" else None
        case _:
            return None


def _stack(syntax: Syntax, node: ast.expr) -> ast.Call | None:
    """The `stack.enter_context(node)` around an expression."""
    match syntax.parents[node]:
        case ast.Call(func=ast.Attribute(attr="enter_context"), args=[given]) as call if given is node:
            return call
        case _:
            return None


def variable_of(syntax: Syntax, node: ast.expr) -> ast.Name | None:
    """The one variable that an expression is bound to."""
    match syntax.parents[node]:
        case ast.Assign(targets=[ast.Name() as name]) | ast.AnnAssign(target=ast.Name() as name):
            return name
        case ast.withitem(optional_vars=ast.Name() as name) | ast.NamedExpr(target=name):
            return name
        case _:
            return None


def _entries(syntax: Syntax, holders: Sequence[ast.expr]) -> Iterator[Entry]:
    """Each with statement, ExitStack or closing() that ends what the holders stand for."""
    for holder in holders:
        parent = syntax.parents[holder]
        match parent:
            case ast.Call(func=func) if syntax.outside(func) == "contextlib.closing":
                yield Entry("closing", syntax.span(func))
            case ast.withitem() | ast.Call(func=ast.Attribute(attr="enter_context")):
                if not (isinstance(holder, ast.Call) and syntax.outside(holder.func) == "contextlib.closing"):
                    is_stack = isinstance(holder, ast.Call) and _is_stack(holder)
                    yield from [] if is_stack else [Entry("with", syntax.span(holder))]
            case _:
                pass


def _is_stack(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "enter_context"


def _is_behind(syntax: Syntax, block: ast.With, load: ast.expr) -> bool:
    attribute = syntax.parents[load]
    is_close = isinstance(attribute, ast.Attribute) and attribute.attr in CLOSING
    return not is_close and syntax.span(load).start >= syntax.span(block).end


def _closes(syntax: Syntax, loads: Sequence[ast.expr]) -> Iterator[Close]:
    for load in loads:
        attribute = syntax.parents[load]
        if not (isinstance(attribute, ast.Attribute) and attribute.attr in CLOSING):
            continue
        call = syntax.parents[attribute]
        if not (isinstance(call, ast.Call) and call.func is attribute):
            continue
        word = syntax.span(attribute)
        statement = syntax.statement(load)
        is_alone = isinstance(statement, ast.Expr) and statement.value is call
        is_spare = is_alone and _has_siblings(syntax.parents[statement], statement)
        yield Close(
            word=Span(word.end - len(attribute.attr), word.end),
            statement=syntax.span(statement),
            line=whole_line(syntax, statement) if is_spare else None,
            block=_without_finally(syntax, statement) if is_alone and not is_spare else None,
            is_certain=not any(guard.kind in BRANCHES for guard, _ in syntax.conditions(load)),
            is_alone=is_alone,
        )


def _has_siblings(owner: ast.AST, statement: ast.stmt) -> bool:
    """Whether the block stays non-empty without the statement."""
    blocks = [getattr(owner, name, []) for name in ("body", "orelse", "finalbody")]
    return any(statement in block and len(block) > 1 for block in blocks)


# ---------------------------------------------------------------- compound statements that can go


def unwrapped(syntax: Syntax, block: ast.With) -> Block | None:
    """How `with x as name:` goes while its body stays, where it holds nothing else."""
    if len(block.items) != 1:
        return None
    item = block.items[0]
    name = item.optional_vars
    if not (name is None or isinstance(name, ast.Name)):
        return None
    head = _head(syntax, block, syntax.span(name or item.context_expr).end)
    margins = _margins(syntax, block, block.body)
    if head is None or margins is None:
        return None
    data = syntax.parsed.data[head.start : head.end]
    newline = "\r\n" if data.endswith(b"\r\n") else "\n"
    return Block(head, margins, margin=_indent(data).decode(), newline=newline)


def _without_finally(syntax: Syntax, statement: ast.stmt) -> Block | None:
    """How a `finally:` with this statement alone goes, and the `try:` with it where nothing else needs that."""
    owner = syntax.parents[statement]
    line = whole_line(syntax, statement)
    if not (isinstance(owner, ast.Try) and owner.finalbody == [statement] and line is not None):
        return None
    opened = syntax.parsed.data.rfind(b"finally", 0, line.start)
    start = syntax.parsed.data.rfind(b"\n", 0, opened) + 1
    if syntax.parsed.data[start : line.start].strip() not in (b"finally:",):
        return None
    tail = Span(start, line.end)
    if owner.handlers:
        return Block(None, (), tail)
    head = _head(syntax, owner, syntax.span(owner).start + len(b"try"))
    margins = _margins(syntax, owner, owner.body)
    return None if head is None or margins is None else Block(head, margins, tail)


def _head(syntax: Syntax, block: ast.With | ast.Try, end: int) -> Span | None:
    """The lines of a compound statement's head, which ends with the colon behind `end`."""
    parsed = syntax.parsed
    start = parsed.line_starts[block.lineno - 1]
    following = parsed.data.find(b"\n", end) + 1
    is_plain = (
        parsed.data[end:following].strip() == b":" and not parsed.data[start : syntax.span(block).start].strip()
    )
    return Span(start, following) if following and is_plain else None


def _margins(syntax: Syntax, block: ast.stmt, body: Sequence[ast.stmt]) -> tuple[Span, ...] | None:
    """What the lines of a body lose when it moves out of its statement; None where a text would change."""
    if any(_is_text_over_lines(node) for node in syntax.walk.inside(list(body))):
        return None
    parsed = syntax.parsed
    outer = _indent(parsed.data[parsed.line_starts[block.lineno - 1] :])
    inner = _indent(parsed.data[parsed.line_starts[body[0].lineno - 1] :])
    if not inner.startswith(outer):
        return None
    last = body[-1].end_lineno or body[-1].lineno
    starts = parsed.line_starts[block.lineno : last]
    return tuple(
        Span(start + len(outer), start + len(inner)) for start in starts if parsed.data[start:].startswith(inner)
    )


def _indent(line: bytes) -> bytes:
    return line[: len(line) - len(line.lstrip(b" \t"))]


def _is_text_over_lines(node: ast.AST) -> bool:
    is_text = isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
    )
    return is_text and getattr(node, "lineno", 0) != getattr(node, "end_lineno", 0)
