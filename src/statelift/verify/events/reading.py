"""A code tree and a function -> Shapes: what the program reads of its arguments, keys, constants, arithmetic.

Follows the arguments through the program without running it: subscripts, `.get`, `json.loads`, unpacking, loops,
`match`, tables of functions, and calls of the program's own functions. What is not understood is only not known.
"""

import ast
from collections.abc import Iterable, Mapping

from statelift.verify.events.expressions import Expressions, Walk
from statelift.verify.events.lookup import Found, Module, Names
from statelift.verify.events.meanings import Class, Constant, Function, Scope, Space, Value, Values, mark
from statelift.verify.events.operations import at, calculate, compare, elements
from statelift.verify.events.shapes import Shape
from statelift.verify.values import CodeTree

_DEPTH = 8  # how deep calls are followed


def shapes_of(tree: CodeTree, call: str) -> tuple[Shape, ...]:
    """What the function `module:attribute` reads of each of its parameters; () where it cannot be found."""
    names = Names(tree)
    module_name, _, attribute = call.partition(":")
    module = names.module(module_name)
    found = None if module is None else names.find(module, attribute)
    if found is None or not isinstance(found.definition, ast.FunctionDef | ast.AsyncFunctionDef):
        return ()
    parameters = [each.arg for each in (*found.definition.args.posonlyargs, *found.definition.args.args)]
    shapes = {name: Shape(name) for name in parameters}
    reading = _Reading(names)
    reading.run(Function(found.module, found.definition), {name: (shape,) for name, shape in shapes.items()}, 0)
    return tuple(shapes.values())


class _Reading:
    """One walk through the program."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._seen: dict[tuple[int, tuple[int, ...]], Values] = {}
        self._module_values: dict[tuple[str, str], Values] = {}

    def run(self, function: Function, bound: Mapping[str, Values], depth: int) -> Values:
        """Walk a function's body with its parameters bound; gives what it returns."""
        key = (id(function.node), tuple(sorted(id(value) for values in bound.values() for value in values)))
        if key in self._seen or depth > _DEPTH:
            return self._seen.get(key, ())
        self._seen[key] = ()
        frame = _Frame(self, function.module, {**function.closure, **bound}, depth)
        if isinstance(function.node, ast.Lambda):
            result = frame.value(function.node.body)
        else:
            frame.walk(function.node.body)
            result = tuple(dict.fromkeys(frame.returned))
        self._seen[key] = result
        return result

    def module_value(self, module: Module, name: str) -> Values:
        """What a name means at the top level of a module."""
        key = (module.name, name)
        if key not in self._module_values:
            self._module_values[key] = ()
            self._module_values[key] = self._defined(self._names.find(module, name))
        return self._module_values[key]

    def _defined(self, found: Found | None) -> Values:
        match found:
            case Found(module, ast.FunctionDef() | ast.AsyncFunctionDef() as node):
                return (Function(module, node),)
            case Found(module, ast.ClassDef() as node):
                return (Class(module, node),)
            case Found(module, ast.expr() as node):
                return _Frame(self, module, {}, _DEPTH - 1).value(node)
            case Found(module, None):
                return (Space(module),)
            case _:
                return ()


class _Frame(Expressions):
    """The statements of one function body."""

    def __init__(self, walk: Walk, module: Module, scope: Scope, depth: int) -> None:
        super().__init__(walk, module, scope, depth)
        self.returned: list[Value] = []

    def walk(self, body: Iterable[ast.stmt]) -> None:
        """Read statements one after the other."""
        for node in body:
            self._statement(node)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                values = self.value(value)
                for target in targets:
                    self.bind(target, values)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.bind(target, self.value(value))
            case ast.AugAssign(target=target, op=operator, value=value):
                calculate(operator, self.value(target), self.value(value), value)
            case ast.Return(value=ast.expr() as value):
                self.returned += self.value(value)
            case ast.For() | ast.AsyncFor():
                self.bind(node.target, elements(self.value(node.iter)))
                self.walk([*node.body, *node.orelse])
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._scope[node.name] = (Function(self._module, node, closure=self._scope),)
            case ast.Match():
                self._match(node)
            case _:
                self._others(node)

    def _others(self, node: ast.stmt | ast.ExceptHandler | ast.withitem) -> None:
        """Expressions and bodies of any other statement, in their order."""
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.expr():
                    self.value(child)
                case ast.stmt():
                    self._statement(child)
                case ast.ExceptHandler() | ast.withitem():
                    self._others(child)
                case _:
                    pass

    def _match(self, node: ast.Match) -> None:
        subject = self.value(node.subject)
        for case in node.cases:
            self._pattern(case.pattern, subject)
            if case.guard is not None:
                self.value(case.guard)
            self.walk(case.body)

    def _pattern(self, pattern: ast.pattern, subject: Values) -> None:
        shapes = [value for value in subject if isinstance(value, Shape)]
        match pattern:
            case ast.MatchValue(value=value):
                compare(subject, self.value(value))
            case ast.MatchSingleton(value=constant):
                compare(subject, (Constant(constant),))
            case ast.MatchMapping(keys=keys, patterns=patterns):
                for key, inner in zip(keys, patterns, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        self._pattern(inner, tuple(shape.child(key.value) for shape in shapes))
            case ast.MatchSequence(patterns=patterns):
                for number, inner in enumerate(patterns):
                    self._pattern(inner, at(subject, number))
            case ast.MatchOr(patterns=patterns):
                for inner in patterns:
                    self._pattern(inner, subject)
            case ast.MatchAs(pattern=bound, name=name):
                if bound is not None:
                    self._pattern(bound, subject)
                if name is not None:
                    self._scope[name] = (*self._scope.get(name, ()), *subject)
            case ast.MatchClass(cls=ast.Name(id="int" | "float")):
                mark(subject, "number")
            case ast.MatchClass(cls=ast.Name(id="str")):
                mark(subject, "text")
            case _:
                pass
