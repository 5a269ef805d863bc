"""A code tree and a function -> what the program reads of its arguments: keys, constants, arithmetic.

Follows the arguments through the program without running it: subscripts, `.get`, `json.loads`, unpacking, loops,
`match`, tables of functions, and calls of the program's own functions. What is not understood is only not known.
"""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from statelift.verify.lookup import Found, Module, Names
from statelift.verify.values import CodeTree

Scalar: TypeAlias = str | int | float | bool | None
Usage: TypeAlias = Literal["number", "digits", "text", "key", "mapping", "base64", "fixed"]
_DEPTH = 8  # how deep calls are followed
_SAME = frozenset("str dict list tuple set frozenset sorted reversed iter deepcopy copy".split())
_SAME_METHODS = frozenset("lower upper strip lstrip rstrip title casefold copy replace encode decode".split())
_TEXT_METHODS = _SAME_METHODS - {"copy"} | frozenset(
    "split startswith endswith rsplit partition rpartition".split()
)
_GETTERS = frozenset("get pop setdefault".split())
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)


@dataclass(eq=False, slots=True)
class Shape:
    """What the program does with one part of an argument."""

    name: str = ""
    keys: "dict[str, Shape]" = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    item: "Shape | None" = None
    parsed: "Shape | None" = None
    constants: list[Scalar] = field(default_factory=list)
    uses: set[Usage] = field(default_factory=set)

    def child(self, key: str, *, is_optional: bool = False) -> "Shape":
        """The part below a key; one that is only ever read with a fallback is optional."""
        if key not in self.keys:
            self.keys[key] = Shape(key)
            if is_optional:
                self.optional.add(key)
        elif not is_optional:
            self.optional.discard(key)
        return self.keys[key]

    def element(self) -> "Shape":
        """The parts of a list."""
        if self.item is None:
            self.item = Shape(self.name)
        return self.item

    def content(self) -> "Shape":
        """What the text holds as JSON."""
        if self.parsed is None:
            self.parsed = Shape(self.name)
        return self.parsed

    def compared(self, values: Iterable[Scalar]) -> None:
        """Remember constants that it is compared with."""
        known = {(type(value), value) for value in self.constants}
        self.constants += [value for value in dict.fromkeys(values) if (type(value), value) not in known]


@dataclass(frozen=True, slots=True)
class _Constant:
    value: Scalar


@dataclass(eq=False, slots=True)
class _Items:
    """A list, tuple or set display."""

    elements: "list[_Values]"


@dataclass(eq=False, slots=True)
class _Table:
    """A dict display."""

    entries: "dict[Scalar, _Values]"


@dataclass(eq=False, slots=True)
class _Text:
    """An f-string: constant texts and parts of an argument."""

    parts: "list[str | Shape]"


@dataclass(eq=False, slots=True)
class _Function:
    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    receiver: "_Object | None" = None
    closure: "dict[str, _Values]" = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _Class:
    module: Module
    node: ast.ClassDef


@dataclass(eq=False, slots=True)
class _Object:
    made_of: _Class
    attributes: "dict[str, _Values]" = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _Space:
    module: Module


_Value: TypeAlias = Shape | _Constant | _Items | _Table | _Text | _Function | _Class | _Object | _Space
_Values: TypeAlias = tuple[_Value, ...]
_Scope: TypeAlias = dict[str, _Values]


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
    reading.run(_Function(found.module, found.definition), {name: (shape,) for name, shape in shapes.items()}, 0)
    return tuple(shapes.values())


class _Reading:
    """One walk through the program."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._seen: dict[tuple[int, tuple[int, ...]], _Values] = {}
        self._module_values: dict[tuple[str, str], _Values] = {}

    def run(self, function: _Function, bound: Mapping[str, _Values], depth: int) -> _Values:
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

    def module_value(self, module: Module, name: str) -> _Values:
        """What a name means at the top level of a module."""
        key = (module.name, name)
        if key not in self._module_values:
            self._module_values[key] = ()
            self._module_values[key] = self._defined(self._names.find(module, name))
        return self._module_values[key]

    def _defined(self, found: Found | None) -> _Values:
        match found:
            case Found(module, ast.FunctionDef() | ast.AsyncFunctionDef() as node):
                return (_Function(module, node),)
            case Found(module, ast.ClassDef() as node):
                return (_Class(module, node),)
            case Found(module, ast.expr() as node):
                return _Frame(self, module, {}, _DEPTH - 1).value(node)
            case Found(module, None):
                return (_Space(module),)
            case _:
                return ()


class _Frame:
    """One function body: the values of its names, regardless of the order of its statements."""

    def __init__(self, reading: _Reading, module: Module, scope: _Scope, depth: int) -> None:
        self._reading = reading
        self._module = module
        self._scope = scope
        self._depth = depth
        self.returned: list[_Value] = []

    # ------------------------------------------------------------ statements

    def walk(self, body: Iterable[ast.stmt]) -> None:
        """Read statements one after the other."""
        for node in body:
            self._statement(node)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                values = self.value(value)
                for target in targets:
                    self._bind(target, values)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._bind(target, self.value(value))
            case ast.AugAssign(target=target, op=operator, value=value):
                self._calculate(operator, self.value(target), self.value(value), value)
            case ast.Return(value=ast.expr() as value):
                self.returned += self.value(value)
            case ast.For() | ast.AsyncFor():
                self._bind(node.target, self._elements(self.value(node.iter)))
                self.walk([*node.body, *node.orelse])
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._scope[node.name] = (_Function(self._module, node, closure=self._scope),)
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

    def _bind(self, target: ast.expr, values: _Values) -> None:
        match target:
            case ast.Name(id=name):
                self._scope[name] = tuple(dict.fromkeys((*self._scope.get(name, ()), *values)))
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for number, part in enumerate(parts):
                    self._bind(part, self._at(values, number))
            case ast.Attribute(value=owner, attr=name):
                for each in self.value(owner):
                    if isinstance(each, _Object):
                        each.attributes[name] = (*each.attributes.get(name, ()), *values)
            case ast.Starred(value=inner):
                self._bind(inner, values)
            case _:
                self.value(target)

    def _at(self, values: _Values, number: int) -> _Values:
        found: list[_Value] = []
        for value in values:
            match value:
                case _Items(elements) if number < len(elements):
                    found += elements[number]
                case Shape():
                    found.append(value.element())
                case _:
                    pass
        return tuple(found)

    def _elements(self, values: _Values) -> _Values:
        found: list[_Value] = []
        for value in values:
            match value:
                case _Items(elements):
                    found += [each for element in elements for each in element]
                case Shape():
                    found.append(value.element())
                case _Table(entries):
                    found += [_Constant(key) for key in entries]
                case _:
                    pass
        return tuple(found)

    def _match(self, node: ast.Match) -> None:
        subject = self.value(node.subject)
        for case in node.cases:
            self._pattern(case.pattern, subject)
            if case.guard is not None:
                self.value(case.guard)
            self.walk(case.body)

    def _pattern(self, pattern: ast.pattern, subject: _Values) -> None:
        shapes = [value for value in subject if isinstance(value, Shape)]
        match pattern:
            case ast.MatchValue(value=value):
                self._compare(subject, self.value(value))
            case ast.MatchSingleton(value=constant):
                self._compare(subject, (_Constant(constant),))
            case ast.MatchMapping(keys=keys, patterns=patterns):
                for key, inner in zip(keys, patterns, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        self._pattern(inner, tuple(shape.child(key.value) for shape in shapes))
            case ast.MatchSequence(patterns=patterns):
                for number, inner in enumerate(patterns):
                    self._pattern(inner, self._at(subject, number))
            case ast.MatchOr(patterns=patterns):
                for inner in patterns:
                    self._pattern(inner, subject)
            case ast.MatchAs(pattern=bound, name=name):
                if bound is not None:
                    self._pattern(bound, subject)
                if name is not None:
                    self._scope[name] = (*self._scope.get(name, ()), *subject)
            case ast.MatchClass(cls=ast.Name(id="int" | "float")):
                _mark(subject, "number")
            case ast.MatchClass(cls=ast.Name(id="str")):
                _mark(subject, "text")
            case _:
                pass

    # ------------------------------------------------------------ expressions

    def value(self, node: ast.expr) -> _Values:
        """What an expression can be."""
        match node:
            case ast.Constant(value=str() | int() | float() | None as constant):
                return (_Constant(constant),)
            case ast.Name(id=name):
                return self._scope[name] if name in self._scope else self._reading.module_value(self._module, name)
            case ast.Subscript():
                return self._subscript(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.BinOp(left=left, op=operator, right=right):
                return self._calculate(operator, self.value(left), self.value(right), right, left)
            case ast.JoinedStr(values=parts):
                return self._joined(parts)
            case ast.Lambda():
                return (_Function(self._module, node, closure=self._scope),)
            case _:
                return self._composed(node)

    def _composed(self, node: ast.expr) -> _Values:
        match node:
            case ast.BoolOp(values=operands):
                return tuple(each for operand in operands for each in self.value(operand))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.value(test)
                return (*self.value(body), *self.value(orelse))
            case ast.NamedExpr(target=target, value=inner):
                values = self.value(inner)
                self._bind(target, values)
                return values
            case ast.Await(value=inner) | ast.Starred(value=inner):
                return self.value(inner)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
                return self._negative(self.value(inner))
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return (_Items([self.value(part) for part in parts]),)
            case ast.Dict():
                return self._display(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                self._generators(node.generators)
                return (_Items([self.value(node.elt)]),)
            case ast.DictComp():
                self._generators(node.generators)
                _mark(self.value(node.key), "key")
                self.value(node.value)
                return ()
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.value(child)
                return ()

    def _negative(self, values: _Values) -> _Values:
        _mark(values, "number")
        constants = [each.value for each in values if isinstance(each, _Constant)]
        return tuple(_Constant(-each) for each in constants if isinstance(each, int | float))

    def _generators(self, generators: Iterable[ast.comprehension]) -> None:
        for each in generators:
            self._bind(each.target, self._elements(self.value(each.iter)))
            for condition in each.ifs:
                self.value(condition)

    def _display(self, node: ast.Dict) -> _Values:
        entries: dict[Scalar, _Values] = {}
        spread: list[_Value] = []
        for key, item in zip(node.keys, node.values, strict=True):
            values = self.value(item)
            if key is None:
                spread += values
                continue
            keys = self.value(key)
            _mark(keys, "key")
            entries |= {each.value: values for each in keys if isinstance(each, _Constant)}
        return (_Table(entries), *spread)

    def _joined(self, parts: Iterable[ast.expr]) -> _Values:
        found: list[str | Shape] = []
        for part in parts:
            match part:
                case ast.Constant(value=str(text)):
                    found.append(text)
                case ast.FormattedValue(value=inner):
                    shapes = [each for each in self.value(inner) if isinstance(each, Shape)]
                    found += shapes[:1]
                case _:
                    pass
        return (_Text(found),)

    def _subscript(self, node: ast.Subscript) -> _Values:
        bases = self.value(node.value)
        if isinstance(node.slice, ast.Slice):
            return bases
        keys = self.value(node.slice)
        if not any(isinstance(base, Shape) for base in bases):
            _mark(keys, "key")
        return self._part(bases, keys, is_optional=False)

    def _part(self, bases: _Values, keys: _Values, *, is_optional: bool) -> _Values:
        found: list[_Value] = []
        for base in bases:
            for key in keys or ((None,) if isinstance(base, Shape) else ()):
                match base, key:
                    case Shape(), _Constant(str(name)):
                        found.append(base.child(name, is_optional=is_optional))
                    case Shape(), _Constant(int()):
                        found.append(base.element())
                    case Shape(), _:
                        base.uses.add("mapping")
                        found.append(base.element())
                    case _Table(entries), _Constant(constant):
                        found += entries.get(constant, ())
                    case _Table(entries), Shape() | _Text():
                        self._compare((key,), tuple(_Constant(each) for each in entries))
                        found += [value for values in entries.values() for value in values]
                    case _Items(), _:
                        found += self._elements((base,))
                    case _:
                        pass
        return tuple(found)

    def _attribute(self, node: ast.Attribute) -> _Values:
        found: list[_Value] = []
        for base in self.value(node.value):
            match base:
                case _Object(made_of, attributes):
                    found += attributes.get(node.attr, ()) or self._method(made_of, base, node.attr)
                case _Class():
                    found += self._method(base, None, node.attr)
                case _Space(module):
                    found += self._reading.module_value(module, node.attr)
                case _:
                    pass
        return tuple(found)

    def _method(self, made_of: _Class, receiver: _Object | None, name: str) -> _Values:
        for each in made_of.node.body:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == name:
                is_static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in each.decorator_list)
                return (_Function(made_of.module, each, None if is_static else receiver or _Object(made_of)),)
        return ()

    # ------------------------------------------------------------ comparisons and arithmetic

    def _comparison(self, node: ast.Compare) -> _Values:
        left = self.value(node.left)
        for operator, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            match operator:
                case ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot():
                    self._compare(left, right)
                    self._compare(right, left)
                case ast.In() | ast.NotIn():
                    self._contained(left, right)
                case _:
                    _mark((*left, *right), "number")
                    self._compare(left, right)
                    self._compare(right, left)
            left = right
        return ()

    def _compare(self, values: _Values, others: _Values) -> None:
        constants = [each.value for each in others if isinstance(each, _Constant)]
        for value in values:
            match value:
                case Shape():
                    value.compared(constants)
                case _Text(parts):
                    for constant in constants:
                        _solve(parts, constant)
                case _:
                    pass

    def _contained(self, left: _Values, right: _Values) -> None:
        for container in right:
            match container:
                case Shape():
                    for each in left:
                        if isinstance(each, _Constant) and isinstance(each.value, str):
                            container.child(each.value, is_optional=True)
                case _Items() | _Table():
                    self._compare(left, self._elements((container,)))
                case _:
                    pass
        if not any(isinstance(each, Shape) for each in right):
            _mark(left, "key")

    def _calculate(
        self, operator: ast.operator, left: _Values, right: _Values, *nodes: ast.expr
    ) -> _Values:  # fmt: skip
        is_text = any(isinstance(node, ast.JoinedStr) for node in nodes) or any(
            isinstance(each, _Constant) and isinstance(each.value, str) for each in (*left, *right)
        )
        is_sequence = any(isinstance(each, _Items) for each in (*left, *right))
        if isinstance(operator, _ARITHMETIC) and not is_sequence:
            _mark((*left, *right), "text" if is_text else "number")
        return ()

    # ------------------------------------------------------------ calls

    def _call(self, node: ast.Call) -> _Values:
        arguments = [self.value(each) for each in node.args]
        keywords = {each.arg: self.value(each.value) for each in node.keywords}
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            if any(isinstance(each, Shape | _Table) for each in owner):
                return self._method_call(owner, node.func.attr, arguments)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        found: list[_Value] = []
        targets = self.value(node.func)
        for target in targets:
            match target:
                case _Function():
                    found += self._run(target, arguments, keywords)
                case _Class():
                    found.append(self._made(target, arguments, keywords))
                case _:
                    pass
        return tuple(found) if targets else self._known_call(name, arguments)

    def _method_call(self, owner: _Values, name: str, arguments: list[_Values]) -> _Values:
        if name in _GETTERS and arguments:
            _mark(arguments[0], "key")
            return (
                *self._part(owner, arguments[0], is_optional=True),
                *(arguments[1] if len(arguments) > 1 else ()),
            )
        if name in ("items", "values", "keys"):
            _mark(owner, "mapping")
            inner = self._elements(owner) if name == "keys" else self._contents(owner)
            return (_Items([(_Items([(), inner]),)]),) if name == "items" else (_Items([inner]),)
        if name in _TEXT_METHODS:
            _mark(owner, "text")
        return owner if name in _SAME_METHODS else ()

    def _contents(self, owner: _Values) -> _Values:
        found: list[_Value] = []
        for each in owner:
            match each:
                case Shape():
                    found.append(each.element())
                case _Table(entries):
                    found += [value for values in entries.values() for value in values]
                case _:
                    pass
        return tuple(found)

    def _known_call(self, name: str, arguments: list[_Values]) -> _Values:
        first = arguments[0] if arguments else ()
        shapes = tuple(each for each in first if isinstance(each, Shape))
        match name:
            case "loads":
                return tuple(shape.content() for shape in shapes)
            case "int" | "float" | "Decimal":
                _mark(first, "digits")
                return ()
            case "round" | "abs" | "sum" | "range":
                _mark((*first, *self._elements(shapes if name == "sum" else ())), "number")
                return ()
            case "b64decode":
                _mark(first, "base64")
                return first
            case "enumerate":
                return (_Items([(_Items([(), self._elements(first)]),)]),)
            case "zip":
                return (_Items([(_Items([self._elements(each) for each in arguments]),)]),)
            case _ if name in _SAME:
                return first
            case _ if name in (*_GETTERS, "add", "discard", "remove"):
                _mark(first, "key")
                return ()
            case _:
                return ()

    def _run(self, target: _Function, arguments: list[_Values], keywords: Mapping[str | None, _Values]) -> _Values:
        given = target.node.args
        names = [each.arg for each in (*given.posonlyargs, *given.args)]
        values = [(target.receiver,), *arguments] if target.receiver is not None else arguments
        bound: dict[str, _Values] = {}
        defaults = [self.value(each) for each in given.defaults]
        bound |= dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        bound |= dict(zip(names, values, strict=False))
        bound |= {name: each for name, each in keywords.items() if name is not None}
        return self._reading.run(target, bound, self._depth + 1)

    def _made(self, target: _Class, arguments: list[_Values], keywords: Mapping[str | None, _Values]) -> _Object:
        made = _Object(target)
        for method in self._method(target, made, "__init__"):
            if isinstance(method, _Function):
                self._run(method, arguments, keywords)
        fields = [each.target.id for each in target.node.body
                  if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]  # fmt: skip
        made.attributes |= {name: values for name, values in zip(fields, arguments, strict=False) if values}
        made.attributes |= {name: values for name, values in keywords.items() if name in fields and name}
        return made


def _mark(values: Iterable[_Value], use: Usage) -> None:
    for value in values:
        if isinstance(value, Shape):
            value.uses.add(use)
        elif isinstance(value, _Text) and use == "key":
            for part in value.parts:
                if isinstance(part, Shape):
                    part.uses.add("key")


def _solve(parts: list[str | Shape], constant: Scalar) -> None:
    """What the parts of an f-string must be for it to equal the constant: `f"{method} {path}" == "GET /a"`."""
    import re

    if not isinstance(constant, str):
        return
    pattern = "".join(re.escape(part) if isinstance(part, str) else "(.*?)" for part in parts)
    found = re.fullmatch(pattern, constant)
    shapes = [part for part in parts if isinstance(part, Shape)]
    for shape, text in zip(shapes, found.groups() if found else (), strict=False):
        shape.compared([text])
