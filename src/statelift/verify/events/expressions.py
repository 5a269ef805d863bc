"""Expressions of a program -> Meanings: what each of them can be, with the calls followed."""

import ast
from collections.abc import Iterable, Mapping
from typing import Protocol

from statelift.verify.events.lookup import Module
from statelift.verify.events.meanings import (
    Class,
    Constant,
    Function,
    Items,
    Object,
    Scope,
    Space,
    Table,
    Text,
    Value,
    Values,
    mark,
)  # fmt: skip
from statelift.verify.events.operations import (
    at,
    calculate,
    compare,
    contained,
    elements,
    known_call,
    method_call,
    negative,
    part,
)  # fmt: skip
from statelift.verify.events.shapes import Scalar, Shape


class Walk(Protocol):
    """The walk through the whole program that an expression is part of."""

    def run(self, function: Function, bound: Mapping[str, Values], depth: int) -> Values:
        """What a call of a function of the program gives."""

    def module_value(self, module: Module, name: str) -> Values:
        """What a name means at the top level of a module."""


class Expressions:
    """One function body: the values of its names, regardless of the order of its statements."""

    def __init__(self, walk: Walk, module: Module, scope: Scope, depth: int) -> None:
        self._walk = walk
        self._module = module
        self._scope = scope
        self._depth = depth

    def value(self, node: ast.expr) -> Values:
        """What an expression can be."""
        match node:
            case ast.Constant(value=str() | int() | float() | None as constant):
                return (Constant(constant),)
            case ast.Name(id=name):
                return self._scope[name] if name in self._scope else self._walk.module_value(self._module, name)
            case ast.Subscript():
                return self._subscript(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.BinOp(left=left, op=operator, right=right):
                return calculate(operator, self.value(left), self.value(right), right, left)
            case ast.JoinedStr(values=parts):
                return self._joined(parts)
            case ast.Lambda():
                return (Function(self._module, node, closure=self._scope),)
            case _:
                return self._composed(node)

    def _composed(self, node: ast.expr) -> Values:
        match node:
            case ast.BoolOp(values=operands):
                return tuple(each for operand in operands for each in self.value(operand))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.value(test)
                return (*self.value(body), *self.value(orelse))
            case ast.NamedExpr(target=target, value=inner):
                values = self.value(inner)
                self.bind(target, values)
                return values
            case ast.Await(value=inner) | ast.Starred(value=inner):
                return self.value(inner)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
                return negative(self.value(inner))
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return (Items([self.value(part) for part in parts]),)
            case ast.Dict():
                return self._display(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                self._generators(node.generators)
                return (Items([self.value(node.elt)]),)
            case ast.DictComp():
                self._generators(node.generators)
                mark(self.value(node.key), "key")
                self.value(node.value)
                return ()
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.value(child)
                return ()

    def _generators(self, generators: Iterable[ast.comprehension]) -> None:
        for each in generators:
            self.bind(each.target, elements(self.value(each.iter)))
            for condition in each.ifs:
                self.value(condition)

    def _display(self, node: ast.Dict) -> Values:
        entries: dict[Scalar, Values] = {}
        spread: list[Value] = []
        for key, item in zip(node.keys, node.values, strict=True):
            values = self.value(item)
            if key is None:
                spread += values
                continue
            keys = self.value(key)
            mark(keys, "key")
            entries |= {each.value: values for each in keys if isinstance(each, Constant)}
        return (Table(entries), *spread)

    def _joined(self, parts: Iterable[ast.expr]) -> Values:
        found: list[str | Shape] = []
        for each in parts:
            match each:
                case ast.Constant(value=str(text)):
                    found.append(text)
                case ast.FormattedValue(value=inner):
                    shapes = [each for each in self.value(inner) if isinstance(each, Shape)]
                    found += shapes[:1]
                case _:
                    pass
        return (Text(found),)

    def _subscript(self, node: ast.Subscript) -> Values:
        bases = self.value(node.value)
        if isinstance(node.slice, ast.Slice):
            return bases
        keys = self.value(node.slice)
        if not any(isinstance(base, Shape) for base in bases):
            mark(keys, "key")
        return part(bases, keys, is_optional=False)

    def _attribute(self, node: ast.Attribute) -> Values:
        found: list[Value] = []
        for base in self.value(node.value):
            match base:
                case Object(made_of, attributes):
                    found += attributes.get(node.attr, ()) or self._method(made_of, base, node.attr)
                case Class():
                    found += self._method(base, None, node.attr)
                case Space(module):
                    found += self._walk.module_value(module, node.attr)
                case _:
                    pass
        return tuple(found)

    def _method(self, made_of: Class, receiver: Object | None, name: str) -> Values:
        for each in made_of.node.body:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == name:
                is_static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in each.decorator_list)
                return (Function(made_of.module, each, None if is_static else receiver or Object(made_of)),)
        return ()

    def _comparison(self, node: ast.Compare) -> Values:
        left = self.value(node.left)
        for operator, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            match operator:
                case ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot():
                    compare(left, right)
                    compare(right, left)
                case ast.In() | ast.NotIn():
                    contained(left, right)
                case _:
                    mark((*left, *right), "number")
                    compare(left, right)
                    compare(right, left)
            left = right
        return ()

    def bind(self, target: ast.expr, values: Values) -> None:
        """Let a target of an assignment be these values, besides what it was before."""
        match target:
            case ast.Name(id=name):
                self._scope[name] = tuple(dict.fromkeys((*self._scope.get(name, ()), *values)))
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for number, part in enumerate(parts):
                    self.bind(part, at(values, number))
            case ast.Attribute(value=owner, attr=name):
                for each in self.value(owner):
                    if isinstance(each, Object):
                        each.attributes[name] = (*each.attributes.get(name, ()), *values)
            case ast.Starred(value=inner):
                self.bind(inner, values)
            case _:
                self.value(target)

    def _call(self, node: ast.Call) -> Values:
        arguments = [self.value(each) for each in node.args]
        keywords = {each.arg: self.value(each.value) for each in node.keywords}
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            if any(isinstance(each, Shape | Table) for each in owner):
                return method_call(owner, node.func.attr, arguments)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        found: list[Value] = []
        targets = self.value(node.func)
        for target in targets:
            match target:
                case Function():
                    found += self._run(target, arguments, keywords)
                case Class():
                    found.append(self._made(target, arguments, keywords))
                case _:
                    pass
        return tuple(found) if targets else known_call(name, arguments)

    def _run(self, target: Function, arguments: list[Values], keywords: Mapping[str | None, Values]) -> Values:
        given = target.node.args
        names = [each.arg for each in (*given.posonlyargs, *given.args)]
        values = [(target.receiver,), *arguments] if target.receiver is not None else arguments
        bound: dict[str, Values] = {}
        defaults = [self.value(each) for each in given.defaults]
        bound |= dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        bound |= dict(zip(names, values, strict=False))
        bound |= {name: each for name, each in keywords.items() if name is not None}
        return self._walk.run(target, bound, self._depth + 1)

    def _made(self, target: Class, arguments: list[Values], keywords: Mapping[str | None, Values]) -> Object:
        made = Object(target)
        for method in self._method(target, made, "__init__"):
            if isinstance(method, Function):
                self._run(method, arguments, keywords)
        fields = [each.target.id for each in target.node.body
                  if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]  # fmt: skip
        made.attributes |= {name: values for name, values in zip(fields, arguments, strict=False) if values}
        made.attributes |= {name: values for name, values in keywords.items() if name in fields and name}
        return made
