"""A tree -> its nodes in source order, quickly: without load and store marks and operators."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeVar, cast

_LEAVES = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
_TEXTS = frozenset(
    """id attr arg name kind type_comment level module asname ctx op ops conversion is_async simple rest
    type_ignores""".split()
)
Node = TypeVar("Node", bound=ast.AST)
_fields: dict[type, tuple[str, ...]] = {}


def children(node: ast.AST) -> list[ast.AST]:
    """The direct parts of a node, in source order of the grammar."""
    kind = type(node)
    names = _fields.get(kind)
    if names is None:
        names = _fields[kind] = tuple(name for name in kind._fields if _may_hold_nodes(kind, name))
    found: list[ast.AST] = []
    for name in names:
        part = getattr(node, name, None)
        if isinstance(part, list):
            found += [each for each in part if isinstance(each, ast.AST)]
        elif isinstance(part, ast.AST):
            found.append(part)
    return found


def below(node: ast.AST) -> list[ast.AST]:
    """A node and all that it is made of, in no order that means anything."""
    found = [node]
    for each in found:
        found += children(each)
    return found


def _may_hold_nodes(kind: type, name: str) -> bool:
    return name not in _TEXTS and kind is not ast.Constant and not issubclass(kind, _LEAVES)


class Walk:
    """The nodes of a tree, their parents and parts, and which of them lie inside a node."""

    def __init__(self, tree: ast.AST) -> None:
        self.nodes: list[ast.AST] = []
        self.parents: dict[ast.AST, ast.AST] = {}
        self.parts: dict[ast.AST, list[ast.AST]] = {}
        stack: list[ast.AST] = [tree]
        while stack:
            node = stack.pop()
            self.nodes.append(node)
            parts = self.parts[node] = children(node)
            for part in parts:
                self.parents[part] = node
            stack += reversed(parts)
        self._index = {node: number for number, node in enumerate(self.nodes)}
        self._sizes = self._counted()
        self._of_kind: dict[type, list[ast.AST]] = defaultdict(list)
        for node in self.nodes:
            self._of_kind[type(node)].append(node)
        self._of_kinds: dict[tuple[type, ...], list[ast.AST]] = {}

    def _counted(self) -> dict[ast.AST, int]:
        """How many nodes each node covers, itself included."""
        sizes = dict.fromkeys(self.nodes, 1)
        for node in reversed(self.nodes):
            parent = self.parents.get(node)
            if parent is not None:
                sizes[parent] += sizes[node]
        return sizes

    def inside(self, statements: Iterable[ast.AST]) -> Iterator[ast.AST]:
        """The nodes of these subtrees, in source order."""
        for each in statements:
            start = self._index[each]
            yield from self.nodes[start : start + self._sizes[each]]

    def only(self, *kinds: type[Node]) -> list[Node]:
        """The nodes of exactly these types, in source order."""
        if kinds not in self._of_kinds:
            found = chain.from_iterable(self._of_kind[kind] for kind in kinds if kind in self._of_kind)
            self._of_kinds[kinds] = sorted(found, key=self._index.__getitem__)
        return cast("list[Node]", self._of_kinds[kinds])
