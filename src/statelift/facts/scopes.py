"""A tree -> which scope binds each name. Checked against `symtable` in the tests."""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from statelift.facts.walk import children

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
OPENERS = frozenset(
    {
        ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp,
        ast.GeneratorExp, ast.comprehension, ast.NamedExpr,
    }
)  # fmt: skip
BINDERS = frozenset(
    {
        ast.Name, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom,
        ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping, ast.Global, ast.Nonlocal,
    }
)  # fmt: skip
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(eq=False, slots=True)
class Scope:
    """A module, class, function, lambda or comprehension, and the names that it binds."""

    kind: str
    node: ast.AST
    parent: "Scope | None"
    qualname: str
    bound: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)

    def function(self) -> "Scope | None":
        """The function (or lambda) that this scope's code runs in; None at import."""
        scope: Scope | None = self
        while scope is not None and scope.kind in ("comprehension", "class"):
            scope = scope.parent
        return None if scope is None or scope.kind == "module" else scope

    def module(self) -> "Scope":
        """The scope of the file."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def binding(self, name: str) -> "Scope | None":
        """The scope whose variable `name` means here; None where only builtins can have it."""
        if name in self.globals:
            return self.module()
        if name in self.bound and name not in self.nonlocals:
            return self
        scope = self.parent
        while scope is not None:
            if name in scope.globals:
                return scope.module()
            is_visible = scope.kind != "class" and name not in scope.nonlocals
            if is_visible and name in scope.bound:
                return scope
            scope = scope.parent
        return None


class Scopes:
    """The scopes of one module: `of` gives the scope in which a node is evaluated."""

    def __init__(self, tree: ast.Module, parts_of: Callable[[ast.AST], Sequence[ast.AST]] = children) -> None:
        self._parts_of = parts_of
        self.module = Scope("module", tree, None, "")
        self.of: dict[ast.AST, Scope] = {}
        self.opened: dict[ast.AST, Scope] = {}
        stack: list[tuple[ast.AST, Scope]] = [(tree, self.module)]
        while stack:
            node, scope = stack.pop()
            self.of[node] = scope
            if type(node) in BINDERS:
                _bind(node, scope)
            if type(node) in OPENERS:
                stack.extend(reversed(list(self._inside(node, scope))))
            else:
                stack += [(child, scope) for child in parts_of(node)]

    def _inside(self, node: ast.AST, scope: Scope) -> Iterator[tuple[ast.AST, Scope]]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from self._function(node, scope)
            case ast.ClassDef():
                inner = self._open("class", node, scope, node.name)
                for child in self._parts_of(node):
                    yield child, inner if isinstance(child, ast.stmt) else scope
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                inner = self._open("comprehension", node, scope, "<comprehension>")
                yield node.generators[0].iter, scope
                for child in self._parts_of(node):
                    yield child, inner
            case ast.comprehension():
                is_first = self.of.get(node.iter) is not None
                for child in self._parts_of(node):
                    if not (is_first and child is node.iter):
                        yield child, scope
            case ast.NamedExpr():
                yield node.target, _outside_comprehension(scope)
                yield node.value, scope
            case _:
                pass

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope
    ) -> Iterator[tuple[ast.AST, Scope]]:
        name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
        inner = self._open("function", node, scope, name)
        arguments = node.args
        for argument in _parameters(arguments):
            inner.bound.add(argument.arg)
            self.of[argument] = inner
            if argument.annotation is not None:
                yield argument.annotation, scope
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                yield default, scope
        if isinstance(node, ast.Lambda):
            yield node.body, inner
            return
        for decorator in node.decorator_list:
            yield decorator, scope
        if node.returns is not None:
            yield node.returns, scope
        for statement in node.body:
            yield statement, inner

    def _open(self, kind: str, node: ast.AST, parent: Scope, name: str) -> Scope:
        qualname = f"{parent.qualname}.{name}" if parent.qualname else name
        scope = self.opened[node] = Scope(kind, node, parent, qualname)
        return scope


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    starred = [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *starred]


def names_bound(node: ast.AST) -> Iterable[str]:
    """The names that a node binds in its scope."""
    match node:
        case ast.Name(ctx=ast.Store() | ast.Del()):
            return (node.id,)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return (node.name,)
        case ast.Import() | ast.ImportFrom():
            return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return (name,)
        case ast.MatchMapping(rest=str(rest)):
            return (rest,)
        case _:
            return ()


def _bind(node: ast.AST, scope: Scope) -> None:
    match node:
        case ast.Global():
            scope.globals.update(node.names)
            scope.module().bound.update(node.names)
        case ast.Nonlocal():
            scope.nonlocals.update(node.names)
        case _:
            scope.bound.update(names_bound(node))


def _outside_comprehension(scope: Scope) -> Scope:
    while scope.kind == "comprehension" and scope.parent is not None:
        scope = scope.parent
    return scope


def every_parameter(node: ast.AST) -> frozenset[str]:
    """Names of the parameters of a function or lambda, `*args` and `**kwargs` included."""
    match node:
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args) | ast.Lambda(args=args):
            rest = (each.arg for each in (args.vararg, args.kwarg) if each is not None)
            return parameter_names(node).union(rest)
        case _:
            return frozenset()


def parameter_names(node: ast.AST) -> frozenset[str]:
    """Names of the plain parameters of a function or lambda."""
    match node:
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args) | ast.Lambda(args=args):
            return frozenset(each.arg for each in [*args.posonlyargs, *args.args, *args.kwonlyargs])
        case _:
            return frozenset()
