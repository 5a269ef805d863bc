"""Uses of a store -> the puts whose value is computed from the entry that they replace, each with what it reads.

`S[k] = max(S.get(k, 0), n)` is a read and a write in memory, too, but nobody comes in between there. As one step
that is computed again where another call wrote meanwhile, nothing is lost on a table either.
"""

import ast
import re
from collections.abc import Mapping, Sequence

from statelift.facts.values import Access, Value
from statelift.judge.blocks import is_fixed

READS = frozenset({"get", "require"})
# What may run again: it depends on nothing but its arguments, and changes nothing.
COMPUTING = frozenset("abs bool dict divmod float int len list max min pow round set sorted str sum tuple".split())
PLAIN = (
    ast.Constant, ast.Name, ast.Load, ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop, ast.BoolOp, ast.boolop,
    ast.Compare, ast.cmpop, ast.IfExp, ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.Dict, ast.Set,
    ast.Starred, ast.keyword, ast.expr_context,
)  # fmt: skip
NAMES = (ast.Constant, ast.Name, ast.Tuple, ast.expr_context)  # a key of these comes without an exception
OPENING = re.compile(r"(?:\w+\(|[(\s])*")
Uses = Sequence[tuple[str, Access]]


def renewals(uses: Uses) -> Mapping[int, tuple[Access, ...]]:
    """Id of such a put -> the reads inside of its value, all of the same entry."""
    puts = [(path, use) for path, use in uses if use.op == "put" and use.is_statement]
    found = {id(put): _reads_inside(path, put, uses) for path, put in puts}
    return {key: reads for key, reads in found.items() if reads}


def inner_reads(renewed: Mapping[int, tuple[Access, ...]]) -> frozenset[int]:
    """Ids of the reads that such puts have inside."""
    return frozenset(id(read) for reads in renewed.values() for read in reads)


def _reads_inside(path: str, put: Access, uses: Uses) -> tuple[Access, ...]:
    """() unless every use of the store in the value reads the same entry in the same way, and the rest computes."""
    value, key = put.value, put.key
    if value is None or key is None or not (is_fixed(key) and has_only(key.text, NAMES)):
        return ()
    inside = [
        use
        for at, use in uses
        if at == path and value.span.start <= use.span.start and use.span.end <= value.span.end
    ]
    ways = {(use.op, use.key and use.key.text, use.default and use.default.text) for use in inside}
    has_one_way = len(ways) == 1 and all(op in READS and text == key.text for op, text, _ in ways)
    is_fit = has_one_way and all(is_constant(use) for use in inside) and is_computed(value.text, inside)
    return tuple(inside) if is_fit and _is_first(inside[0], value) else ()


def has_only(text: str, kinds: tuple[type[ast.AST], ...]) -> bool:
    """Whether an expression is made of such nodes alone."""
    return all(isinstance(node, kinds) for node in ast.walk(ast.parse(text, mode="eval").body))


def _is_first(read: Access, value: Value) -> bool:
    """Whether the read comes before all that may raise: only `S[k]` can tell, by the KeyError of its own."""
    if read.op == "get":
        return True
    before = value.text.encode()[: read.span.start - value.span.start].decode(errors="ignore")
    return OPENING.fullmatch(before) is not None


def is_constant(read: Access) -> bool:
    """Whether the default is the same however often it is evaluated, and no object that others have."""
    return read.default is None or isinstance(ast.parse(read.default.text, mode="eval").body, ast.Constant)


def is_computed(text: str, reads: Sequence[Access]) -> bool:
    """Whether an expression computes from names and constants alone, besides reading the store."""
    named = {read.spelled for read in reads}
    try:
        waiting: list[ast.AST] = [ast.parse(text, mode="eval").body]
    except SyntaxError:  # without the parentheses that it stands in
        return False
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in COMPUTING:
                waiting += [*node.args, *node.keywords]
            case ast.Call(func=ast.Attribute(value=owner, attr="get")) if ast.unparse(owner) in named or isinstance(
                owner, ast.Name
            ):
                waiting += [*node.args, *node.keywords]
            case ast.Subscript(value=owner) if ast.unparse(owner) in named:
                waiting.append(node.slice)
            case _ if isinstance(node, PLAIN):
                waiting += ast.iter_child_nodes(node)
            case _:
                return False
    return True
