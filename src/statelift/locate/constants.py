"""Expressions of Python files that build infrastructure -> what they are before anything runs, or UNKNOWN.

No program is run: only names that are bound once, and the calls that paths are made with. Paths of the project
are marked.
"""

import ast
import posixpath
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice

from statelift.locate.bound import Module, dotted_name, has_parameter
from statelift.locate.deployed import Files
from statelift.locate.evaluate import UNKNOWN
from statelift.locate.paths import marked, parent_of
from statelift.locate.values import (
    Made,
    Symbol,
    Table,
    Value,
    above,
    added,
    element_of,
    joined,
    method_of,
    path_of,
)

_HOPS = 12  # from a name to the name that it stands for


@dataclass(frozen=True)
class Scope:
    """A place in a module, with the arguments and loop elements that it is looked at with."""

    module: Module
    place: ast.AST
    given: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Code:
    """The Python files of a project, parsed when asked for. `folder` is where the program runs."""

    files: Files
    folder: str = ""
    _modules: dict[str, Module | None] = field(default_factory=dict, repr=False)

    def seen_from(self, folder: str) -> "Code":
        """The same files, for a program that runs elsewhere."""
        return Code(self.files, folder, self._modules)

    @property
    def known(self) -> list[tuple[str, Module]]:
        """The modules that were parsed so far, by path."""
        return [(path, module) for path, module in sorted(self._modules.items()) if module is not None]

    def module(self, path: str) -> Module | None:
        """A file of the project; None where it cannot be read or parsed."""
        if path not in self._modules:
            self._modules[path] = self._parsed(path)
        return self._modules[path]

    def _parsed(self, path: str) -> Module | None:
        if path not in self.files.names:
            return None
        try:
            with warnings.catch_warnings(action="ignore"):
                return Module(path, ast.parse(self.files.read(path)))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    # ------------------------------------------------------------ values

    def value(self, node: ast.expr | None, scope: Scope, hops: int = _HOPS) -> Value:
        """The value of an expression; UNKNOWN for a missing one."""
        if node is None or hops <= 0:
            return UNKNOWN
        match node:
            case ast.Constant(value=str() | int() | float() | None as value):
                return value
            case ast.JoinedStr(values=parts):
                return joined([self.value(_piece(part), scope, hops - 1) for part in parts])
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return tuple(self.value(element, scope, hops - 1) for element in elements)
            case ast.Dict(keys=keys, values=values):
                return self._table(keys, values, scope, hops)
            case ast.BinOp(left=left, op=ast.Add() | ast.Div() as sign, right=right):
                pair = self.value(left, scope, hops - 1), self.value(right, scope, hops - 1)
                return added(*pair) if isinstance(sign, ast.Add) else path_of(*pair)
            case ast.Subscript(value=base, slice=index):
                return element_of(self.value(base, scope, hops - 1), self.value(index, scope, hops - 1))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
                return -number
            case ast.Name() | ast.Attribute():
                return self._named(node, scope, hops)
            case ast.Call():
                return self._called(node, scope, hops)
            case _:
                return UNKNOWN

    def _table(self, keys: list[ast.expr | None], values: list[ast.expr], scope: Scope, hops: int) -> Value:
        found: dict[str, Value] = {}
        for key, item in zip(keys, values, strict=True):
            inner = self.value(item, scope, hops - 1)
            name = self.value(key, scope, hops - 1) if key is not None else None
            if isinstance(name, str):
                found[name] = inner
            elif key is None and isinstance(inner, Table):
                found |= dict(inner.entries)
        return Table(tuple(found.items()))

    def _named(self, node: ast.Name | ast.Attribute, scope: Scope, hops: int) -> Value:
        dotted = dotted_name(node)
        if dotted is None:
            return self._attribute(node, scope, hops)
        head, _, rest = dotted.partition(".")
        given = dict(scope.given)
        if head in given:
            return given[head] if not rest else UNKNOWN
        if dotted == "__file__":
            return marked(scope.module.path)
        for found in self._local(dotted, scope, hops) if head == "self" or not rest else ():
            return found
        if head in scope.module.imports:
            name = scope.module.imports[head] + (f".{rest}" if rest else "")
            return self._imported(name, scope.module.path, hops)
        return self._attribute(node, scope, hops)

    def _attribute(self, node: ast.Name | ast.Attribute, scope: Scope, hops: int) -> Value:
        """`Path(…).parent` and its like."""
        if not isinstance(node, ast.Attribute):
            return UNKNOWN
        base = self.value(node.value, scope, hops - 1)
        match node.attr:
            case "parent" if isinstance(base, str):
                return parent_of(base)
            case "parents" if isinstance(base, str):
                return tuple(islice(above(base), _HOPS))
            case _ if isinstance(base, Symbol):
                return Symbol(f"{base.name}.{node.attr}")
            case _:
                return UNKNOWN

    def _local(self, name: str, scope: Scope, hops: int) -> Iterator[Value]:
        """A name of the function, class or module around, innermost first; nothing where nobody binds it."""
        owner = scope.place
        while True:
            bound = self._bound_in(owner, name, scope.module)
            if len(bound) > 1 or None in bound or has_parameter(owner, name):
                yield UNKNOWN
            elif bound:
                yield self.value(bound[0], self._inside(scope, owner), hops - 1)
            if bound or isinstance(owner, ast.Module):
                return
            owner = scope.module.owner(owner)

    def _bound_in(self, owner: ast.AST, name: str, module: Module) -> list[ast.expr | None]:
        bindings = module.bindings
        if isinstance(owner, ast.ClassDef) and name.startswith("self."):
            methods = [node for node in bindings if module.parents.get(node) is owner]
            inner = [value for method in methods for value in bindings[method].get(name, ())]
            return inner or bindings.get(owner, {}).get(name.removeprefix("self."), [])
        return bindings.get(owner, {}).get(name, [])

    def _inside(self, scope: Scope, owner: ast.AST) -> Scope:
        """What an outer name was bound to knows nothing of an inner function's arguments."""
        return scope if owner is scope.place else Scope(scope.module, owner)

    def _imported(self, name: str, importer: str, hops: int) -> Value:
        level = len(name) - len(name.lstrip("."))
        bases = list(islice(above(importer), level - 1, level)) if level else self._search(importer)
        for base in bases:
            parts = name.lstrip(".").split(".")
            for length in range(len(parts) - 1, 0, -1):
                stem = posixpath.join(base, *parts[:length])
                module = self.module(f"{stem}.py") or self.module(f"{stem}/__init__.py")
                if module is not None:
                    node = ast.parse(".".join(parts[length:]), mode="eval").body
                    return self.value(node, Scope(module, module.tree), hops - 1)
        return UNKNOWN if level else Symbol(name)

    def _search(self, importer: str) -> list[str]:
        """Where an absolute import is looked for: the program's folder, then those above the importing file."""
        return list(dict.fromkeys([self.folder, *above(importer), ""]))

    # ------------------------------------------------------------ calls

    def _called(self, node: ast.Call, scope: Scope, hops: int) -> Value:
        arguments = tuple(self.value(argument, scope, hops - 1) for argument in node.args)
        keywords: list[tuple[str, Value]] = []
        for keyword in node.keywords:
            value = self.value(keyword.value, scope, hops - 1)
            if keyword.arg is not None:
                keywords.append((keyword.arg, value))
            elif isinstance(value, Table):
                keywords += value.entries
        if isinstance(node.func, ast.Attribute):
            base = self.value(node.func.value, scope, hops - 1)
            if isinstance(base, str):
                return method_of(base, node.func.attr, arguments)
        callee = self.value(node.func, scope, hops - 1)
        if isinstance(callee, Symbol):
            return self._result(callee.name, arguments, tuple(keywords))
        is_text = isinstance(node.func, ast.Name) and node.func.id == "str" and len(arguments) == 1
        return arguments[0] if is_text else UNKNOWN

    def _result(self, name: str, arguments: tuple[Value, ...], keywords: tuple[tuple[str, Value], ...]) -> Value:
        match name, arguments:
            case "os.getcwd" | "pathlib.Path.cwd", ():
                return marked(self.folder)
            case "os.path.join" | "pathlib.Path" | "pathlib.PurePath", (first, *rest):
                return reduce(path_of, rest, first)
            case "os.path.dirname", (str(path),):
                return parent_of(path)
            case "os.path.abspath" | "os.path.realpath" | "os.path.normpath", (str(path),):
                return path
            case _:
                return Made(name, arguments, keywords)


def _piece(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.FormattedValue) else node
