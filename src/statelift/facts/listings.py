"""A call that lists a folder -> whether S3 can answer it: all that is done with the paths it gives is known."""

import ast
from collections.abc import Callable, Collection, Iterable
from typing import Literal

from statelift.facts.paths import SORTERS, Paths
from statelift.facts.syntax import Syntax

# plain: all is known. returned: if only the sender of the event gets the paths. open: they are not followed.
Followed = Literal["plain", "returned", "open"]
COUNTING = frozenset("len bool any print repr str json.dumps".split())
NAMING = frozenset({"os.path.basename", "os.path.splitext", "print", "len", "bool"})
SAME = frozenset({"str", "os.fspath", "pathlib.Path"})
OF_TEXT = frozenset("endswith startswith split rsplit partition rpartition removeprefix removesuffix".split())
OF_PATH = frozenset("name stem suffix suffixes".split())
OF_ENTRY = frozenset({"name", "path", "is_file", "is_dir"})
NAMES = frozenset({"os.listdir"})  # they give names: a path is put together from them, and seen there


class Listings:
    """Answers questions on the listings of one module. `touches`: whether a call's effect on files is known."""

    def __init__(self, syntax: Syntax, paths: Paths, touches: Callable[[ast.Call], bool]) -> None:
        self.syntax = syntax
        self.paths = paths
        self.touches = touches
        self._asked: set[ast.AST] = set()

    def followed(self, node: ast.Call, api: str) -> Followed:
        """How far the paths that a listing gives are followed."""
        count = 0 if api == "Path.iterdir" else 1
        if len(node.args) != count or node.keywords or node in self._asked:
            return "open"
        if api in NAMES:
            return "plain"
        self._asked.add(node)
        try:
            return self._many(node, OF_ENTRY if api == "os.scandir" else OF_TEXT | OF_PATH)
        finally:
            self._asked.discard(node)

    def _many(self, node: ast.expr, known: Collection[str]) -> Followed:
        """What is done with an iterable of paths."""
        match self.syntax.parents[node]:
            case ast.For(target=ast.Name() as target, iter=source) if source is node:
                return self._elements(target, known)
            case ast.comprehension(target=ast.Name() as target, iter=source) if source is node:
                return self._elements(target, known)
            case ast.Call(func=function, args=[first, *_], keywords=keywords) as call if first is node:
                return self._given(call, function, keywords, known)
            case ast.Assign(targets=[ast.Name() as name]) | ast.withitem(optional_vars=ast.Name() as name):
                return self._held(name, known)
            case ast.IfExp(test=test) as choice if test is not node:
                return self._many(choice, known)
            case ast.Return():
                return "returned"
            case ast.If() | ast.While() | ast.IfExp() | ast.UnaryOp(op=ast.Not()) | ast.Compare():
                return "plain"
            case _:
                return "open"

    def _given(
        self, call: ast.Call, function: ast.expr, keywords: list[ast.keyword], known: Collection[str]
    ) -> Followed:
        name = self.syntax.outside(function)
        if name in COUNTING:
            return "plain"
        is_sorted = name in SORTERS and all(each.arg == "reverse" for each in keywords)
        return self._many(call, known) if is_sorted else "open"

    def _held(self, name: ast.Name, known: Collection[str]) -> Followed:
        """What is done with a local variable that holds the paths."""
        scope = self.syntax.scope(name).binding(name.id)
        if scope is None or scope.kind != "function" or (scope, name.id) in self.syntax.captured:
            return "open"
        return _least(self._many(each, known) for each in self.syntax.loads_after(name, scope))

    def _elements(self, target: ast.Name, known: Collection[str]) -> Followed:
        scope = self.syntax.scope(target).binding(target.id)
        if scope is None or not self.syntax.is_local(target) or (scope, target.id) in self.syntax.captured:
            return "open"
        return _least(self._one(each, known) for each in self.syntax.loads_after(target, scope))

    def _one(self, node: ast.expr, known: Collection[str]) -> Followed:
        """What is done with one path."""
        match self.syntax.parents[node]:
            case ast.Attribute(attr=attribute) as part if attribute in known:
                return self._one(part, ()) if attribute == "path" else "plain"
            case ast.Attribute() as method:
                call = self.syntax.parents[method]
                return self._into(call, node) if isinstance(call, ast.Call) and call.func is method else "open"
            case ast.Call(func=function) as call if self.syntax.outside(function) in SAME:
                return self._one(call, known)
            case ast.Call(func=function) as call:
                return "plain" if self.syntax.outside(function) in NAMING else self._into(call, node)
            case ast.Compare():
                return "plain"
            case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element) as made if element is node:
                return self._many(made, known)
            case _:
                return "open"

    def _into(self, call: ast.Call, node: ast.expr) -> Followed:
        """A call is given the path, or is one of its methods."""
        return "plain" if self.paths.path_of(node) is not None and self.touches(call) else "open"


def _least(found: Iterable[Followed]) -> Followed:
    """What is known of all."""
    told = set(found)
    return "open" if "open" in told else "returned" if "returned" in told else "plain"
