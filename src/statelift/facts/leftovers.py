"""A new folder or file of each call -> the block that uses it, where nothing outside of that can need it."""

import ast
from collections.abc import Iterator, Sequence

from statelift.facts.editing import home_in, top_of
from statelift.facts.freshness import Freshness
from statelift.facts.pieces import TEMPORARY
from statelift.facts.scopes import FUNCTIONS, Scope
from statelift.facts.syntax import Syntax
from statelift.facts.values import Leftover

MAKERS = {"tempfile.mkdtemp": "folder", "tempfile.mkstemp": "file"}
REMOVING = frozenset("os.remove os.unlink os.rename os.replace shutil.move".split())
REMOVING_METHODS = frozenset({"unlink", "rename", "replace"})
KEEPING = frozenset("append extend add insert put setdefault update submit start appendleft put_nowait".split())
# What clears the folder already, goes on behind the block, or makes the folder the working one.
OTHERS = frozenset(
    """shutil.rmtree os.rmdir os.removedirs os.chdir contextlib.chdir subprocess.Popen threading.Thread
    multiprocessing.Process atexit.register""".split()
)
NAMING = frozenset("os.path.join posixpath.join str pathlib.Path os.fspath os.path.abspath os.path.dirname".split())


def leftovers(syntax: Syntax) -> Iterator[Leftover]:
    """Every new folder or file that its function makes and leaves, and gives to nobody."""
    freshness = Freshness(syntax)
    for node in syntax.walk.only(ast.Assign):
        kind = _kind(syntax, node.value, freshness)
        match node.targets:
            case [ast.Name() as target] if kind in ("folder", "path"):
                yield from _leftover(syntax, node, target, kind)
            case [ast.Tuple(elts=[ast.Name(), ast.Name() as target])] if kind == "file":
                yield from _leftover(syntax, node, target, kind)
            case _:
                pass


def _kind(syntax: Syntax, value: ast.expr, freshness: Freshness) -> str:
    """How a value makes something new in /tmp; "" where it does not."""
    if isinstance(value, ast.Call) and syntax.outside(value.func) in MAKERS:
        return MAKERS[syntax.outside(value.func)]
    is_new = _is_in_tmp(syntax, value) and freshness.is_fresh(_joined(syntax, value))
    return "path" if is_new and not _is_told(syntax, value) else ""


def _is_in_tmp(syntax: Syntax, value: ast.expr) -> bool:
    match value:
        case ast.Constant(value=str(text)):
            return f"{text}/".startswith(f"{TEMPORARY}/")
        case ast.JoinedStr(values=[first, *_]) | ast.BinOp(op=ast.Add(), left=first):
            return _is_in_tmp(syntax, first)
        case ast.Call(func=function, args=[first, *_]) if syntax.outside(function) in NAMING:
            return _is_in_tmp(syntax, first)
        case _:
            return False


def _joined(syntax: Syntax, value: ast.expr) -> ast.expr:
    """The parts of a path, as a tuple where a call puts them together."""
    match value:
        case ast.Call(func=function, args=args) if syntax.outside(function) in NAMING:
            return ast.Tuple([_joined(syntax, each) for each in args], ast.Load())
        case _:
            return value


def _is_told(syntax: Syntax, value: ast.expr) -> bool:
    """Whether a name in it is used elsewhere, too: who is told that can make up the path in a later call."""
    names = [each for each in ast.walk(value) if isinstance(each, ast.Name) and syntax.is_local(each)]
    for each in names:
        scope = syntax.scope(each).binding(each.id)
        is_request = isinstance(syntax.parents[each], ast.Attribute)
        if scope is None or (not is_request and len(syntax.loads(scope, each.id)) > 1):
            return True
    return False


def _leftover(syntax: Syntax, statement: ast.Assign, target: ast.Name, kind: str) -> Iterator[Leftover]:
    scope = syntax.scope(target).binding(target.id)
    if scope is None or not isinstance(scope.node, FUNCTIONS) or scope.function() is not syntax.scope(statement):
        return
    names = _derived(syntax, scope, target.id)
    block = _block(syntax, statement)
    if names is None or block is None or _is_generator(scope.node):
        return
    used = [each for name in names for each in syntax.loads(scope, name)]
    homes = [home_in(syntax, each, block) for each in [*used, *_results(syntax, scope, used)]]
    if not homes or any(home is None for home in homes) or not all(_stays(syntax, each, names) for each in used):
        return
    if kind != "folder" and any(_is_removed(syntax, each) for each in used):
        return
    last = max((home for home in homes if home is not None), key=lambda each: each.lineno)
    value = statement.value
    yield Leftover(
        kind=kind, target=syntax.span(statement.targets[0]), name=target.id, function=syntax.function(statement),
        place=syntax.place(statement), span=syntax.span(statement), call=syntax.span(value), last=syntax.span(last),
        callee=syntax.span(value.func if isinstance(value, ast.Call) else value), top=top_of(syntax, scope.node),
    )  # fmt: skip


def _is_removed(syntax: Syntax, load: ast.Name) -> bool:
    """Whether the statement of a use takes the file away."""
    calls = [each.func for each in ast.walk(syntax.statement(load)) if isinstance(each, ast.Call)]
    methods = {each.attr for each in calls if isinstance(each, ast.Attribute)}
    return any(syntax.outside(each) in REMOVING for each in calls) or bool(methods & REMOVING_METHODS)


def _derived(syntax: Syntax, scope: Scope, name: str) -> frozenset[str] | None:
    """The variables whose paths lie in the folder; None where one is bound twice, or seen by an inner function."""
    names, waiting = set[str](), [name]
    while waiting:
        each = waiting.pop()
        loads = syntax.loads(scope, each)
        if len(syntax.assigned(scope, each)) != 1 or any(syntax.scope(load) is not scope for load in loads):
            return None
        names.add(each)
        waiting += [made for load in loads if (made := _named(syntax, load)) and made not in names]
    return frozenset(names)


def _results(syntax: Syntax, scope: Scope, used: Sequence[ast.Name]) -> list[ast.Name]:
    """The uses of what calls made of the folder: an object may know the path that it was made with."""
    found: list[ast.Name] = []
    waiting, seen = [*used], set[str]()
    while waiting:
        for name in _targets(syntax.statement(waiting.pop())):
            if name not in seen:
                seen.add(name)
                found += syntax.loads(scope, name)
                waiting += syntax.loads(scope, name)
    return found


def _targets(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Assign(targets=targets):
            return [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def _is_stored(statement: ast.stmt) -> bool:
    """Whether a statement puts something into an object, or into a variable that outlives the function."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", statement)]
    parts = [each for target in targets for each in ast.walk(target)]
    return any(isinstance(each, (ast.Attribute, ast.Subscript)) for each in parts)


def _named(syntax: Syntax, load: ast.Name) -> str:
    """The variable that is assigned what is made of this one."""
    match syntax.statement(load):
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_path(syntax, load, value):
            return name
        case _:
            return ""


def _is_path(syntax: Syntax, load: ast.Name, value: ast.expr) -> bool:
    """Whether an expression gives a path that the variable is a part of: no call but such as put paths together."""
    node: ast.AST = load
    while node is not value:
        node = syntax.parents[node]
        is_other = isinstance(node, ast.Call) and syntax.outside(node.func) not in NAMING
        if is_other or isinstance(node, (ast.Compare, ast.Lambda)):
            return False
    return True


def _stays(syntax: Syntax, load: ast.Name, names: frozenset[str]) -> bool:
    """Whether a use of the folder's path does not hand it to something that lives longer than the block."""
    if _named(syntax, load) in names:
        return True
    statement = syntax.statement(load)
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and _is_stored(statement):
        return False
    node: ast.AST = load
    while not isinstance(node, ast.stmt):
        parent = syntax.parents[node]
        match parent:
            case ast.Call(func=function) if syntax.outside(function) not in NAMING:
                return not _keeps(syntax, function)
            case ast.Compare():
                return True
            case ast.Lambda() | ast.Yield() | ast.YieldFrom() | ast.Await() | ast.NamedExpr():
                return False
            case _:
                node = parent
    return isinstance(node, (ast.Expr, ast.For, ast.With, ast.If))


def _keeps(syntax: Syntax, function: ast.expr) -> bool:
    method = function.attr if isinstance(function, ast.Attribute) else ""
    return method in KEEPING or syntax.outside(function) in OTHERS


def _block(syntax: Syntax, statement: ast.stmt) -> list[ast.stmt] | None:
    """The statements behind it, where it stands on a line of its own."""
    data, span = syntax.parsed.data, syntax.span(statement)
    if data[data.rfind(b"\n", 0, span.start) + 1 : span.start].strip():
        return None
    owner = syntax.parents[statement]
    for block in (getattr(owner, name, []) for name in ("body", "orelse", "finalbody")):
        if isinstance(block, list) and statement in block:
            return block[block.index(statement) + 1 :]
    return None


def _is_generator(function: ast.AST) -> bool:
    return any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in ast.walk(function))
