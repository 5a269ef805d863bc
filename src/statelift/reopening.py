"""A descriptor of `os.open` -> the edits that make it a file of the store: `os.close(fd)` is `fd.close()`."""

import ast
from collections.abc import Iterator

from statelift.facts.values import FileEffect
from statelift.model import Edit, Problem, SourceFile
from statelift.source import Parsed, parse_source
from statelift.workspace import Workspace


def reopened(path: str, effect: FileEffect, workspace: Workspace, store: str) -> Iterator[Edit]:
    """The call and the uses of what it gives; a descriptor that is used in another way is not rewritable."""
    parsed = parse_source(SourceFile(path, workspace.sources[path]))
    assert not isinstance(parsed, Problem)
    parents = {child: node for node in ast.walk(parsed.tree) for child in ast.iter_child_nodes(node)}
    node = next(each for each in parents if isinstance(each, ast.Call) and parsed.span(each) == effect.span)
    flags = parsed.span(node.args[1])
    yield Edit(path, effect.callee.start, effect.callee.end, f"{store}.open")
    yield Edit(path, flags.start, effect.span.end, f'"{effect.mode}")')
    match parents[node]:
        case ast.Call() as closing:
            yield from _ended(path, parsed, closing, node)
        case ast.Assign(targets=[ast.Name(id=name)]) as statement:
            yield from _used(path, parsed, _around(statement, parents), name)
        case _:
            pass


def _around(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> ast.AST:
    """The function that a statement stands in."""
    while not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)):
        node = parents[node]
    return node


def _used(path: str, parsed: Parsed, function: ast.AST, name: str) -> Iterator[Edit]:
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(attr="close"), args=[ast.Name(id=given) as handle]) if given == name:
                yield from _ended(path, parsed, node, handle)
            case ast.Call(func=ast.Attribute(attr="write"), args=[ast.Name(id=given), data]) if given == name:
                yield Edit(path, parsed.span(node).start, parsed.span(data).start, f"{name}.write(")
            case ast.Call(func=ast.Attribute(attr="fdopen"), args=[ast.Name(id=given), _]) if given == name:
                yield Edit(path, parsed.span(node).start, parsed.span(node).end, name)
            case _:
                pass


def _ended(path: str, parsed: Parsed, closing: ast.Call, given: ast.expr) -> Iterator[Edit]:
    """`os.close(fd)` becomes `fd.close()`."""
    outer, inner = parsed.span(closing), parsed.span(given)
    yield Edit(path, outer.start, inner.start, "")
    yield Edit(path, inner.end, outer.end, ".close()")
