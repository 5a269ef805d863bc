"""Python text -> mutants of it: one small mistake each, of the kind that a rewrite of state can make."""

import ast
import copy
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

# Methods of the generated helper whose first argument is a key, and what each is easily taken for.
KEYED = frozenset("put get require contains delete pop setdefault edit mutate add value open exists remove".split())
TWINS = {
    "put": "setdefault", "setdefault": "put", "get": "require", "require": "get", "pop": "require",
    "delete": "contains", "add": "value", "edit": "require", "remove": "exists",
}  # fmt: skip
OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot,
    ast.IsNot: ast.Is, ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """A text with one mistake. `name` says where and what, and stays the same while the text around it does."""

    name: str
    line: int
    text: str


def mutants_of(
    text: str, lines: Collection[int], is_wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[Mutant]:  # fmt: skip
    """The mutants of the statements inside of functions that begin in one of these lines, none twice."""
    tree = ast.parse(text)
    seen = {ast.unparse(tree)}
    namesakes: Counter[str] = Counter()
    for function, place in _places(tree):
        for what, old, new in _changes(place) if place.lineno in lines else ():
            name = f"{function}: {what}"
            namesakes[name] += 1
            name += f" ({namesakes[name]})" if namesakes[name] > 1 else ""
            mutated = _replaced(tree, old, new) if is_wanted(name) else ""
            if mutated and mutated not in seen:
                seen.add(mutated)
                yield Mutant(name, place.lineno, mutated)


def _places(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """The statements inside of functions, with the name of the innermost one, in their order."""

    def below(node: ast.AST, function: str) -> Iterator[tuple[str, ast.stmt]]:
        for child in ast.iter_child_nodes(node):
            name = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
            is_definition = isinstance(child, ast.FunctionDef | ast.ClassDef)
            if function and isinstance(child, ast.stmt) and not is_definition and not _is_idle(child):
                yield function, child
            yield from below(child, name)

    yield from below(tree, "")


def _is_idle(node: ast.stmt) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, ast.Pass | ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal)


def _changes(place: ast.stmt) -> Iterator[tuple[str, ast.AST, list[ast.AST]]]:
    """What can be changed in one statement (its head, not the blocks below it): the node, and what replaces it."""
    for what, statements in _statements(place):
        yield what, place, statements
    for node in _expressions(place):
        for what, changed in _mistaken(node):
            yield f"{_short(node)} -> {what}", node, [changed]


def _replaced(tree: ast.Module, old: ast.AST, new: list[ast.AST]) -> str:
    """The text of the module with a node replaced."""
    numbers = {id(node): number for number, node in enumerate(ast.walk(tree))}
    copied = copy.deepcopy(tree)
    wanted = list(ast.walk(copied))[numbers[id(old)]]

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST | list[ast.AST]:
            if node is wanted:
                return new[0] if isinstance(node, ast.expr) else list(new)
            return self.generic_visit(node)

    found: ast.Module = Replace().visit(copied)
    return ast.unparse(ast.fix_missing_locations(found))


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


# ---------------------------------------------------------------- statements


def _statements(place: ast.stmt) -> Iterator[tuple[str, list[ast.AST]]]:
    """What can stand instead of a whole statement."""
    match place:
        case ast.Expr() | ast.Assign() | ast.AugAssign() | ast.Delete() | ast.Raise():
            yield f"dropped `{_short(place)}`", [ast.Pass()]
        case ast.Return(value=ast.expr()):
            yield f"`{_short(place)}` -> return None", [ast.Return(ast.Constant(None))]
        case ast.If(test=test, body=body, orelse=orelse):
            yield f"always `if {_short(test)}`", [ast.Expr(copy.deepcopy(test)), *copy.deepcopy(body)]
            yield f"never `if {_short(test)}`", [ast.Expr(copy.deepcopy(test)), *copy.deepcopy(orelse)]
        case ast.With(items=[ast.withitem(ast.Call(ast.Attribute(attr="edit")) as call, ast.Name() as name)]):
            read = copy.deepcopy(call)
            assert isinstance(read.func, ast.Attribute)
            read.func.attr = "require"
            yield f"not written back `{_short(call)}`", [ast.Assign([name], read), *copy.deepcopy(place.body)]
        case ast.Try(body=body, handlers=[_, *_]):
            yield f"nothing is caught around `{_short(body[0])}`", [*copy.deepcopy(body)]
        case _:
            pass


# ---------------------------------------------------------------- expressions


def _expressions(place: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement itself."""
    for child in ast.iter_child_nodes(place):
        if isinstance(child, ast.expr):
            yield from (node for node in ast.walk(child) if isinstance(node, ast.expr))
        elif isinstance(child, ast.withitem):
            yield from (node for node in ast.walk(child.context_expr) if isinstance(node, ast.expr))


def _mistaken(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """An expression with a mistake in it."""
    match node:
        case ast.Call():
            yield from _mistaken_call(node)
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in OPPOSITES:
            opposite = ast.Compare(left, [OPPOSITES[type(operator)]()], [right])
            yield _short(opposite), opposite
        case ast.BoolOp(values=[first, *rest]):
            yield f"only `{_short(first)}`", first
            yield f"only `{_short(rest[-1])}`", rest[-1]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield f"`{_short(operand)}`", operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield "the other way round", ast.IfExp(test, orelse, body)
        case ast.Constant(value=bool() as value):
            yield str(not value), ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield str(value + 1), ast.Constant(value + 1)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield f"only `{_short(left)}`", left
            yield f"only `{_short(right)}`", right
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield "added", ast.BinOp(left, ast.Add(), right)
        case ast.Dict(keys=keys, values=values) if len(keys) > 1:
            yield from _without_entries(keys, values)
        case _:
            pass


def _mistaken_call(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Call(func=ast.Attribute(attr=name), args=[ast.expr(), *_] | []) if name in KEYED:
            yield from _wrong_key(node)
            yield from _wrong_value(node)
            if name in TWINS:
                taken = copy.deepcopy(node)
                assert isinstance(taken.func, ast.Attribute)
                taken.func.attr = TWINS[name]
                yield f"{TWINS[name]} instead of {name}", taken
        case _:
            pass
    for number, keyword in enumerate(node.keywords):
        rest = node.keywords[:number] + node.keywords[number + 1 :]
        if ast.unparse(keyword) != "encoding='utf-8'":  # which is the encoding of a container anyway
            yield f"without {_short(keyword)}", ast.Call(node.func, node.args, rest)


def _wrong_key(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    if node.args:
        yield "one key for all", ast.Call(node.func, [ast.Constant("all"), *node.args[1:]], node.keywords)
    for number, keyword in enumerate(node.keywords):
        if keyword.arg == "key":
            other = [*node.keywords]
            other[number] = ast.keyword("key", ast.Constant("all"))
            yield "one key for all", ast.Call(node.func, node.args, other)


def _wrong_value(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    if len(node.args) == 2:
        first, second = node.args
        yield "arguments swapped", ast.Call(node.func, [second, first], node.keywords)
        if ast.unparse(second) != "'r'":  # the mode of `open` without one
            yield f"without {_short(second)}", ast.Call(node.func, [first], node.keywords)


def _without_entries(
    keys: list[ast.expr | None], values: list[ast.expr]
) -> Iterator[tuple[str, ast.expr]]:  # fmt: skip
    for number, key in enumerate(keys):
        rest = ast.Dict(keys[:number] + keys[number + 1 :], values[:number] + values[number + 1 :])
        yield f"without {'**' if key is None else _short(key)}", rest
