"""A parsed file -> its tree with parents, scopes and path conditions: what the collectors ask."""

import ast
import builtins
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from statelift.facts.asking import answered_once
from statelift.facts.flow import Condition, GuardedTree
from statelift.facts.reaching import Binding, Flow, Moment
from statelift.facts.scopes import FUNCTIONS, Scope, Scopes
from statelift.facts.walk import Walk
from statelift.model import Place, Span
from statelift.source import Parsed

BINDING: tuple[type[ast.AST], ...] = (
    ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.withitem, ast.AugAssign, ast.For, ast.comprehension,
)  # fmt: skip
OPEN_OBJECTS = frozenset({"threading.local", "types.SimpleNamespace", "argparse.Namespace"})
MAKERS_OF_LOGGERS = frozenset({"getLogger", "get_logger", "Logger"})
ATOMS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
MODULE = ""  # the function name of code that runs at import


class Syntax:
    """One module's tree. Lives inside the facts stage only."""

    def __init__(self, parsed: Parsed) -> None:
        self.parsed = parsed
        self.tree = parsed.tree
        self.walk = Walk(self.tree)
        self.scopes = Scopes(self.tree, self.walk.parts.__getitem__)
        self.parents = self.walk.parents
        self.nodes = self.walk.nodes
        self.guarded = GuardedTree(self.tree)
        self.imports = _imported_names(self.walk.only(ast.Import, ast.ImportFrom), self.scopes)
        self._bind_stars()
        self._assigned: dict[Scope, dict[str, list[Binding]]] = {}
        self._loads: dict[Scope, dict[str, list[ast.Name]]] = {}
        self.fates: dict[tuple[Scope, str, int], frozenset[str]] = {}  # filled by fates: asked again and again
        self._moments: dict[ast.Name, Moment] = {}
        self._seen_by: dict[ast.Name, tuple[list[Binding], bool]] = {}
        self._readers: dict[tuple[Scope, str], dict[ast.Name, list[ast.Name]]] = {}
        self.module_functions = {each.name: each for each in self.tree.body if isinstance(each, FUNCTIONS)}
        opened = self.scopes.opened.items()
        self.inner_functions = {scope.qualname for node, scope in opened if isinstance(node, FUNCTIONS)}
        self.inner_functions -= self.module_functions.keys()
        self.open_objects = frozenset(self._made_by(lambda callee: callee in OPEN_OBJECTS))
        self.loggers = frozenset(self._made_by(lambda callee: callee.rpartition(".")[2] in MAKERS_OF_LOGGERS))
        self.captured: set[tuple[Scope, str]] = set()  # variables of a function that an inner one uses
        self.rebound_inside: set[tuple[Scope, str]] = set()  # … and assigns, by `nonlocal`
        self._index_locals()

    def _bind_stars(self) -> None:
        """Names that only a star import can bring are imported names; which module has them, the program tells."""
        module = self.scopes.module
        for node in self.walk.only(ast.Name) if "*" in module.bound else ():
            if self.scopes.of[node].binding(node.id) is None and not hasattr(builtins, node.id):
                module.bound.add(node.id)
                self.imports[module, node.id] = node.id

    def _made_by(self, is_maker: Callable[[str], bool]) -> Iterator[str]:
        """Module-level names of what such calls make: `local = threading.local()`."""
        for statement in self.tree.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func)):
                    yield from [name] if is_maker(self.dotted(func)) else []
                case _:
                    pass

    def _index_locals(self) -> None:
        for name in self.walk.only(ast.Name):
            self._index_name(name)
        for node in self.walk.only(*BINDING):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._assign(target, value)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self._assign(target, value)
                case ast.NamedExpr(target=target, value=value):
                    self._assign(target, value)
                case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                    self._assign(target, value)
                case ast.AugAssign(target=target) | ast.For(target=target) | ast.comprehension(target=target):
                    self._assign(target, target)
                case _:
                    pass

    def _index_name(self, node: ast.Name) -> None:
        scope = self.scopes.of[node].binding(node.id)
        if scope is None:
            return
        if scope.kind == "function":
            self._capture(node, node.id, scope)
        if isinstance(node.ctx, ast.Load):
            self._loads.setdefault(scope, {}).setdefault(node.id, []).append(node)

    def _capture(self, node: ast.Name, name: str, scope: Scope) -> None:
        if self.scopes.of[node].function() is not scope:
            self.captured.add((scope, name))
            if not isinstance(node.ctx, ast.Load):
                self.rebound_inside.add((scope, name))

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        for name, given in pairs_of(target, value):
            if not isinstance(name, ast.Name):
                continue
            scope = self.scopes.of[name].binding(name.id)
            if scope is not None:
                self._assigned.setdefault(scope, {}).setdefault(name.id, []).append(Binding(name, given))

    # ------------------------------------------------------------ questions

    def scope(self, node: ast.AST) -> Scope:
        """The scope in which a node is evaluated."""
        return self.scopes.of[node]

    @answered_once
    def function(self, node: ast.AST) -> str:
        """Qualified name of the function whose call evaluates the node; "" at import.

        A lambda counts as part of the function that makes it.
        """
        scope = self.scopes.of[node].function()
        while scope is not None and isinstance(scope.node, ast.Lambda) and scope.parent is not None:
            outer = scope.parent.function()
            if outer is None:
                break
            scope = outer
        return MODULE if scope is None else scope.qualname

    def assigned(self, scope: Scope, name: str) -> list[ast.expr]:
        """Everything assigned to a variable. A node that is itself a target means: unknown value."""
        return [binding.value for binding in self._assigned.get(scope, {}).get(name, ())]

    @answered_once
    def reaching(self, scope: Scope, load: ast.Name) -> tuple[list[ast.expr], bool]:
        """What the variable can hold where it is read, and whether that can also be what the function was given."""
        bindings = self._assigned.get(scope, {}).get(load.id, [])
        is_elsewhere = self.scopes.of[load].function() is not scope.function()
        if not bindings or is_elsewhere or (scope, load.id) in self.rebound_inside:
            return [binding.value for binding in bindings], True
        found, is_killed = self._reaching(load, bindings)
        return [binding.value for binding in found], not is_killed

    def _reaching(self, load: ast.Name, bindings: Sequence[Binding]) -> tuple[list[Binding], bool]:
        if load not in self._seen_by:
            flow = Flow(self._flow_key(load), (load.lineno, load.col_offset))
            self._seen_by[load] = flow.reaching([(each, self._moment(each.target)) for each in bindings])
        return self._seen_by[load]

    def loads_after(self, target: ast.Name, scope: Scope) -> list[ast.Name]:
        """The places that can read what an assignment binds."""
        loads = self.loads(scope, target.id)
        if self.scopes.of[target].function() is not scope.function():
            return loads
        asked = (scope, target.id)
        if asked not in self._readers:
            self._readers[asked] = self._readers_of(scope, loads, self._assigned.get(scope, {}).get(target.id, []))
        return self._readers[asked].get(target, [])

    def _readers_of(
        self, scope: Scope, loads: Sequence[ast.Name], bindings: Sequence[Binding]
    ) -> dict[ast.Name, list[ast.Name]]:
        """The reads of one variable by the assignment that they can see; those of inner functions see each."""
        found: dict[ast.Name, list[ast.Name]] = defaultdict(list)
        for load in loads:
            is_elsewhere = self.scopes.of[load].function() is not scope.function()
            for binding in bindings if is_elsewhere else self._reaching(load, bindings)[0]:
                found[binding.target].append(load)
        return found

    def _moment(self, target: ast.Name) -> Moment:
        if target not in self._moments:
            self._moments[target] = self._moment_of(target)
        return self._moments[target]

    def _moment_of(self, target: ast.Name) -> Moment:
        statement = self.statement(target)
        is_simple = isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign))
        line, column = (statement.end_lineno, statement.end_col_offset) if is_simple else (None, None)
        at = (line or target.lineno, column if column is not None else target.col_offset)
        return Moment(self._flow_key(target), at)

    def _flow_key(self, node: ast.AST) -> frozenset[tuple[str, int, bool]]:
        return frozenset((guard.kind, guard.at, guard.holds) for guard, _ in self.conditions(node))

    def loads(self, scope: Scope, name: str) -> list[ast.Name]:
        """Every place that reads a variable."""
        return self._loads.get(scope, {}).get(name, [])

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement around a node."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Parents, innermost first, up to the enclosing function or module."""
        while node in self.parents:
            node = self.parents[node]
            yield node
            if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.Module)):
                return

    @answered_once
    def conditions(self, node: ast.AST) -> tuple[Condition, ...]:
        """The path conditions of a node within its function."""
        return self.guarded.conditions(node, self.parents)

    def span(self, node: ast.expr | ast.stmt) -> Span:
        """Byte span of a node in the file."""
        return self.parsed.span(node)

    def place(self, node: ast.expr | ast.stmt) -> Place:
        """Place of a node, for people."""
        return self.parsed.place(node)

    @answered_once
    def dotted(self, node: ast.AST) -> str:
        """`a.b.c` with imports resolved to what they name (`b3.client` -> `boto3.client`); "" if not a name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self._head(node), *reversed(parts)])

    @answered_once
    def text(self, node: ast.expr) -> str:
        """The expression as Python would write it."""
        match node:
            case ast.Name(id=name):
                return name
            case ast.Attribute(value=owner, attr=attribute) if isinstance(owner, ATOMS):
                return f"{self.text(owner)}.{attribute}"
            case ast.Constant(value=str() | None as value, kind=None):
                return repr(value)
            case ast.Subscript(value=owner, slice=index) if _are_simple([owner, index]):
                return f"{self.text(owner)}[{self.text(index)}]"
            case ast.Call(func=func, args=args, keywords=[]) if isinstance(func, ATOMS) and _are_simple(args):
                return f"{self.text(func)}({', '.join(map(self.text, args))})"
            case _:
                return ast.unparse(node)

    @answered_once
    def outside(self, node: ast.AST) -> str:
        """As `dotted`, but "" where the name is the program's own: a function called `len` is not the builtin."""
        head = node
        while isinstance(head, ast.Attribute):
            head = head.value
        if not isinstance(head, ast.Name):
            return ""
        scope = self.scopes.of[head].binding(head.id)
        return self.dotted(node) if scope is None or (scope, head.id) in self.imports else ""

    def _head(self, name: ast.Name) -> str:
        scope = self.scopes.of[name].binding(name.id)
        imported = None if scope is None else self.imports.get((scope, name.id))
        return imported or name.id

    def is_self(self, name: ast.Name) -> bool:
        """Whether the name is the object that the method around it is called on."""
        method = self._method_of(name)
        return method is not None and not _is_made_for_class(method)

    def module_function(self, node: ast.expr) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The function of the module that an expression names."""
        match node:
            case ast.Name(id=name) if not self.is_local(node):
                return self.module_functions.get(name)
            case _:
                return None

    def inner_function(self, node: ast.expr) -> str:
        """The qualified name of the function inside another one that a local variable names; "" for others."""
        scope = self.scope(node).binding(node.id) if isinstance(node, ast.Name) else None
        if scope is None or scope.kind != "function" or not isinstance(node, ast.Name):
            return ""
        name = f"{scope.qualname}.{node.id}"
        return name if name in self._inner_functions and not self.assigned(scope, node.id) else ""

    @cached_property
    def _inner_functions(self) -> frozenset[str]:
        return frozenset(scope.qualname for scope in self.scopes.opened.values() if scope.kind == "function")

    @cached_property
    def derived(self) -> frozenset[str]:
        """The classes that have bases."""
        classes = (each for each in self.walk.only(ast.ClassDef) if isinstance(each, ast.ClassDef) and each.bases)
        return frozenset(self.scopes.opened[each].qualname for each in classes)

    @cached_property
    def properties(self) -> frozenset[str]:
        """The properties of classes, by qualified name."""
        functions = (each for each in self.walk.only(*FUNCTIONS) if isinstance(each, FUNCTIONS))
        return frozenset(
            self.scopes.opened[each].qualname
            for each in functions
            if any(self.dotted(decorator) == "property" for decorator in each.decorator_list)
        )

    def is_class_of(self, node: ast.expr) -> bool:
        """Whether an expression that `owner_of` knows is the class itself, and not an object of it."""
        match node:
            case ast.Name():
                return self._method_of(node) is not None and not self.is_self(node)
            case ast.Attribute(attr="__class__") | ast.Call():
                return True
            case _:
                return False

    @answered_once
    def owner_of(self, node: ast.expr) -> str | None:
        """The class that `self`, `cls`, `type(self)` or `self.__class__` speak of; None for anything else."""
        match node:
            case ast.Name():
                method = self._method_of(node)
                return self._new_object(node) if method is None else method.qualname.rpartition(".")[0]
            case ast.Attribute(value=ast.Name() as base, attr="__class__"):
                return self.owner_of(base)
            case ast.Call(func=ast.Name(id="type"), args=[ast.Name() as base]):
                return self.owner_of(base)
            case ast.Attribute(value=ast.Name() as base, attr=attribute) if not self.is_self(base):
                return self._made_by_new(base, attribute)
            case _:
                return None

    def _new_object(self, name: ast.Name) -> str | None:
        """The class of a variable that `__new__` gives a new object of its class."""
        scope = self.scopes.of[name].binding(name.id)
        is_new = scope is not None and scope.qualname.endswith(".__new__")
        given = self.assigned(scope, name.id) if scope is not None and is_new else []
        makes = any(isinstance(e, ast.Call) and getattr(e.func, "attr", "") == "__new__" for e in given)
        return scope.qualname.rpartition(".")[0] if scope is not None and makes else None

    def _made_by_new(self, base: ast.Name, attribute: str) -> str | None:
        """The class of `cls._instance`, which `__new__` gives a new object of the class."""
        method = self._method_of(base)
        if method is None or not isinstance(method.node, FUNCTIONS) or method.node.name != "__new__":
            return None
        for node in self.walk.inside([method.node]):
            match node:
                case ast.Assign(
                    targets=[ast.Attribute(attr=name)], value=ast.Call(func=ast.Attribute(attr="__new__"))
                ):
                    if name == attribute:
                        return method.qualname.rpartition(".")[0]
                case _:
                    pass
        return None

    @answered_once
    def _method_of(self, name: ast.Name) -> Scope | None:
        """The method whose first parameter the name is."""
        scope = self.scopes.of[name].binding(name.id)
        if scope is None or scope.parent is None or scope.parent.kind != "class":
            return None
        match scope.node:
            case ast.FunctionDef(args=arguments) | ast.AsyncFunctionDef(args=arguments):
                first = [*arguments.posonlyargs, *arguments.args][:1]
                is_first = bool(first) and first[0].arg == name.id and not _is_static(scope.node)
                return scope if is_first else None
            case _:
                return None

    @answered_once
    def is_local(self, name: ast.Name) -> bool:
        """Whether the name is a variable of a function (not of the module, not a builtin)."""
        scope = self.scopes.of[name].binding(name.id)
        return scope is not None and scope.kind != "module"


def _are_simple(nodes: Iterable[ast.expr]) -> bool:
    """Whether no brackets are needed around any of these, wherever they stand."""
    return all(isinstance(each, (*ATOMS, ast.Constant)) for each in nodes)


def _is_static(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)


def _is_made_for_class(method: Scope) -> bool:
    assert isinstance(method.node, FUNCTIONS)
    names = {each.id for each in method.node.decorator_list if isinstance(each, ast.Name)}
    return "classmethod" in names or method.node.name in ("__new__", "__init_subclass__", "__class_getitem__")


def pairs_of(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each target with what it is given: `a, b = 1, 2` gives two pairs. With itself: that is not known."""
    match target, value:
        case ast.Tuple(elts=targets) | ast.List(elts=targets), ast.Tuple(elts=values) | ast.List(elts=values):
            if len(targets) == len(values) and not any(
                isinstance(each, ast.Starred) for each in (*targets, *values)
            ):
                for one, given in zip(targets, values, strict=True):
                    yield from pairs_of(one, given)
                return
            yield from ((each, each) for each in _parts_of(target))
        case ast.Tuple() | ast.List(), _:
            yield from ((each, each) for each in _parts_of(target))
        case _:
            yield target, value


def _parts_of(target: ast.expr) -> Iterator[ast.expr]:
    match target:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                yield from _parts_of(element)
        case ast.Starred(value=value):
            yield from _parts_of(value)
        case _:
            yield target


def _imported_names(nodes: Sequence[ast.AST], scopes: Scopes) -> dict[tuple[Scope, str], str]:
    found: dict[tuple[Scope, str], str] = {}
    for node in nodes:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    local = alias.asname or alias.name.partition(".")[0]
                    found[_home(node, local, scopes), local] = alias.name if alias.asname else local
            case ast.ImportFrom(module=module, names=names, level=level):
                prefix = "." * level + (module or "")
                for alias in names:
                    local = alias.asname or alias.name
                    dot = "" if prefix.endswith(".") or not prefix else "."
                    found[_home(node, local, scopes), local] = f"{prefix}{dot}{alias.name}"
            case _:
                pass
    return found


def _home(node: ast.AST, local: str, scopes: Scopes) -> Scope:
    return scopes.of[node].binding(local) or scopes.module
