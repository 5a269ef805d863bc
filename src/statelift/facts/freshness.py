"""An expression -> whether every invocation gives it a value of its own, one that does not come back."""

import ast
from collections.abc import Sequence

from statelift.facts.syntax import Syntax

DEPTH = 6
FRESH_CALLS = frozenset(
    """uuid.uuid1 uuid.uuid4 secrets.token_hex secrets.token_urlsafe secrets.token_bytes secrets.randbits os.urandom
    time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns
    datetime.datetime.now datetime.datetime.utcnow random.random random.getrandbits random.choices
    random.sample""".split()
)  # a date, or a number out of few, comes back
SAME_CALLS = frozenset({"str", "int", "repr", "float", "hash", "format"})
SAME_METHODS = frozenset(
    """hex isoformat timestamp replace encode decode join lower upper strip strftime hexdigest astimezone
    total_seconds""".split()
)
SAME_ATTRIBUTES = frozenset({"hex", "int", "bytes", "urn"})
REQUEST_ID = "aws_request_id"
SECONDS = ("%S", "%s", "%f", "%X", "%c", "%T")


class Freshness:
    """Answers `is_fresh` for the expressions of one module."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax

    def is_fresh(self, node: ast.expr, depth: int = DEPTH) -> bool:
        """Whether it is made of a clock, a random number or the id of the request, and tells enough of it."""
        if depth == 0:
            return False
        match node:
            case ast.Name() if self.syntax.is_local(node):
                return self._all(self._given(node), depth - 1)
            case ast.Attribute(value=base, attr=name):
                return name == REQUEST_ID or (name in SAME_ATTRIBUTES and self.is_fresh(base, depth - 1))
            case ast.Call():
                return self._is_fresh_call(node, depth)
            case ast.JoinedStr(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                return self._any(parts, depth)
            case ast.FormattedValue(value=value, format_spec=form):
                return self.is_fresh(value, depth - 1) and (form is None or _has_seconds(ast.unparse(form)))
            case ast.BinOp(op=ast.Add() | ast.Mod() | ast.Mult(), left=left, right=right):
                return self._any([left, right], depth)
            case ast.Subscript(value=value, slice=ast.Slice()):
                return self.is_fresh(value, depth - 1)
            case ast.IfExp(body=body, orelse=orelse):
                return self._all([body, orelse], depth - 1)
            case _:
                return False

    def _is_fresh_call(self, node: ast.Call, depth: int) -> bool:
        name = self.syntax.outside(node.func)
        if name in FRESH_CALLS:
            return True
        match node.func:
            case ast.Name() if name in SAME_CALLS:
                return self._any(node.args, depth)
            case ast.Attribute(value=base, attr="strftime"):
                return self.is_fresh(base, depth - 1) and _has_seconds(ast.unparse(node))
            case ast.Attribute(value=ast.Constant(), attr="format" | "join"):
                return self._any(node.args, depth)
            case ast.Attribute(value=base, attr=method) if method in SAME_METHODS:
                return self.is_fresh(base, depth - 1)
            case _:
                return False

    def _given(self, node: ast.Name) -> Sequence[ast.expr]:
        scope = self.syntax.scope(node).binding(node.id)
        if scope is None:
            return ()
        given, is_open = self.syntax.reaching(scope, node)
        is_parameter = is_open and scope.function() is self.syntax.scope(node).function() and not given
        return () if is_parameter else [each for each in given if each is not node]

    def _all(self, nodes: Sequence[ast.expr], depth: int) -> bool:
        return bool(nodes) and all(self.is_fresh(each, depth) for each in nodes)

    def _any(self, nodes: Sequence[ast.expr], depth: int) -> bool:
        return any(self.is_fresh(each, depth - 1) for each in nodes)


def _has_seconds(text: str) -> bool:
    """Whether a format tells the second, or less."""
    return any(each in text for each in SECONDS)
