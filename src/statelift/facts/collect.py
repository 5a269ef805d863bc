"""SourceFile bytes, parsed -> ModuleFacts: gathers what the collectors find."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from statelift.facts.accesses import Accesses, global_statements, unbound_accesses
from statelift.facts.callees import callee_of, may_be_own
from statelift.facts.cells import cells_of, is_function_object
from statelift.facts.connections import Connections
from statelift.facts.endings import ending_of
from statelift.facts.environment import environment_writes
from statelift.facts.fates import fates_of, fates_of_variable
from statelift.facts.files import Files
from statelift.facts.filetests import FileTests
from statelift.facts.guards import Guards
from statelift.facts.handed import handed_calls, has_own_context
from statelift.facts.inflow import tests_between
from statelift.facts.leftovers import leftovers
from statelift.facts.logs import are_logged
from statelift.facts.paths import Paths
from statelift.facts.provenance import Provenance
from statelift.facts.scopes import FUNCTIONS, Scope
from statelift.facts.sections import sections
from statelift.facts.signers import signers
from statelift.facts.singletons import is_singleton
from statelift.facts.subjects import Subjects
from statelift.facts.syntax import Syntax
from statelift.facts.unnamed import changed_unnamed
from statelift.facts.values import (
    Argument,
    Call,
    Class,
    Decorator,
    Ending,
    Function,
    Import,
    ModuleFacts,
    Parameter,
    Return,
)
from statelift.facts.walk import below
from statelift.model import Span
from statelift.source import Parsed

ATTRIBUTE_CALLS = frozenset({"getattr", "setattr", "delattr", "hasattr"})
DYNAMIC_NAMES = frozenset({"globals", "exec", "eval", "vars"})


def collect_facts(parsed: Parsed) -> ModuleFacts:
    """All facts of one parsed file. Pure: equal bytes give equal facts. RecursionError on absurd nesting."""
    syntax = Syntax(parsed)
    provenance = Provenance(syntax)
    paths = Paths(syntax)
    cells = cells_of(syntax, provenance, paths)
    rebound = {name for statement in global_statements(syntax) for name in statement.names}
    names = frozenset({cell.name for cell in cells} | rebound)
    subjects = Subjects(syntax, paths, names)
    guards = Guards(syntax, subjects, FileTests(syntax, paths))
    called = frozenset(cell.name for cell in cells if is_function_object(cell))
    accesses = Accesses(syntax, provenance, subjects, guards, called)
    connections = Connections(syntax, provenance, subjects, guards)
    return ModuleFacts(
        path=parsed.path,
        encoding=parsed.encoding,
        newline=parsed.newline,
        imports=tuple(_imports(syntax)),
        functions=tuple(_functions(syntax, provenance, guards, paths)),
        classes=tuple(_classes(syntax)),
        cells=tuple(cells),
        accesses=tuple(sorted(accesses.collect(), key=lambda each: each.order)),
        calls=tuple(_calls(syntax, provenance, paths, guards)),
        files=tuple(Files(syntax, provenance, paths, guards).collect()),
        connections=tuple(connections.collect()),
        hooks=tuple(connections.hooks()),
        signers=tuple(signers(syntax)),
        leftovers=tuple(leftovers(syntax)),
        setting=connections.setting(),
        globals=tuple(global_statements(syntax)),
        exports=frozenset(syntax.scopes.module.bound),
        identifiers=frozenset(node.id for node in syntax.walk.only(ast.Name)).union(
            *(scope.bound for scope in syntax.scopes.opened.values())
        ),
        attributes=tuple(sorted(Counter(_attribute_names(syntax)).items())),
        unbound=tuple(unbound_accesses(syntax, accesses, names)),
        is_script=_is_script(syntax.tree),
        has_dynamic_names=any(_is_dynamic(syntax, node) for node in syntax.walk.only(ast.Call)),
        environment_writes=tuple(environment_writes(syntax, provenance)),
        mentions=frozenset(_handed_on(syntax)),
        unnamed=frozenset(changed_unnamed(syntax)),
        entered=(*_entered(syntax, guards), *handed_calls(syntax, guards)),
        sections=tuple(sections(syntax, subjects)),
    )


def _imports(syntax: Syntax) -> Iterator[Import]:
    for node in syntax.walk.only(ast.Import, ast.ImportFrom):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    local = alias.asname or alias.name.partition(".")[0]
                    yield Import(local, alias.name, None, 0, syntax.function(node))
            case ast.ImportFrom(module=module, names=names, level=level):
                for alias in names:
                    yield Import(alias.asname or alias.name, module or "", alias.name, level, syntax.function(node))
            case _:
                pass


def _is_single(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and is_singleton(node)


def _classes(syntax: Syntax) -> Iterator[Class]:
    for node in syntax.walk.only(ast.ClassDef):
        bases = tuple(syntax.dotted(base) for base in node.bases)
        decorators = tuple(_decorator(syntax, each) for each in node.decorator_list)
        metaclass = next((syntax.dotted(each.value) for each in node.keywords if each.arg == "metaclass"), "")
        yield Class(syntax.scopes.opened[node].qualname, bases, decorators, metaclass, _is_single(node))


def _handed_on(syntax: Syntax) -> Iterator[str]:
    """Names that stand as values in code that runs at import: who gets them may call them later."""
    for statement in syntax.tree.body:
        is_definition = isinstance(statement, (*FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom))
        for decorator in getattr(statement, "decorator_list", ()):
            if isinstance(decorator, ast.Call):
                yield from _values(syntax, (each for given in decorator.args for each in below(given)))
        if isinstance(statement, ast.ClassDef):
            for field in statement.body:
                yield from _given_in(syntax, field)
        if not (is_definition or is_script_block(statement)):
            yield from _values(syntax, below(statement))


def _given_in(syntax: Syntax, field: ast.stmt) -> Iterator[str]:
    """Functions that the calls of a class body are given: `client: Any = field(default_factory=_client)`."""
    match field:
        case ast.Assign(value=ast.Call() as call) | ast.AnnAssign(value=ast.Call() as call):
            for given in (*call.args, *(each.value for each in call.keywords), *_owners(call.func)):
                yield from [syntax.dotted(given)] if isinstance(given, (ast.Name, ast.Attribute)) else []
        case _:
            pass


def _owners(func: ast.expr) -> Iterator[ast.expr]:
    """`Add` in `add = Add.Field()`: a class that a framework makes a field of."""
    yield from [func.value] if isinstance(func, ast.Attribute) else []


def _values(syntax: Syntax, nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that are not only called there: whoever gets what they stand for may call it."""
    for node in nodes:
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            parent = syntax.parents[node]
            is_called = isinstance(parent, ast.Call) and parent.func is node
            if not (is_called or isinstance(parent, ast.Attribute)):
                yield syntax.dotted(node)


def _functions(syntax: Syntax, provenance: Provenance, guards: Guards, paths: Paths) -> Iterator[Function]:
    for node in syntax.walk.only(*FUNCTIONS):
        if isinstance(node, FUNCTIONS):
            scope = syntax.scopes.opened[node]
            yield _function(syntax, provenance, guards, paths, node, scope)


def _function(
    syntax: Syntax,
    provenance: Provenance,
    guards: Guards,
    paths: Paths,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    scope: Scope,
) -> Function:
    owner = scope.parent
    inside = list(syntax.walk.inside(node.body))
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    named = [each for each in inside if isinstance(each, (ast.Name, ast.Attribute))]
    own = _run_by(syntax, scope, inside)
    has_generator = any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in own)
    return Function(
        qualname=scope.qualname,
        place=syntax.place(node),
        parameters=tuple(_parameters(syntax, provenance, node, scope)),
        annotations=tuple(ast.unparse(each.annotation) if each.annotation else "" for each in arguments),
        decorators=tuple(_decorator(syntax, each) for each in node.decorator_list),
        references=frozenset(_mentions(syntax, named)),
        given=frozenset(_values(syntax, named)),
        attributes=frozenset(each.attr for each in named if isinstance(each, ast.Attribute)),
        returns=tuple(_returns(provenance, guards, paths, own)),
        class_name=owner.qualname if owner is not None and owner.kind == "class" else "",
        is_nested=owner is not None and owner.function() is not None,
        is_async=isinstance(node, ast.AsyncFunctionDef),
        has_generator=has_generator,
        body=_body(syntax, node),
        always=frozenset() if has_generator else _always(syntax, node, own),
        rest=frozenset(
            fate
            for each in (node.args.vararg, node.args.kwarg)
            if each is not None
            for fate in fates_of_variable(syntax, scope, each.arg)
        ),
        bound=frozenset(name for name in scope.bound - scope.nonlocals if (scope, name) not in syntax.imports),
    )


def _run_by(syntax: Syntax, scope: Scope, nodes: Sequence[ast.AST]) -> list[ast.AST]:
    """The nodes that a call of the function itself evaluates; not those of functions inside it."""
    homes = [syntax.scopes.of.get(each) for each in nodes]
    own = {home for home in set(homes) if home is not None and home.function() is scope}
    return [each for each, home in zip(nodes, homes, strict=True) if home in own]


def _body(syntax: Syntax, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Span | None:
    statements = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if not statements or isinstance(statements[0], (*FUNCTIONS, ast.ClassDef)):
        return None
    margin = Span(syntax.parsed.line_starts[statements[0].lineno - 1], syntax.span(statements[0]).start)
    return None if syntax.parsed.data[margin.start : margin.end].strip() else margin


def _always(
    syntax: Syntax, node: ast.FunctionDef | ast.AsyncFunctionDef, inside: list[ast.AST]
) -> frozenset[tuple[str, int, bool]]:
    """The conditions that hold wherever a function comes back to its caller."""
    exits = [syntax.conditions(each) for each in inside if isinstance(each, ast.Return)]
    end = syntax.guarded.end(node)
    ways = [*exits, *([] if end is None else [end])]
    known: list[set[tuple[str, int, bool]]] = [
        {(guard.kind, guard.at, guard.holds) for guard, _ in each} for each in ways
    ]
    return frozenset(set.intersection(*known)) if known else frozenset()


def _mentions(syntax: Syntax, nodes: Sequence[ast.expr]) -> Iterator[str]:
    """Dotted names; of `Api.find` not also `Api`: naming a class on the way to a method does not make one."""
    for node in nodes:
        is_owner = isinstance(syntax.parents[node], ast.Attribute)
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and not is_owner):
            yield syntax.dotted(node)


def _decorator(syntax: Syntax, node: ast.expr) -> Decorator:
    if not isinstance(node, ast.Call):
        return Decorator(syntax.dotted(node), is_call=False)
    given = (syntax.dotted(each) for each in node.args)
    return Decorator(syntax.dotted(node.func), is_call=True, given=tuple(filter(None, given)))


def _returns(provenance: Provenance, guards: Guards, paths: Paths, nodes: list[ast.AST]) -> Iterator[Return]:
    returns = [node for node in nodes if isinstance(node, ast.Return)]
    asked = provenance.asked_in(tests_between(provenance.syntax, returns)) if len(returns) > 1 else frozenset()
    for node in returns:
        if node.value is not None:
            literals = sorted(repr(each.value) for each in below(node.value) if isinstance(each, ast.Constant))
            value = provenance.value_of(node.value)
            value = replace(value, deciding=value.deciding | asked) if asked else value
            yield Return(value, guards.of(node), tuple(literals), paths.pattern(node.value))


def _parameters(
    syntax: Syntax, provenance: Provenance, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope
) -> Iterator[Parameter]:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    padding: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = [*zip(positional, [*padding, *arguments.defaults], strict=True)]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    for argument, default in pairs:
        loads = syntax.loads(scope, argument.arg)
        fates = fates_of_variable(syntax, scope, argument.arg)
        attributes = frozenset(name for load in loads for name in _chain(syntax, load))
        given = None if default is None else provenance.value_of(default)
        is_plain = not node.decorator_list and scope.parent is syntax.scopes.module
        is_logged = is_plain and are_logged(syntax, scope, argument.arg)
        yield Parameter(argument.arg, given, fates, attributes, is_logged)


def _chain(syntax: Syntax, node: ast.AST) -> Iterator[str]:
    """Names of the attributes that are asked one after the other: `client.meta.events.register`."""
    while isinstance(parent := syntax.parents[node], ast.Attribute):
        yield parent.attr
        node = parent


def _calls(syntax: Syntax, provenance: Provenance, paths: Paths, guards: Guards) -> Iterator[Call]:
    for node in syntax.walk.only(ast.Call):
        callee = callee_of(syntax, node)
        if callee and may_be_own(syntax, node, callee):
            yield Call(
                callee=callee,
                function=syntax.function(node),
                place=syntax.place(node),
                span=syntax.span(node),
                order=syntax.span(node).end,
                guards=guards.of(node),
                arguments=tuple(_arguments(provenance, paths, node)),
                fates=fates_of(syntax, node),
                is_decorator=_is_decorator(syntax.parents[node], node),
                ending=_ending(syntax, provenance, node),
                has_context=has_own_context(syntax, node),
            )


def _entered(syntax: Syntax, guards: Guards) -> Iterator[Call]:
    """What `with timer:` and `with Timer():` call, where they begin and end."""
    for node in syntax.walk.only(ast.With):
        for item in node.items if isinstance(node, ast.With) else ():
            manager = item.context_expr
            owner = callee_of(syntax, manager) if isinstance(manager, ast.Call) else syntax.dotted(manager)
            fates = fates_of(syntax, manager)
            moments = (("__enter__", syntax.span(manager).end), ("__exit__", syntax.span(node).end))
            for method, order in moments if owner else ():
                yield Call(
                    callee=f"{owner}.{method}",
                    function=syntax.function(node),
                    place=syntax.place(manager),
                    span=syntax.span(manager),
                    order=order,
                    guards=guards.of(node),
                    arguments=(),
                    fates=fates if method == "__enter__" else frozenset(),
                )


def _ending(syntax: Syntax, provenance: Provenance, node: ast.Call) -> Ending | None:
    """How what a call gives is ended; None where nothing is done with it that a connection would feel."""
    if isinstance(syntax.parents[node], ast.Expr):
        return None  # what it gives is let go at once
    found = ending_of(syntax, provenance, node)
    is_ended = found.form != "plain" or found.closes or found.entries or found.touched
    return found if is_ended or found.changes or found.flows else None


def _is_decorator(owner: ast.AST, node: ast.Call) -> bool:
    return isinstance(owner, (*FUNCTIONS, ast.ClassDef)) and node in owner.decorator_list


def _arguments(provenance: Provenance, paths: Paths, node: ast.Call) -> Iterator[Argument]:
    for position, value in enumerate(node.args):
        name = "*" if isinstance(value, ast.Starred) else str(position)
        yield _argument(provenance, paths, name, value)
    for keyword in node.keywords:
        yield _argument(provenance, paths, keyword.arg or "**", keyword.value)


def _argument(provenance: Provenance, paths: Paths, name: str, value: ast.expr) -> Argument:
    return Argument(name, provenance.value_of(value), file=paths.pattern(value), piece=paths.part(value))


def _attribute_names(syntax: Syntax) -> Iterator[str]:
    """Every attribute that is named, in `x.name` or in `getattr(x, "name")`."""
    for node in syntax.walk.only(ast.Attribute, ast.Call):
        match node:
            case ast.Attribute(attr=name):
                yield name
            case ast.Call(func=ast.Name(id=called), args=[_, ast.Constant(value=str(name)), *_]):
                yield from [name] if called in ATTRIBUTE_CALLS else []
            case _:
                pass


def _is_script(tree: ast.Module) -> bool:
    """Whether the module has an `if __name__ == "__main__"` block."""
    return any(is_script_block(node) for node in tree.body)


def is_script_block(node: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__": …`."""
    test = ast.unparse(node.test) if isinstance(node, ast.If) else ""
    return "__name__" in test and "__main__" in test


def _is_dynamic(syntax: Syntax, node: ast.AST) -> bool:
    """Whether names of this module may be changed without being written: `globals()[name] = …`."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in DYNAMIC_NAMES:
            return syntax.scope(node).binding(name) is None
        case _:
            return False
