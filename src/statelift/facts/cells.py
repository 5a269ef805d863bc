"""A module's tree -> its cells: every place where a value can outlive a call, and what it holds at first."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from statelift.catalogue.objects import effect_of
from statelift.facts.callees import PARTIAL, run_by
from statelift.facts.fates import fates_of_variable
from statelift.facts.paths import Paths
from statelift.facts.provenance import IMMUTABLE, Provenance
from statelift.facts.scopes import FUNCTIONS, Scope, names_bound
from statelift.facts.syntax import MODULE, Syntax, pairs_of
from statelift.facts.values import Cell, CellKind, Home
from statelift.model import Span

CONTAINERS: dict[str, CellKind] = {"dict": "dict", "list": "list", "set": "set", "collections.OrderedDict": "call"}
DATACLASSES = frozenset({"dataclasses.dataclass", "attr.s", "attrs.define", "attr.dataclass"})
RECORDS = frozenset({"pydantic.BaseModel", "typing.NamedTuple"})
FIELDS = frozenset({"dataclasses.field", "attr.ib", "attrs.field", "pydantic.Field"})
DEFINING: tuple[type[ast.AST], ...] = (
    ast.Assign, ast.AnnAssign, ast.AugAssign, ast.FunctionDef, ast.AsyncFunctionDef,
)  # fmt: skip
Stored = ast.Assign | ast.AnnAssign | ast.AugAssign


@dataclass(frozen=True, slots=True)
class _Definition:
    """One place that gives a cell a value; `value` is None where it cannot be told."""

    name: str
    home: Home
    node: ast.stmt | ast.expr
    value: ast.expr | None


def cells_of(syntax: Syntax, provenance: Provenance, paths: Paths) -> list[Cell]:
    """Every cell that the module defines, one each, with the number of its definitions."""
    found: dict[str, Cell] = {}
    nodes = syntax.walk.only(*DEFINING)
    for node in sorted(nodes, key=lambda each: isinstance(each, ast.AugAssign)):  # which says the least
        for definition in _definitions(syntax, node):
            old = found.get(definition.name)
            if old is None:
                found[definition.name] = _cell(syntax, provenance, paths, definition)
            elif _tells_more(definition, old):
                found[definition.name] = _again(syntax, provenance, paths, old, definition)
    for definition in _only_declared(syntax):
        found.setdefault(definition.name, _cell(syntax, provenance, paths, definition))
    owned = {name for name in _instance_attributes(syntax) if name in found}
    return [replace(cell, home="instance") if cell.name in owned else cell for cell in found.values()]


def _only_declared(syntax: Syntax) -> Iterator[_Definition]:
    """Names of the module that only functions bind: `global target` is all that there is of them at import."""
    declared = syntax.walk.only(ast.Global)
    module = syntax.scopes.module
    bound = {
        name
        for node in syntax.nodes
        if declared and syntax.scopes.of.get(node) is module
        for name in names_bound(node)
    }
    for statement in declared:
        for name in statement.names:
            if name not in bound and "*" not in bound:
                yield _Definition(name, "module", statement, None)


def _tells_more(definition: _Definition, old: Cell) -> bool:
    if isinstance(definition.node, ast.AugAssign):
        return False
    return definition.home == old.home or definition.home in ("module", "class")


def _again(syntax: Syntax, provenance: Provenance, paths: Paths, old: Cell, definition: _Definition) -> Cell:
    """A second definition. What an object starts with tells more than what its methods assign later."""
    if definition.home == "function" and definition.value is not None and old.value is None:
        return _cell(syntax, provenance, paths, definition)
    is_later = definition.home == "class" and syntax.function(definition.node) != MODULE
    if is_later or definition.home in ("instance", "closure", "function"):
        return old
    new = _cell(syntax, provenance, paths, definition)
    count = old.definition_count + 1 if old.home == definition.home else 1
    return replace(
        new,
        definition_count=count,
        holds_constants=old.holds_constants and new.holds_constants,
        holds_records=old.holds_records and new.holds_records,
    )


def _definitions(syntax: Syntax, node: ast.AST) -> Iterator[_Definition]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                for name, given in pairs_of(target, value):
                    is_known = (len(targets) == 1 or isinstance(given, ast.Constant)) and given is not name
                    yield from _stored(syntax, node, name, given if is_known else None)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _stored(syntax, node, target, value)
        case ast.AnnAssign(target=ast.Name(id=name) as target, value=None):
            scope = syntax.scope(target)
            if scope.kind == "class" and is_lasting_class(scope) and _is_dataclass(syntax, scope):
                yield _Definition(f"{scope.qualname}.{name}", "instance", node, None)
        case ast.AugAssign(target=ast.Attribute() as target):
            yield from _attribute(syntax, node, target, None)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from _defaults(syntax, node)
            yield from _kept_property(syntax, node)
            yield from _given_to_makers(syntax, node)
        case _:
            pass


def _stored(syntax: Syntax, node: Stored, target: ast.expr, value: ast.expr | None) -> Iterator[_Definition]:
    match target:
        case ast.Name(id=name):
            yield from _variable(syntax, node, target, name, value)
        case ast.Attribute():
            yield from _attribute(syntax, node, target, value)
        case _:
            pass


def _variable(
    syntax: Syntax, node: Stored, target: ast.Name, name: str, value: ast.expr | None
) -> Iterator[_Definition]:
    scope = syntax.scope(target)
    if scope.kind == "module":
        yield _Definition(name, "module", node, value)
    elif scope.kind == "class" and is_lasting_class(scope):
        is_field = isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation)
        home: Home = "instance" if is_field and _is_dataclass(syntax, scope) else "class"
        yield _Definition(f"{scope.qualname}.{name}", home, node, value)
    elif scope.kind == "function" and (scope, name) in syntax.captured:
        is_open = value is None or _kind(syntax, value) not in ("call", "other", "text")
        if is_open or (scope, name) in syntax.rebound_inside:
            yield _Definition(f"{scope.qualname}.{name}", "closure", node, value)


def is_lasting_class(scope: Scope) -> bool:
    """Whether a class is made once: it stands at module level, or in a class that does."""
    while scope.kind == "class" and scope.parent is not None:
        scope = scope.parent
    return scope.kind == "module"


def _is_dataclass(syntax: Syntax, scope: Scope) -> bool:
    assert isinstance(scope.node, ast.ClassDef)
    names = {syntax.dotted(each.func if isinstance(each, ast.Call) else each) for each in scope.node.decorator_list}
    bases = {syntax.dotted(base) for base in scope.node.bases}
    return bool(names & DATACLASSES) or not bases.isdisjoint(RECORDS)


def _attribute(
    syntax: Syntax, node: Stored, target: ast.Attribute, value: ast.expr | None
) -> Iterator[_Definition]:
    """`self.hits = 0` in a method, `handler.hits = 0` anywhere."""
    owner = syntax.owner_of(target.value)
    if owner is not None:
        home: Home = "class" if syntax.is_class_of(target.value) else "instance"
        yield _Definition(f"{owner}.{target.attr}", home, node, value)
    elif _is_application_state(syntax, target.value):
        known = value if syntax.function(node) == MODULE else None
        yield _Definition(f"{ast.unparse(target.value)}.{target.attr}", "object", node, known)
    elif isinstance(target.value, ast.Name) and target.value.id in syntax.open_objects:
        yield _Definition(f"{target.value.id}.{target.attr}", "object", node, None)
    elif inner := syntax.inner_function(target.value):
        is_first = isinstance(node, ast.Assign) and syntax.function(node) == inner.rpartition(".")[0]
        yield _Definition(f"{inner}.{target.attr}", "function", node, value if is_first else None)
    elif syntax.module_function(target.value) is not None:
        known = value if syntax.function(node) == MODULE else None
        yield _Definition(f"{ast.unparse(target.value)}.{target.attr}", "function", node, known)


def _is_application_state(syntax: Syntax, owner: ast.expr) -> bool:
    """`app.state`, where Starlette and FastAPI keep what all requests share."""
    match owner:
        case ast.Attribute(value=ast.Name() as application, attr="state"):
            return not syntax.is_local(application) and not syntax.outside(application)
        case _:
            return False


def _instance_attributes(syntax: Syntax) -> Iterator[str]:
    """Class attributes that methods also assign on `self`: what they read is the instance's own."""
    for node in syntax.walk.only(ast.Attribute):
        match node:
            case ast.Attribute(value=ast.Name() as base, ctx=ast.Store()) if syntax.is_self(base):
                yield f"{syntax.owner_of(base)}.{node.attr}"
            case _:
                pass


def _defaults(syntax: Syntax, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[_Definition]:
    """Parameters whose default is one object for all calls, which they can change."""
    scope = syntax.scopes.opened[node]
    if scope.parent is None or scope.parent.function() is not None:
        return
    for default, name in defaults_of(node.args).items():
        if _is_changeable(syntax, default):
            yield _Definition(f"{scope.qualname}({name})", "default", default, default)


def _given_to_makers(syntax: Syntax, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[_Definition]:
    """Parameters whose object the functions that are made inside change: `def make(store): def handle(event): …`"""
    scope = syntax.scopes.opened[node]
    if scope.parent is None or scope.parent.kind != "module":
        return
    for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
        is_captured = (scope, argument.arg) in syntax.captured and not syntax.assigned(scope, argument.arg)
        fates = fates_of_variable(syntax, scope, argument.arg) if is_captured else frozenset[str]()
        if any(fate.startswith(("mutated", "inside:")) for fate in fates):
            yield _Definition(f"{scope.qualname}.{argument.arg}", "closure", node, None)


def _kept_property(syntax: Syntax, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[_Definition]:
    """A cached property that makes an empty collection: an attribute, made when it is asked for first."""
    scope = syntax.scope(node)
    is_kept = any(syntax.dotted(each) == "functools.cached_property" for each in node.decorator_list)
    match node.body[-1]:
        case ast.Return(value=ast.expr() as value) if is_kept and scope.kind == "class":
            if _kind(syntax, value) in ("dict", "list", "set") and is_lasting_class(scope):
                yield _Definition(f"{scope.qualname}.{node.name}", "instance", node, value)
        case _:
            pass


def defaults_of(arguments: ast.arguments) -> dict[ast.expr, str]:
    """The defaults, each with the name of its parameter."""
    positional = [*arguments.posonlyargs, *arguments.args]
    tail = positional[len(positional) - len(arguments.defaults) :]
    pairs = [
        *zip(tail, arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return {default: argument.arg for argument, default in pairs if default is not None}


def _is_changeable(syntax: Syntax, value: ast.expr) -> bool:
    return isinstance(value, ast.Call) or _kind(syntax, value) in ("dict", "list", "set")


def _cell(syntax: Syntax, provenance: Provenance, paths: Paths, definition: _Definition) -> Cell:
    node, value = definition.node, definition.value
    callee = syntax.dotted(value.func) if isinstance(value, ast.Call) else ""
    owner = syntax.parents[node]
    is_top = isinstance(owner, ast.Module) or (
        isinstance(owner, ast.ClassDef) and isinstance(syntax.parents[owner], ast.Module)
    )
    return Cell(
        name=definition.name,
        kind=_declared(node) if value is None else _kind(syntax, value),
        place=syntax.place(node),
        value=None if value is None else provenance.value_of(value),
        definition_count=1,
        statement=syntax.span(node),
        line=whole_line(syntax, node) if isinstance(node, ast.stmt) else None,
        callee=callee,
        is_top_level=is_top,
        is_tried=isinstance(owner, ast.Try)
        and node in owner.body
        and isinstance(syntax.parents[owner], ast.Module),
        is_alone=not _is_shared(node),
        is_direct=isinstance(owner, (ast.Module, ast.ClassDef, ast.arguments, *FUNCTIONS)),
        file="" if value is None else paths.pattern(value),
        files=() if value is None else tuple(_files(paths, value)),
        home=definition.home,
        runs=() if value is None else tuple(run_by(syntax, value)),
        holds_constants=all(_is_constant(provenance, each) for each in _held(value)),
        holds_records=all(_is_record(provenance, each) for each in _held(value)),
    )


def _held(value: ast.expr | None) -> list[ast.expr | None]:
    """What a collection holds that is written out; None for what cannot be told."""
    match value:
        case ast.ListComp(elt=made) | ast.SetComp(elt=made) | ast.DictComp(value=made):
            return [made]
        case ast.Dict(values=held) | ast.List(elts=held) | ast.Set(elts=held) | ast.Tuple(elts=held):
            return list(held)
        case _:
            return [None]


def _is_record(provenance: Provenance, value: ast.expr | None) -> bool:
    """A constant, or a dict or tuple of records."""
    match value:
        case ast.Dict(keys=keys, values=held) if None not in keys:
            return all(_is_record(provenance, each) for each in held)
        case ast.Tuple(elts=held):
            return all(_is_record(provenance, each) for each in held)
        case _:
            return _is_constant(provenance, value)


def _is_constant(provenance: Provenance, value: ast.expr | None) -> bool:
    match value:
        case None | ast.Starred():
            return False
        case ast.Tuple(elts=elements):
            return all(_is_constant(provenance, each) for each in elements)
        case _:
            return provenance.value_of(value).type in IMMUTABLE


def is_function_object(cell: Cell) -> bool:
    """Whether the cell holds a function that remembers: a method of an iterator or stream, a partial function."""
    text = "" if cell.value is None else cell.value.text
    is_partial = cell.callee == PARTIAL and not {"{", "["}.isdisjoint(text)
    return is_partial or (cell.kind == "other" and any(map(_is_remembering, cell.runs)))


def _is_remembering(method: str) -> bool:
    """`itertools.count.__next__`"""
    maker, _, name = method.rpartition(".")
    return effect_of(maker, f"unknown:{name}") != f"unknown:{name}"


def _is_shared(node: ast.AST) -> bool:
    """Whether a statement gives values to several names."""
    match node:
        case ast.Assign(targets=[ast.Tuple() | ast.List()] | [_, _, *_]):
            return True
        case _:
            return False


def _files(paths: Paths, value: ast.expr) -> Iterator[tuple[str, str]]:
    """The paths below /tmp that a dict or an object of named values holds, by their key or name."""
    match value:
        case ast.Dict(keys=keys, values=values):
            pairs = [
                (key.value, each) for key, each in zip(keys, values, strict=True) if isinstance(key, ast.Constant)
            ]
        case ast.Call(keywords=keywords):
            pairs = [(each.arg, each.value) for each in keywords if each.arg]
        case _:
            pairs = []
    for name, each in pairs:
        file = paths.pattern(each)
        if file and isinstance(name, str):
            yield name, file


def _declared(node: ast.AST) -> CellKind:
    """What the annotation of a field promises."""
    match node:
        case ast.AnnAssign(annotation=ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name))):
            return CONTAINERS.get(name.lower(), "other")
        case _:
            return "other"


def _kind(syntax: Syntax, value: ast.expr) -> CellKind:
    match value:
        case ast.Dict() | ast.DictComp():
            return "dict"
        case ast.List() | ast.ListComp():
            return "list"
        case ast.Set() | ast.SetComp():
            return "set"
        case ast.Constant(value=None):
            return "none"
        case ast.Constant(value=bool()):
            return "bool"
        case ast.Constant(value=int()):
            return "int"
        case ast.Constant(value=float()):
            return "number"
        case ast.Constant(value=str()):
            return "text"
        case ast.Call():
            return _made(syntax, value)
        case _:
            return "other"


def _made(syntax: Syntax, call: ast.Call) -> CellKind:
    callee = syntax.dotted(call.func)
    if callee in FIELDS:
        factory = next((each.value for each in call.keywords if each.arg == "default_factory"), None)
        default = next((each.value for each in call.keywords if each.arg == "default"), None)
        name = "" if factory is None else syntax.dotted(factory)
        return CONTAINERS.get(name, "other") if default is None else _kind(syntax, default)
    is_empty = not call.args and not call.keywords
    return CONTAINERS[callee] if is_empty and callee in CONTAINERS else "call"


def whole_line(syntax: Syntax, node: ast.stmt) -> Span | None:
    """The statement's lines with their line end, where they hold nothing else: no comment, at most a semicolon."""
    parsed = syntax.parsed
    span = syntax.span(node)
    last = node.end_lineno or node.lineno
    start = parsed.line_starts[node.lineno - 1]
    following = parsed.line_starts[last] if last < len(parsed.line_starts) else len(parsed.data)
    before, behind = parsed.data[start : span.start], parsed.data[span.end : following]
    return Span(start, following) if not before.strip() and behind.strip() in (b"", b";") else None
