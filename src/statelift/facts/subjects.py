"""An expression -> the cell or the file path that it speaks of, followed through local names."""

import ast
import sys

from statelift.catalogue.objects import REGISTRIES
from statelift.facts.asking import answered_once
from statelift.facts.paths import Paths
from statelift.facts.renaming import in_names_of_caller, names_in
from statelift.facts.scopes import Scope
from statelift.facts.syntax import Syntax

PATH_TESTS = frozenset({"os.path.exists", "os.path.isfile", "os.path.isdir", "os.access"})
PATH_METHODS = frozenset({"exists", "is_file", "is_dir"})
LOGGER = "logging.getLogger()"  # every logger is the process's own, also one that a function asks for
PROCESS = REGISTRIES | {"os.environ", "sys.path", LOGGER}  # what belongs to the process, whoever imports it
ENVIRONMENT_CALLS = frozenset({"os.getenv", "os.putenv"})
STANDARD = frozenset({*sys.stdlib_module_names, "boto3", "botocore"})
COPIES = frozenset({"copy.copy", "dataclasses.replace"})  # they share what the object holds
DEPTH = 4


class Subjects:
    """Which expressions of a module denote cells, their contents, or existence tests of paths."""

    def __init__(self, syntax: Syntax, paths: Paths, cells: frozenset[str]) -> None:
        self.syntax = syntax
        self.paths = paths
        self.cells = cells

    @answered_once
    def cell(self, node: ast.AST) -> str:
        """The cell that an expression names: `SESSIONS`, `Api.sessions`, `store.SESSIONS` (imported) or ""."""
        match node:
            case ast.Name(id=name):
                return self._variable_cell(node, name)
            case ast.Attribute(value=owner, attr=attribute):
                return self.member(owner, attribute)
            case _:
                return ""

    def _variable_cell(self, node: ast.Name, name: str) -> str:
        scope = self.syntax.scope(node).binding(name)
        if scope is None:
            return ""
        imported = self.syntax.imports.get((scope, name), "")
        if imported or scope.kind == "module":
            return imported or (name if name in self.cells else "")
        if scope.kind != "function":
            return ""
        default, inner = f"{scope.qualname}({name})", f"{scope.qualname}.{name}"
        if default in self.cells:
            return default if self._may_be_given(node, scope) else ""
        return inner if inner in self.cells else LOGGER if self._is_logger(scope, name) else ""

    def _may_be_given(self, node: ast.Name, scope: Scope) -> bool:
        """Whether a parameter still stands for what the function was given; `found = list(found)` is another."""
        if isinstance(node.ctx, ast.Load):
            return self.syntax.reaching(scope, node)[1]
        return isinstance(self.syntax.parents[node], ast.AugAssign)

    def _is_logger(self, scope: Scope, name: str) -> bool:
        match self.syntax.assigned(scope, name):
            case [ast.Call(func=function)]:
                return self.syntax.outside(function) == "logging.getLogger"
            case _:
                return False

    def member(self, owner: ast.expr, attribute: str) -> str:
        """The cell that `owner.attribute` names, or ""."""
        owner_class = self.syntax.owner_of(owner)
        if owner_class is not None:
            return self._of_class(owner_class, attribute)
        match owner:
            case ast.Name(id=base):
                return self._named(owner, base, attribute)
            case ast.Attribute(value=application, attr="state"):
                return self._of_application(application, attribute) or self._dotted(owner, attribute)
            case ast.Attribute():
                return self._dotted(owner, attribute)
            case ast.Call(func=function):
                return self._of_result(function, attribute)
            case ast.Subscript(value=modules, slice=ast.Name(id="__name__")):
                return self._own(attribute) if self.syntax.dotted(modules) == "sys.modules" else ""
            case _:
                return ""

    def _of_class(self, owner: str, attribute: str) -> str:
        """An attribute of an object of a class: what a base of it or a property gives, the linked program knows."""
        name = f"{owner}.{attribute}"
        return name if owner in self.syntax.derived or name in self.syntax.properties else self._own(name)

    def _dotted(self, owner: ast.Attribute, attribute: str) -> str:
        """`shop.cart.lines`: what an object holds that another one holds, the linked program knows."""
        dotted = self.syntax.outside(owner) or self.member(owner.value, owner.attr)
        return f"{dotted}.{attribute}" if dotted else ""

    def _of_application(self, application: ast.expr, attribute: str) -> str:
        """`app.state.visits`, also as `request.app.state.visits`."""
        match application:
            case ast.Name(id=name) if not self.syntax.is_local(application):
                return self._own(f"{name}.state.{attribute}")
            case ast.Attribute(attr="app"):
                found = [each for each in self.cells if each.endswith(f".state.{attribute}")]
                return found[0] if len(found) == 1 else ""
            case _:
                return ""

    def _of_result(self, function: ast.expr, attribute: str) -> str:
        """`get_config().page_size`: which class the object is of, the linked program knows."""
        name = self.syntax.dotted(function)
        is_own = self.syntax.module_function(function) is not None or (
            bool(self.syntax.outside(function)) and name.partition(".")[0] not in STANDARD and "." in name
        )
        return f"{name}().{attribute}" if is_own else ""

    def _named(self, owner: ast.Name, base: str, attribute: str) -> str:
        scope = self.syntax.scope(owner).binding(base) or self.syntax.scopes.module
        imported = self.syntax.imports.get((scope, base), "")
        if imported:
            name = f"{imported}.{attribute}"
            return "os.environ" if name in ENVIRONMENT_CALLS else name
        if self.syntax.is_local(owner):
            return self._made_local(owner, attribute)
        function = self.syntax.module_function(owner)
        is_object = base in self.cells or (function is not None and bool(function.decorator_list))
        return f"{base}.{attribute}" if is_object else self._own(f"{base}.{attribute}")

    def _made_local(self, owner: ast.Name, attribute: str) -> str:
        """`registry.names` behind `registry = Registry()`."""
        inner = self.syntax.inner_function(owner)
        if inner:
            return self._own(f"{inner}.{attribute}")
        scope = self.syntax.scope(owner).binding(owner.id)
        given = [] if scope is None else self.syntax.assigned(scope, owner.id)
        match given:
            case [ast.Subscript(value=modules, slice=ast.Name(id="__name__"))]:
                return self._own(attribute) if self.syntax.dotted(modules) == "sys.modules" else ""
            case [ast.Call(func=function, args=[copied, *_], keywords=keywords)] if (
                self.syntax.outside(function) in COPIES
            ):
                is_new = any(each.arg in (attribute, None) for each in keywords)
                return "" if is_new or self._is_set(owner, attribute) else self.member(copied, attribute)
            case [ast.Call(func=function)]:
                own = self._own(f"{self.syntax.dotted(function)}.{attribute}")
                return own or self._of_result(function, attribute)
            case _:
                return ""

    def _is_set(self, owner: ast.Name, attribute: str) -> bool:
        """Whether the function gives an object of its own another value of an attribute."""
        scope = self.syntax.scope(owner).binding(owner.id)
        loads = [] if scope is None else self.syntax.loads(scope, owner.id)
        parts = [self.syntax.parents[each] for each in loads]
        return any(
            isinstance(each, ast.Attribute) and each.attr == attribute and not isinstance(each.ctx, ast.Load)
            for each in parts
        )

    def _own(self, name: str) -> str:
        return name if name in self.cells else ""

    @answered_once
    def content(self, node: ast.expr, depth: int = DEPTH) -> tuple[str, str] | None:
        """(cell, key) where the expression is a value out of a cell; (cell, "") for the cell's own value.

        An existence test of a path gives (path, "").
        """
        if depth == 0:
            return None
        match node:
            case ast.Subscript(value=value, slice=key) if self.cell(value):
                return self.cell(value), self.syntax.text(key)
            case ast.Call(func=ast.Attribute(value=value, attr="get"), args=[key, *_]) if self.cell(value):
                return self.cell(value), self.syntax.text(key)
            case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[owner, ast.Constant(value=str(name)), *_]):
                found = self.member(owner, name)
                return (found, "") if found else None
            case ast.Call(func=ast.Name() as function) if self.syntax.module_function(function) is not None:
                return self._answer(node, depth)
            case ast.Call(func=ast.Attribute(value=value)) if not self._path_test(node):
                return self.content(value, depth - 1)
            case ast.NamedExpr(value=value):
                return self.content(value, depth - 1)
            case ast.Call():
                path = self._path_test(node)
                return (path, "") if path else None
            case ast.Attribute(value=value) if not self.cell(node):
                return self.content(value, depth - 1)
            case ast.Subscript(value=value):
                return self.content(value, depth - 1)
            case ast.Name() if self.syntax.is_local(node) and not self.cell(node):
                return self._variable(node, depth)
            case _:
                name = self.cell(node)
                return (name, "") if name else None

    def _variable(self, node: ast.Name, depth: int) -> tuple[str, str] | None:
        scope = self.syntax.scope(node).binding(node.id)
        given = [] if scope is None else self.syntax.assigned(scope, node.id)
        for value in given:
            if not (isinstance(value, ast.Name) and isinstance(value.ctx, ast.Store)):
                found = self.content(value, depth - 1)
                if found is not None:
                    return found
        return None

    def _answer(self, call: ast.Call, depth: int) -> tuple[str, str] | None:
        """What a function of the module gives, where all it does is to get that out of a cell."""
        function = self.syntax.module_function(call.func)
        match function.body if isinstance(function, ast.FunctionDef) else []:
            case [*aside, ast.Return(value=ast.expr() as value)] if all(map(_is_aside, aside)):
                found = self.content(value, depth - 1)
            case _:
                found = None
        is_unpacked = any(isinstance(each, ast.Starred) for each in call.args)
        if found is None or function is None or function.decorator_list or is_unpacked:
            return None
        shared = names_in(found[1] or "None") - self.syntax.scopes.opened[function].bound
        key = in_names_of_caller(found[1], _given(function.args, call), shared) if found[1] else ""
        return None if key is None else (found[0], key)

    def _path_test(self, node: ast.Call) -> str:
        if self.syntax.dotted(node.func) in PATH_TESTS and node.args:
            return self.paths.pattern(node.args[0])
        if isinstance(node.func, ast.Attribute) and node.func.attr in PATH_METHODS:
            return self.paths.pattern(node.func.value)
        return ""


def _is_aside(statement: ast.stmt) -> bool:
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_text or isinstance(statement, (ast.Global, ast.Pass))


def _given(parameters: ast.arguments, call: ast.Call) -> dict[str, str]:
    """What a call passes for each parameter, as text."""
    names = [each.arg for each in (*parameters.posonlyargs, *parameters.args)]
    by_place = dict(zip(names, call.args, strict=False))
    by_name = {each.arg: each.value for each in call.keywords if each.arg is not None}
    return {name: ast.unparse(value) for name, value in {**by_place, **by_name}.items()}
