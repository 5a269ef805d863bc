"""Two code trees -> the statements of the migrated one that a change wrote, or that use what it rewrote."""

import ast
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from statelift.verify.values import CodeTree

Line = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of the migrated program that belongs to changes: it ran when one of its lines ran."""

    path: str
    first: int
    last: int
    changes: frozenset[str]

    def has_run(self, lines: Collection[Line]) -> bool:
        """Whether one of these lines is the statement's."""
        return any((self.path, line) in lines for line in range(self.first, self.last + 1))


def changed_statements(
    original: CodeTree, migrated: CodeTree, uses: Mapping[str, Collection[Line]], generated: Collection[str]
) -> Iterator[Statement]:
    """Statements inside of functions that are new, or that stand where the original used what a change rewrote.

    `uses` are lines of the original by the id of the change; functions called `generated` are left out.
    """
    before = dict(original.files)
    for path, data in migrated.files:
        old = before.get(path)
        if path.endswith(".py") and old is not None and old != data:
            lines = _Lines(_texts(old), _texts(data))
            owned = {id_: lines.after(line for name, line in used if name == path) for id_, used in uses.items()}
            yield from _touched(path, data, lines.new, owned, generated)


def _touched(
    path: str, data: bytes, new: set[int], owned: Mapping[str, set[int]], generated: Collection[str]
) -> Iterator[Statement]:
    for first, last in _spans(data, generated):
        span = set(range(first, last + 1))
        owners = frozenset(id_ for id_, lines in owned.items() if lines & span)
        if owners or new & span:
            yield Statement(path, first, last, owners or frozenset(owned))


def _texts(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").splitlines()


class _Lines:
    """Which lines of the new text are new, and which stand where old ones stood."""

    def __init__(self, old: list[str], new: list[str]) -> None:
        self._blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        changed = [block for block in self._blocks if block[0] != "equal"]
        self.new = {line + 1 for _, _, _, first, last in changed for line in range(first, last)}

    def after(self, lines: Iterable[int]) -> set[int]:
        """The new lines that stand where these old ones stood."""
        found: set[int] = set()
        for line in lines:
            for tag, start, end, first, last in self._blocks:
                if start < line <= end:
                    found |= {first + line - start} if tag == "equal" else set(range(first + 1, last + 1))
        return found


def _spans(data: bytes, generated: Collection[str]) -> Iterator[tuple[int, int]]:
    """First and last line of every simple statement, and of the head of every other, inside of functions."""
    for node in ast.walk(ast.parse(data)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in generated:
            for statement in node.body:
                yield from _heads(statement)


def _heads(node: ast.stmt) -> Iterator[tuple[int, int]]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return  # a function that stands in a function is walked on its own
        case ast.Import() | ast.ImportFrom() | ast.Global() | ast.Nonlocal() | ast.Pass():
            return
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Try() | ast.TryStar():
            pass  # `try:` itself does nothing
        case _:
            yield node.lineno, _end_of_head(node)
    for inner in _bodies(node):
        yield from _heads(inner)


def _bodies(node: ast.stmt) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        inner = child.body if isinstance(child, ast.ExceptHandler | ast.match_case) else [child]
        yield from (each for each in inner if isinstance(each, ast.stmt))


def _end_of_head(node: ast.stmt) -> int:
    """The last line in front of the statement's body."""
    below = min((inner.lineno for inner in _bodies(node)), default=0)
    return max(node.lineno, below - 1) if below else node.end_lineno or node.lineno
