"""A class -> whether each call of it gives its one object and does nothing else: `__new__` keeps what it made."""

import ast
from collections.abc import Sequence

PLAIN = (ast.Constant, ast.Dict, ast.List, ast.Set, ast.Tuple)
OPEN = frozenset({"__init__", "__getattr__", "__getattribute__", "__setattr__", "__delattr__"})
EMPTY = frozenset({"dict", "list", "set", "tuple"})


def is_singleton(node: ast.ClassDef) -> bool:
    """Whether the class has no `__init__`, and a `__new__` that makes an object once, with plain first values.

    Only then may somebody else call it, too: whoever comes first makes the same object.
    """
    methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
    new = methods.get("__new__")
    is_bare = not (node.bases or node.keywords or node.decorator_list or methods.keys() & OPEN)
    if new is None or not is_bare or new.decorator_list or len(_parameters(new)) != 1:
        return False
    match [each for each in new.body if not _is_text(each)]:
        case [ast.If(test=test, body=body, orelse=[]), ast.Return(value=ast.expr() as kept)]:
            place = ast.unparse(kept)
            owners = {f"{each}.{place.rpartition('.')[2]}" for each in (_parameters(new)[0], node.name)}
            return place in owners and _asks(test, owners) and _makes(body, owners, _parameters(new)[0])
        case _:
            return False


def _parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    others = (arguments.vararg, arguments.kwarg, *arguments.kwonlyargs)
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    return [*names, *(each.arg for each in others if each is not None)]


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _asks(test: ast.expr, places: set[str]) -> bool:
    """`cls._instance is None`, `not cls._instance`."""
    match test:
        case ast.Compare(left=left, ops=[ast.Is()], comparators=[ast.Constant(value=None)]):
            return ast.unparse(left) in places
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ast.unparse(operand) in places
        case _:
            return False


def _makes(body: Sequence[ast.stmt], places: set[str], owner: str) -> bool:
    """Whether the statements make one object, give it plain values, and keep it: nothing else."""
    made = set[str]()
    is_kept = False
    for statement in body:
        match statement:
            case (
                ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                text = ast.unparse(target)
            case _:
                return False
        is_new = _is_new_object(value, owner) and (text in places or isinstance(target, ast.Name))
        if is_new or (text in places and ast.unparse(value) in made):
            made.add(text)
        elif not (isinstance(target, ast.Attribute) and ast.unparse(target.value) in made and _is_plain(value)):
            return False
        is_kept |= text in places
    return is_kept


def _is_new_object(value: ast.expr, owner: str) -> bool:
    return ast.unparse(value) in (f"super().__new__({owner})", f"object.__new__({owner})")


def _is_plain(value: ast.expr) -> bool:
    """Whether it is the same whenever it is computed: literals, and empty collections."""
    match value:
        case ast.Call(func=ast.Name(id=name), args=[], keywords=[]):
            return name in EMPTY
        case _:
            return all(isinstance(each, (*PLAIN, ast.expr_context)) for each in ast.walk(value))
