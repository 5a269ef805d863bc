"""A call that runs a function which it is given -> the call of that function: `map(send, items)`."""

import ast
from collections.abc import Iterator

from statelift.facts.callees import PARTIAL, named_by
from statelift.facts.fates import fates_of, fates_of_element
from statelift.facts.guards import Guards
from statelift.facts.syntax import Syntax
from statelift.facts.values import Call, Guard

EACH = frozenset({"map", "filter", "functools.reduce", "itertools.starmap", "itertools.filterfalse"})
KEYED = frozenset({"sorted", "min", "max", "sort"})  # they are given `key=`
ONCE = frozenset({"asyncio.to_thread"})
CONTEXTS = "contextvars.copy_context"
APART = frozenset({"asyncio.run", "asyncio.create_task", "asyncio.ensure_future", "asyncio.gather"})
THREAD = "threading.Thread"
PLACE = 10_000  # what the line of a guard is multiplied with


def handed_calls(syntax: Syntax, guards: Guards) -> Iterator[Call]:
    """The calls of functions that are given away and run before the statement, or the thread, ends."""
    for node in syntax.walk.only(ast.Call):
        if isinstance(node, ast.Call):
            yield from _handed(syntax, guards, node)


def has_own_context(syntax: Syntax, node: ast.expr) -> bool:
    """Whether a coroutine runs with context variables of its own: `asyncio.run(main())`."""
    match syntax.parents[node]:
        case ast.Call(func=func) as runner if runner.func is not node:
            is_loop = isinstance(func, ast.Attribute) and func.attr == "run_until_complete"
            return is_loop or syntax.outside(func) in APART
        case _:
            return False


def _handed(syntax: Syntax, guards: Guards, node: ast.Call) -> Iterator[Call]:
    """Of a call in which something is run once, or once for each element."""
    called = syntax.outside(node.func)
    key = next((each.value for each in node.keywords if each.arg == "key"), None)
    is_sort = isinstance(node.func, ast.Attribute) and node.func.attr == "sort"
    match node.args:
        case [function, _, *_] if called in EACH:
            yield from _call(
                syntax, guards, node, function, fates_of_element(fates_of(syntax, node)), is_looped=True
            )
        case [function, *_] if called in ONCE:
            yield from _call(syntax, guards, node, function, frozenset(), has_context=True)
        case [function, *_] if _is_context_run(syntax, node.func):
            yield from _call(syntax, guards, node, function, fates_of(syntax, node), has_context=True)
        case _ if key is not None and (called in KEYED or is_sort):
            yield from _call(syntax, guards, node, key, frozenset(), is_looped=True)
        case _ if called == THREAD:
            yield from _thread(syntax, guards, node)


def _is_context_run(syntax: Syntax, func: ast.expr) -> bool:
    """`copy_context().run(…)`, also through a variable."""
    match func:
        case ast.Attribute(value=ast.Call(func=maker), attr="run"):
            return syntax.outside(maker) == CONTEXTS
        case ast.Attribute(value=ast.Name(id=name) as owner, attr="run") if syntax.is_local(owner):
            scope = syntax.scope(owner).binding(name)
            given = [] if scope is None else syntax.assigned(scope, name)
            makers = [syntax.outside(each.func) for each in given if isinstance(each, ast.Call)]
            return len(given) == 1 and makers == [CONTEXTS]
        case _:
            return False


def _thread(syntax: Syntax, guards: Guards, node: ast.Call) -> Iterator[Call]:
    """What a thread runs that the function waits for, wherever it has started it."""
    target = next((each.value for each in node.keywords if each.arg == "target"), None)
    match syntax.parents[node]:
        case ast.Assign(targets=[ast.Name(id=name) as variable]) if target is not None and syntax.is_local(
            variable
        ):
            scope = syntax.scope(variable).binding(name)
            loads = [] if scope is None else syntax.loads(scope, name)
            around = set(syntax.conditions(node))
            joins = [each for each in loads if _is_joined(syntax, each) and set(syntax.conditions(each)) <= around]
            yield from _call(syntax, guards, node, target, frozenset(), has_context=True) if joins else ()
        case _:
            pass


def _is_joined(syntax: Syntax, load: ast.Name) -> bool:
    match syntax.parents[load]:
        case ast.Attribute(attr="join") as method:
            return isinstance(call := syntax.parents[method], ast.Call) and not (call.args or call.keywords)
        case _:
            return False


def _call(
    syntax: Syntax,
    guards: Guards,
    node: ast.Call,
    function: ast.expr,
    fates: frozenset[str],
    *,
    is_looped: bool = False,
    has_context: bool = False,
) -> Iterator[Call]:
    match function:
        case ast.Call(func=maker, args=[inner, *_]) if syntax.dotted(maker) == PARTIAL:
            function = inner
        case _:
            pass
    callee = named_by(syntax, function)
    loop = (Guard("loop", node.lineno * PLACE + node.col_offset, holds=True),) if is_looped else ()
    if callee:
        yield Call(
            callee=callee,
            function=syntax.function(node),
            place=syntax.place(node),
            span=syntax.span(node),
            order=syntax.span(node).end,
            guards=(*guards.of(node), *loop),
            arguments=(),
            fates=fates,
            has_context=has_context,
        )
