"""A node that names a cell -> which operation of dict, list, set or variable it takes part in."""

import ast
from dataclasses import dataclass

from statelift.facts.syntax import Syntax, pairs_of

METHODS = frozenset(
    """get pop setdefault update clear items keys values popitem copy append extend insert remove add discard
    sort reverse move_to_end appendleft popleft most_common""".split()
)
NESTED_CHANGES = frozenset(
    "append extend insert remove pop popitem clear update setdefault add discard sort reverse".split()
)
TAKING = {"update": "method:update", "set": "unknown:set"}  # the latter of a ContextVar, or a gauge
EMPTYING = frozenset({"pop", "popitem", "popleft"})
BOUND = "bound:"  # `seen.add` as a value: whoever gets it may call it
ASKING = frozenset({"select", "explain", "values"})  # words that a database is asked with, and not told anything
WHOLE_READS = frozenset(
    {"len", "list", "sorted", "sum", "dict", "any", "all", "set", "tuple", "bool", "max", "min"}
)


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation, the node that covers it, its operands, and the node whose value it gives (if any).

    `is_part`: the node that covers it does more than this operation, as in `a, b = b, a`.
    """

    op: str
    whole: ast.expr | ast.stmt
    key: ast.expr | None = None
    value: ast.expr | None = None
    default: ast.expr | None = None
    operator: str = ""
    result: ast.expr | None = None
    is_part: bool = False


def operation_of(syntax: Syntax, node: ast.expr) -> Operation:
    """What is done to the cell that `node` names."""
    parent = syntax.parents[node]
    match parent:
        case ast.Subscript(value=value) if value is node:
            return _subscript(syntax, parent)
        case ast.Attribute():
            return _drained(syntax, parent) or _attribute(syntax, parent)
        case ast.Compare():
            return _comparison(parent, node)
        case ast.For(iter=iterated) | ast.AsyncFor(iter=iterated) | ast.comprehension(iter=iterated) if (
            iterated is node
        ):
            return Operation("iterate", node, result=node)
        case ast.Call(func=function) if function is node:
            return Operation("call", parent)
        case ast.Call(func=ast.Name(id=name) as called) if syntax.outside(called) in WHOLE_READS:
            return Operation("len" if name == "len" else "read", parent, result=node)
        case ast.Call(func=ast.Name(id="vars") as called, args=[first]) if first is node:
            is_changed = syntax.outside(called) == "vars" and _changes_inside(syntax, parent)
            return Operation("dynamic" if is_changed else "escape", parent)
        case ast.Call(func=ast.Name(id="next") as called, args=[first, *_]) if first is node:
            return Operation("advance" if syntax.outside(called) else "escape", parent, result=parent)
        case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[first, *_]) if first is node:
            is_written_out = len(parent.args) > 1 and isinstance(parent.args[1], ast.Constant)
            return Operation("call" if is_written_out else "dynamic", parent)
        case _:
            return _variable(syntax, node, parent)


def _variable(syntax: Syntax, node: ast.expr, parent: ast.AST) -> Operation:
    is_stored = isinstance(getattr(node, "ctx", None), ast.Store)
    match parent:
        case ast.AugAssign(target=target, value=value, op=operator) if target is node:
            return Operation("augment", parent, value=value, operator=type(operator).__name__)
        case ast.Assign(targets=targets, value=value) if is_stored and any(each is node for each in targets):
            return Operation("rebind", parent, value=value, is_part=len(targets) > 1)
        case ast.AnnAssign(value=ast.expr() as value) if is_stored:
            return Operation("rebind", parent, value=value)
        case ast.NamedExpr(target=target, value=value) if target is node:
            return Operation("rebind", parent, value=value, result=parent)
        case ast.Tuple() | ast.List() if is_stored:
            return Operation("rebind", syntax.statement(node), value=_given(syntax, node), is_part=True)
        case _ if is_stored:
            return Operation("rebind", syntax.statement(node), is_part=True)
        case ast.Delete():
            return Operation("unbind", syntax.statement(node))
        case ast.While(test=test) if test is node and _is_emptying(parent):
            return Operation("drain", node, result=node)
        case ast.If() | ast.While() | ast.IfExp() | ast.UnaryOp(op=ast.Not()) | ast.BoolOp():
            return Operation("truth", node, result=node)
        case ast.Call() | ast.keyword():
            return Operation("escape", node, result=node)
        case _:
            return Operation("read", node, result=node)


def _is_emptying(loop: ast.While) -> bool:
    """`while seen: seen.popitem()`"""
    match loop.body, loop.orelse:
        case [ast.Expr(value=ast.Call(func=ast.Attribute(value=taken, attr=method)))], []:
            return method in EMPTYING and ast.dump(taken) == ast.dump(loop.test)
        case _:
            return False


def _drained(syntax: Syntax, attribute: ast.Attribute) -> Operation | None:
    """What the body of such a loop does."""
    match syntax.parents[attribute]:
        case ast.Call(func=func) as call if func is attribute and attribute.attr in EMPTYING:
            loop = syntax.parents[syntax.parents[call]]
            is_drained = isinstance(loop, ast.While) and _is_emptying(loop)
            return Operation("drain", call, result=call) if is_drained else None
        case _:
            return None


def _given(syntax: Syntax, node: ast.expr) -> ast.expr | None:
    """What a name in a tuple of targets is given, where that can be told."""
    match syntax.statement(node):
        case ast.Assign(targets=[target], value=value):
            found = (given for name, given in pairs_of(target, value) if name is node and given is not name)
            return next(found, None)
        case _:
            return None


def _comparison(compare: ast.Compare, node: ast.expr) -> Operation:
    match compare:
        case ast.Compare(left=left, ops=[ast.In()], comparators=[right]) if right is node:
            return Operation("contains", compare, key=left, result=compare)
        case ast.Compare(left=left, ops=[ast.NotIn()], comparators=[right]) if right is node:
            return Operation("lacks", compare, key=left, result=compare)
        case _:
            return Operation("read", compare, result=compare)


def _subscript(syntax: Syntax, node: ast.Subscript) -> Operation:
    key = node.slice
    parent = syntax.parents[node]
    if isinstance(node.ctx, ast.Load) and isinstance(key, ast.Slice):
        return Operation("slice", node, result=node)
    if isinstance(key, ast.Slice):
        return _whole_slice(syntax, node, key)
    match parent:
        case ast.Assign(targets=[target], value=value) if target is node:
            return Operation("put", parent, key=key, value=value)
        case ast.AnnAssign(target=target, value=ast.expr() as value) if target is node:
            return Operation("put", parent, key=key, value=value)
        case ast.AugAssign(target=target, value=value, op=operator) if target is node:
            return Operation("augment_key", parent, key=key, value=value, operator=type(operator).__name__)
        case ast.Delete(targets=[_]):
            return Operation("delete", parent, key=key)
        case _ if isinstance(node.ctx, ast.Load):
            if _changes_inside(syntax, node):
                return Operation("nested", node, key=key)
            return Operation("require", node, key=key, result=node)
        case ast.Assign(value=value) if node in parent.targets:
            return Operation("unpacked", parent, key=key, value=value)
        case _:
            return Operation("unpacked", syntax.statement(node), key=key)


def _whole_slice(syntax: Syntax, node: ast.Subscript, key: ast.Slice) -> Operation:
    """`del d[:]` empties a list, `d[:] = other` replaces all that it holds."""
    statement = syntax.statement(node)
    if key.lower is not None or key.upper is not None or key.step is not None:
        return Operation("unpacked", statement)
    match statement:
        case ast.Delete(targets=[_]):
            return Operation("clear", statement)
        case ast.Assign(targets=[_], value=value):
            return Operation("rebind", statement, value=value, is_part=True)
        case _:
            return Operation("unpacked", statement)


def _changes_inside(syntax: Syntax, node: ast.expr) -> bool:
    """Whether the value at a key is itself changed in place: `d[k][f] = v`, `d[k].append(x)`."""
    parent = syntax.parents[node]
    match parent:
        case ast.Subscript(value=value) if value is node:
            if not isinstance(parent.ctx, ast.Load):
                return True
            return _changes_inside(syntax, parent)
        case ast.Attribute(value=value, attr=attribute) if value is node:
            if not isinstance(parent.ctx, ast.Load):
                return True
            call = syntax.parents[parent]
            is_call = isinstance(call, ast.Call) and call.func is parent
            return attribute in NESTED_CHANGES if is_call else _changes_inside(syntax, parent)
        case _:
            return False


def _attribute(syntax: Syntax, attribute: ast.Attribute) -> Operation:
    call = syntax.parents[attribute]
    if attribute.attr == "__dict__" and _changes_inside(syntax, attribute):
        return Operation("dynamic", syntax.statement(attribute))
    if not isinstance(attribute.ctx, ast.Load):
        return Operation("nested", syntax.statement(attribute), value=_assigned(syntax, attribute))
    if not (isinstance(call, ast.Call) and call.func is attribute):
        is_bound = attribute.attr in NESTED_CHANGES and not isinstance(call, (ast.Attribute, ast.Subscript))
        if isinstance(call, ast.Call) and syntax.outside(call.func) == "atexit.register":
            return Operation("read", attribute, result=attribute)  # it runs behind the last call
        return Operation(f"{BOUND}{attribute.attr}", attribute) if is_bound else _part(syntax, attribute)
    has_plain = not call.keywords and not any(isinstance(each, ast.Starred) for each in call.args)
    operands: list[ast.expr] = call.args if has_plain else []
    match attribute.attr, operands:
        case "get", [key]:
            return _read_or_nested(syntax, Operation("get", call, key=key, result=call))
        case "get", [key, default]:
            return _read_or_nested(syntax, Operation("get", call, key=key, default=default, result=call))
        case "pop", [key]:
            return Operation("pop", call, key=key, result=call)
        case "pop", [key, default]:
            return Operation("pop", call, key=key, default=default, result=call)
        case "insert", [_, value]:
            return Operation("method:insert", call, value=value, result=call)
        case "setdefault", [key, default]:
            return _read_or_nested(syntax, Operation("setdefault", call, key=key, default=default, result=call))
        case method, [value] if method in TAKING:
            return Operation(TAKING[method], call, value=value, result=call)
        case ("append" | "add" | "discard" | "remove" | "extend") as method, [value]:
            return Operation(method, call, value=value, result=call)
        case "new_child", _:  # of a ChainMap: a new one in front, which takes all writes
            return Operation("copy", call, result=call)
        case ("items" | "keys" | "values" | "clear" | "copy") as method, []:
            return Operation(method, call, result=call)
        case method, _ if method in METHODS:
            return Operation(f"method:{method}", call, result=call)
        case (("execute" | "executemany"), _) if _is_query(syntax, call):
            return Operation("unknown:select", call, result=call)
        case method, _:
            return Operation(f"unknown:{method}", call, result=call)


def _is_query(syntax: Syntax, call: ast.Call) -> bool:
    """Whether a call sends a database a text, written out or a constant of the module, that only asks."""
    given = call.args[0] if call.args else None
    if isinstance(given, ast.Name) and not syntax.is_local(given):
        known = syntax.assigned(syntax.scopes.module, given.id)
        given = known[0] if len(known) == 1 else None
    text = given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else ""
    return "".join(text.split(maxsplit=1)[:1]).lower() in ASKING


def _assigned(syntax: Syntax, target: ast.expr) -> ast.expr | None:
    match syntax.parents[target]:
        case ast.Assign(targets=[_], value=value) | ast.AnnAssign(value=ast.expr() as value):
            return value
        case _:
            return None


def _part(syntax: Syntax, attribute: ast.Attribute) -> Operation:
    """`session.headers`: read, or changed by `.update(…)` or `[…] = …`; `logger.handlers.clear()`."""
    outer = syntax.parents[attribute]
    match outer:
        case ast.Attribute(attr="clear") if attribute.attr == "handlers" and _is_called(syntax, outer):
            return Operation("unknown:handlers.clear", syntax.statement(attribute))
        case ast.Attribute(attr="update") if isinstance(call := syntax.parents[outer], ast.Call):
            given = call.args[0] if len(call.args) == 1 and not call.keywords else None
            return Operation("nested", call, value=given)
        case ast.Subscript(ctx=ast.Store()):
            return Operation("nested", syntax.statement(attribute), value=_assigned(syntax, outer))
        case _:
            return Operation("attribute", attribute, result=attribute)


def _is_called(syntax: Syntax, method: ast.Attribute) -> bool:
    call = syntax.parents[method]
    return isinstance(call, ast.Call) and call.func is method


def _read_or_nested(syntax: Syntax, operation: Operation) -> Operation:
    """`d.get(k).append(x)` changes what it reads."""
    whole = operation.whole
    if isinstance(whole, ast.expr) and _changes_inside(syntax, whole):
        return Operation("nested", whole, key=operation.key, default=operation.default, operator=operation.op)
    return operation
