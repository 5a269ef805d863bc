"""A module's tree -> the blocks of `with lock:`, and what they do besides computing and using cells."""

import ast
from collections.abc import Iterator

from statelift.facts.endings import unwrapped
from statelift.facts.scopes import FUNCTIONS
from statelift.facts.subjects import Subjects
from statelift.facts.syntax import Syntax
from statelift.facts.values import Section

COMPUTING = frozenset(
    """abs all any bool bytes dict divmod enumerate float frozenset int isinstance len list max min pow range repr
    reversed round set sorted str sum tuple zip""".split()
)
LOOKING = frozenset(
    """get items keys values copy strip lower upper title casefold split join format startswith endswith isoformat
    timestamp total_seconds hex count index""".split()
)
TELLING = ("time.time", "time.monotonic", "datetime.", "uuid.uuid", "json.dumps", "json.loads", "math.")
OPAQUE = (*FUNCTIONS, ast.Lambda, ast.ClassDef, ast.Await, ast.Yield, ast.YieldFrom, ast.Import, ast.ImportFrom)


def sections(syntax: Syntax, subjects: Subjects) -> Iterator[Section]:
    """Each `with x:` of a function, where x is a cell."""
    for node in syntax.walk.only(ast.With):
        match node:
            case ast.With(items=[ast.withitem(context_expr=held, optional_vars=None)], body=body):
                subject = subjects.cell(held)
            case _:
                continue
        if subject and syntax.function(node):
            foreign = [each for statement in body for each in _foreign(syntax, subjects, statement)]
            yield Section(
                subject, syntax.function(node), syntax.place(node), syntax.span(node), syntax.span(held),
                unwrapped(syntax, node), tuple(dict.fromkeys(foreign)),
            )  # fmt: skip


def _foreign(syntax: Syntax, subjects: Subjects, statement: ast.stmt) -> Iterator[str]:
    """What a lock may well be there for: other code, and objects that are no cells and no locals."""
    for node in ast.walk(statement):
        match node:
            case ast.Call(func=func) if not _is_harmless(syntax, subjects, node):
                yield f"{ast.unparse(func)}()"
            case ast.With() | ast.AsyncWith():
                yield "another with statement"
            case ast.Attribute(ctx=ast.Store() | ast.Del()) if not subjects.cell(node):
                yield ast.unparse(node)
            case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()) if not _is_ours(syntax, subjects, owner):
                yield ast.unparse(owner)
            case _ if isinstance(node, OPAQUE):
                yield "code that runs at another time"
            case _:
                pass


def _is_harmless(syntax: Syntax, subjects: Subjects, call: ast.Call) -> bool:
    """Whether a call computes, looks, logs, makes an exception, or is an operation of a cell."""
    func = call.func
    match func:
        case ast.Name():
            return syntax.outside(func) in COMPUTING or isinstance(syntax.parents[call], ast.Raise)
        case ast.Attribute(value=owner, attr=method):
            is_log = isinstance(owner, ast.Name) and owner.id in syntax.loggers
            is_look = method in LOOKING or syntax.outside(func).startswith(TELLING)
            return is_log or is_look or _is_of_cell(subjects, owner)
        case _:
            return False


def _is_of_cell(subjects: Subjects, node: ast.expr) -> bool:
    """`STORE`, `STORE[k]`, `STORE.setdefault(k, [])`."""
    if subjects.cell(node):
        return True
    match node:
        case ast.Subscript(value=value) | ast.Call(func=ast.Attribute(value=value)):
            return _is_of_cell(subjects, value)
        case _:
            return False


def _is_ours(syntax: Syntax, subjects: Subjects, owner: ast.expr) -> bool:
    """Whether what is changed belongs to a cell or to this call."""
    while isinstance(owner, ast.Subscript):
        owner = owner.value
    return _is_of_cell(subjects, owner) or (isinstance(owner, ast.Name) and syntax.is_local(owner))
